"""How well distances in motion agree with those of a labelled pose, and where in the pose a label's points are.

Two labels of one segment keep their distance but for flesh; a joint between them may make it any other. What is
expected of a pair is therefore a mixture of both, the joint being the likelier the farther the two are from each
other. Its parameters were fitted by maximum likelihood to trials with known labels, measured and simulated, against
their statics; see docs/audit.md.
"""

from itertools import combinations

import numpy as np
import numpy.typing as npt

from automarkerlabel.decide.consistency import Distances

Array = npt.NDArray[np.float64]

# Flesh: Student's t with three degrees of freedom and this scale.
_FLESH_MM, _FLESH_SHARE, _OF_SPREAD, _LEAST_SPREAD_MM = 2.0, 0.008, 1.7, 3.0
# A joint between them: odds, at a distance, growing as a power of it, and scale as a share of it.
_JOINT_ODDS, _JOINT_AT_MM, _JOINT_POWER, _JOINT_SHARE = 0.05, 200.0, 2.25, 0.21
_LEAST_JOINT_MM = 20.0
N_WITNESSES = 5  # mates by which a place is found
_WITNESS_SHARE = 0.06  # of a distance, which counts as much against a mate as flesh does
_STEPS, _MOST_STARTS = 8, 6
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


def place(now: Array, spread: Array, mates: Array) -> tuple[Array, float]:
    """The place `(3,)` in the pose that distances to some mates speak for, and the nats that are left against it.

    now, spread  `(n,)` mm in motion; n is 3 at least.
    mates        `(n, 3)` mm, where the pose has them.
    """
    starts = _trilaterated(now, mates)
    total = _total(starts, now, spread, mates)
    best = starts[np.argsort(total, kind="stable")[:_MOST_STARTS]]
    for _ in range(_STEPS):
        best = _nearer(best, now, spread, mates)
    both = np.concatenate([starts, best])
    total = _total(both, now, spread, mates)
    least = int(np.argmin(total))
    return both[least], float(total[least])


def _total(places: Array, now: Array, spread: Array, mates: Array) -> Array:
    """`(n_places,)` nats against each of `(n_places, 3)`."""
    then = np.linalg.norm(places[:, None] - mates[None], axis=2)
    return np.asarray(against(now[None], then, spread[None]).sum(1))


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


def witnesses(own: Distances, then: Array, label: int) -> npt.NDArray[np.int64]:
    """The mates of a label by which its place is found: those whose distance says most, near and holding."""
    blur = _flesh(then[label], own.spread[label]) + _WITNESS_SHARE * then[label]
    known = np.isfinite(own.centre[label]) & np.isfinite(then[label]) & (then[label] > 0)
    ranked = np.argsort(np.where(known, blur, np.inf), kind="stable")[: min(N_WITNESSES, int(known.sum()))]
    return np.asarray(ranked.astype(np.int64))
