"""Whether a labelled body is the mirror image of a pose: distances alone cannot tell."""

from itertools import combinations

import numpy as np

from automarkerlabel.audit.distances import Distances, apart
from automarkerlabel.core.trial import FloatArray, IntArray

# All chosen by hand, with flips planted in the development trials of docs/benchmarks/README.md#audit, and not fitted.
_MOST_FLAT = 0.05  # volume of four points by the cube of their extent, below which they have no clear hand
_MIRRORED = 0.35  # share of the fours that have the hand of the pose, below which the body is mirrored
_FEWEST = 5  # fours with a clear hand, without which nothing is said
_N_NEAR = 6  # labels of which any three make a four with one
_MOST_MOMENTS = 15  # for time alone: hands are asked for each exchange that is tried
_NATS = 3.0  # of a label all of whose fours have the hand of the pose


def mirrored(points: FloatArray, pose: FloatArray, own: Distances) -> bool:
    """Whether most labels, each with three mates, have the other hand than in the pose `(n_labels, 3)`.

    points  `(n_moments, n_labels, 3)`.
    """
    mates = own.mates
    fours = [(n, *m[[a, b, c]]) for n, m in enumerate(mates) for a, b, c in ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5))
             if len(m) > c]  # fmt: skip
    if not fours:
        return False
    which: IntArray = np.unique(np.array(fours, np.int64), axis=0)
    there, extent = _volumes(pose[None], which)
    clear = np.nan_to_num(np.abs(there[0]) / np.maximum(extent[0], 1.0)) > _MOST_FLAT
    if clear.sum() < _FEWEST:
        return False
    here, extent = _volumes(points, which[clear])
    relative = here / np.maximum(extent, 1.0)
    seen = ~np.isnan(relative) & (np.abs(np.nan_to_num(relative)) > _MOST_FLAT)
    same = np.sign(here) == np.sign(there[0][clear])
    return bool(seen.any()) and float((same & seen).sum() / seen.sum()) < _MIRRORED


class Hands:
    """The hands of fours of labels that are near to each other in a pose, and of the points that may carry them."""

    def __init__(self, points: FloatArray, pose: FloatArray) -> None:
        """points `(n_moments, n_labels, 3)`; pose `(n_labels, 3)`."""
        some = np.unique(np.linspace(0, len(points) - 1, _MOST_MOMENTS).astype(np.int64))
        self.points = points[some]
        apart_mm = apart(pose)
        np.fill_diagonal(apart_mm, np.nan)
        near = np.argsort(np.nan_to_num(apart_mm, nan=np.inf), axis=1, kind="stable")[:, :_N_NEAR]
        fours = [(n, *three) for n, row in enumerate(near.tolist()) for three in combinations(row, 3)]
        which: IntArray = np.unique(np.sort(np.array(fours, np.int64).reshape(-1, 4), axis=1), axis=0)
        there, extent = _volumes(pose[None], which)
        clear = np.nan_to_num(np.abs(there[0]) / np.maximum(extent[0], 1.0)) > _MOST_FLAT
        self.fours, self.sign = which[clear], np.sign(there[0][clear])

    def nats(self, source: IntArray) -> float:
        """What hands speak for each label having the points of `source` `(n_labels,)`."""
        return _NATS * self.agree(source)

    def agree(self, source: IntArray) -> float:
        """The same as a sum over labels, of each from -1, all its fours have the other hand, to 1."""
        if not len(self.fours):
            return 0.0
        here, extent = _volumes(self.points, source[self.fours])
        relative = here / np.maximum(extent, 1.0)
        seen = ~np.isnan(relative).all(0)
        clear = np.abs(np.nan_to_num(relative)) > _MOST_FLAT
        agrees = np.where(clear, np.sign(np.nan_to_num(here)) * self.sign, 0.0).mean(0)  # (n_fours,)
        n = len(source)
        count = np.bincount(self.fours.ravel(), np.repeat(seen, 4), minlength=n)
        total = np.bincount(self.fours.ravel(), np.repeat(agrees, 4), minlength=n)
        return float((total / np.maximum(count, 1)).sum())


def _volumes(points: FloatArray, fours: IntArray) -> tuple[np.ndarray, np.ndarray]:
    """Signed volume of each four and the product of its edges from the first, `(n_moments, n_fours)`."""
    a = points[:, fours[:, 0]].astype(np.float64)
    edges = [points[:, fours[:, n]] - a for n in (1, 2, 3)]
    volume = (np.cross(edges[0], edges[1]) * edges[2]).sum(2)
    extent = np.prod([np.linalg.norm(e, axis=2) for e in edges], axis=0)
    return volume, extent
