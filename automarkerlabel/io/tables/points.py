"""From the points of a text or MAT file to a trial: hidden points, rate, frames, units and axes, one way for all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.axes import assumed_axes
from automarkerlabel.io.computed_points import computed_columns
from automarkerlabel.io.names import split_prefix
from automarkerlabel.io.tables.text import Floats
from automarkerlabel.io.tables.time_axis import rate_of_times, spread, time_axis

_RATE_TOLERANCE = 0.02
_ROWS_TO_TELL = 3  # of a coordinate that grows as the frames do


@dataclass(frozen=True)
class Convention:
    """What a vendor's files hold where they do not say it.

    units, where  what the file says of its units, and where; `up` the upward axis that is taken, and `why`, in words.
    zeros_hide    points at exactly 0 0 0 are how this format hides them: nothing to note.
    """

    units: str
    where: str
    up: str
    why: str
    zeros_hide: bool = False


def make_trial(
    points: Floats, names: Sequence[str], rate_hz: float, frames: Floats | None, convention: Convention,
    units: str | None, up: str | None, notes: Sequence[str], residuals: Floats | None = None,
    path: Path = Path("table"), times: Floats | None = None,
) -> Trial:  # fmt: skip
    """The trial of `points` `(n_frames, n_columns, 3)` in the file's units and axes, NaN or 0 0 0 where hidden.

    names      of the columns, with subjects' prefixes.
    frames     `(n_frames,)` numbers of the frames, None where the file gives none.
    units, up  the user's word, which overrules the convention; None: it has not been given.
    residuals  `(n_frames, n_columns)` in the file's units.
    times      `(n_frames,)` in s, None where the file gives none; `path` is for messages.

    Rows that are missing become hidden frames. Raises `FileFormatError` where frames and times contradict each other.
    """
    notes = list(notes)
    axis = None
    if frames is not None or times is not None:
        notes += clocks_again(points, frames, times)
        axis = time_axis(path, frames, times, rate_hz, notes)
        points = spread(points, axis)
        residuals = None if residuals is None else spread(residuals, axis)
    hidden = (points == 0).all(2)
    if hidden.any():
        points = np.where(hidden[..., None], np.nan, points)
        if not convention.zeros_hide:
            notes.append(f"{int(hidden.sum())} points stand at exactly 0 0 0; taken as hidden")
    parts = [split_prefix(name) for name in names]
    labels = [label for _, label in parts]
    computed = computed_columns(labels)
    markers: FloatArray = points[:, [c for c in range(len(labels)) if c not in computed]].astype(np.float32)
    markers[np.isnan(markers).any(2)] = np.nan
    axes, doubts = assumed_axes(markers, convention.units, convention.where, convention.up, convention.why, units, up)
    trial = Trial(
        axes.to_mm_z_up(points), labels, rate_hz, first_frame=axis.first_frame if axis else 1, axes=axes,
        subjects=[subject for subject, _ in parts], computed=computed, notes=[*notes, *doubts],
    )  # fmt: skip
    return trial if residuals is None else replace(trial, residuals=_residuals(points, residuals * axes.mm_per_unit))


def clocks_again(points: Floats, frames: Floats | None, times: Floats | None) -> list[str]:
    """A note if one coordinate of `points` `(n_rows, n_columns, 3)` is the frame or the time again, as where columns
    are shifted."""
    if len(points) < _ROWS_TO_TELL or not points.size:
        return []
    for what, clock in (("frame numbers", frames), ("times", times)):
        if clock is None or np.isnan(clock).any() or not (np.diff(clock) > 0).all():
            continue
        same = np.argwhere((points == clock[:, None, None]).all(0))
        if len(same) == 1:  # in several it is a motion that was made up so
            column, axis = same[0].tolist()
            return [f"the {what} stand again as {'XYZ'[axis]} of marker {column + 1}; see whether columns are shifted"]
    return []


def points_in(numbers: Floats, columns: Sequence[tuple[int, ...]]) -> Floats:
    """`(n_frames, n_columns, 3)`: the first three cells of each column, out of `numbers` `(n_frames, n_cells)`."""
    return numbers[:, np.array([cells[:3] for cells in columns], np.int64).reshape(-1, 3)]


def stated_residuals(numbers: Floats, cells: Sequence[int]) -> Floats:
    """`(n_frames, n_columns)`: the cell of each column's residual, out of `numbers` `(n_frames, n_cells)`; 0 where it
    is -1, that there is none."""
    index = np.array(cells, np.int64)
    return np.where(index >= 0, numbers[:, index], 0.0)


def _residuals(points: Floats, residuals: Floats) -> FloatArray:
    """NaN where the point is hidden, 0 where it is seen and nothing is said."""
    seen = ~np.isnan(points[..., 0])
    found: FloatArray = np.where(seen, np.nan_to_num(residuals), np.nan).astype(np.float32)
    return found


def stated_rate(path: Path, name: str, text: str, times: Floats, notes: list[str]) -> float:
    """Frames a second: what the header says under `name`, or, where that is no number above 0, what the times say.

    `times` `(n_frames,)` in seconds may hold NaN or be empty. Doubts go to `notes`. Raises `FileFormatError` where
    neither tells.
    """
    try:
        stated = float(text)
    except ValueError:
        stated = 0.0
    timed = rate_of_times(times)
    if np.isfinite(stated) and stated > 0:
        # Times rounded to milliseconds: compare over the whole recording rather than over one step.
        seconds = times[np.isfinite(times)]
        span = float(seconds[-1] - seconds[0]) if len(seconds) > 1 else 0.0
        over_all = (len(seconds) - 1) / span if span > 0 else stated
        off = [abs(x / stated - 1) > _RATE_TOLERANCE for x in (over_all, timed or over_all)]
        if all(off) and not _jump(seconds, stated):
            notes.append(f"{name} says {stated:g} Hz, the times {over_all:.4g} Hz; taken as {stated:g} Hz")
        return stated
    if timed:
        notes.append(f"{name} says {text!r}; {timed:.4g} Hz is taken from the times")
        return timed
    raise FileFormatError(f"{path}: expected a {name} above 0, found {text!r}; correct the header")


def _jump(seconds: Floats, rate_hz: float) -> bool:
    """Whether the times are whole frames at that rate, some of them missing."""
    frames = np.diff(seconds) * rate_hz
    return bool(len(frames) and np.round(frames).min() == 1 and (np.abs(frames - np.round(frames)) < 0.1).all())


def check_frames(
    path: Path, name: str, stated: float, n_frames: int, notes: list[str], slack: int = 0, whole: bool = True
) -> None:
    """Note that a header states other frames than there are; `n_frames` counts rows, and those that are missing where
    frame numbers jump. Raise `FileFormatError` if more than `slack` are missing and the last row is not `whole`."""
    if n_frames < stated - slack and not whole:
        raise FileFormatError(
            f"{path}: expected {stated:.0f} frames as {name} says, found {n_frames}: the file is cut in its last row;"
            " export it again"
        )
    if n_frames != stated:
        notes.append(f"{name} says {stated:.0f}, the file has {n_frames} rows; taken as {n_frames}")


def stated_span(frames: Floats | None, stated: float, n_rows: int) -> int:
    """How many frames to compare with what a header states: the rows, or, if that fits, the span of their numbers."""
    if frames is not None and len(frames) and np.isfinite(frames[[0, -1]]).all():
        span = int(frames[-1] - frames[0]) + 1
        return span if span == stated else n_rows
    return n_rows
