"""CSV tables of a trial for spreadsheets and scripts: a frame a row; mm, z up, whatever the source had.

    frame,time_s,LASI_x,LASI_y,LASI_z,RASI_x,...
    1,0,601.2,1055.2,170.7,,,

Three empty cells are a hidden point. Names keep their subject's prefix.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from automarkerlabel.errors import FileFormatError, OutputError
from automarkerlabel.io.files import read_bytes
from automarkerlabel.trial import FileAxes, Trial

_MAX_BYTES = 4 << 30
_RATE_DIGITS = 12  # below the rounding of the times, so that 119.88 comes back as 119.88
_HUGE = 1e12  # no frame, time or coordinate is that large


def write(path: Path, trial: Trial) -> None:
    """A new CSV table of a trial's points; reading it gives the same float32 millimetres.

    Raises `OutputError` if a label holds a line break or the like.
    """
    names = [f"{s}:{x}" if s else x for s, x in zip(trial.subjects, trial.labels, strict=True)]
    bad = [name for name in names if not name.isprintable()]
    if bad:
        raise OutputError(f"labels: {bad[0]!r} cannot stand in a CSV table; rename it")
    header = ["frame", "time_s", *(f"{name}_{axis}" for name in names for axis in "xyz")]
    # 9 digits tell every float32 from its neighbours.
    row_format = ",%.9g" * (3 * trial.n_columns)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(header)
        for n, row in enumerate(trial.positions.reshape(trial.n_frames, 3 * trial.n_columns)):
            cells = (row_format % tuple(row.tolist())).replace("nan", "")
            file.write(f"{trial.first_frame + n},{n / float(trial.rate_hz)!r}{cells}\n")


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The trial in a CSV table such as `write` makes. The rate is that of the times.

    `units` and `up` say what a table of another origin holds, instead of mm with z up.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is no such table.
    """
    lines = read_bytes(path, _MAX_BYTES).split(b"\n")
    names = _names(path, lines[0])
    rows = [(n, line.rstrip(b"\r")) for n, line in enumerate(lines[1:], start=2) if line.strip()]
    table = np.empty((len(rows), 2 + 3 * len(names)))
    for i, (line, text) in enumerate(rows):
        table[i] = _row(path, line, text.split(b","), table.shape[1])
    rate, notes = _rate(path, table[:, 1])
    axes = FileAxes(units or "mm", up or "z", "--units" if units else "CSV table", "--up" if up else "CSV table")
    parts = [name.rpartition(":") for name in names]
    return Trial(
        axes.to_mm_z_up(table[:, 2:].reshape(len(table), len(names), 3)),
        [label for _, _, label in parts],
        rate,
        first_frame=int(table[0, 0]) if len(table) and np.isfinite(table[0, 0]) else 1,
        axes=axes,
        subjects=[subject for subject, _, _ in parts],
        notes=notes,
    )


def _names(path: Path, line: bytes) -> list[str]:
    """The markers' names in the header, which must be `frame,time_s` and NAME_x, NAME_y, NAME_z of each."""
    try:
        header = next(csv.reader(io.StringIO(line.decode("utf-8-sig").rstrip("\r"))), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    names = [cell.removesuffix("_x") for cell in header[2::3]]
    if header != ["frame", "time_s", *(f"{name}_{axis}" for name in names for axis in "xyz")]:
        begin = line[:40].decode("ascii", "replace")
        raise FileFormatError(
            f"{path}: expected a table whose first line is frame,time_s,NAME_x,NAME_y,NAME_z,..., found {begin!r}"
        )
    return names


def _row(path: Path, line: int, cells: Sequence[bytes], n_cells: int) -> npt.NDArray[np.float64]:
    if len(cells) != n_cells:
        raise FileFormatError(f"{path}, line {line}: expected {n_cells} cells as in the first line, found {len(cells)}")
    try:
        numbers = np.fromiter(map(float, (cell or b"nan" for cell in cells)), np.float64, n_cells)
    except ValueError:
        _refuse(path, line, cells)
    if (np.abs(numbers) > _HUGE).any():
        _refuse(path, line, cells)
    return numbers


def _refuse(path: Path, line: int, cells: Sequence[bytes]) -> NoReturn:
    """Name the first cell that is no number of a sensible size."""
    column = next(n for n, cell in enumerate(cells) if not _is_number(cell))
    found = cells[column][:30].decode("ascii", "replace")
    raise FileFormatError(f"{path}, line {line}, column {column + 1}: expected a number, found {found!r}")


def _is_number(cell: bytes) -> bool:
    try:
        return not abs(float(cell or b"nan")) > _HUGE
    except ValueError:
        return False


def _rate(path: Path, times: npt.NDArray[np.float64]) -> tuple[float, list[str]]:
    """Frames a second from the first and the last time, and a note where there is only one frame."""
    if len(times) < 2:
        return 100.0, ["a table of fewer than two frames tells no rate; 100 Hz is assumed"]
    if not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise FileFormatError(f"{path}: expected times in column time_s that grow from row to row; correct them")
    rate = (len(times) - 1) / float(times[-1] - times[0])
    return float(f"{rate:.{_RATE_DIGITS}g}"), []
