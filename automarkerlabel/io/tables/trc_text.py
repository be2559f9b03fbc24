"""The text of a TRC file in parts: header, labels and rows of cells; and the numbers in them."""

import re
from dataclasses import dataclass, replace
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
_FEWEST_NAMES = 4  # of a header that tabs stand in, not spaces
_MOST_LEAD = 2
_ROWS_TO_TELL = 3
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
    lead: int = 0  # cells before the frame number, which mean nothing
    decimal_comma: bool = False

    def cells(self, row: int) -> list[bytes]:
        """The cells of a row of data from the frame number on, without blank ones at its end."""
        line = self.lines[self.rows[row]].rstrip()
        return line.rstrip(self.separator).split(self.separator)[self.lead :]


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
    sign = _sign(lines[name_line])
    separator = _row_separator(lines[rows[0]], sign) if rows else b"\t"
    commas = separator != b"," and any(b"," in lines[n] for n in rows)
    if commas and any(b"." in lines[n] for n in rows):
        commas = False  # the cell with a comma is refused
    source = TrcText(
        path, lines, encoding, _header_values(path, lines[name_line], lines[value_line], encoding, sign), value_line,
        label_line, _labels(lines[label_line].decode(encoding).replace(sign.decode(), "\t")), rows, separator,
        decimal_comma=commas,
    )  # fmt: skip
    source = replace(source, lead=lead_of(source) if separator is not None else 0)
    _check_counts(source)
    return source


def _sign(names: bytes) -> bytes:
    """What stands between the cells of the header: a tab, or a comma or semicolon where it has no tab."""
    return next((x for x in (b"\t", b";", b",") if x in names), b"\t")


def _row_separator(line: bytes, sign: bytes) -> bytes | None:
    return b"\t" if b"\t" in line else sign if sign in line else None


def _header_values(path: Path, names: bytes, values: bytes, encoding: str, sign: bytes) -> dict[str, str]:
    """Names in lower case to values. Cells pair up where both lines have as many; else words do (padded headers)."""
    name_cells, value_cells = (
        [c.strip() for c in x.decode(encoding).strip("\r\n").split(sign.decode())] for x in (names, values)
    )
    if len(name_cells) != len(value_cells) or len(name_cells) < _FEWEST_NAMES:
        name_cells, value_cells = ((" ".join(x)).split() for x in (name_cells, value_cells))
    found = [k.lower() for k in name_cells]
    words = not any(re.fullmatch(r"[a-zµμ]+\.?", v, re.I) for v in value_cells)
    if len(value_cells) == len(found) - 1 and "units" in found and words:
        value_cells.insert(found.index("units"), "")  # the one word that may be missing between numbers
    if len(value_cells) < len(found) and found[: len(value_cells)].count("units") != found.count("units"):
        raise FileFormatError(
            f"{path}: expected a value below each of the names DataRate, ..., found {len(value_cells)} below"
            f" {len(found)}; correct the header"
        )
    return dict(zip(found, value_cells, strict=False))


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
    return n < len(lines) and re.match(rb"[\s,;]*x\d*\b", lines[n], re.IGNORECASE) is not None


def _check_counts(source: TrcText) -> None:
    """Raise `FileFormatError` if the last row was not written to its end."""
    n_frames = stated_count(source, "numframes")
    if not source.rows and n_frames:
        raise FileFormatError(
            f"{source.path}: expected {n_frames} frames as NumFrames says, found none: the file is cut"
        )
    if len(source.rows) > 1 and source.rows[-1] == len(source.lines) - 1:
        # The last line has no line end: was it written to its end?
        last, before = len(source.cells(-1)), len(source.cells(-2))
        fewer = n_frames is not None and len(source.rows) < n_frames
        if last < before or fewer:
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
    if source.separator is None and len(short := [n for n, row in enumerate(rows) if len(row) != 2 + 3 * n_columns]):
        raise FileFormatError(
            f"{source.path}, line {source.rows[short[0]] + 1}: expected {2 + 3 * n_columns} cells between spaces, where"
            f" blank ones are lost, found {len(rows[short[0]])}; export with tabs"
        )
    n_cells = len(rows) * (2 + 3 * n_columns)
    if n_cells > max(_MANY_CELLS, 4 * sum(map(len, source.lines))):
        raise FileFormatError(
            f"{source.path}: expected {n_columns} markers in each row, found rows that are far shorter; export it again"
        )
    table = np.full((len(rows), 2 + 3 * n_columns), np.nan)
    for n, row in enumerate(rows):
        table[n, : len(row)] = row
    _check_triples(source, rows, n_columns)
    table[np.isinf(table)] = np.nan
    huge = np.argwhere(np.abs(table) > _HUGE)
    if len(huge):
        row, column = huge[0].tolist()
        _refuse(source, row, column, source.cells(row)[column])
    return table[:, :2], table[:, 2:].reshape(len(rows), n_columns, 3)


def lead_of(source: TrcText) -> int:
    """How many cells stand before the frame number in every row: 0, or the one number that makes frames and times.

    Raises `FileFormatError` where rows differ.
    """
    blank = {_lead(source.lines[n], source.separator) for n in source.rows}
    if len(blank) > 1 or max(blank, default=0) > _MOST_LEAD:
        if blank == {0, 1} and all(_clocks(source, n, 0)[1:] for n in range(len(source.rows))):
            return 0  # a frame number here and there is missing
        raise FileFormatError(
            f"{source.path}: expected rows that begin alike, found some with blank cells before; export it again"
        )
    lead = max(blank, default=0)
    if lead:
        rest = [source.lines[n].split(source.separator)[lead : lead + 2] for n in source.rows]
        whole = all(len(c) == 2 and re.fullmatch(rb"\s*\d+\s*", c[0]) for c in rest)
        return lead if whole else 0
    return int(_indexed(source))


def _lead(line: bytes, separator: bytes | None) -> int:
    if separator is None:
        return 0
    cells = line.split(separator)
    return next((n for n, c in enumerate(cells) if c.strip()), 0)


def _clocks(source: TrcText, row: int, lead: int) -> list[bytes]:
    return source.lines[source.rows[row]].split(source.separator)[lead : lead + 2]


def _indexed(source: TrcText) -> bool:
    """Whether rows are numbered once more before the frame number: then the second cell counts and the third is the
    time, at the rate that the header says, which the first two are not."""
    rate = source.values.get("datarate", "")
    cells = [line.split(source.separator)[:3] for line in (source.lines[n] for n in source.rows)]
    try:
        step = 1 / float(rate.replace(",", "."))
        found = np.array([[float(c.replace(b",", b".")) for c in row] for row in cells])
    except (ValueError, ZeroDivisionError):
        return False
    if found.ndim != 2 or len(found) < _ROWS_TO_TELL or found.shape[1] < 3:
        return False
    steps = np.diff(found, axis=0)
    counts = np.rint(steps[:, 1])
    whole = bool((counts >= 1).all() and (steps[:, 1] == counts).all())
    return whole and bool(np.allclose(steps[:, 2], step * counts, rtol=0.1) and not np.allclose(steps[:, 1], step))


def _check_triples(source: TrcText, numbers_of_rows: list[Floats], n_columns: int) -> None:
    """Raise `FileFormatError` for a row in which points are blank in part, as where cells are shifted.

    One such point is taken as hidden where the row has all its cells: then nothing has moved.
    """
    for n, row in enumerate(source.rows):
        found = numbers_of_rows[n]
        if len(found) % 3 == 2 and not np.isnan(found[2:]).any():
            continue
        cells = [c.strip() for c in source.cells(n)[2:]]
        cells += [b""] * (-len(cells) % 3)
        blanks = [cells[k : k + 3].count(b"") for k in range(0, len(cells), 3)]
        partial = [k for k, n_blank in enumerate(blanks) if n_blank in (1, 2)]
        n_cells = len(source.lines[row].rstrip(b"\r\n").split(source.separator)) - source.lead
        if len(partial) > 1 or (partial and n_cells - 2 - 3 * n_columns not in (0, 1)):
            raise FileFormatError(
                f"{source.path}, line {row + 1}: expected three coordinates of marker {partial[0] + 1} or none, found"
                f" {3 - blanks[partial[0]]}; a cell is missing or shifted: export it again"
            )


def _row(source: TrcText, n: int) -> Floats:
    """The numbers of a row, NaN where blank; it may be shorter than others."""
    cells = source.cells(n)
    if source.separator is None and len(cells) % 3 != 2:
        raise FileFormatError(
            f"{source.path}, line {source.rows[n] + 1}: expected a frame, a time and three numbers for each marker,"
            f" found {len(cells)} cells between spaces; separate cells with tabs"
        )
    if source.decimal_comma:
        cells = [cell.replace(b",", b".") for cell in cells]
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
