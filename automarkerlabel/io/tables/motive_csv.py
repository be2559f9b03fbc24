"""OptiTrack Motive's CSV exports: a line about the take, lines that say what each column holds, then a row a frame.

    Format Version,1.23,Take Name,walk,Capture Frame Rate,120.000000,Export Frame Rate,120.000000,...
    (empty)
    ,Type,Marker,Marker,Marker,...
    ,Name,Sam:LFHD,Sam:LFHD,Sam:LFHD,...
    ,ID,...
    ,,Position,Position,Position,...
    Frame,Time (Seconds),X,Y,Z,...

Columns of the type Marker are read. All others are solved from them, not measured: rigid bodies, bones, and the places
where the solver wants markers, which are there also while the markers are hidden. A labelled copy keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.labelled_copy import Place, check_copy, heading_row, name_row, on_axis, write_copy
from automarkerlabel.io.names import output_names
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
    open_lines,
    printable,
    read_rows,
    separator_of,
    stated_number,
)

BEGINS = b"format version"
_MEASURED = ("marker", "unlabeled marker", "unlabelled marker")
_HEADER_LINES = 20  # in which "Frame" must come
_SLACK_FRAMES = 1  # exported ranges are counted with and without their last frame


@dataclass(frozen=True)
class _Parts:
    """The header: facts about the take, the lines of types, names, quantities and axes, and where the points are.

    `errors` holds for each column of the trial the cell of its error, -1 where there is none.
    """

    table: TextTable
    info: dict[str, str]
    name_line: int
    axis_line: int
    names: list[str]
    errors: list[int]
    place: Place
    numbers: Floats
    notes: list[str]


def recognises(lines: Sequence[bytes]) -> bool:
    """Whether the lines of a file begin like an export of Motive."""
    return next((x for x in lines if x.strip()), b"").strip(b' "').lower().startswith(BEGINS)


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The trial in an export, in mm with z up; `units` and `up` overrule what the file says.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or holds no markers.
    """
    return _trial(_open(path), units, up)


def write_labelled(
    source: Path, path: Path, trial: Trial, columns: Sequence[OutputColumn], verify: bool = True
) -> tuple[str, ...]:
    """A copy of the export `source` with its points in `columns`, in Motive's layout; columns that are no markers stand
    before them, every cell as it was.

    `trial` is what `read(source)` gave. Raises as `copied.write_copy` and `copied.check_copy`.
    """
    parts = _open(source)
    names = output_names(trial, columns)
    printable(names, "CSV file")
    table, place = parts.table, on_axis(parts.place, source, parts.numbers, (0, 1), trial.rate_hz)
    blanks = {parts.axis_line: ("X", "Y", "Z"), parts.axis_line - 1: ("Position",) * 3}
    heading = []
    for n in range(parts.axis_line + 1):
        if n == parts.name_line:
            texts = table.texts(n)
            kept = [texts[k] if k < len(texts) else "" for k in place.kept]
            heading.append(name_row(kept, names, place, columns, table.separator, repeated=True))
        elif n == 0 or table.is_blank(n):
            heading.append(table.lines[n])
        else:
            heading.append(heading_row(table, n, place, columns, blanks.get(n, _blank(parts, n))))
    write_copy(path, table, place, heading, (), trial, columns)
    if verify:
        check_copy(path, read(path, trial.axes.units, trial.axes.up), trial, columns, names)
    return ()


def _blank(parts: _Parts, line: int) -> tuple[str, ...]:
    """What the header says in `line` of a column without a source: that it is a marker."""
    return ("Marker",) * 3 if line < parts.name_line else ("",) * 3


def _open(path: Path) -> _Parts:
    lines, encoding, ending = open_lines(path)
    while len(lines) > 1 and not lines[0].strip():
        del lines[0]
    axis_line = next((n for n in range(1, min(len(lines), _HEADER_LINES)) if _is_axis_line(lines[n])), None)
    if axis_line is None:
        raise FileFormatError(
            f"{path}: expected a line that begins with Frame,Time (Seconds) below Motive's header, found none;"
            " export again with Header information"
        )
    table = as_table(path, lines, encoding, ending, separator_of(lines[axis_line]), axis_line + 1)
    head = [n for n in range(1, axis_line) if not table.is_blank(n)]
    if len(head) < 3:
        raise FileFormatError(
            f"{path}: expected lines of types, names and quantities above Frame,Time (Seconds), found {len(head)};"
            " export again with Header information"
        )
    first = table.texts(0)
    info = {k.lower(): v for k, v in zip(first[::2], first[1::2], strict=False)}
    n_cells = max(len(table.texts(n)) for n in (*head, axis_line))

    def texts(line: int) -> list[str]:
        found = table.texts(line)
        return found + [""] * (n_cells - len(found))

    types, names, quantities, axes = (texts(n) for n in (head[0], head[1], head[-1], axis_line))
    columns, notes = _columns(path, types, names, quantities, axes)
    own = {k for cells in columns for k in cells}
    kept = [k for k in range(n_cells) if k not in own]
    lines_of_data, numbers = read_rows(table, axis_line + 1, n_cells, kept[2:])  # frame, time; then also time codes
    place = Place(lines_of_data, columns, kept)
    errors = [
        next((k for k in cells[3:] if any(x in quantities[k].lower() for x in ("error", "residual"))), -1)
        for cells in columns
    ]
    return _Parts(
        table, info, head[1], axis_line, [names[cells[0]] for cells in columns], errors, place, numbers,
        notes,
    )  # fmt: skip


def _is_axis_line(line: bytes) -> bool:
    words = line.replace(b";", b",").replace(b"\t", b",").replace(b'"', b"").lower().split(b",")
    return len(words) > 1 and words[0].strip() == b"frame" and words[1].strip().startswith(b"time")


def _columns(
    path: Path, types: Sequence[str], names: Sequence[str], quantities: Sequence[str], axes: Sequence[str]
) -> tuple[list[tuple[int, ...]], list[str]]:
    """The cells of each marker, and a note on what is none."""
    columns: list[tuple[int, ...]] = []
    left_out: dict[str, set[str]] = {}
    k = 2
    while k < len(types):
        if types[k].lower() not in _MEASURED:
            if types[k]:
                left_out.setdefault(types[k], set()).add(names[k])
            k += 1
            continue
        stop = k + 1
        while stop < len(types) and (types[stop], names[stop]) == (types[k], names[k]) and axes[stop].upper() != "X":
            stop += 1
        if [x.upper() for x in axes[k : k + 3]] != ["X", "Y", "Z"] or stop - k < 3 or quantities[k] != "Position":
            raise FileFormatError(
                f"{path}: expected Position X, Y, Z of the marker {names[k]!r} in columns {k + 1} to {k + 3}, found"
                f" {quantities[k]!r} {', '.join(axes[k : min(k + 3, stop)])!r}"
            )
        columns.append(tuple(range(k, stop)))
        k = stop
    if not columns:
        kinds = ", ".join(sorted(left_out)) or "nothing"
        raise FileFormatError(
            f"{path}: expected columns of the type Marker, found {kinds}; export again with Markers, which are measured"
        )
    notes = []
    if left_out:
        parts = ", ".join(f"{len(found)} of the type {kind}" for kind, found in left_out.items())
        notes.append(f"left out, since solved rather than measured: {parts}")
    return columns, notes


def _trial(parts: _Parts, units: str | None, up: str | None) -> Trial:
    path, info, numbers = parts.table.path, parts.info, parts.numbers
    notes = list(parts.notes)
    if info.get("coordinate space", "Global").lower() != "global":
        notes.append(f"Coordinate Space says {info['coordinate space']!r}; the markers are taken as global")
    stated = info.get("total exported frames", "")
    if stated:
        frames = stated_number(path, "Total Exported Frames", stated)
        found = stated_span(numbers[:, 0], frames, len(numbers))
        check_frames(path, "Total Exported Frames", frames, found, notes, _SLACK_FRAMES, parts.table.ends_whole)
    name = "Export Frame Rate" if info.get("export frame rate") else "Capture Frame Rate"
    rate = stated_rate(path, name, info.get(name.lower(), "").replace(",", "."), numbers[:, 1], notes)
    points = points_in(numbers, parts.place.columns)
    errors = stated_residuals(numbers, parts.errors)
    convention = Convention(info.get("length units", ""), "Length Units", "y", "Motive's default")
    return make_trial(
        points, parts.names, rate, numbers[:, 0], convention, units, up, notes, errors, path, numbers[:, 1]
    )
