"""What a labelled pose says of a trial as a whole: labels that are exchanged throughout, and markers put elsewhere.

The distances of the trial are taken as they mostly are. Limbs, pairs of labels and single markers are put right one
after the other, the likeliest first, as long as the distances speak for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.audit.distances import Distances, apart
from automarkerlabel.audit.exchanges import limbs as limbs_of
from automarkerlabel.audit.handedness import Hands
from automarkerlabel.audit.placement import Held, against, place, unlikely, witnesses
from automarkerlabel.audit.rigid_bodies import carried, stiff_mates
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray

Array = npt.NDArray[np.float64]

N_NEAR = 8  # labels by which one is judged,
N_AROUND = 25  # and a limb
_FEWEST_WITNESSES = 3
_LEAST_NATS = 1.0
_EXCHANGE_NATS = 1.5  # against an exchange before anything is seen; the like of a mistake that is rare
_PAIR_NATS = 4.0  # the same, for each pair of a limb: standing otherwise than in the pose may look like one
_ASKED_HANDS = 40  # limbs whose hands are looked at,
_ASKED_PAIRS, _ASKED_NATS = 15, 4.0  # and pairs, unless distances speak against them by more
_MOVED_NATS = 2.0  # against a marker having been put elsewhere, which may be anywhere,
_NAME_NATS = 5.0  # and by which it must be likelier than another name for the same points
_MOVED_LEAST_MM = 25.0  # soft tissue moves markers as far
_SAME_PLACE_MM, _SAME_SHARE = 30.0, 0.7  # nearer to an absent label's place than this, and than that share of the way
_MOST_MOVES = 60


@dataclass(frozen=True)
class Moved:
    """A label whose points are `by_mm` off its place in the pose, and the mate whose distance changed most."""

    label: int
    by_mm: float
    mate: int
    now_mm: float
    then_mm: float
    nats: float


@dataclass(frozen=True, eq=False)
class Compared:
    """What should be otherwise than it is.

    source  `(n_labels,)`: of each label the label whose points it should have; itself mostly.
    nats    `(n_labels,)`: by which.
    moved   markers that were put elsewhere.
    """

    source: IntArray
    nats: Array
    moved: tuple[Moved, ...]


def compared(points: FloatArray, own: Distances, pose: FloatArray, pairs: IntArray, same: BoolArray) -> Compared:
    """What the distances of a pose say against the labels.

    points `(n_moments, n_labels, 3)` of the trial.
    own    distances as they mostly are in the trial.
    pose   `(n_labels, 3)` mm, NaN where not known.
    pairs  `(n_pairs, 2)` left and right.
    same   `(n_labels, n_labels)`: whether two labels are known to share a segment.
    """
    places = pose.astype(np.float64)
    source, nats = np.arange(len(pose)), np.zeros(len(pose))
    moved: list[Moved] = []
    limbs = _Limbs.of_pose(apart(places), pairs)
    hands = Hands(points, pose)
    met = {tuple(source.tolist())}
    for _ in range(_MOST_MOVES):
        now, then = _by_label(own, source), apart(places)
        # Limbs first, lest they be exchanged marker by marker; not once markers were put elsewhere to make up for it.
        best, move = (0.0, None) if moved else _best_limb(now, then, limbs, hands, source)
        if best < _LEAST_NATS:
            best, move = _best_pair(now, then, hands, source)
            found = [*_elsewhere(now, then, places, same), *_carried_away(points[:, source], now, places, same)]
            told = {m.label for m in moved}  # once: two places that are as good would be told in turn without end
            elsewhere = max((x for x in found if x[0].label not in told), key=lambda x: x[0].nats, default=None)
            if elsewhere is not None and elsewhere[0].nats > max(_LEAST_NATS, best + _rather(elsewhere[0], move)):
                absent = _absent_there(now, places, *elsewhere)
                if absent is None:
                    moved.append(elsewhere[0])
                    places[elsewhere[0].label] = elsewhere[1]
                    continue
                best, move = elsewhere[0].nats, np.array([[elsewhere[0].label, absent]], np.int64)
        if best < _LEAST_NATS or move is None:
            break
        for a, b in move.tolist():
            source[a], source[b] = source[b], source[a]
        if tuple(source.tolist()) in met:
            break
        met.add(tuple(source.tolist()))
        nats[np.unique(move)] += best
    return Compared(source, nats, tuple(moved))


def _rather(moved: Moved, pair: IntArray | None) -> float:
    """Nats by which a marker that was put elsewhere must be likelier than an exchange: more if it is of that label."""
    return _NAME_NATS if pair is not None and moved.label in pair else 0.0


def _absent_there(now: Distances, places: Array, moved: Moved, where: Array) -> int | None:
    """The label that has no points, in whose place those of `moved` are."""
    away = np.linalg.norm(places - where, axis=1)
    away[np.isnan(away) | np.isfinite(now.centre).any(1)] = np.inf
    return int(away.argmin()) if away.min() < min(_SAME_PLACE_MM, _SAME_SHARE * moved.by_mm) else None


def _by_label(own: Distances, source: IntArray) -> Distances:
    """The distances of the points that each label should have."""
    both = np.ix_(source, source)
    return Distances(own.centre[both], own.spread[both], own.mates, own.low[both], own.high[both])


def _costs(now: Distances, then: Array) -> Array:
    """`[i, j, m]`: nats against the points of label j being those of label i, by their distance to those of m; NaN
    where not known, and for m being i or j."""
    cost = against(now.centre[None], then[:, None], now.spread[None])
    n = np.arange(len(then))
    cost[n, :, n] = cost[:, n, n] = np.nan
    return cost


def _far_costs(now: Distances, then: Array) -> Array:
    """As `_costs`, for limbs: they are judged by labels across joints and the whole body, whose many distances differ
    together. What is far counts less, but none is given up as a joint's."""
    loose = np.hypot(now.spread, 4.0 + 0.03 * then + 0.1 * np.maximum(then - 300, 0))
    off = np.abs(now.centre[None] - then[:, None]) / np.fmax(loose[:, None], np.hypot(now.spread, 4.0)[None])
    return np.asarray(np.log1p(np.square(np.minimum(off, 20.0))))


def _near(then: Array, known: BoolArray, n_near: int) -> BoolArray:
    """`[i, m]`: whether m is among the labels nearest to i of those that are known of it."""
    ranked = np.argsort(np.where(known & (then > 0), then, np.inf), axis=1)[:, :n_near]
    near = np.zeros(then.shape, np.bool_)
    np.put_along_axis(near, ranked, True, axis=1)
    return near & known


def _best_pair(now: Distances, then: Array, hands: Hands, source: IntArray) -> tuple[float, IntArray | None]:
    """The pair of labels that is best exchanged; one of them may be absent in the trial."""
    cost, n = _costs(now, then), np.arange(len(then))
    seen: BoolArray = np.asarray(np.isfinite(now.centre).any(1))
    as_own = cost[n, n]  # (label, mate)
    to_one = _near(then, np.asarray(seen & np.isfinite(then)), N_NEAR)
    near = to_one[:, None] | to_one[None]  # [i, j, m]: to either
    # [i, j]: what speaks for the points of j being those of i rather than of j.
    gain = np.where(near, np.nan_to_num(as_own[None] - cost), 0.0).sum(2)
    both = np.where(seen[:, None] & seen[None], gain + gain.T, -np.inf)
    absent = np.where(~seen[:, None] & seen[None] & np.isfinite(then), gain, -np.inf)
    value = np.maximum(both, np.maximum(absent, absent.T)) - _EXCHANGE_NATS
    np.fill_diagonal(value, -np.inf)
    before = hands.nats(source)
    best: tuple[float, IntArray | None] = (0.0, None)
    for a, b in _greatest(value):
        after = source.copy()
        after[a], after[b] = source[b], source[a]
        total = float(value[a, b]) + hands.nats(after) - before
        best = max(best, (total, np.array([[a, b]], np.int64)), key=lambda x: x[0])
    return best


def _greatest(value: Array) -> list[tuple[int, int]]:
    """The pairs of labels of the greatest values of a symmetric matrix, if they are worth a look."""
    ranked = np.argsort(np.triu(value, 1) - 1e9 * np.tri(len(value)), axis=None)[::-1][:_ASKED_PAIRS]
    pairs = np.stack(np.unravel_index(ranked, value.shape), 1)
    return [(a, b) for a, b in pairs.tolist() if value[a, b] > -_ASKED_NATS]


@dataclass(frozen=True, eq=False)
class _Limbs:
    """Pairs of left and right `(n_pairs, 2)`, and which of them are exchanged with a limb, or with a part of one.

    parts  `(n, n_pairs)`: the pairs of each limb; then of two limbs, or of a limb but for a part. `n_whole` are limbs.
    """

    pairs: IntArray
    parts: BoolArray
    n_whole: int

    @classmethod
    def of_pose(cls, then: Array, pairs: IntArray) -> "_Limbs":
        if not len(pairs):
            return cls(pairs.reshape(0, 2), np.zeros((0, 0), np.bool_), 0)
        index = {tuple(p): n for n, p in enumerate(pairs.tolist())}
        blocks = limbs_of(then, pairs)
        one = np.zeros((len(blocks), len(pairs)), np.bool_)
        for n, block in enumerate(blocks):
            one[n, [index[tuple(p)] for p in block.tolist()]] = True
        parts = np.concatenate([one, np.eye(len(pairs), dtype=np.bool_)])
        two = (one[:, None] ^ parts[None]).reshape(-1, len(pairs))  # (n_limbs * n_parts, n_pairs)
        return cls(pairs, np.concatenate([one, np.unique(two[two.any(1)], axis=0)]), len(one))


def _best_limb(
    now: Distances, then: Array, limbs: _Limbs, hands: Hands, source: IntArray
) -> tuple[float, IntArray | None]:
    """The limb whose left and right are best exchanged, by the distances to the rest of the body and by its hands."""
    best: tuple[float, IntArray | None] = (0.0, None)
    if not limbs.n_whole:
        return best
    left, right = limbs.pairs.T
    cost, n = _far_costs(now, then), np.arange(len(then))
    near = _near(then, np.isfinite(cost[n, n]), N_AROUND)
    gain = cost[left, left] + cost[right, right] - cost[left, right] - cost[right, left]  # (n_pairs, n_labels)
    gain = np.where(near[left] | near[right], np.nan_to_num(gain), 0.0)
    inside = gain[:, left] + gain[:, right]  # (n_pairs, n_pairs)
    weight = limbs.parts.astype(np.float64)
    total = weight @ (gain.sum(1) - _PAIR_NATS) - ((weight @ inside) * weight).sum(1)
    before = hands.nats(source)
    likely = np.argsort(-total, kind="stable")[:_ASKED_HANDS]
    for k in np.union1d(likely, np.arange(limbs.n_whole)).tolist():
        a, b = limbs.pairs[limbs.parts[k]].T
        after = source.copy()
        after[a], after[b] = source[b], source[a]
        nats = float(total[k]) + hands.nats(after) - before
        best = max(best, (nats, limbs.pairs[limbs.parts[k]]), key=lambda x: x[0])
    return best


def _elsewhere(now: Distances, then: Array, places: Array, same: BoolArray) -> Iterator[tuple[Moved, Array]]:
    """Labels whose distances to their mates speak for another place than in the pose, and that place."""
    for label in np.flatnonzero(np.isfinite(places[:, 0]) & np.isfinite(now.centre).any(1)).tolist():
        mates = witnesses(now, then, label, same)
        if len(mates) < _FEWEST_WITNESSES:
            continue
        here, spread, pose = now.centre[label, mates], now.spread[label, mates], then[label, mates]
        held = Held.of_label(now, label, mates, same)
        stay = float(held.against(pose).sum())
        if stay - float(held.against(held.middle).sum()) < _MOVED_NATS:
            continue
        where, left = place(held, here, spread, places[mates], places[label])
        yield from _moved(now, places, label, mates, where, stay - left)


def _carried_away(points: FloatArray, now: Distances, places: Array, same: BoolArray) -> Iterator[tuple[Moved, Array]]:
    """Labels that the mates on their segment carry elsewhere than the pose has them, and where."""
    for label in np.flatnonzero(np.isfinite(places[:, 0]) & np.isfinite(now.centre).any(1)).tolist():
        mates = stiff_mates(now, places, label, same)
        if len(mates) and (told := carried(points, places, label, mates)) is not None:
            yield from _moved(now, places, label, mates, *told)


def _moved(
    now: Distances, places: Array, label: int, mates: IntArray, where: Array, nats: float
) -> Iterator[tuple[Moved, Array]]:
    """A marker that was put elsewhere, told by the mate whose distance changed most, unless it is too near."""
    by = float(np.linalg.norm(where - places[label]))
    if by > _MOVED_LEAST_MM:
        then = np.linalg.norm(places[mates] - places[label], axis=1)
        n = int(np.argmax(np.abs(now.centre[label, mates] - then)))
        nats -= _MOVED_NATS + float(unlikely(np.asarray(by)))
        yield Moved(label, by, int(mates[n]), float(now.centre[label, mates[n]]), float(then[n]), nats), where
