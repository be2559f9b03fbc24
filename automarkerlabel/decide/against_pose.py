"""Labels that are exchanged throughout a trial, by the distances of a labelled pose.

The distances of the trial are taken as they mostly are. Labels are exchanged, one pair or limb after the other, as long
as that brings the distances nearer to those of the pose.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.decide.consistency import N_MATES, Distances, apart
from automarkerlabel.decide.mistakes import limbs
from automarkerlabel.trial import BoolArray, FloatArray, IntArray

Array = npt.NDArray[np.float64]

N_NEAR = 7  # labels by which one is judged,
N_AROUND = 25  # and a limb
_FLESH_MM, _FLESH_SHARE = 4.0, 0.03  # by which a distance in motion differs from that in a pose
_FAR_SHARE = 0.1  # looseness of labels that are far from each other, though it may not show
_LEAST_NATS = 1.0
_PAIR_NATS = 4.0  # for each pair of a limb: standing otherwise than in the pose may look like some
_BETTER = 0.85  # share of its cost that is left at most
_GOOD_FIT = 1.4  # mean cost of a label's distances, joints moving, where it is right
_MOST_MOVES = 60
_TIGHT_MM, _MATES_MM = 6.0, 300.0  # labels that move with each other
_CHANGED_MM, _CHANGED_SHARE = 16.0, 0.08


@dataclass(frozen=True)
class Changed:
    """A label whose distances are not those of the pose, the mate of the greatest difference, and both distances."""

    label: int
    mate: int
    now_mm: float
    then_mm: float


def as_in_pose(own: Distances, pose: FloatArray, pairs: IntArray) -> tuple[IntArray, Array]:
    """`(n_labels,)`: of each label the label whose points fit it best, and the nats by which; itself mostly.

    own    distances as they mostly are in the trial.
    pose   `(n_labels, 3)` mm, NaN where not known.
    pairs  `(n_pairs, 2)` left and right.
    """
    then = apart(pose[None])[0]
    n = len(pose)
    source = np.arange(n)
    nats = np.zeros(n)
    blocks = limbs(then, pairs)
    seen: BoolArray = np.isfinite(own.centre).sum(1) > 0
    met = {tuple(source.tolist())}
    for _ in range(_MOST_MOVES):
        wide = _fits(own, then, source, N_AROUND)
        gains = [_limb_gain(wide, block) - _PAIR_NATS * len(block) for block in blocks]
        best, move = max(gains, default=0.0), blocks[int(np.argmax(gains))] if gains else None
        if best < _LEAST_NATS:  # limbs first, lest they be exchanged marker by marker
            best, move = _best_pair(_fits(own, then, source, N_NEAR), source, seen)
        if best < _LEAST_NATS or move is None:
            break
        for a, b in move.tolist():
            source[a], source[b] = source[b], source[a]
        if tuple(source.tolist()) in met:
            break
        met.add(tuple(source.tolist()))
        nats[np.unique(move)] += best
    return source, nats


def _fits(own: Distances, then: Array, source: IntArray, n_near: int) -> Array:
    """`[i, j, m]`: nats against the point that label j has now being label i, by its distance to that of m; NaN for
    all but the labels nearest to i."""
    centre, spread = own.centre[np.ix_(source, source)], own.spread[np.ix_(source, source)]
    loose = np.hypot(spread, _FLESH_MM + _FLESH_SHARE * then + _FAR_SHARE * np.maximum(then - 300, 0))
    near = np.zeros(then.shape, np.bool_)
    ranked = np.argsort(np.where(np.isnan(then) | (then == 0), np.inf, then), axis=1)[:, :n_near]
    np.put_along_axis(near, ranked, True, axis=1)
    off = np.abs(centre[None] - then[:, None]) / np.fmax(loose[:, None], np.hypot(spread, _FLESH_MM)[None])
    cost = np.log1p(np.square(np.minimum(off, 20.0)))
    cost[~np.broadcast_to(near[:, None], cost.shape)] = np.nan
    return np.asarray(cost)


def _best_pair(total: Array, source: IntArray, seen: BoolArray) -> tuple[float, IntArray | None]:
    """The pair of labels that is best exchanged; one of them may be absent in the trial."""
    n = len(source)
    here = seen[source]
    cost = np.nan_to_num(total)
    known = ~np.isnan(total)
    own_cost = cost[np.arange(n), np.arange(n)]  # (label, mate)
    own_known = known[np.arange(n), np.arange(n)]
    common = known & own_known[:, None]  # distances that are known of both points
    stay = (own_cost[:, None] * common).sum(2)
    take = (cost * common).sum(2)
    as_other = cost.sum(2) / np.maximum(known.sum(2), 1)
    gain = stay - take  # [i, j]: label i with j's point instead of its own
    own_total = own_cost.sum(1) / np.maximum(own_known.sum(1), 1)
    better = take + take.T < (stay + stay.T) * _BETTER
    better &= np.minimum(as_other, as_other.T) < _GOOD_FIT
    both = np.where(here[:, None] & here[None] & better, gain + gain.T, -np.inf)
    # A point of j for an absent label i: what j's own distances cost against what they cost as i.
    fits = (known.sum(2) >= 3) & (as_other < _GOOD_FIT)
    as_absent = (own_total[None] - as_other) * np.minimum(known.sum(2), N_NEAR)
    absent = np.where(~here[:, None] & here[None] & fits, as_absent, -np.inf)
    value = np.maximum(both, np.maximum(absent, absent.T))
    np.fill_diagonal(value, -np.inf)
    if not np.isfinite(value).any():
        return 0.0, None
    a, b = np.unravel_index(int(np.argmax(value)), value.shape)
    return float(value[a, b]), np.array([[a, b]], np.int64)


def _limb_gain(total: Array, block: IntArray) -> float:
    """What the exchange of left and right of a limb is worth, by the distances to the rest of the body."""
    outside = np.ones(len(total), np.bool_)
    outside[block.ravel()] = False
    left, right = block.T
    gain = total[left, left] + total[right, right] - total[left, right] - total[right, left]
    return float(np.nan_to_num(gain[:, outside]).sum())


def changed(own: Distances, pose: FloatArray) -> list[Changed]:
    """Labels whose distances to those that move with them are not those of the pose, the worst first."""
    then = apart(pose[None])[0]
    tight: BoolArray = (own.spread <= _TIGHT_MM + _FLESH_SHARE * then) & (then < _MATES_MM) & (then > 0)
    nearest = np.argsort(np.where(tight, then, np.inf), axis=1)[:, N_MATES:]
    np.put_along_axis(tight, nearest, False, axis=1)
    difference = np.where(tight, np.abs(own.centre - then), 0.0)
    off = difference > np.maximum(_CHANGED_MM, _CHANGED_SHARE * np.where(tight, then, 0.0))
    found: list[Changed] = []
    blamed = np.zeros(len(then), np.bool_)
    while True:
        n_off, n_tight = ((x & ~blamed).sum(1) * ~blamed for x in (off, tight))
        score = np.where((n_off >= 2) & (n_off > n_tight / 2), n_off + n_off / np.maximum(n_tight, 1), 0.0)
        worst = int(score.argmax())
        if score[worst] <= 0:
            return found
        mate = int(np.where(off[worst] & ~blamed, difference[worst], 0).argmax())
        found.append(Changed(worst, mate, float(own.centre[worst, mate]), float(then[worst, mate])))
        blamed[worst] = True
