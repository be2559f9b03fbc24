"""Qualisys Track Manager's TSV exports of motion data: a line for each fact, then a row a frame.

    NO_OF_FRAMES	2
    NO_OF_MARKERS	1
    FREQUENCY	100
    DATA_INCLUDED	3D
    MARKER_NAMES	LASI
    Frame	Time	LASI X	LASI Y	LASI Z
    1	0.00000	601.200	1055.200	170.700

The line of column names, frames, times and residuals may be there or not. Points are in mm; one that is hidden stands
at 0 0 0, or its cells are blank.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.labelled_copy import Place, check_copy, on_axis, widest, write_copy
from automarkerlabel.io.names import full_names, output_names
from automarkerlabel.io.tables.points import (
    Convention,
    check_frames,
    make_trial,
    points_in,
    stated_rate,
    stated_residuals,
    stated_span,
)
from automarkerlabel.io.tables.text import (
    Floats,
    TextTable,
    as_table,
    head_lines,
    open_lines,
    printable,
    read_rows,
    row_of,
    stated_number,
)

CONVENTION = Convention("mm", "Qualisys' own unit", "z", "usual with Qualisys", zeros_hide=True)
_KEY = re.compile(rb"[A-Z][A-Z0-9_]+")
_HIDDEN = b"0.000"
_AXES = ("X", "Y", "Z")


@dataclass(frozen=True)
class _Parts:
    """`facts` and `lines` of the header by name; `column_line` names the columns, None where no line does; cells of
    frames, times and of each column's residual are -1 where there are none."""

    table: TextTable
    facts: dict[str, list[str]]
    lines: dict[str, int]
    column_line: int | None
    frame: int
    time: int
    residuals: list[int]
    place: Place
    numbers: Floats


def recognises(lines: Sequence[bytes]) -> bool:
    """Whether the lines of a file begin like an export of Qualisys, of motion or of other data."""
    first = _tabbed(next((x for x in lines if x.strip()), b"")).split(b"\t")
    return len(first) > 1 and _KEY.fullmatch(first[0].strip()) is not None


def is_trial(path: Path) -> bool:
    """Whether a file is an export of motion data, rather than of analog, force or body data."""
    lines = head_lines(path)
    return recognises(lines) and any(x.startswith(b"MARKER_NAMES") for x in lines)


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The trial in an export, in mm with z up; `units` and `up` overrule Qualisys' defaults.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or holds no markers.
    """
    parts = _open(path)
    numbers, notes = parts.numbers, list[str]()
    if "NO_OF_FRAMES" in parts.facts:
        stated = stated_number(path, "NO_OF_FRAMES", _fact(parts.facts, "NO_OF_FRAMES"))
        found = stated_span(numbers[:, parts.frame] if parts.frame >= 0 else None, stated, len(numbers))
        check_frames(path, "NO_OF_FRAMES", stated, found, notes, whole=parts.table.ends_whole)
    times = numbers[:, parts.time] if parts.time >= 0 else np.zeros(0)
    rate = stated_rate(path, "FREQUENCY", _fact(parts.facts, "FREQUENCY").replace(",", "."), times, notes)
    points = points_in(numbers, parts.place.columns)
    residuals = stated_residuals(numbers, parts.residuals)
    frames = numbers[:, parts.frame] if parts.frame >= 0 else None
    seconds = times if parts.time >= 0 else None
    return make_trial(
        points, parts.facts["MARKER_NAMES"], rate, frames, CONVENTION, units, up, notes, residuals, path, seconds
    )


def write(path: Path, trial: Trial) -> None:
    """A new file in mm with z up, hidden points at 0 0 0; reading it gives the same float32 millimetres.

    Residuals are columns of their own where there are any above 0. Raises `OutputError` if a label holds a tab.
    """
    names = full_names(trial)
    printable(names, "TSV file")
    axes = (*_AXES, "Residual") if (trial.residuals > 0).any() else _AXES
    types = "\t".join(["Measured"] * len(names))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"FILE_VERSION\t2.0.0\nNO_OF_FRAMES\t{trial.n_frames}\nNO_OF_CAMERAS\t0\n")
        file.write(f"NO_OF_MARKERS\t{trial.n_columns}\nFREQUENCY\t{trial.rate_hz:.12g}\nDESCRIPTION\t--\n")
        file.write("DATA_INCLUDED\t3D\nMARKER_NAMES\t" + "\t".join(names) + f"\nTRAJECTORY_TYPES\t{types}\n")
        file.write("\t".join(["Frame", "Time", *(f"{name} {axis}" for name in names for axis in axes)]) + "\n")
        # 9 digits tell every float32 from its neighbours.
        seen, hidden = "\t%.9g" * len(axes), "\t0.000" * len(axes)
        for n in range(trial.n_frames):
            cells = "".join(
                seen % (*point, residual)[: len(axes)] if point[0] == point[0] else hidden
                for point, residual in zip(trial.positions[n].tolist(), trial.residuals[n].tolist(), strict=True)
            )
            file.write(f"{trial.first_frame + n}\t{n / trial.rate_hz:.9g}{cells}\n")


def write_labelled(
    source: Path, path: Path, trial: Trial, columns: Sequence[OutputColumn], verify: bool = True
) -> tuple[str, ...]:
    """A copy of the export `source` with its points in `columns`; every cell of data keeps its characters.

    `trial` is what `read(source)` gave. Raises as `copied.write_copy` and `copied.check_copy`.
    """
    parts = _open(source)
    names = output_names(trial, columns)
    printable(names, "TSV file")
    table = parts.table
    place = on_axis(parts.place, source, parts.numbers, (parts.frame, parts.time), trial.rate_hz)
    stop = place.rows[0] if place.rows else len(table.lines)
    heading = list(table.lines[:stop])
    heading[parts.lines["MARKER_NAMES"]] = row_of(["MARKER_NAMES", *names], b"\t")
    if "NO_OF_MARKERS" in parts.lines:
        heading[parts.lines["NO_OF_MARKERS"]] = row_of(["NO_OF_MARKERS", str(len(names))], b"\t")
    if "TRAJECTORY_TYPES" in parts.lines:
        types = [_type_of(parts.facts["TRAJECTORY_TYPES"], out) for out in columns]
        heading[parts.lines["TRAJECTORY_TYPES"]] = row_of(["TRAJECTORY_TYPES", *types], b"\t")
    if parts.column_line is not None:
        heading[parts.column_line] = _column_names(parts, names, columns)
    write_copy(path, table, place, heading, (), trial, columns, _HIDDEN)
    if verify:
        check_copy(path, read(path, trial.axes.units, trial.axes.up), trial, columns, names)
    return ()


def _type_of(types: Sequence[str], out: OutputColumn) -> str:
    found = {types[c] for c, _, _ in out.pieces if c < len(types)}
    return "Mixed" if len(found) > 1 else found.pop() if found else "Measured"


def _column_names(parts: _Parts, names: Sequence[str], columns: Sequence[OutputColumn]) -> bytes:
    """The line of column names: where it names axes alone, it still does."""
    assert parts.column_line is not None
    old = parts.table.texts(parts.column_line)
    bare = all(old[cells[0]].upper() == "X" for cells in parts.place.columns)
    words = [old[k] for k in parts.place.kept]
    for name, out in zip(names, columns, strict=True):
        axes = [_last_word(old[k]) for k in widest(parts.place, out)] or list(_AXES)
        words += axes if bare else [f"{name} {axis}" for axis in axes]
    return row_of(words, b"\t")


def _fact(facts: dict[str, list[str]], name: str) -> str:
    return (facts.get(name) or [""])[0]


def _open(path: Path) -> _Parts:
    lines, encoding, ending = open_lines(path)
    lines = [_tabbed(line) for line in lines]
    facts, places, first = _header(lines)
    kind = _fact(facts, "DATA_INCLUDED")
    if "MARKER_NAMES" not in facts or (kind and kind.upper() != "3D"):
        found = f"DATA_INCLUDED {kind}" if kind and kind.upper() != "3D" else "no line MARKER_NAMES"
        raise FileFormatError(
            f"{path}: expected motion data (3D) of Qualisys with a line MARKER_NAMES, found {found}; export 3D data"
            " with the TSV header"
        )
    column_line = first if first < len(lines) and _names_columns(lines[first]) else None
    first_row = first if column_line is None else first + 1
    table = as_table(path, lines, encoding, ending, b"\t", first_row)
    names = facts["MARKER_NAMES"] = _marker_names(path, facts)
    if column_line is not None:
        columns, residuals, lead, n_cells = _named(path, table.texts(column_line), len(names))
    else:
        columns, residuals, lead, n_cells = _counted(table, first, len(names))
    own = {k for cells in columns for k in cells}
    kept = [k for k in range(n_cells) if k not in own]
    frame, time = (lead.index(x) if x in lead else -1 for x in ("frame", "time"))
    lines_of_data, numbers = read_rows(table, first_row, n_cells, [k for k in kept if k not in (frame, time)])
    place = Place(lines_of_data, columns, kept)
    return _Parts(table, facts, places, column_line, frame, time, residuals, place, numbers)


def _header(lines: Sequence[bytes]) -> tuple[dict[str, list[str]], dict[str, int], int]:
    """The facts, the line of each, and the first line after the header."""
    facts: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    for n, line in enumerate(lines):
        key, *values = line.split(b"\t")
        name = key.strip()
        if name and not _KEY.fullmatch(name):
            return facts, places, n
        if name and name.decode() not in facts:
            facts[name.decode()] = [x.decode().strip().strip('"') for x in values]
            places[name.decode()] = n
    return facts, places, len(lines)


def _tabbed(line: bytes) -> bytes:
    """A line that has spaces where tabs should be, with tabs: between words, or, in a line of column names, before
    each name."""
    if b"\t" in line or b" " not in line.strip():
        return line
    if line.lower().lstrip().startswith((b"frame ", b"time ")) or re.search(rb"\S [XYZ]( |$)", line):
        return re.sub(rb" +(?!(?:[XYZ]|Residual)(?: |$))", b"\t", line.strip())
    return re.sub(rb" +", b"\t", line.strip())


def _marker_names(path: Path, facts: dict[str, list[str]]) -> list[str]:
    """One for each marker; the line may end in tabs, and the last markers may have no name."""
    names = list(facts["MARKER_NAMES"])
    said = _fact(facts, "NO_OF_MARKERS")
    stated = stated_number(path, "NO_OF_MARKERS", said) if said else 0
    while names and not names[-1] and len(names) > stated:
        names.pop()
    if said and stated != len(names):
        raise FileFormatError(
            f"{path}: expected {said} names as NO_OF_MARKERS says, found {len(names)} in MARKER_NAMES"
        )
    return names


def _names_columns(line: bytes) -> bool:
    try:
        float(line.split(b"\t")[0].replace(b",", b".") or b"0")
    except ValueError:
        return True
    return False


def _last_word(text: str) -> str:
    return text.rsplit(maxsplit=1)[-1] if text.strip() else ""


def _named(path: Path, texts: Sequence[str], n_markers: int) -> tuple[list[tuple[int, ...]], list[int], list[str], int]:
    """Cells of each marker, of its residual, the names of those before them, and how many there are: by a line of
    column names."""
    words = [_last_word(x).upper() for x in texts]
    starts = [k for k in range(len(words)) if words[k : k + 3] == ["X", "Y", "Z"]]
    if len(starts) != n_markers:
        raise FileFormatError(
            f"{path}: expected X, Y and Z of {n_markers} markers in the line of column names, found {len(starts)}"
        )
    stops = [*starts, len(words)][1:]
    columns = [tuple(range(k, stop)) for k, stop in zip(starts, stops, strict=True)]
    residuals = [next((k for k in cells[3:] if words[k] == "RESIDUAL"), -1) for cells in columns]
    lead = [x.lower() for x in texts[: starts[0] if starts else len(texts)]]
    return columns, residuals, lead, len(texts)


def _counted(table: TextTable, first: int, n_markers: int) -> tuple[list[tuple[int, ...]], list[int], list[str], int]:
    """As `_named`, where no line names the columns: by the number of cells in the first row of data."""
    cells = table.cells(first) if first < len(table.lines) else [b""] * (3 * n_markers)
    n = len(cells) - (len(cells) % 3 == 1 and not cells[-1].strip())  # a tab at the end
    lead = {3 * n_markers: [], 3 * n_markers + 2: ["frame", "time"]}.get(n)
    if lead is None:
        if cells and n < 3 * n_markers and any(c.strip() for c in cells):
            refuse = f"the file is cut, or NO_OF_MARKERS is not that of its {n} cells"
        else:
            refuse = "export again with column names (Write column header)"
        raise FileFormatError(
            f"{table.path}, line {first + 1}: expected {3 * n_markers} cells, X, Y and Z of {n_markers} markers, and"
            f" two more for frame and time, found {n}; {refuse}"
        )
    starts = range(len(lead), n, 3)
    return [(k, k + 1, k + 2) for k in starts], [-1] * n_markers, list(lead), n
