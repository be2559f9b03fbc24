"""Distances that hold: of each label to those that move with it, and how badly each point fits each label by them.

Centre and spread of a distance are those of its densest half: a label that is wrong for less than half of the time
changes neither.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import FloatArray, IntArray

Array = npt.NDArray[np.float64]

N_MATES = 6
_FEWEST_MATES = 2
_MOST_MOMENTS = 300  # from which distances are taken
_FEWEST_MOMENTS = 3
_LEAST_MM = 3.0
_SIGMA_OF_HALF = 0.6745  # half of a normal distribution is this near to its middle, in standard deviations
_QUANTILES = 101
_OUTERMOST = 0.05  # of the moments, at each end
_MOST_SPREADS = 30.0
_AT_ONCE = 500  # moments
MOMENTS_HZ = 20.0


@dataclass(frozen=True, eq=False)
class Distances:
    """What is expected of the distances between labels.

    centre, spread  `(n_labels, n_labels)` mm, NaN where not known.
    mates           `(n_labels, n_mates)`: of each label those whose distance changes least.
    low, high       `(n_labels, n_labels)` mm: what the distance keeps between, but for one moment in ten.
    """

    centre: Array
    spread: Array
    mates: IntArray
    low: Array
    high: Array

    @classmethod
    def of_motion(cls, points: FloatArray) -> "Distances":
        """As measured in `(n_frames, n_labels, 3)`, mm, NaN where hidden."""
        moments = np.unique(np.linspace(0, len(points) - 1, _MOST_MOMENTS).astype(np.int64))
        ordered = np.sort(apart(points[moments]), axis=0)  # NaN last
        centre, spread = _densest_half(ordered)
        return cls(centre, spread, _mates(spread), *_range(ordered))


def apart(points: npt.NDArray[np.floating]) -> Array:
    """`(..., n, n)`: distances between points `(..., n, 3)`."""
    exact = np.asarray(points, np.float64)
    return np.asarray(np.linalg.norm(exact[..., :, None, :] - exact[..., None, :, :], axis=-1))


def _densest_half(ordered: Array) -> tuple[Array, Array]:
    """Middle and spread `(n, n)` of the shortest interval that holds half of the values `(n_moments, n, n)`, the
    least first and NaN last."""
    count = (~np.isnan(ordered)).sum(0)
    share = np.linspace(0, 1, _QUANTILES)[:, None, None]
    which = np.rint(share * np.maximum(count - 1, 0)).astype(np.int64)
    quantile = np.take_along_axis(ordered, which, 0)  # (n_quantiles, n, n)
    half = _QUANTILES // 2
    width = quantile[half:] - quantile[:-half]
    start = np.nan_to_num(width, nan=np.inf).argmin(0)[None]
    low = np.take_along_axis(quantile, start, 0)[0]
    high = np.take_along_axis(quantile, start + half, 0)[0]
    unknown = count < _FEWEST_MOMENTS
    np.fill_diagonal(unknown, True)
    centre = np.where(unknown, np.nan, (low + high) / 2)
    spread = np.where(unknown, np.nan, np.maximum((high - low) / 2 / _SIGMA_OF_HALF, _LEAST_MM))
    return centre, spread


def _range(ordered: Array) -> tuple[Array, Array]:
    """Between what the values lie, the outermost left out at both ends; as `_densest_half`."""
    last = np.maximum((~np.isnan(ordered)).sum(0) - 1, 0)
    ends = (np.rint(share * last).astype(np.int64)[None] for share in (_OUTERMOST, 1 - _OUTERMOST))
    low, high = (np.take_along_axis(ordered, at, 0)[0] for at in ends)
    return low, high


def _mates(spread: Array) -> IntArray:
    looseness = np.where(np.isnan(spread), np.inf, spread)
    return np.argsort(looseness, axis=1, kind="stable")[:, :N_MATES].astype(np.int64)


def cost(off: Array) -> Array:
    """Nats for a distance that is `off` by so many spreads; it grows slowly, so that none decides alone."""
    return np.asarray(np.log1p(np.square(np.minimum(off, _MOST_SPREADS) / 3)))


def misfits(points: FloatArray, expected: Distances, places: IntArray | None = None) -> Array:
    """`(n_moments, n_places, n_points)`: the mean cost of a point's distances to the mates of a label, in that label's
    place; NaN where too few of them are seen.

    points  `(n_moments, n_labels, 3)`, by the labels they carry.
    places  the labels to fit, all by default.
    """
    n_labels = points.shape[1]
    places = np.arange(n_labels) if places is None else places
    found = np.empty((len(points), len(places), n_labels))
    for start in range(0, len(points), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        distance = apart(points[some])
        distance[:, np.arange(n_labels), np.arange(n_labels)] = np.nan  # a point says nothing about itself
        for n, place in enumerate(places.tolist()):
            mates = expected.mates[place]
            off = np.abs(distance[:, :, mates] - expected.centre[place, mates]) / expected.spread[place, mates]
            known = ~np.isnan(off)
            enough = known.sum(2) >= _FEWEST_MATES
            total = np.where(known, cost(np.nan_to_num(off)), 0).sum(2)
            found[some, n] = np.where(enough, total / np.maximum(known.sum(2), 1), np.nan)
    return found


def own_misfits(points: FloatArray, expected: Distances, labels: IntArray | None = None) -> Array:
    """`(n_moments, n_labels)`: the mean cost of the distances of each of `labels`, by default all, to its mates."""
    labels = np.arange(points.shape[1]) if labels is None else labels
    found = np.empty((len(points), len(labels)))
    for start in range(0, len(points), _AT_ONCE):
        some = np.asarray(points[start : start + _AT_ONCE], np.float64)
        for n, label in enumerate(labels.tolist()):
            mates = expected.mates[label]
            distance = np.linalg.norm(some[:, mates] - some[:, label, None], axis=2)
            off = np.abs(distance - expected.centre[label, mates]) / expected.spread[label, mates]
            known = ~np.isnan(off)
            total = np.where(known, cost(np.nan_to_num(off)), 0).sum(1) / np.maximum(known.sum(1), 1)
            found[start : start + len(some), n] = np.where(known.sum(1) >= _FEWEST_MATES, total, np.nan)
    return found


def moments_of(n_frames: int, rate_hz: float) -> IntArray:
    """The frames that are looked at: every one, or about twenty a second."""
    return np.arange(0, n_frames, max(1, round(rate_hz / MOMENTS_HZ)))


def relative_size(own: Distances, pose: FloatArray) -> float:
    """How much larger the subject of a trial is than a pose `(n_labels, 3)`: by the tightest distances; 1 if about as
    large."""
    known = np.isfinite(own.centre) & np.isfinite(apart(pose[None])[0])
    if not known.any():
        return 1.0
    ratio = own.centre[known] / np.maximum(apart(pose[None])[0][known], 1e-6)
    tight = own.spread[known] <= np.quantile(own.spread[known], 0.3)
    scale = float(np.median(ratio[tight]))
    return scale if abs(scale - 1) > 0.05 else 1.0
