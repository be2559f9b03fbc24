"""Where the evidence for a tracklet's label changes in mid-course, and in which frame, by the paths.

The likeliest labels of a tracklet's windows are found with a cost for each change. A change counts if other tracklets
change the other way at the same time and their paths agree, or where the column was hidden or unsteady.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.jumps import Paths, unsteadiness
from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import IntArray, Trial, runs

Array = npt.NDArray[np.float64]

_PROPOSE_NATS = 4.0  # cost of a change, in looking for them
_EXCHANGE_NATS = 8.0  # what an exchange must be worth, paths and evidence together
_MOST_AGAINST_NATS = 6.0  # by paths that go on well as they are: no evidence outweighs more
_ALONE_NATS = 8.0
_MOST_NATS = 12.0  # that the evidence of one tracklet can say
_INDEPENDENT_S = 0.1  # windows nearer than this tell the same
_LEAP = 5.0  # times its unsteadiness, with which a column may be cut alone
_LEAP_TO_GHOST = 12.0


@dataclass(frozen=True)
class Exchange:
    """From `frame` on, the marker of each of `columns` is in the one in `after`."""

    frame: int
    columns: tuple[int, ...]
    after: tuple[int, ...]


@dataclass
class Changes:
    """Exchanges, cuts (column, frame), and what they must be worth in all."""

    exchanges: list[Exchange] = field(default_factory=list)
    cuts: list[tuple[int, int]] = field(default_factory=list)
    cost: float = 0.0


@dataclass(frozen=True)
class _Proposal:
    """The evidence for a tracklet changes from one class to another between two frames."""

    tracklet: int
    first: int
    last: int
    before: int
    after: int
    nats: float


def changes(
    trial: Trial, tracklets: Sequence[Tracklet], scores: LabelScores, held: set[int] | frozenset[int] = frozenset()
) -> Changes:
    """The changes that evidence and paths agree on. Columns in `held` stay as they are."""
    proposals = [p for p in _proposals(trial, scores) if tracklets[p.tracklet].column not in held]
    found = Changes()
    if not proposals:
        return found
    kinks, none = _Kinks(trial), len(scores.labels)
    used: set[_Proposal] = set()
    for ring in _rings(proposals):
        if used & set(ring):
            continue
        columns = tuple(tracklets[p.tracklet].column for p in ring)
        first, last = max(p.first for p in ring), min(p.last for p in ring)
        after = columns[1:] + columns[:1]
        frame, nats = kinks.best_exchange(columns, after, first, last)
        if nats > -_MOST_AGAINST_NATS and nats + sum(p.nats for p in ring) >= _EXCHANGE_NATS:
            found.exchanges.append(Exchange(frame, columns, after))
            found.cost += _EXCHANGE_NATS / 2
            used |= set(ring)
    for p in proposals:
        t = tracklets[p.tracklet]
        if p in used or p.nats < _ALONE_NATS:
            continue
        ghost = none in (p.before, p.after)
        where = kinks.best_cut(t, p.first, p.last, ghost)
        if where is not None:
            found.cuts.append((t.column, where))
            found.cost += _ALONE_NATS / 2
    return found


def _proposals(trial: Trial, scores: LabelScores) -> list[_Proposal]:
    """Every change of the likeliest labels of a tracklet, the surest first."""
    middle = scores.frames.sum(1) // 2
    spans = np.searchsorted(scores.tracklet, np.arange(scores.n_tracklets + 1))
    found = []
    for n, (start, stop) in enumerate(zip(spans[:-1].tolist(), spans[1:].tolist(), strict=True)):
        if stop - start < 2:
            continue
        order = start + np.argsort(middle[start:stop], kind="stable")
        apart = np.diff(middle[order], prepend=-trial.rate_hz) / trial.rate_hz
        weighed = scores.log_probs[order] * np.minimum(apart / _INDEPENDENT_S, 1)[:, None]
        if weighed.max(1).sum() - weighed.sum(0).max() < _PROPOSE_NATS:
            continue
        path = likeliest_path(weighed, _PROPOSE_NATS)
        edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
        for a, b, c in zip(edges, edges[1:], edges[2:], strict=False):
            before, after = int(path[a]), int(path[b])
            both = weighed[a:c].sum(0)
            nats = weighed[a:b, before].sum() + weighed[b:c, after].sum() - both.max()
            first, last = int(middle[order[b - 1]]) + 1, int(middle[order[b]])
            found.append(_Proposal(n, first, last, before, after, min(float(nats), _MOST_NATS)))
    return sorted(found, key=lambda p: -p.nats)


def likeliest_path(log_probs: Array, cost: Array | float) -> npt.NDArray[np.int64]:
    """`(n_windows,)`: the class of each window that makes the summed `log_probs` `(n_windows, n_classes)` less `cost`
    for each change the largest; `cost` of all, or `(n_windows,)` of a change just before each."""
    n, n_classes = log_probs.shape
    costs = np.broadcast_to(cost, n)
    came_from = np.zeros((n, n_classes), np.int64)
    best = log_probs[0].astype(np.float64)
    stay = np.arange(n_classes)
    for i in range(1, n):
        top = int(best.argmax())
        changed = best[top] - costs[i] > best
        came_from[i] = np.where(changed, top, stay)
        best = np.where(changed, best[top] - costs[i], best) + log_probs[i]
    path = np.zeros(n, np.int64)
    path[-1] = best.argmax()
    for i in range(n - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path


def _rings(proposals: Sequence[_Proposal]) -> Iterator[tuple[_Proposal, ...]]:
    """Two or three changes at one time in which each takes the class that the next gives up."""
    taking: dict[int, list[_Proposal]] = {}
    for p in proposals:
        taking.setdefault(p.after, []).append(p)

    def overlap(*some: _Proposal) -> bool:
        together = max(p.first for p in some) <= min(p.last for p in some)
        return together and len({p.tracklet for p in some}) == len(some)

    for p in proposals:
        for q in taking.get(p.before, []):
            if not overlap(p, q):
                continue
            if q.before == p.after:
                yield p, q
                continue
            yield from ((p, q, r) for r in taking.get(q.before, []) if r.before == p.after and overlap(p, q, r))


class _Kinks:
    """How well paths go on, over gaps too."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.paths = Paths(trial, np.arange(trial.n_columns))
        self.off = self.paths.straight()
        self.scale = unsteadiness(self.off, trial.rate_hz)

    def best_exchange(
        self, columns: tuple[int, ...], after: tuple[int, ...], first: int, last: int
    ) -> tuple[int, float]:
        """The frame from `first` to `last` in which the exchange is likeliest, and by how many nats than none."""
        frames, a, b = np.arange(max(1, first), max(1, last) + 1)[:, None], np.array(columns), np.array(after)
        nats = (self._surprise(a, a, frames) - self._surprise(a, b, frames)).sum(1)
        best = int(nats.argmax())
        return int(frames[best, 0]), float(nats[best])

    def best_cut(self, tracklet: Tracklet, first: int, last: int, ghost: bool) -> int | None:
        """The frame from `first` to `last` in which the column leaps or, unless it turns from or into a ghost, is seen
        again; None if there is none."""
        t = tracklet
        frames = np.arange(first, last + 1)
        leap = np.nan_to_num(self.off[frames, t.column] / self.scale[frames, t.column])
        if leap.size and leap.max() > (_LEAP_TO_GHOST if ghost else _LEAP):
            return int(frames[leap.argmax()])
        returns = runs(self.trial.visible[t.start : t.stop, t.column])[1:, 0] + t.start
        returns = returns[(returns >= first) & (returns <= last)]
        if ghost or not len(returns):
            return None
        return int(returns[self._surprise(t.column, t.column, returns).argmax()])

    def _surprise(self, column: IntArray | int, other: IntArray | int, frame: IntArray) -> Array:
        return self.paths.surprise(column, other, frame, self.scale)
