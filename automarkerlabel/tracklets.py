"""Columns cut into unbroken pieces: split where a gap's jump is implausible, never merged.

Every visible point of every measured column belongs to exactly one tracklet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from automarkerlabel.errors import TrialError
from automarkerlabel.trial import BoolArray, FloatArray, IntArray, Trial, runs

_NEIGHBOURS = 8  # points around a gap whose own movement says how the body moved meanwhile
_SPEED_SPAN_S = 0.05  # over which a point's speed at the edge of a gap is taken


@dataclass(frozen=True, order=True)
class Tracklet:
    """An unbroken piece of one column: frames `start` (its first visible) to `stop` (one after its last visible).

    It may hold hidden frames: gaps over which the column plausibly went on.
    """

    column: int
    start: int
    stop: int

    def __post_init__(self) -> None:
        if not (self.column >= 0 and 0 <= self.start < self.stop):
            raise TrialError(f"tracklet: expected 0 <= start < stop, found {self.start}, {self.stop}")


def split(trial: Trial) -> list[Tracklet]:
    """The tracklets of a trial, ordered by column and frame.

    A column is cut at a gap if, judged against the movement of the nearest points over the same gap,
    it reappears farther away than points of this trial come to drift apart in that time, or if another point
    that appeared during the gap is nearer to where the column should have gone on.
    """
    visible = trial.visible
    runs_of = {c: runs(visible[:, c]) for c in trial.marker_columns}
    if not runs_of:
        return []
    starts = np.array([(start, c) for c, r in runs_of.items() for start, _ in r], np.int64).reshape(-1, 2)
    drift = _relative_speed(trial)
    tracklets = []
    for column, pieces in runs_of.items():
        if not len(pieces):
            continue
        start = int(pieces[0, 0])
        for (_, gap_start), (gap_stop, _) in pairwise(pieces):
            if _implausible(trial, column, int(gap_start), int(gap_stop), starts, drift):
                tracklets.append(Tracklet(column, start, int(gap_start)))
                start = int(gap_stop)
        tracklets.append(Tracklet(column, start, int(pieces[-1, 1])))
    return tracklets


def _relative_speed(trial: Trial) -> float:
    """mm a second at which near points drift apart here: the 99th percentile over the trial's own nearest pairs."""
    span = max(1, round(_SPEED_SPAN_S * trial.rate_hz))
    if trial.n_frames <= span:
        return 0.0
    frames = np.unique(np.linspace(0, trial.n_frames - 1 - span, 50).astype(int))
    rates = []
    for f in frames:
        seen = trial.visible[f, :] & trial.visible[f + span, :]
        seen[list(trial.computed)] = False
        a, b = trial.positions[f, seen], trial.positions[f + span, seen]
        if len(a) < 2:
            continue
        before = np.linalg.norm(a[:, None] - a, axis=2)
        after = np.linalg.norm(b[:, None] - b, axis=2)
        np.fill_diagonal(before, np.inf)
        near = before.argmin(1)
        rows = np.arange(len(a))
        rates.append(np.abs(after[rows, near] - before[rows, near]) * trial.rate_hz / span)
    return float(np.percentile(np.concatenate(rates), 99)) if rates else 0.0


def _implausible(trial: Trial, column: int, gap_start: int, gap_stop: int, starts: IntArray, drift: float) -> bool:
    """Whether `column`, hidden in frames gap_start to gap_stop - 1, came back where it could not have gone."""
    positions, visible = trial.positions, trial.visible
    last, back = gap_start - 1, gap_stop
    vanished, returned = positions[last, column], positions[back, column]
    there = visible[last] & visible[back]
    there[column] = False
    there[list(trial.computed)] = False
    others = np.flatnonzero(there)
    seconds = (back - last) / trial.rate_hz
    if len(others):
        # Relative to the body: where the nearest points went tells where this one should be.
        distance = np.linalg.norm(positions[last, others] - vanished, axis=1)
        near = others[np.argsort(distance, kind="stable")[:_NEIGHBOURS]]
        moved = positions[back, near] - positions[last, near]
        expected = vanished + np.median(moved, axis=0)
        spread = float(np.linalg.norm(moved - np.median(moved, axis=0), axis=1).max())
    else:
        velocity = _velocity(trial, column, last)
        expected = vanished + velocity * seconds
        spread = float(np.linalg.norm(velocity)) * seconds
    error = float(np.linalg.norm(returned - expected))
    allowed = max(spread, drift * seconds)
    if error > allowed and error > float(np.linalg.norm(_extrapolated(trial, column, last, seconds) - returned)):
        error = float(np.linalg.norm(_extrapolated(trial, column, last, seconds) - returned))
    if error > allowed:
        return True
    # A point that appeared meanwhile, nearer to the expected place, may be the one that vanished.
    born = starts[(starts[:, 0] >= gap_start) & (starts[:, 0] <= back) & (starts[:, 1] != column)]
    if not len(born):
        return False
    share = ((born[:, 0] - last) / (back - last))[:, None]
    on_the_way = vanished + (expected - vanished) * share
    rival = np.linalg.norm(positions[born[:, 0], born[:, 1]] - on_the_way, axis=1)
    return bool((rival < error).any())


def _velocity(trial: Trial, column: int, frame: int) -> FloatArray:
    """mm a second of a column just before `frame`, 0 if it had only just appeared."""
    first = max(0, frame - max(1, round(_SPEED_SPAN_S * trial.rate_hz)))
    seen = first + np.flatnonzero(trial.visible[first : frame + 1, column])
    if len(seen) < 2:
        return np.zeros(3, np.float32)
    step = trial.positions[seen[-1], column] - trial.positions[seen[0], column]
    return np.asarray(step * trial.rate_hz / (seen[-1] - seen[0]), np.float32)


def _extrapolated(trial: Trial, column: int, last: int, seconds: float) -> FloatArray:
    return np.asarray(trial.positions[last, column] + _velocity(trial, column, last) * seconds, np.float32)


def visibility(trial: Trial, tracklets: Sequence[Tracklet]) -> BoolArray:
    """`(n_frames, n_tracklets)`: where each tracklet is seen."""
    seen = np.zeros((trial.n_frames, len(tracklets)), np.bool_)
    for n, t in enumerate(tracklets):
        seen[t.start : t.stop, n] = trial.visible[t.start : t.stop, t.column]
    return seen
