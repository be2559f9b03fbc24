"""Columns cut into unbroken pieces: split where a gap's jump is implausible, never merged.

Every visible point of every measured column belongs to exactly one tracklet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial, runs
from automarkerlabel.errors import TrialError

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
    it reappears farther away than points of this trial come to drift apart in that time; or if another column
    explains better what was seen: a point that appeared during the gap is nearer to where this column should have
    been, or a point that vanished about then should be nearer to where this column reappears. A cut too many costs
    little, since pieces of one label are joined again; a cut too few mislabels all that follows.
    """
    runs_of = {c: runs(trial.visible[:, c]) for c in trial.marker_columns}
    gaps = _Gaps(trial, runs_of)
    tracklets = []
    for column, pieces in runs_of.items():
        if not len(pieces):
            continue
        start = int(pieces[0, 0])
        for (_, gap_start), (gap_stop, _) in pairwise(pieces):
            if gaps.implausible(column, int(gap_start), int(gap_stop)):
                tracklets.append(Tracklet(column, start, int(gap_start)))
                start = int(gap_stop)
        tracklets.append(Tracklet(column, start, int(pieces[-1, 1])))
    return tracklets


class _Gaps:
    """Judges the gaps of a trial."""

    def __init__(self, trial: Trial, runs_of: dict[int, IntArray]) -> None:
        self.trial = trial
        edges = [(start, stop - 1, c) for c, pieces in runs_of.items() for start, stop in pieces]
        self.runs = np.array(edges, np.int64).reshape(-1, 3)  # first frame, last frame, column
        self.measured = np.zeros(trial.n_columns, np.bool_)
        self.measured[trial.marker_columns] = True
        self.drift_mm_s = _relative_speed(trial)

    def implausible(self, column: int, gap_start: int, gap_stop: int) -> bool:
        """Whether `column`, hidden from gap_start to before gap_stop, came back where it could not have gone, or where
        another column explains better what was seen."""
        positions = self.trial.positions
        last, back = gap_start - 1, gap_stop
        seconds = (back - last) / self.trial.rate_hz
        vanished, returned = positions[last, column], positions[back, column]
        moved, spread = self._movement(column, last, back)
        straight = _velocity(self.trial, column, last) * seconds
        body_error, straight_error = (float(np.linalg.norm(returned - vanished - m)) for m in (moved, straight))
        error = min(body_error, straight_error)
        if error > max(spread, self.drift_mm_s * seconds):
            return True
        first, end, owner = self.runs.T
        born = (first >= gap_start) & (first <= back) & (owner != column)
        share = ((first[born] - last) / (back - last))[:, None]
        on_the_way = vanished + moved * share
        if (np.linalg.norm(positions[first[born], owner[born]] - on_the_way, axis=1) < error).any():
            return True
        gone = (end >= last - (back - last)) & (end < back) & (owner != column)
        gone &= ~self.trial.visible[back, owner]
        share = ((back - end[gone]) / (back - last))[:, None]
        expected = positions[end[gone], owner[gone]] + moved * share
        return bool((np.linalg.norm(returned - expected, axis=1) < error).any())

    def _movement(self, column: int, last: int, back: int) -> tuple[FloatArray, float]:
        """How the nearest points moved from frame `last` to `back`: the median, and the farthest from it in mm."""
        positions, visible = self.trial.positions, self.trial.visible
        there = visible[last] & visible[back] & self.measured
        there[column] = False
        others = np.flatnonzero(there)
        if not len(others):
            movement = _velocity(self.trial, column, last) * ((back - last) / self.trial.rate_hz)
            return movement, float(np.linalg.norm(movement))
        distance = np.linalg.norm(positions[last, others] - positions[last, column], axis=1)
        near = others[np.argsort(distance, kind="stable")[:_NEIGHBOURS]]
        moved = positions[back, near] - positions[last, near]
        median: FloatArray = np.median(moved, axis=0)
        return median, float(np.linalg.norm(moved - median, axis=1).max())


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


def _velocity(trial: Trial, column: int, frame: int) -> FloatArray:
    """mm a second of a column just before `frame`, 0 if it had only just appeared."""
    first = max(0, frame - max(1, round(_SPEED_SPAN_S * trial.rate_hz)))
    seen = first + np.flatnonzero(trial.visible[first : frame + 1, column])
    if len(seen) < 2:
        return np.zeros(3, np.float32)
    step = trial.positions[seen[-1], column] - trial.positions[seen[0], column]
    return np.asarray(step * trial.rate_hz / (seen[-1] - seen[0]), np.float32)


def visibility(trial: Trial, tracklets: Sequence[Tracklet], frames: IntArray | None = None) -> BoolArray:
    """`(n_frames, n_tracklets)`: where each tracklet is seen, in all frames or in those given, ascending."""
    if frames is None:
        frames = np.arange(trial.n_frames)
    seen = np.zeros((len(frames), len(tracklets)), np.bool_)
    for n, t in enumerate(tracklets):
        first, last = np.searchsorted(frames, (t.start, t.stop))
        seen[first:last, n] = trial.visible[frames[first:last], t.column]
    return seen


def n_samples(trial: Trial, tracklets: Sequence[Tracklet]) -> IntArray:
    """`(n_tracklets,)`: in how many frames each tracklet is seen."""
    return np.array([trial.visible[t.start : t.stop, t.column].sum() for t in tracklets], np.int64)


def meeting_sets(trial: Trial, tracklets: Sequence[Tracklet]) -> BoolArray:
    """The sets of tracklets that are seen in one frame, in the order of time, `(n_sets, n_tracklets)`.

    Frames in which no point appears and no tracklet begins are left out: their sets are part of an earlier one. Two
    tracklets are seen in one frame exactly if some set holds both.
    """
    before = np.vstack([np.zeros((1, trial.n_columns), bool), trial.visible[:-1]])
    begins = (trial.visible & ~before).any(1)
    begins[[t.start for t in tracklets]] = True
    return visibility(trial, tracklets, np.flatnonzero(begins))
