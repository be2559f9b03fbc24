"""CSV tables of a trial for spreadsheets and scripts: a frame a row; mm, z up, whatever the source had.

    frame,time_s,LASI_x,LASI_y,LASI_z,RASI_x,...
    1,0,601.2,1055.2,170.7,,,

Three empty cells are a hidden point. Names keep their subject's prefix.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automarkerlabel.core.trial import FileAxes, Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.names import full_names, split_prefix
from automarkerlabel.io.tables.points import clocks_again
from automarkerlabel.io.tables.text import Floats, TextTable, as_table, open_lines, printable, read_rows, separator_of
from automarkerlabel.io.tables.time_axis import rate_of_times, spread, time_axis

_RATE_DIGITS = 12  # below the rounding of the times, so that 119.88 comes back as 119.88
_BEGINS = b"frame"


def recognises(lines: Sequence[bytes]) -> bool:
    """Whether the lines of a file begin like such a table."""
    return lines[0].strip(b' "')[:5].lower() == _BEGINS and b"time_s" in lines[0]


def write(path: Path, trial: Trial) -> None:
    """A new CSV table of a trial's points; reading it gives the same float32 millimetres.

    Raises `OutputError` if a label holds a line break or the like.
    """
    header = ["frame", "time_s", *(f"{name}_{x}" for name in printable(full_names(trial), "CSV table") for x in "xyz")]
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
    lines, encoding, ending = open_lines(path)
    table = as_table(path, lines, encoding, ending, separator_of(lines[0]), 1)
    names = _names(table)
    n_cells = 2 + 3 * len(names)
    _, numbers = read_rows(table, 1, n_cells)
    rate, notes = _rate(path, numbers[:, 0], numbers[:, 1])
    notes += clocks_again(numbers[:, 2:].reshape(len(numbers), len(names), 3), numbers[:, 0], numbers[:, 1])
    axis = time_axis(path, numbers[:, 0], numbers[:, 1], rate, notes)
    numbers = spread(numbers, axis)
    axes = FileAxes(units or "mm", up or "z", "--units" if units else "CSV table", "--up" if up else "CSV table")
    parts = [split_prefix(name) for name in names]
    return Trial(
        axes.to_mm_z_up(numbers[:, 2:].reshape(len(numbers), len(names), 3)),
        [label for _, label in parts],
        rate,
        first_frame=axis.first_frame,
        axes=axes,
        subjects=[subject for subject, _ in parts],
        notes=notes,
    )


def _names(table: TextTable) -> list[str]:
    """The markers' names in the header, which must be `frame,time_s` and NAME_x, NAME_y, NAME_z of each."""
    header = table.texts(0)
    names = [cell.removesuffix("_x") for cell in header[2::3]]
    if header != ["frame", "time_s", *(f"{name}_{axis}" for name in names for axis in "xyz")]:
        begin = table.lines[0][:40].decode("utf-8", "replace")
        raise FileFormatError(
            f"{table.path}: expected a table whose first line is frame,time_s,NAME_x,NAME_y,NAME_z,..., found {begin!r}"
        )
    return names


def _rate(path: Path, frames: Floats, times: Floats) -> tuple[float, list[str]]:
    """Frames a second from the first and the last time, and a note where there is only one frame."""
    if len(times) < 2:
        return 100.0, ["a table of fewer than two frames tells no rate; 100 Hz is assumed"]
    if not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise FileFormatError(f"{path}: expected times in column time_s that grow from row to row; correct them")
    counted = np.diff(frames)
    jumps = bool((counted >= 1).all() and (counted > 1).any())
    rate = float((frames[-1] - frames[0]) / (times[-1] - times[0])) if jumps else rate_of_times(times)
    return float(f"{rate:.{_RATE_DIGITS}g}"), []
