"""Which frame of a recording each row of a table is: rows that are missing become hidden frames, so that time stays.

The two clocks of a table, frame numbers and times, are compared: where both speak they must say the same.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automarkerlabel.core.trial import IntArray
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.tables.text import Floats

_EXACT = 0.1  # frames: times this close to whole frames count them
_MOST_FRAMES, _MOST_PER_ROW = 1_000_000, 100  # a jump beyond both is a damaged number, not a gap


@dataclass(frozen=True)
class TimeAxis:
    """slots `(n_rows,)`: the frame, from 0, of each row; `n_frames` of the whole; the first one's number."""

    slots: IntArray
    n_frames: int
    first_frame: int


def time_axis(path: Path, frames: Floats | None, times: Floats | None, rate_hz: float, notes: list[str]) -> TimeAxis:
    """The axis of rows with the numbers `frames` and `times` in s, both `(n_rows,)`, None or NaN where not there.

    Rows that are missing, by frame numbers or by times, are noted. Raises `FileFormatError` where the two clocks say
    different things or a time does not grow.
    """
    n = len(frames) if frames is not None else len(times) if times is not None else 0
    counted = _counted(path, frames)
    timed = _timed(path, times, rate_hz)
    steps = np.ones(max(0, n - 1), np.int64)
    if counted is not None and (counted > 0).all():
        steps = counted
    elif counted is not None:
        if timed is None or (timed != 1).any():
            row = int(np.flatnonzero(counted <= 0)[0]) + 2
            raise FileFormatError(
                f"{path}: expected frame numbers that grow, found another in row {row} of the data; rows were moved or"
                " repeated: export it again"
            )
        notes.append("the numbers of the frames do not count up by one, the times do; rows are taken as they come")
    if timed is not None:
        steps = _agreed(path, steps, timed, notes)
    first = int(frames[0]) if n and frames is not None and np.isfinite(frames[0]) else 1
    slots = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)[:n]
    n_frames = int(slots[-1]) + 1 if n else 0
    if n_frames > max(_MOST_FRAMES, _MOST_PER_ROW * n):
        raise FileFormatError(f"{path}: expected frames one after another, found {n:,} rows over {n_frames:,} frames")
    if n_frames > n:
        gaps = np.flatnonzero(steps > 1)
        where = ", ".join(f"{first + slots[g] + 1} to {first + slots[g + 1] - 1}" for g in gaps[:3].tolist())
        more = ", ..." if len(gaps) > 3 else ""
        notes.append(f"{n_frames - n} rows are missing (frames {where}{more}); they are kept as hidden frames")
    return TimeAxis(slots, n_frames, first)


def spread(values: Floats, axis: TimeAxis) -> Floats:
    """`values` `(n_rows, ...)` on the frames of the axis, NaN where a row is missing."""
    if axis.n_frames == len(values):
        return values
    out = np.full((axis.n_frames, *values.shape[1:]), np.nan)
    out[axis.slots] = values
    return out


def rate_of_times(times: Floats) -> float:
    """Frames a second from times that may jump over missing rows; 0 where they do not tell."""
    seconds = times[np.isfinite(times)]
    if len(seconds) < 2 or not (np.diff(seconds) > 0).all():
        return 0.0
    steps = np.maximum(1, np.round(np.diff(seconds) / np.median(np.diff(seconds))))
    return float(steps.sum() / (seconds[-1] - seconds[0]))


def _counted(path: Path, frames: Floats | None) -> IntArray | None:
    """Steps between the numbers of the frames; None where they are blank."""
    if frames is None or len(frames) < 2 or np.isnan(frames).all():
        return None
    odd = np.flatnonzero(~(frames == np.round(frames)))
    if len(odd):
        raise FileFormatError(
            f"{path}: expected a whole frame number in every row, found {frames[odd[0]]:g} in row {odd[0] + 1} of the"
            " data; columns are shifted or a cell is missing: export it again"
        )
    return np.asarray(np.diff(frames).astype(np.int64))


def _timed(path: Path, times: Floats | None, rate_hz: float) -> IntArray | None:
    """Steps between the times in frames; None where they are blank, or rounded so far that they do not count frames."""
    if times is None or len(times) < 2 or np.isnan(times).any():
        return None
    delta = np.diff(times)
    if (delta < 0).any():
        row = int(np.flatnonzero(delta < 0)[0]) + 2
        raise FileFormatError(
            f"{path}: expected times that grow, found a smaller one in row {row} of the data; rows were moved or"
            " columns shifted: export it again"
        )
    for step in (rate_hz, 1 / float(np.median(delta)) if np.median(delta) > 0 else 0.0):
        relative = delta * step
        whole = np.round(relative)
        if (np.abs(relative - whole) < _EXACT * np.maximum(1, whole / 10)).all() and whole.min() == 1:
            return np.asarray(whole.astype(np.int64))
        if step == rate_hz and (np.abs(relative - 1) < 1).all():
            return None  # times rounded to a millisecond or so
    return None


def _agreed(path: Path, steps: IntArray, timed: IntArray, notes: list[str]) -> IntArray:
    """The steps where both clocks say the same, or one of them counts rows: frames thinned out, or numbered anew."""
    if (steps == timed).all():
        return steps
    if (timed == 1).all() and (steps == steps[0]).all():
        notes.append(f"frames are numbered in steps of {steps[0]}, the times are those of the rate; rows are taken so")
        return np.ones_like(steps)
    if (steps == 1).all():
        return timed  # rows were dropped and those left numbered anew
    row = int(np.flatnonzero(steps != timed)[0]) + 2
    raise FileFormatError(
        f"{path}: expected frame numbers and times that agree, found {steps[row - 2]} frames against"
        f" {timed[row - 2]} before row {row} of the data; export it again"
    )
