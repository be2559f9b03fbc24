"""The text of a TRC file in parts: header, labels and rows of cells; and the numbers in them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.files import read_bytes

Floats = npt.NDArray[np.float64]

_MAX_BYTES = 2 << 30
_HEADER_LINES = 30  # in which "Frame#" must come
_MANY_CELLS = 20_000_000
_HUGE = 1e12  # no frame, time or coordinate is that large
_NOT_A_NUMBER = re.compile(rb"[+-]?nan(\(\w*\))?|[+-]?1\.#\w+|[+-]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class TrcText:
    """The text of a TRC file in parts: `lines[label_line]` holds the labels, `lines[rows[i]]` the i-th row of data."""

    path: Path
    lines: list[bytes]
    encoding: str
    values: dict[str, str]
    value_line: int
    label_line: int
    labels: list[str]
    rows: list[int]
    separator: bytes | None  # None: any white space

    def cells(self, row: int) -> list[bytes]:
        """The cells of a row of data, without blank ones at its end."""
        return self.lines[self.rows[row]].rstrip().split(self.separator)


def open_text(path: Path) -> TrcText:
    """The parts of a TRC file. Raises `FileFormatError` if it is none."""
    data = read_bytes(path, _MAX_BYTES)
    if b"\0" in data[:4096]:
        raise FileFormatError(f"{path}: expected TRC text, found binary data; check the file's suffix and its export")
    encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    if b"\n" not in data and b"\r" in data:  # old Macintosh line ends
        data = data.replace(b"\r", b"\n")
    lines = data.split(b"\n")
    firsts = [line.lstrip(b"\xef\xbb\xbf \t")[:6].lower() for line in lines[:_HEADER_LINES]]
    label_line = next((n for n, first in enumerate(firsts) if first == b"frame#"), None)
    name_line = next((n for n, first in enumerate(firsts) if first == b"datara"), None)
    if label_line is None or name_line is None or name_line + 1 >= label_line:
        begin = data[:40].decode("ascii", "replace").splitlines()
        raise FileFormatError(
            f"{path}: expected a TRC header with lines that begin with DataRate and Frame#, found a file that begins"
            f" with {begin[0] if begin else ''!r}; check the file's suffix and its export"
        )
    try:
        b"".join(lines[: label_line + 1]).decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
    value_line = name_line + 1
    rows = [n for n in range(label_line + 1, len(lines)) if lines[n].strip()]
    if rows and is_coordinate_line(lines, rows[0]):
        rows = rows[1:]
    separator = b"\t" if not rows or b"\t" in lines[rows[0]] else None
    source = TrcText(
        path, lines, encoding, _header_values(lines[name_line], lines[value_line], encoding), value_line, label_line,
        _labels(lines[label_line].decode(encoding)), rows, separator,
    )  # fmt: skip
    _check_counts(source)
    return source


def _header_values(names: bytes, values: bytes, encoding: str) -> dict[str, str]:
    """Names in lower case to values. Cells pair up where both lines have as many; else words do (padded headers)."""
    name_cells, value_cells = ([c.strip() for c in x.decode(encoding).split("\t")] for x in (names, values))
    if len(name_cells) != len(value_cells):
        name_cells, value_cells = names.decode(encoding).split(), values.decode(encoding).split()
    return {k.lower(): v for k, v in zip(name_cells, value_cells, strict=False)}


def _labels(line: str) -> list[str]:
    """The labels of the line that begins with Frame#: in every third cell, or, where that does not hold, in order."""
    cells = [c.strip() for c in line.split("\t")]
    while cells and not cells[-1]:
        cells.pop()
    if len(cells) < 3:
        return line.split()[2:]
    if any(cells[n] for n in range(2, len(cells)) if n % 3 != 2):
        return [c for c in cells[2:] if c]
    return cells[2::3]


def is_coordinate_line(lines: list[bytes], n: int) -> bool:
    return n < len(lines) and re.match(rb"\s*x\d*\b", lines[n], re.IGNORECASE) is not None


def _check_counts(source: TrcText) -> None:
    """Raise `FileFormatError` if the file ends before its header says."""
    n_frames = stated_count(source, "numframes")
    if n_frames is not None and len(source.rows) < n_frames:
        raise FileFormatError(
            f"{source.path}: expected {n_frames} frames as NumFrames says, found {len(source.rows)}: the file is cut;"
            " export it again, or correct NumFrames if nothing is missing"
        )
    if len(source.rows) > 1 and source.rows[-1] == len(source.lines) - 1:
        # The last line has no line end: was it written to its end?
        last, before = len(source.cells(-1)), len(source.cells(-2))
        if last < before:
            raise FileFormatError(
                f"{source.path}, line {source.rows[-1] + 1}: expected {before} cells, found {last} and the end of the"
                " file: it is cut; export it again"
            )


def stated_count(source: TrcText, name: str) -> int | None:
    text = source.values.get(name, "")
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError) as error:
        raise FileFormatError(
            f"{source.path}, line {source.value_line + 1}: expected a number for {name}, found {text!r}"
        ) from error


def numbers(source: TrcText) -> tuple[Floats, Floats]:
    """Frame numbers and times `(n_frames, 2)`, and points `(n_frames, n_columns, 3)` in the file's units and axes."""
    rows = [_row(source, n) for n in range(len(source.rows))]
    widest = max((len(row) for row in rows), default=2)
    n_columns = max(len(source.labels), -(-(widest - 2) // 3))
    n_cells = len(rows) * (2 + 3 * n_columns)
    if n_cells > max(_MANY_CELLS, 4 * sum(map(len, source.lines))):
        raise FileFormatError(
            f"{source.path}: expected {n_columns} markers in each row, found rows that are far shorter; export it again"
        )
    table = np.full((len(rows), 2 + 3 * n_columns), np.nan)
    for n, row in enumerate(rows):
        table[n, : len(row)] = row
    table[np.isinf(table)] = np.nan
    huge = np.argwhere(np.abs(table) > _HUGE)
    if len(huge):
        row, column = huge[0].tolist()
        _refuse(source, row, column, source.cells(row)[column])
    return table[:, :2], table[:, 2:].reshape(len(rows), n_columns, 3)


def _row(source: TrcText, n: int) -> Floats:
    """The numbers of a row, NaN where blank; it may be shorter than others."""
    cells = source.cells(n)
    if source.separator is None and len(cells) % 3 != 2:
        raise FileFormatError(
            f"{source.path}, line {source.rows[n] + 1}: expected a frame, a time and three numbers for each marker,"
            f" found {len(cells)} cells between spaces; separate cells with tabs"
        )
    try:
        if b"_" not in source.lines[source.rows[n]]:  # Python alone reads 1_000 as a number
            return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        pass
    return np.array([_number(source, n, c, cell.strip()) for c, cell in enumerate(cells)])


def _number(source: TrcText, row: int, column: int, cell: bytes) -> float:
    if not cell or _NOT_A_NUMBER.fullmatch(cell):
        return np.nan
    try:
        if b"_" not in cell:
            return float(cell)
    except ValueError:
        pass
    _refuse(source, row, column, cell)


def _refuse(source: TrcText, row: int, column: int, cell: bytes) -> NoReturn:
    shown = cell[:30].decode("ascii", "replace")
    raise FileFormatError(
        f"{source.path}, line {source.rows[row] + 1}, column {column + 1}: expected a number, found {shown!r}"
    )


def with_n_markers(source: TrcText, n: int) -> bytes:
    """The line of header values with another NumMarkers, all else as it was."""
    words = list(re.finditer(rb"\S+", source.lines[source.value_line]))
    names = source.lines[source.value_line - 1].lower().split()
    if b"nummarkers" not in names or len(words) != len(names):
        return source.lines[source.value_line]
    word = words[names.index(b"nummarkers")]
    line = source.lines[source.value_line]
    return line[: word.start()] + str(n).encode() + line[word.end() :]
