"""Which tracklets go on where another ended, and what it is worth to give both one label.

Hiding pieces of a trial's own long tracklets shows how well its markers can be foretold over a gap of each length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial

Array = npt.NDArray[np.float64]

MAX_GAP_S = 1.0
_MOST = 5.0  # nats: no gap says more, since points that are no marker's may be near, too
_SPEED_SPAN_S = 0.05  # over which the speed at the edge of a gap is taken
_N_GAPS = 8  # lengths of gap that are learnt, from one frame to the longest
_N_SITES = 300  # hidden pieces a length
_LEAST_SITES = 20
_N_NEIGHBOURS = 4
_TAIL = 3.0  # degrees of freedom of the errors (Student's t): far more outliers than a normal distribution has
_MEDIAN = 1.538  # of the length of a standard normal vector in space
_LEAST_MM = 0.5
_AT_ONCE = 256  # pairs


@dataclass(frozen=True, eq=False)
class Joins:
    """Pairs of tracklets of which the second may continue the first.

    before, after  int `(n_joins,)`: the tracklets; `after` starts no earlier than `before` stops.
    worth          float64 `(n_joins,)`: nats in favour of one marker, above 0.
    """

    before: IntArray
    after: IntArray
    worth: Array

    def __len__(self) -> int:
        return len(self.worth)


NO_JOINS = Joins(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def find_joins(trial: Trial, tracklets: Sequence[Tracklet], max_gap_s: float = MAX_GAP_S) -> Joins:
    """The pairs of tracklets whose gap, of `max_gap_s` at most, speaks for one marker.

    What a pair is worth is the log-likelihood of its error (how far the second starts from where the first should have
    reappeared) among those of gaps of this length in the trial, less that among errors of other markers. A trial
    without long tracklets to learn from has no joins.
    """
    edges = _Edges(trial, tracklets)
    lengths = np.unique(np.geomspace(1, max(1, max_gap_s * trial.rate_hz), _N_GAPS).round().astype(np.int64))
    learnt = _learn(edges, lengths)
    if learnt is None:
        return NO_JOINS
    before, after = _candidates(edges, int(lengths[-1]))
    if not len(before):
        return NO_JOINS
    last, back = edges.last[before], edges.first[after]
    columns = edges.column[before], edges.column[after]
    errors = edges.errors(last, back, *columns)  # (n_predictors, n)
    worth = learnt.worth(errors, back - last)
    good = worth > 0
    return Joins(before[good], after[good], worth[good])


def _candidates(edges: "_Edges", longest: int) -> tuple[IntArray, IntArray]:
    """Pairs of tracklets `before`, `after` with at most `longest` frames from the last of one to the first of the
    other."""
    order = np.argsort(edges.first, kind="stable")
    first = edges.first[order]
    low = np.searchsorted(first, edges.last + 1)
    count = np.searchsorted(first, edges.last + longest, side="right") - low
    before = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(before)) - np.repeat(np.cumsum(count) - count, count)
    return before.astype(np.int64), order[np.repeat(low, count) + within].astype(np.int64)


class _Edges:
    """Where tracklets begin and end, and how far from where it should a point reappears after a gap."""

    def __init__(self, trial: Trial, tracklets: Sequence[Tracklet]) -> None:
        self.positions, self.visible = trial.positions, trial.visible.copy()
        self.visible[:, sorted(trial.computed)] = False
        self.span = max(1, round(_SPEED_SPAN_S * trial.rate_hz))
        self.column = np.array([t.column for t in tracklets], np.int64)
        self.first = np.array([t.start for t in tracklets], np.int64)
        self.last = np.array([t.stop - 1 for t in tracklets], np.int64)

    def errors(self, last: IntArray, back: IntArray, column: IntArray, returned: IntArray) -> Array:
        """`(3, n)` mm: from where `column` should be in frame `back`, after it was last seen in `last`, to where
        `returned` is: if it stood still, went on at the mean of both speeds, or moved as its neighbours did."""
        moved = self.positions[back, returned].astype(np.float64) - self.positions[last, column]
        speed = (self._velocity(last, column, -1) + self._velocity(back, returned, 1)) / 2
        foretold = np.stack([np.zeros_like(moved), speed * (back - last)[:, None], np.zeros_like(moved)])
        for start in range(0, len(last), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            foretold[2, some] = self._neighbours(last[some], back[some], column[some], returned[some])
        return np.asarray(np.linalg.norm(moved - foretold, axis=2))

    def _velocity(self, frame: IntArray, column: IntArray, direction: int) -> Array:
        """`(n, 3)` mm a frame from `frame` on in one direction of time, over as many frames as are seen, 0 if none."""
        n_frames = len(self.positions)
        steps = np.arange(1, self.span + 1)
        there = frame[:, None] + direction * steps  # (n, span)
        seen = (there >= 0) & (there < n_frames)
        seen &= self.visible[np.clip(there, 0, n_frames - 1), column[:, None]]
        far = np.cumprod(seen, axis=1).sum(1)  # frames seen without a break
        other = np.clip(frame + direction * far, 0, n_frames - 1)
        step = self.positions[other, column].astype(np.float64) - self.positions[frame, column]
        return np.asarray(direction * step / np.maximum(far, 1)[:, None])

    def _neighbours(self, last: IntArray, back: IntArray, column: IntArray, returned: IntArray) -> Array:
        """`(n, 3)` mm: the median movement of the nearest points that are seen on both sides, 0 without any."""
        rows = np.arange(len(last))
        there = self.visible[last] & self.visible[back]  # (n, n_columns)
        there[rows, column] = there[rows, returned] = False
        used = np.flatnonzero(there.any(0))
        there = there[:, used]
        if not len(used):
            return np.zeros((len(last), 3))
        apart = self.positions[last[:, None], used] - self.positions[last, column][:, None]  # (n, n_used, 3)
        distance = np.where(there, np.square(apart).sum(2), np.inf)
        near = np.argsort(distance, axis=1)[:, :_N_NEIGHBOURS]
        column_near = used[near]
        moved = self.positions[back[:, None], column_near] - self.positions[last[:, None], column_near]
        known = np.take_along_axis(there, near, 1)
        moved = np.where(known[..., None], moved, np.nan)
        moved[~known.any(1)] = 0
        return np.asarray(np.nanmedian(moved, axis=1), np.float64)


@dataclass(frozen=True, eq=False)
class _Learnt:
    """How well reappearance is foretold after gaps of some lengths.

    lengths    int `(n_lengths,)` frames, ascending.
    predictor  int `(n_lengths,)`: which of the ways to foretell is best there.
    spread     `(n_lengths,)` mm: that of its errors.
    other      `(n_lengths,)` mm: that of other markers' errors.
    """

    lengths: IntArray
    predictor: IntArray
    spread: Array
    other: Array

    def worth(self, errors: Array, gap: IntArray) -> Array:
        """`(n,)` nats of errors `(n_predictors, n)` after gaps of so many frames."""
        at = np.log(gap)
        known = np.log(self.lengths)
        spread = np.exp(np.interp(at, known, np.log(self.spread)))
        other = np.exp(np.interp(at, known, np.log(self.other)))
        nearest = np.abs(at[:, None] - known).argmin(1)
        error = errors[self.predictor[nearest], np.arange(len(gap))]
        worth = _log_density(error, spread) - _log_density(error, other)
        return np.where(gap <= self.lengths[-1], np.minimum(worth, _MOST), 0)


def _log_density(error: Array, spread: Array) -> Array:
    """Of errors in space with a spread: Student's t but for a constant."""
    return np.asarray(-3 * np.log(spread) - (_TAIL + 3) / 2 * np.log1p(np.square(error / spread) / _TAIL))


def _learn(edges: _Edges, lengths: IntArray) -> _Learnt | None:
    """By hiding pieces of tracklets; None where there are hardly any long enough."""
    rng = np.random.default_rng(0)
    known, predictor, spread, other = [], [], [], []
    for length in lengths:
        site = _sites(edges, int(length), rng)
        if len(site) < _LEAST_SITES:
            break
        column, last = edges.column[site[:, 0]], site[:, 1]
        own = np.median(edges.errors(last, last + length, column, column), axis=1) / _MEDIAN
        best = int(own.argmin())
        known.append(length)
        predictor.append(best)
        spread.append(max(_LEAST_MM, own[best]))
        other.append(_apart(edges, last, last + length, column))
    if not known:
        return None
    return _Learnt(np.array(known), np.array(predictor), np.array(spread), np.maximum(other, spread))


def _sites(edges: _Edges, length: int, rng: np.random.Generator) -> IntArray:
    """`(n, 2)`: a tracklet, and the frame before a piece of `length` frames that can be hidden in it."""
    room = edges.last - edges.first - length - 2 * edges.span + 1
    long = np.flatnonzero(room > 0)
    if not len(long):
        return np.zeros((0, 2), np.int64)
    chosen = rng.choice(long, _N_SITES, p=room[long] / room[long].sum())
    last = edges.first[chosen] + edges.span + (rng.random(_N_SITES) * room[chosen]).astype(np.int64)
    seen = edges.visible[last, edges.column[chosen]] & edges.visible[last + length, edges.column[chosen]]
    return np.asarray(np.stack([chosen, last], 1)[seen], np.int64)


def _apart(edges: _Edges, last: IntArray, back: IntArray, column: IntArray) -> float:
    """mm: the spread of where other points are in frame `back`, about where a column was in `last`."""
    seen: BoolArray = edges.visible[back].copy()
    seen[np.arange(len(back)), column] = False
    row, others = np.nonzero(seen)
    if not len(row):
        return 0.0
    apart: FloatArray = edges.positions[back[row], others] - edges.positions[last[row], column[row]]
    return float(np.median(np.linalg.norm(apart, axis=1))) / _MEDIAN
