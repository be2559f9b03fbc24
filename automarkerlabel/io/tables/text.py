"""Text tables as other programs write them: rows of cells, whatever the encoding, the separator and the decimal sign.

Memory stays within a few times the size of the file: nothing is made as large as a header claims.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from automarkerlabel.errors import FileFormatError, OutputError
from automarkerlabel.io.files import read_bytes, read_head

Floats = npt.NDArray[np.float64]

_MAX_BYTES = 4 << 30
_HEAD_BYTES = 1 << 16
_MAX_LINES = 50_000_000
_SAMPLED_LINES = 200  # that tell the decimal sign
_ROWS_AT_ONCE = 1024
_HUGE = 1e12  # no frame, time or coordinate is that large
_HIDDEN = re.compile(rb"[+-]?nan(\(\w*\))?|[+-]?1\.#\w+|null|n/?a", re.IGNORECASE)
_SEPARATORS = (b",", b";", b"\t")


@dataclass(frozen=True)
class TextTable:
    """The lines of a file as UTF-8 without line ends, and how they are to be read.

    `encoding` is that of the file, `ending` its line ends; both serve to write a copy.
    """

    path: Path
    lines: Sequence[bytes]
    separator: bytes
    decimal_comma: bool
    encoding: str
    ending: bytes

    def texts(self, line: int) -> list[str]:
        """The cells of a line as words, quotes and spaces around them taken off; none behind the last that says
        something."""
        try:
            cells = next(csv.reader([self.lines[line].decode()], delimiter=self.separator.decode()), [])
        except csv.Error as error:
            raise FileFormatError(
                f"{self.path}, line {line + 1}: expected cells of a table, found none ({error})"
            ) from error
        cells = [cell.strip() for cell in cells]
        while cells and not cells[-1]:
            cells.pop()
        return cells

    def is_blank(self, line: int) -> bool:
        """Whether no cell of a line says anything."""
        text = self.lines[line]
        return not text[:1].isalnum() and not text.replace(self.separator, b"").strip(b' "')

    def cells(self, line: int) -> list[bytes]:
        """The cells of a line of data, as they stand."""
        return self.lines[line].split(self.separator)

    @property
    def ends_whole(self) -> bool:
        """Whether the last line has a line end: one that was cut has none."""
        return not self.lines or not self.lines[-1].strip()


def open_lines(path: Path) -> tuple[list[bytes], str, bytes]:
    """The lines of a text file as UTF-8, its encoding and its line ends.

    The encoding is that of the byte-order mark (UTF-8 or UTF-16), else UTF-8, else Latin-1.

    Raises `InputError` if it cannot be read, `FileFormatError` if it is no text.
    """
    data, encoding = utf8(path, read_bytes(path, _MAX_BYTES))
    ending = b"\r\n" if b"\r\n" in data else b"\n"
    if b"\n" not in data:  # old Macintosh line ends
        data, ending = data.replace(b"\r", b"\n"), b"\r" if b"\r" in data else b"\n"
    if data.count(b"\n") > _MAX_LINES:
        raise FileFormatError(f"{path}: expected at most {_MAX_LINES:,} lines, found more")
    return [line.rstrip(b"\r") for line in data.split(b"\n")], encoding, ending


def head_lines(path: Path) -> list[bytes]:
    """The first lines of a file as UTF-8, by which its kind is told. Raises `InputError` if it cannot be read."""
    data = read_head(path, _HEAD_BYTES)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", "replace").encode()
    return [line.rstrip(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]


def utf8(path: Path, data: bytes) -> tuple[bytes, str]:
    """The bytes of a text as UTF-8 without byte-order mark, and the encoding that they had; see `open_lines`."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16").encode(), "utf-16"
        except UnicodeError as error:
            raise FileFormatError(f"{path}: expected text in UTF-16, found it damaged ({error})") from error
    if data.startswith(b"\xef\xbb\xbf"):
        data, encoding = data[3:], "utf-8-sig"
    else:
        encoding = "utf-8"
    if b"\0" in data:
        raise FileFormatError(f"{path}: expected a text table, found binary data; check the file's suffix")
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1").encode(), "latin-1"
    return data, encoding


def separator_of(heading: bytes) -> bytes:
    """What stands between the cells of a heading."""
    return max(_SEPARATORS, key=heading.count)


def as_table(path: Path, lines: list[bytes], encoding: str, ending: bytes, separator: bytes, first: int) -> TextTable:
    """The table whose data begin in line `first`; the other arguments are what `open_lines` found."""
    sample = b"".join(lines[first : first + _SAMPLED_LINES])
    return TextTable(path, lines, separator, separator != b"," and b"," in sample, encoding, ending)


def read_rows(table: TextTable, first: int, n_cells: int, skipped: Sequence[int] = ()) -> tuple[list[int], Floats]:
    """The lines of data from line `first` on that say anything, and their numbers `(n_rows, n_cells)`, NaN where blank
    and in the cells `skipped`, which may hold anything.

    Raises `FileFormatError` for a row of fewer or more cells, and for a cell that is no number.
    """
    lines = [n for n in range(first, len(table.lines)) if not table.is_blank(n)]
    chunks = [
        np.stack(
            [_row(table, n, n_cells, skipped) for n in lines[k : k + _ROWS_AT_ONCE]]
        )  # an array a row takes far more room
        for k in range(0, len(lines), _ROWS_AT_ONCE)
    ]
    return lines, np.concatenate(chunks) if chunks else np.empty((0, n_cells))


def _row(table: TextTable, line: int, n_cells: int, skipped: Sequence[int]) -> Floats:
    cells = table.cells(line)
    if len(cells) > n_cells and not b"".join(cells[n_cells:]).strip():
        del cells[n_cells:]  # spreadsheets fill rows up
    if len(cells) != n_cells:
        raise FileFormatError(
            f"{table.path}, line {line + 1}: expected {n_cells} cells as in the header, found {len(cells)};"
            " the file is cut or was changed by a spreadsheet: export it again"
        )
    for n in skipped:
        cells[n] = b""
    return _numbers(table, line, _with_points(table, line, cells) if table.decimal_comma else cells)


def _with_points(table: TextTable, line: int, cells: list[bytes]) -> list[bytes]:
    """The cells with decimal points for commas."""
    if any(b"." in cell for cell in cells):
        raise FileFormatError(
            f"{table.path}, line {line + 1}: expected numbers with decimal points or decimal commas, found both;"
            " export it again"
        )
    return [cell.replace(b",", b".") for cell in cells]


def _numbers(table: TextTable, line: int, cells: list[bytes]) -> Floats:
    try:
        if b"_" not in table.lines[line]:  # Python alone reads 1_000 as a number
            texts = [cell or b"nan" for cell in cells] if b"" in cells else cells
            found = np.fromiter(map(float, texts), np.float64, len(texts))
            if not (np.abs(found) > _HUGE).any():
                return found
    except ValueError:
        pass
    return np.array([_number(table, line, n, cell.strip(b' "')) for n, cell in enumerate(cells)])


def _number(table: TextTable, line: int, column: int, cell: bytes) -> float:
    if not cell or _HIDDEN.fullmatch(cell):
        return np.nan
    try:
        if b"_" not in cell and not abs(value := float(cell)) > _HUGE:
            return value
    except ValueError:
        pass
    _refuse_cell(table, line, column, cell)


def _refuse_cell(table: TextTable, line: int, column: int, cell: bytes) -> NoReturn:
    """Raise `FileFormatError` for a cell that is no number of a sensible size."""
    found = cell[:30].decode("utf-8", "replace")
    raise FileFormatError(f"{table.path}, line {line + 1}, column {column + 1}: expected a number, found {found!r}")


def stated_number(path: Path, what: str, text: str) -> float:
    """A number of a header. Raises `FileFormatError` for a text that is none."""
    try:
        if "_" not in text and np.isfinite(value := float(text.replace(",", "."))) and abs(value) < _HUGE:
            return value
    except ValueError:
        pass
    raise FileFormatError(f"{path}: expected a number for {what}, found {text[:30]!r}; correct the header")


def row_of(cells: Sequence[str], separator: bytes) -> bytes:
    """A line of words, quoted where they hold the separator."""
    sign = separator.decode()
    return sign.join(f'"{x.replace(chr(34), chr(34) * 2)}"' if sign in x or '"' in x else x for x in cells).encode()


def printable(names: Sequence[str], kind: str) -> Sequence[str]:
    """The names. Raises `OutputError` for one that holds a tab, a line break or the like."""
    for name in names:
        if not name.isprintable():
            raise OutputError(f"labels: {name!r} cannot stand in a {kind}; rename it")
    return names
