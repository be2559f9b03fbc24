"""What the distances to points that have a label already say about each label of a point.

Markers on one body segment keep their distances. A labelled pose tells them, and how much each may change.
"""

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import FloatArray, IntArray

Array = npt.NDArray[np.float64]

N_NEIGHBOURS = 8  # labels whose distance changes least
_UNRELATED_MM = 80.0  # how much the distance of points that have nothing to do with each other differs
_MOST = 3.0  # nats
_OFTEN = 0.3  # share of the moments; a label that is seen less may be a ghost
_LEAST_MM = 3.0
_MOST_TIMES = 4.0


def rigid_evidence(points: FloatArray, label: IntArray, reference: FloatArray, spread_mm: FloatArray) -> Array:
    """`(n_moments, n_slots, n_labels)`: mean log-likelihood ratio of the distances to the neighbours of each label,
    against points that have nothing to do with one another; 0 where no neighbour is seen.

    points     `(n_moments, n_slots, 3)` mm, NaN where there is none.
    label      int `(n_moments, n_slots)`: what each is taken for so far, -1 for none.
    reference  `(n_labels, 3)` mm: the labelled pose, NaN where a label is not seen.
    spread_mm  `(n_labels, n_labels)`: the mean size of the change of each distance.
    """
    places = _places(points, label, len(reference))
    neighbours, expected, spread = _neighbours(reference, spread_mm)
    spread = _measured(places, neighbours, expected, spread)
    weight = 1 / spread
    found = np.zeros((*label.shape, len(reference)))
    for n in range(len(points)):
        apart = np.linalg.norm(points[n, :, None] - places[n], axis=2)  # (n_slots, n_labels)
        apart[label[n, :, None] == np.arange(len(reference))] = np.nan  # no distance to itself
        error = np.abs(apart[:, neighbours] - expected)  # (n_slots, n_labels, n_neighbours)
        ratio = np.clip(error / _UNRELATED_MM - error / spread + np.log(_UNRELATED_MM / spread), -_MOST, _MOST)
        known = ~np.isnan(ratio)
        found[n] = np.where(known, weight * ratio, 0).sum(2) / np.maximum((weight * known).sum(2), 1e-9)
    return found


def _places(points: FloatArray, label: IntArray, n_labels: int) -> Array:
    """`(n_moments, n_labels, 3)`: where each label is, NaN where it is not."""
    places = np.full((len(points), n_labels, 3), np.nan)
    moment, slot = np.nonzero(label >= 0)
    places[moment, label[moment, slot]] = points[moment, slot]
    return places


def _measured(places: Array, neighbours: IntArray, expected: Array, spread: Array) -> Array:
    """By how much each distance changes here.

    As measured where both labels are seen often enough, but no more than a few times what was foretold, lest a wrong
    label excuse itself; elsewhere as foretold, times the share of it that was measured elsewhere: a small one where
    the pose is the same subject's.
    """
    apart = np.linalg.norm(places[:, :, None] - places[:, neighbours], axis=3)  # (n_moments, n_labels, n_neighbours)
    change = np.abs(apart - expected)
    often = (~np.isnan(change)).sum(0) >= max(3.0, _OFTEN * len(places))
    if not often.any():
        return np.clip(spread, _LEAST_MM, _UNRELATED_MM)
    measured = np.full(spread.shape, np.nan)
    measured[often] = np.nanmedian(change[:, often], axis=0) / np.log(2)
    share = float(np.median(measured[often] / spread[often]))
    changes = np.where(often, np.fmin(measured, _MOST_TIMES * spread), min(share, 1.0) * spread)
    return np.clip(changes, _LEAST_MM, _UNRELATED_MM)


def _neighbours(reference: FloatArray, spread_mm: FloatArray) -> tuple[IntArray, Array, Array]:
    """Of each label the labels whose distance changes least `(n_labels, n_neighbours)`, the distances, and by how much
    they change."""
    apart = np.linalg.norm(reference[:, None].astype(np.float64) - reference, axis=2)
    looseness = np.where(np.isnan(apart), np.inf, spread_mm.astype(np.float64))
    np.fill_diagonal(looseness, np.inf)
    nearest = np.argsort(looseness, axis=1, kind="stable")[:, :N_NEIGHBOURS]
    rows = np.arange(len(reference))[:, None]
    spread = np.clip(looseness[rows, nearest], 1.0, _UNRELATED_MM)
    return nearest.astype(np.int64), np.where(np.isinf(looseness), np.nan, apart)[rows, nearest], spread
