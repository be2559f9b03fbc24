"""How well distances in motion agree with those of a labelled pose, and where in the pose a label's points are.

Two labels of one segment keep their distance but for flesh; a joint between them may make it any other. Where it is not
known which share a segment, what is expected of a pair is a mixture of both, the joint being the likelier the farther
the two are from each other. Where a marker was put is asked of what its distances keep between in motion: a joint
mostly passes the angle at which it was held in the pose. The parameters were fitted by maximum likelihood to trials
with known labels, measured and simulated, against their statics, and then some of them chosen by planted mistakes; see
docs/benchmarks/README.md.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from automarkerlabel.audit.distances import Distances
from automarkerlabel.core.trial import BoolArray, IntArray

Array = npt.NDArray[np.float64]

# The numbers of the mixtures, down to _MISHAP_ODDS, were fitted by maximum likelihood to right trials: OpenCap's, two
# walking trials of OpenSim's examples, and four simulated sets; some were then chosen by planted mistakes in the
# development trials (docs/benchmarks/README.md#audit). Which, and by which script, is not on record.
# Flesh: Student's t with three degrees of freedom and this scale.
_FLESH_MM, _FLESH_SHARE, _OF_SPREAD, _LEAST_SPREAD_MM = 2.0, 0.008, 1.7, 3.0
# A joint between them: odds, at a distance, growing as a power of it, and scale as a share of it.
_JOINT_ODDS, _JOINT_AT_MM, _JOINT_POWER, _JOINT_SHARE = 0.05, 200.0, 2.25, 0.21
_LEAST_JOINT_MM = 20.0
# What a distance keeps between, against the pose: scales as above, of markers that are not known to share a segment,
_HELD_MM, _HELD_SHARE, _OF_RANGE = 1.0, 0.005, 0.02
_TURNED_MM, _TURNED_SHARE, _TURNED_ODDS, _TURNED_POWER = 5.0, 0.1, 0.12, 1.6
# and of those that do: no joint, but a rare mishap, and flesh moves them by no more than this.
_STIFF_MM, _STIFF_SHARE, _STIFF_RANGE_MM = 1.5, 0.004, 5.0
_MISHAP_MM, _MISHAP_ODDS = 40.0, 0.018
_TAILS = 2.72  # the integral of 1 / (1 + x^2 / 3)^2, in scales: pi sqrt(3) / 2
_MOVED_ABOUT_MM = 60.0  # how far a marker is put elsewhere, mostly: the middle of the 40 to 80 mm that are planted
# Below: chosen by hand, with markers put elsewhere in the development trials, not fitted.
N_WITNESSES = 5  # mates by which a place is found, at least,
_MOST_WITNESSES, _BEYOND = 8, 3  # at most, and how many that share no segment with it
_WITNESS_SHARE = 0.06  # of a distance, which counts as much against a mate as flesh does
_STEPS, _MOST_STARTS = 8, 6  # of the search for a place
_DEPENDENT = 0.5  # nats are worth this much: distances of one label go wrong together


def _flesh(then: Array, spread: Array) -> Array:
    """mm by which a distance differs from the pose's without a joint."""
    return np.asarray(_FLESH_MM + _FLESH_SHARE * then + _OF_SPREAD * np.maximum(spread - _LEAST_SPREAD_MM, 0))


def against(now: Array, then: Array, spread: Array) -> Array:
    """Nats against a distance being `now` in motion, with a `spread`, where it is `then` in the pose; mm, of arrays
    that fit each other, NaN where not known."""
    flesh = _flesh(then, spread)
    joint = np.maximum(flesh, _LEAST_JOINT_MM + _JOINT_SHARE * then)
    odds = _JOINT_ODDS * (np.maximum(then, 1.0) / _JOINT_AT_MM) ** _JOINT_POWER
    off = now - then
    density = (_student(off, flesh) + odds * _student(off, joint)) / (1 + odds)
    return np.asarray(-_DEPENDENT * np.log(density))


def _student(off: Array, scale: Array) -> Array:
    """Student's t with three degrees of freedom, but for a constant factor."""
    return np.asarray(1 / (scale * np.square(1 + np.square(off / scale) / 3)))


@dataclass(frozen=True, eq=False)
class Held:
    """What the distances of a label to some mates `(n,)` keep between, mm, and whether they share its segment."""

    low: Array
    high: Array
    same: BoolArray

    @classmethod
    def of_label(cls, own: Distances, label: int, mates: IntArray, same: BoolArray) -> "Held":
        """same `(n_labels, n_labels)`."""
        middle, known = own.centre[label, mates], same[label, mates]
        low, high = own.low[label, mates], own.high[label, mates]
        return cls(
            np.where(known, np.maximum(low, middle - _STIFF_RANGE_MM), low),
            np.where(known, np.minimum(high, middle + _STIFF_RANGE_MM), high),
            known,
        )

    @property
    def middle(self) -> Array:
        return (self.low + self.high) / 2

    def against(self, then: Array) -> Array:
        """Nats against each distance being `then` `(..., n)` in the pose."""
        width = self.high - self.low
        off = np.maximum(np.abs(then - self.middle) - width / 2, 0.0)
        loose = _HELD_MM + _HELD_SHARE * then + _OF_RANGE * width
        scale = np.where(self.same, _STIFF_MM + _STIFF_SHARE * then, loose)
        wide = np.where(self.same, _MISHAP_MM, np.maximum(loose, _TURNED_MM + _TURNED_SHARE * then))
        by_joint = _TURNED_ODDS * (np.maximum(then, 1.0) / _JOINT_AT_MM) ** _TURNED_POWER
        odds = np.where(self.same, _MISHAP_ODDS, by_joint)
        density = (_flat(off, width, scale) + odds * _flat(off, width, wide)) / (1 + odds)
        return np.asarray(-_DEPENDENT * np.log(density))


def _flat(off: Array, width: Array, scale: Array) -> Array:
    """The density of a curve that is flat over a width, with the tails of `_student` beyond it."""
    return np.asarray(1 / ((width + _TAILS * scale) * np.square(1 + np.square(off / scale) / 3)))


def unlikely(by: Array) -> Array:
    """Nats against a marker having been put elsewhere by so many mm."""
    return np.asarray(np.square(by / _MOVED_ABOUT_MM) / 2)


def place(held: Held, now: Array, spread: Array, mates: Array, home: Array) -> tuple[Array, float]:
    """The place `(3,)` in the pose that distances to some mates speak for, and the nats that are left against it.

    held         `(n,)` what the distances keep between; n is 3 at least.
    now, spread  `(n,)` mm, as they mostly are in motion, and how they vary.
    mates        `(n, 3)` mm, where the pose has them.
    home         `(3,)` mm, where it has the label: of places that fit alike the nearest is taken.
    """
    starts = _trilaterated(now, mates)
    total = _total(starts, held, mates)
    best = starts[np.argsort(total + _from(home, starts), kind="stable")[:_MOST_STARTS]]
    for _ in range(_STEPS):
        best = _nearer(best, now, spread, mates)
    both = np.concatenate([starts, best])
    total = _total(both, held, mates)
    least = int(np.argmin(total + _from(home, both)))
    return both[least], float(total[least])


def _from(home: Array, places: Array) -> Array:
    return unlikely(np.asarray(np.linalg.norm(places - home, axis=1)))


def _total(places: Array, held: Held, mates: Array) -> Array:
    """`(n_places,)` nats against each of `(n_places, 3)`."""
    return np.asarray(held.against(np.linalg.norm(places[:, None] - mates[None], axis=2)).sum(1))


def _trilaterated(now: Array, mates: Array) -> Array:
    """`(n_places, 3)`: the places, two for each three mates, that keep the distances to them, or nearly so."""
    three = np.array(list(combinations(range(len(now)), 3)), np.int64)
    a, b, c = (mates[three[:, n]] for n in range(3))
    ra, rb, rc = (now[three[:, n]] for n in range(3))
    base = np.maximum(np.linalg.norm(b - a, axis=1), 1.0)
    ex = (b - a) / base[:, None]
    i = ((c - a) * ex).sum(1)
    rest = c - a - i[:, None] * ex
    j = np.maximum(np.linalg.norm(rest, axis=1), 1.0)
    ey = rest / j[:, None]
    x = (ra**2 - rb**2 + base**2) / (2 * base)
    y = (ra**2 - rc**2 + i**2 + j**2 - 2 * i * x) / (2 * j)
    z = np.sqrt(np.maximum(ra**2 - x**2 - y**2, 0.0))
    foot, up = a + x[:, None] * ex + y[:, None] * ey, z[:, None] * np.cross(ex, ey)
    return np.concatenate([foot + up, foot - up])


def _nearer(places: Array, now: Array, spread: Array, mates: Array) -> Array:
    """A step of re-weighted least squares from each of `(n_places, 3)`."""
    way = places[:, None] - mates[None]  # (n_places, n_mates, 3)
    then = np.maximum(np.linalg.norm(way, axis=2), 1.0)
    scale = _flesh(then, spread)
    off = now - then
    weight = 1 / (np.square(scale) * (1 + np.square(off / scale) / 3))
    along = way / then[..., None]
    normal = np.einsum("pm,pmi,pmj->pij", weight, along, along) + 1e-4 * np.eye(3)
    step = np.linalg.solve(normal, np.einsum("pm,pm,pmi->pi", weight, off, along)[..., None])[..., 0]
    return np.asarray(places + step)


def witnesses(own: Distances, then: Array, label: int, same: BoolArray) -> IntArray:
    """The mates of a label by which its place is found: those of its segment first, then those whose distance says
    most, near and holding."""
    blur = _flesh(then[label], own.spread[label]) + _WITNESS_SHARE * then[label]
    known = np.isfinite(own.centre[label]) & np.isfinite(then[label]) & (then[label] > 0)
    sharing = known & same[label]
    wanted = max(N_WITNESSES, min(_MOST_WITNESSES, int(sharing.sum()) + _BEYOND))
    ranked = np.lexsort((np.where(known, blur, np.inf), ~sharing))[: min(wanted, int(known.sum()))]
    return np.asarray(ranked.astype(np.int64))
