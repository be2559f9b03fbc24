"""Names of neighbours that are exchanged throughout a trial, told by distances that hold over it.

Of each few labels that are near to each other, in the pose or in the trial, all permutations are rivals: a ring moved
on by one place, a row along a limb, both hands on a bar. What each is worth is the likelihood of the distances among
them and to their neighbours, as they mostly are in the trial, against the pose. Distances tell what single poses do
not, and only where the pose is of the same person, or nearly: what differs throughout the body makes all count less.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import numpy.typing as npt

from automarkerlabel.audit.distances import Distances, apart, relative_size
from automarkerlabel.audit.handedness import Hands
from automarkerlabel.audit.placement import against
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray

Array = npt.NDArray[np.float64]

_GROUP = 5  # labels
_ORDERS: IntArray = np.array(list(permutations(range(_GROUP))), np.int64)[1:]
_N_AROUND, _AROUND_MM = 10, 500.0  # labels about a group by which it is judged, too
_NEAR_MM, _TIGHT = 300.0, 0.5  # pairs by which it is judged how much a person differs: near ones, and the tightest half
_LIKELY, _ASKED_HANDS = 3, 15  # permutations of each group, and of all of them, whose hands are asked
_LEAST_NATS, _GO_ON_NATS = 10.0, 3.0  # for a change, and for a further one
_MOST_STEPS = 8


def permuted(places: FloatArray, pose: FloatArray, prior: Array) -> tuple[IntArray, float]:
    """The label `source[i]` whose points should carry label i, of each `(n_labels,)`; and by how many nats that is
    likelier than the labels so far.

    places  `(n_moments, n_labels, 3)` mm, by the labels so far, NaN where hidden.
    pose    `(n_labels, 3)` mm, NaN where not known; of a body of any size.
    prior   `[i, j]` nats that something else speaks against the points of label j being those of label i.
    """
    own = Distances.of_motion(places)
    pose = pose * np.float32(relative_size(own, pose))
    then = apart(pose)
    loose = np.maximum(own.spread, 0.0) + strangeness(own, then)
    hands = Hands(places, pose)
    source, total = np.arange(len(pose)), 0.0
    for _ in range(_MOST_STEPS):
        both = np.ix_(source, source)
        now, spread = own.centre[both], loose[both]
        likely = [x for group in _groups(now, then) for x in _likely(now, then, spread, prior[:, source], group)]
        likely = sorted(likely, key=lambda x: -x[0])[:_ASKED_HANDS]
        before = hands.nats(source)
        best, after = 0.0, source
        for nats, group, order in likely:
            changed = source.copy()
            changed[group] = source[order]
            nats += hands.nats(changed) - before
            if nats > best:
                best, after = nats, changed
        if best < (_GO_ON_NATS if total else _LEAST_NATS):
            break
        source, total = after, total + best
    return source, total


def strangeness(own: Distances, then: Array) -> float:
    """mm by which near and tight distances mostly differ from the pose's: hardly at all where it is the same person."""
    with np.errstate(invalid="ignore"):
        near = np.triu(np.isfinite(own.centre) & (then < _NEAR_MM), 1)
    if not near.any():
        return 0.0
    tight = own.spread[near] <= np.quantile(own.spread[near], _TIGHT)
    return float(np.median(np.abs(own.centre - then)[near][tight]))


def _groups(now: Array, then: Array) -> Iterator[IntArray]:
    """Labels that are near to each other in the pose, and those that are in the trial."""
    placed: BoolArray = np.asarray(np.isfinite(then).any(1))
    seen: BoolArray = np.asarray(placed & np.isfinite(now).any(1))
    met: set[tuple[int, ...]] = set()
    for distance, allowed in ((then, placed), (now, seen)):
        for n in np.flatnonzero(allowed).tolist():
            near = np.where(allowed & np.isfinite(distance[n]), distance[n], np.inf)
            near[n] = -1.0
            group = np.argsort(near, kind="stable")[:_GROUP]
            group = np.sort(group[np.isfinite(near[group])])
            if len(group) == _GROUP and tuple(group.tolist()) not in met and seen[group].sum() > 1:
                met.add(tuple(group.tolist()))
                yield group


def _likely(
    now: Array, then: Array, spread: Array, prior: Array, group: IntArray
) -> Iterator[tuple[float, IntArray, IntArray]]:
    """The likeliest permutations of a group: the nats by which each is likelier than none, the group, and whose points
    its labels should have."""
    a, b = np.triu_indices(len(group), 1)
    inside = np.nan_to_num(_against(now, then, spread, group[_ORDERS], group, a, b)).sum(1)
    identity = np.arange(len(group))[None]
    before = np.nan_to_num(_against(now, then, spread, group[identity], group, a, b)).sum(1)
    around = _around(now, then, group)
    cost = against(  # [i, j]: the points of j in the place of i, both of the group
        now[np.ix_(group, around)][None], then[np.ix_(group, around)][:, None], spread[np.ix_(group, around)][None]
    )
    outside = np.nan_to_num(cost).sum(2)
    place = np.arange(len(group))
    moves = outside + prior[np.ix_(group, group)]
    total = inside + moves[place, _ORDERS].sum(1)
    gain = before[0] + moves[place, place].sum() - total
    for best in np.argsort(-gain, kind="stable")[:_LIKELY].tolist():
        yield float(gain[best]), group, group[_ORDERS[best]]


def _against(
    now: Array, then: Array, spread: Array, points: IntArray, group: IntArray, a: IntArray, b: IntArray
) -> Array:
    """`(n_orders, n_pairs)`: nats against the distances of points `(n_orders, n)` that carry the labels of a group."""
    one, other = points[:, a], points[:, b]
    return against(now[one, other], then[group[a], group[b]][None], spread[one, other])


def _around(now: Array, then: Array, group: IntArray) -> IntArray:
    """The labels nearest to a group in the pose that the trial shows."""
    nearest = np.where(np.isfinite(then[group]), then[group], np.inf).min(0)
    nearest[group] = np.inf
    nearest[~np.isfinite(now).any(1)] = np.inf
    ranked = np.argsort(nearest, kind="stable")[:_N_AROUND]
    return np.asarray(ranked[nearest[ranked] < _AROUND_MM], np.int64)
