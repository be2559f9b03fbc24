"""What a labelling could be worth at most, and which pairs of tracklet and label no best labelling can hold.

Tracklets have prices, which every label pays that uses them. Each label then goes its own best way through time; what
these ways are worth, and the prices, together bound every labelling from above (Lagrange's relaxation). Prices rise
where labels compete and fall where none comes, until the bound hardly moves.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.continuity import Joins
from automarkerlabel.core.trial import BoolArray, IntArray, runs

Array = npt.NDArray[np.float64]

N_ROUNDS = 150
_FIRST_STEP = 0.1  # of what tracklets are worth on average
_LAST_STEP = 1e-6
_MOMENTUM = 0.8
_PATIENCE = 5  # rounds without a better bound until steps are halved

_Mates = list[list[tuple[int, float]]]


@dataclass(frozen=True, eq=False)
class Bound:
    """No labelling is worth more than `value`, and none that gives tracklet t the label k more than
    `value + reach[t, k]`; `reach` is `(n_tracklets, n_labels)`, -inf to 0."""

    value: float
    reach: Array


def find_bound(
    gain: Array, sets: BoolArray, joins: Joins, n_rounds: int = N_ROUNDS, time_limit_s: float = np.inf
) -> Bound:
    """The bound of a problem, see `assign`. It holds after any number of rounds, and becomes tighter with each."""
    started = time.monotonic()
    paths = _Paths(sets, joins)
    ranked = np.sort(np.maximum(gain, 0), axis=1)
    price = ranked[:, -2].copy() if gain.shape[1] > 1 else np.zeros(len(gain))
    first = float(ranked[:, -1].mean()) + float(joins.worth.mean() if len(joins) else 0)
    step = _FIRST_STEP * first
    best, best_price = Bound(np.inf, np.zeros_like(gain)), price
    speed, waited = np.zeros_like(price), 0
    for _ in range(n_rounds):
        ways, through = paths.best(gain - price[:, None])
        value, reach = float(price.sum() + ways.sum()), through - ways
        if value < best.value:
            best, best_price, waited = Bound(value, reach), price, 0
        else:
            waited += 1
        wanted = (reach >= -1e-9).sum(1)
        if step < _LAST_STEP * first or ((wanted <= 1) & ((wanted == 1) | (price == 0))).all():
            break  # every way can be taken: the bound is reached
        if time.monotonic() - started > time_limit_s:
            break
        if waited == _PATIENCE:
            price, speed, step, waited = best_price, np.zeros_like(price), step / 2, 0
            continue
        speed = _MOMENTUM * speed + np.clip(wanted - 1, -1, 2)
        price = np.maximum(0, price + step * speed)
    return best


class _Paths:
    """The pieces of tracklets in the order of time, from one to the next of which a label may go.

    A tracklet is one piece, unless others are seen in its gaps: then each of its runs is a piece with its share of the
    worth. A path may then hold one piece without the others, which only raises the bound.
    """

    def __init__(self, sets: BoolArray, joins: Joins) -> None:
        tracklet, start, stop = _pieces(sets)
        n_sets, self.n_tracklets = sets.shape
        order = np.lexsort((stop, start))
        self.tracklet, start, stop = tracklet[order], start[order], stop[order]
        n = len(order)
        self.by_owner = np.argsort(self.tracklet, kind="stable")
        self.owners, self.first_of_owner = np.unique(self.tracklet[self.by_owner], return_index=True)
        self.share = 1 / np.bincount(tracklet, minlength=self.n_tracklets)[self.tracklet]
        first, last = np.full(self.n_tracklets, -1), np.full(self.n_tracklets, -1)
        last[self.tracklet] = np.arange(n)
        first[self.tracklet[::-1]] = np.arange(n)[::-1]
        before, after = last[joins.before], first[joins.after]
        self.forward = _Sweep(start, stop, _mates(n, after, before, joins.worth))
        # The same in reversed time.
        self.reversed = np.lexsort((-start, -stop))
        self.place = np.argsort(self.reversed)
        mates = _mates(n, self.place[before], self.place[after], joins.worth)
        self.backward = _Sweep((n_sets - stop)[self.reversed], (n_sets - start)[self.reversed], mates)

    def best(self, gain: Array) -> tuple[Array, Array]:
        """What the best path of each label is worth `(n_labels,)`, and what at most the best one through each tracklet
        `(n_tracklets, n_labels)`, where tracklets are worth `gain`, of the same shape, -inf where not allowed."""
        worth = gain[self.tracklet] * self.share[:, None]
        forward = self.forward.run(worth)
        backward = self.backward.run(worth[self.reversed])[self.place]
        with np.errstate(invalid="ignore"):
            piece = np.where(np.isfinite(worth), forward + backward - worth, -np.inf)
        through = np.full((self.n_tracklets, gain.shape[1]), -np.inf)
        if len(piece):
            through[self.owners] = np.minimum.reduceat(piece[self.by_owner], self.first_of_owner)
        return np.maximum(forward.max(0, initial=0), 0), through


@dataclass(frozen=True, eq=False)
class _Sweep:
    """Pieces by `start` and `stop` `(n_pieces,)`, in the order of `start`, and which pieces each continues."""

    start: IntArray
    stop: IntArray
    mates: _Mates

    def run(self, worth: Array) -> Array:
        """`(n_pieces, n_labels)`: the best path that ends with each piece."""
        found = worth.copy()
        ended, starts, stops = np.argsort(self.stop, kind="stable").tolist(), self.start.tolist(), self.stop.tolist()
        free, n_ended = np.zeros(worth.shape[1]), 0  # the best path that has ended
        for i, start in enumerate(starts):
            while stops[ended[n_ended]] <= start:
                np.maximum(free, found[ended[n_ended]], out=free)
                n_ended += 1
            best = free
            for j, joined in self.mates[i]:
                best = np.maximum(best, found[j] + joined)
            found[i] += best
        return found


def _mates(n: int, piece: IntArray, mate: IntArray, worth: Array) -> _Mates:
    """Of each of `n` pieces the mates that it continues, and what that is worth."""
    mates: _Mates = [[] for _ in range(n)]
    for i, j, w in zip(piece.tolist(), mate.tolist(), worth.tolist(), strict=True):
        mates[i].append((j, w))
    return mates


def _pieces(sets: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """Tracklet, first set, and the set after the last, of each piece; none of a tracklet that is in no set."""
    first, stop = sets.argmax(0), len(sets) - sets[::-1].argmax(0)
    # Only a tracklet that is not in all sets from its first to its last can be woven into others.
    broken = np.flatnonzero(sets.any(0) & (sets.sum(0) < stop - first))
    seen = sets.astype(np.float32)
    spans_meet = (first[broken, None] < stop) & (first < stop[broken, None])
    woven = np.zeros(sets.shape[1], np.bool_)
    woven[broken] = (spans_meet & ~((seen[:, broken].T @ seen) > 0)).any(1)
    pieces = [
        (t, int(a), int(b))
        for t in np.flatnonzero(sets.any(0)).tolist()
        for a, b in (runs(sets[:, t]) if woven[t] else [(first[t], stop[t])])
    ]
    table = np.array(pieces, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]
