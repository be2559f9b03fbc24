"""Vicon Nexus' CSV exports (Export ASCII): sections, one of them the trajectories; there, a row a frame.

    Trajectories
    100
    ,,Nick:LFHD,,,Nick:RFHD
    Frame,Sub Frame,X,Y,Z,X,Y,Z
    ,,mm,mm,mm,mm,mm,mm
    1,0,401.2,55.2,1670.7,,,

Devices, joints and model outputs are other sections, which are not read. A labelled copy keeps them as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.axes import known_units
from automarkerlabel.io.labelled_copy import Place, check_copy, heading_row, name_row, on_axis, write_copy
from automarkerlabel.io.names import output_names
from automarkerlabel.io.tables.points import Convention, make_trial, points_in
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

_SECTION = b"trajectories"
_OTHERS = (b"devices", b"joints", b"model outputs", b"events", b"segments", b"bones")
_MARKS = b' ";,\t'


@dataclass(frozen=True)
class _Parts:
    """The section: `begin` is its first line, `tail` are the lines after it; `units` are in `unit_line`, None where
    there is none."""

    table: TextTable
    begin: int
    rate_hz: float
    units: str
    unit_line: int | None
    names: list[str]
    place: Place
    numbers: Floats
    notes: list[str]
    tail: list[bytes]


def recognises(lines: Sequence[bytes]) -> bool:
    """Whether the first line that says anything names a section of an export of Nexus."""
    first = next((x for x in lines if x.strip(_MARKS)), b"")
    return first.strip(_MARKS).lower() in (_SECTION, *_OTHERS)


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The trajectories of an export, in mm with z up; `units` and `up` overrule what the file says.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or has no trajectories.
    """
    parts = _open(path)
    numbers = parts.numbers
    points = points_in(numbers, parts.place.columns)
    convention = Convention(parts.units, "the line of units", "z", "Nexus' vertical axis")
    return make_trial(points, parts.names, parts.rate_hz, numbers[:, 0], convention, units, up, parts.notes, path=path)


def write_labelled(
    source: Path, path: Path, trial: Trial, columns: Sequence[OutputColumn], verify: bool = True
) -> tuple[str, ...]:
    """A copy of the export `source` with its trajectories in `columns`, all other sections as they are.

    `trial` is what `read(source)` gave. Raises as `copied.write_copy` and `copied.check_copy`.
    """
    parts = _open(source)
    names = output_names(trial, columns)
    printable(names, "CSV file")
    table, begin = parts.table, parts.begin
    place = on_axis(parts.place, source, parts.numbers, (0, -1), trial.rate_hz)
    heading = [
        *table.lines[: begin + 2],
        name_row(["", ""], names, place, columns, table.separator, repeated=False),
        heading_row(table, begin + 3, place, columns, ("X", "Y", "Z")),
    ]
    if parts.unit_line is not None:
        heading.append(heading_row(table, parts.unit_line, place, columns, (parts.units,) * 3))
    write_copy(path, table, place, heading, parts.tail, trial, columns)
    if verify:
        check_copy(path, read(path, trial.axes.units, trial.axes.up), trial, columns, names)
    return ()


def _open(path: Path) -> _Parts:
    lines, encoding, ending = open_lines(path)
    begin = next((n for n, x in enumerate(lines) if x.strip(_MARKS).lower() == _SECTION), None)
    if begin is None:
        raise FileFormatError(
            f"{path}: expected a section Trajectories, found other sections alone; export again with trajectories"
        )
    if len(lines) < begin + 4 or b"frame" not in lines[begin + 3].lower():
        raise FileFormatError(
            f"{path}: expected lines of the rate, the names and Frame,Sub Frame,X,Y,Z below Trajectories, found others;"
            " export it again"
        )
    end = next((n for n in range(begin + 5, len(lines)) if not lines[n].strip(_MARKS)), len(lines))
    table = as_table(path, lines[:end], encoding, ending, separator_of(lines[begin + 3]), begin + 5)
    axes, names = table.texts(begin + 3), table.texts(begin + 2)
    if [x.lower() for x in axes[:2]] != ["frame", "sub frame"]:
        raise FileFormatError(f"{path}, line {begin + 4}: expected Frame,Sub Frame,X,Y,Z,..., found {axes[:2]}")
    columns, notes = _columns(path, axes)
    units, unit_line = _units(path, table, begin + 4, columns)
    lines_of_data, numbers = read_rows(table, begin + (4 if unit_line is None else 5), len(axes))
    if (numbers[:, 1] != 0).any():
        raise FileFormatError(f"{path}: expected sub frame 0 in every row of Trajectories, found others")
    own = {k for cells in columns for k in cells}
    place = Place(lines_of_data, columns, [k for k in range(len(axes)) if k not in own])
    rate = stated_number(path, "the rate below Trajectories", "".join(table.texts(begin + 1)[:1]))
    if rate <= 0:
        raise FileFormatError(f"{path}: expected a rate above 0 below Trajectories, found {rate:g}")
    labels = [names[cells[0]] if cells[0] < len(names) else "" for cells in columns]
    tail = lines[end : len(lines) if lines[-1] else -1]
    return _Parts(table, begin, rate, units, unit_line, labels, place, numbers, notes, tail)


def _columns(path: Path, axes: Sequence[str]) -> tuple[list[tuple[int, int, int]], list[str]]:
    """The cells of each marker, and a note on velocities and the like."""
    upper = [x.upper() for x in axes]
    columns, others, k = [], 0, 2
    while k < len(upper):
        if upper[k : k + 3] == ["X", "Y", "Z"]:
            columns.append((k, k + 1, k + 2))
            k += 3
        elif upper[k] in ("X", "Y", "Z"):
            raise FileFormatError(
                f"{path}: expected X, Y and Z in columns {k + 1} to {k + 3}, found {', '.join(axes[k : k + 3])}"
            )
        else:
            others, k = others + 1, k + 1
    notes = [f"left out: {others} columns of Trajectories that are no X, Y, Z"] if others else []
    return columns, notes


def _units(path: Path, table: TextTable, line: int, columns: Sequence[tuple[int, int, int]]) -> tuple[str, int | None]:
    """What the line of units says of the points, and which line that is; "" and None where it is missing."""
    if line >= len(table.lines):
        return "", None
    words = table.texts(line)
    if words and words[0]:  # already a frame
        return "", None
    said = sorted({words[k] if k < len(words) else "" for cells in columns for k in cells})
    if len(said) > 1:
        raise FileFormatError(f"{path}, line {line + 1}: expected one unit for all points, found {', '.join(said)}")
    if said and said[0] and known_units(said[0]) is None:
        raise FileFormatError(f"{path}, line {line + 1}: expected units such as mm or m, found {said[0][:30]!r}")
    return said[0] if said else "", line
