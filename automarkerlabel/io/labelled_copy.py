"""Labelled copies of text files: which source column stands where, and whether a copy is what was to be written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automarkerlabel.core.labelling import OutputColumn, apply
from automarkerlabel.core.trial import IntArray, Trial
from automarkerlabel.errors import OutputError, TrialError, VerificationError
from automarkerlabel.io.names import full_names, output_subject
from automarkerlabel.io.tables.text import Floats, TextTable, row_of
from automarkerlabel.io.tables.time_axis import time_axis

NO_FLAG = "this format cannot mark filled samples, only C3D can; --json and --csv list the gaps"


@dataclass(frozen=True)
class Place:
    """Where the points of a trial stand in a text table.

    rows     the lines of data, one a frame.
    slots    the frame of the trial that each row is, where rows may be missing; empty: one after another.
    columns  for each column of the trial the cells of a row that are its own: x, y, z and what goes with them.
    kept     the cells of a row that are no marker's.
    """

    rows: Sequence[int]
    columns: Sequence[tuple[int, ...]]
    kept: Sequence[int]
    slots: Sequence[int] = ()


def on_axis(place: Place, path: Path, numbers: Floats, clocks: tuple[int, int], rate_hz: float) -> Place:
    """The place with the frame of each row; `clocks` are the cells of frame number and time, -1 where there is none."""
    frames, times = (numbers[:, k] if k >= 0 else None for k in clocks)
    if frames is None and times is None:
        return place
    return replace(place, slots=time_axis(path, frames, times, rate_hz, []).slots.tolist())


def sources(trial: Trial, columns: Sequence[OutputColumn]) -> IntArray:
    """`(n_frames, len(columns))`: which column of the trial each sample of an output column is copied from, -1: none.

    Where nothing is seen it is the column's first source, if that is hidden too: as the file hides points.
    """
    visible = trial.visible
    origin = np.full((trial.n_frames, len(columns)), -1, np.int64)
    for n, out in enumerate(columns):
        if not out.pieces:
            continue
        first = out.pieces[0][0]
        origin[:, n] = np.where(visible[:, first], -1, first)
        for column, start, stop in out.pieces:
            origin[start:stop, n] = np.where(visible[start:stop, column], column, origin[start:stop, n])
    return origin


def widest(place: Place, out: OutputColumn) -> tuple[int, ...]:
    """The cells of the source column that an output column's heading is taken from; empty where it has no source."""
    return max((place.columns[c] for c, _, _ in out.pieces), key=len, default=())


def heading_row(
    table: TextTable, line: int, place: Place, columns: Sequence[OutputColumn], blank: Sequence[str] = ("", "", "")
) -> bytes:
    """A line above the data for the output columns: its cells stand where those of the data do; `blank` is what a
    column without a source gets."""
    cells = table.texts(line)

    def cell(n: int) -> str:
        return cells[n] if n < len(cells) else ""

    words = [cell(n) for n in place.kept]
    for out in columns:
        own = widest(place, out)
        words += [cell(n) for n in own] if own else blank
    return row_of(words, table.separator)


def name_row(
    kept: Sequence[str], names: Sequence[str], place: Place, columns: Sequence[OutputColumn], separator: bytes,
    repeated: bool,
) -> bytes:  # fmt: skip
    """A line of names over the data, `repeated` over each of a column's cells or over its first alone."""
    words = list(kept)
    for name, out in zip(names, columns, strict=True):
        n = len(widest(place, out)) or 3
        words += [name] * n if repeated else [name, *[""] * (n - 1)]
    return row_of(words, separator)


def write_copy(
    path: Path, table: TextTable, place: Place, heading: Sequence[bytes], tail: Sequence[bytes], trial: Trial,
    columns: Sequence[OutputColumn], blank: bytes = b"",
) -> None:  # fmt: skip
    """A copy of a text table with its points in `columns`: every cell of data keeps its characters.

    `heading` and `tail` are the lines before and after the data; `blank` hides a point.

    Raises `TrialError` if columns and table do not fit together, `OutputError` if the file's encoding lacks a letter.
    """
    slots = list(place.slots) or list(range(len(place.rows)))
    if (slots[-1] + 1 if slots else 0) != trial.n_frames or len(place.columns) != trial.n_columns:
        raise TrialError(
            f"{table.path}: expected the trial that was read from it, with {len(place.rows)} frames and"
            f" {len(place.columns)} columns, found {trial.n_frames} and {trial.n_columns}"
        )
    origin = sources(trial, columns)
    widths = [len(widest(place, out)) or 3 for out in columns]
    encoding = "utf-16-le" if table.encoding == "utf-16" else table.encoding.removesuffix("-sig")
    mark = {"utf-16": b"\xff\xfe", "utf-8-sig": b"\xef\xbb\xbf"}.get(table.encoding, b"")
    with path.open("wb") as file:

        def put(line: bytes) -> None:
            text = line + table.ending
            file.write(text if encoding == "utf-8" else _encoded(text, encoding))

        file.write(mark)
        for line in heading:
            put(line)
        for n, line_number in enumerate(place.rows):
            cells = table.cells(line_number)
            words = [cells[k] for k in place.kept]
            for column, width in zip(origin[slots[n]].tolist(), widths, strict=True):
                own = [cells[k] for k in place.columns[column]] if column >= 0 else [blank] * min(width, 3)
                words += own + [b""] * (width - len(own))
            put(table.separator.join(words))
        for line in tail:
            put(line)


def _encoded(line: bytes, encoding: str) -> bytes:
    text = line.decode()
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        bad = text[error.start : error.end]
        raise OutputError(f"labels: {bad!r} cannot be written in the encoding of the source, {encoding}") from error


def labelled_trial(trial: Trial, columns: Sequence[OutputColumn]) -> Trial:
    """The trial with its samples in `columns`, which get the prefixes that they get in a copy."""
    return replace(apply(trial, columns), subjects=[output_subject(trial, column) for column in columns])


def check_copy(path: Path, copy: Trial, trial: Trial, columns: Sequence[OutputColumn], names: Sequence[str]) -> None:
    """Raise `VerificationError` unless `copy`, what was read from `path`, is the trial in `columns` under `names`."""
    wanted = apply(trial, columns).positions
    if full_names(copy) != list(names):
        raise VerificationError(f"{path}: read again, its labels are not those that were to be written")
    if copy.positions.shape != wanted.shape or not np.array_equal(copy.positions, wanted, equal_nan=True):
        raise VerificationError(f"{path}: read again, its points are not those that were to be written")
