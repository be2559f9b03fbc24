"""The moments of a trial that the matcher looks at: all points seen in one frame, and where they were just before
and after."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import FloatArray, IntArray, Trial

RATE_HZ = 5.0  # moments a second, in a trial of some length half as many
STEP_S = 0.1  # between the frames of a window
N_FRAMES = 5
MIDDLE = 2
_MIN_EXTRA = 50
_MANY = 100  # evenly spaced windows; a longer trial has fewer a second


@dataclass(frozen=True, eq=False)
class MatchWindows:
    """Windows in the order of time, each packed: what is there comes first.

    tracklet   int `(n_windows, n_slots)`: whose point stands in a slot, -1 for none.
    positions  float32 `(n_windows, 5, n_slots, 3)`, mm, z up; NaN where hidden or where there is no point. The third
               frame is the one to match; in it every tracklet of the window is seen.
    frame      int `(n_windows,)`: that frame.
    step_s     seconds between two frames of a window.
    rate_hz    of the trial.
    """

    tracklet: IntArray
    positions: FloatArray
    frame: IntArray
    step_s: float
    rate_hz: float

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def now(self) -> FloatArray:
        """`(n_windows, n_slots, 3)`: the frames to match."""
        return self.positions[:, MIDDLE]

    @property
    def n_points(self) -> IntArray:
        """`(n_windows,)`: how many points each holds."""
        return np.asarray((self.tracklet >= 0).sum(1), np.int64)

    def moments(self) -> list[tuple[IntArray, FloatArray]]:
        """Of each window which tracklets are there `(n,)`, and where `(n, 3)`."""
        return [(t[:n], p[:n]) for t, p, n in zip(self.tracklet, self.now, self.n_points, strict=True)]


def cut_match_windows(trial: Trial, tracklets: Sequence[Tracklet], rate_hz: float = RATE_HZ) -> MatchWindows:
    """Windows at `rate_hz`, and more in between so that every tracklet is seen, as long as there are not far too many
    short ones: then the longest are."""
    step = max(1, round(STEP_S * trial.rate_hz))
    frames = window_frames(trial, tracklets, rate_hz)
    owner = _owners(trial, tracklets, frames)
    n_points = (owner >= 0).sum(1)
    frames, owner, n_points = frames[n_points > 0], owner[n_points > 0], n_points[n_points > 0]
    n_slots = int(n_points.max(initial=0))
    column = np.argsort(owner < 0, axis=1, kind="stable")[:, :n_slots]  # those that are there first
    tracklet = np.take_along_axis(owner, column, 1)
    return MatchWindows(
        tracklet, _gather(trial, tracklets, frames, column, tracklet, step), frames, step / trial.rate_hz, trial.rate_hz
    )


def window_frames(trial: Trial, tracklets: Sequence[Tracklet], rate_hz: float) -> IntArray:
    """The frames to match, ascending: evenly at `rate_hz`, and in the middle of tracklets that these miss."""
    n = round(trial.duration_s * rate_hz)
    n = min(max(1, min(n, _MANY), n // 2), trial.n_frames)
    regular = ((np.arange(n) + 0.5) * trial.n_frames / n).astype(np.int64)
    missed = np.ones(len(tracklets), np.bool_)
    owner = _owners(trial, tracklets, regular)
    missed[np.unique(owner[owner >= 0])] = False
    chosen = np.zeros(trial.n_frames, np.bool_)
    by_length = sorted(np.flatnonzero(missed).tolist(), key=lambda i: tracklets[i].start - tracklets[i].stop)
    n_extra = 0
    for t in (tracklets[i] for i in by_length):
        seen = t.start + np.flatnonzero(trial.visible[t.start : t.stop, t.column])
        if n_extra < max(_MIN_EXTRA, n) and not chosen[seen].any():
            chosen[seen[len(seen) // 2]] = True
            n_extra += 1
    return np.unique(np.concatenate([regular, np.flatnonzero(chosen)]))


def _owners(trial: Trial, tracklets: Sequence[Tracklet], frames: IntArray) -> IntArray:
    """`(n_frames, n_columns)`: the tracklet whose point a column shows in each of `frames`, ascending; -1 for none."""
    owner = np.full((len(frames), trial.n_columns), -1, np.int64)
    for n, t in enumerate(tracklets):
        first, last = np.searchsorted(frames, (t.start, t.stop))
        owner[first:last, t.column] = n
    owner[~trial.visible[frames]] = -1
    return owner


def _gather(
    trial: Trial, tracklets: Sequence[Tracklet], frames: IntArray, column: IntArray, tracklet: IntArray, step: int
) -> FloatArray:
    """Positions `(n_windows, 5, n_slots, 3)` of the tracklets about each frame; NaN outside of a tracklet."""
    start = np.array([t.start for t in tracklets], np.int64)[tracklet]
    stop = np.array([t.stop for t in tracklets], np.int64)[tracklet]
    positions = np.full((len(frames), N_FRAMES, *tracklet.shape[1:], 3), np.nan, np.float32)
    for k in range(N_FRAMES):
        there = frames + (k - MIDDLE) * step
        inside = (tracklet >= 0) & (start <= there[:, None]) & (there[:, None] < stop)
        points = trial.positions[np.clip(there, 0, trial.n_frames - 1)[:, None], column]
        positions[:, k] = np.where(inside[..., None], points, np.nan)
    return positions
