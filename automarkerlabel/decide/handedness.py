"""Whether a labelled body is the mirror image of a pose: distances alone cannot tell."""

import numpy as np

from automarkerlabel.decide.consistency import Distances
from automarkerlabel.trial import FloatArray, IntArray

_MOST_FLAT = 0.05  # volume of four points by the cube of their extent, below which they have no clear hand
_MIRRORED = 0.35  # share of the fours that have the hand of the pose, below which the body is mirrored
_FEWEST = 5


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


def _volumes(points: FloatArray, fours: IntArray) -> tuple[np.ndarray, np.ndarray]:
    """Signed volume of each four and the product of its edges from the first, `(n_moments, n_fours)`."""
    a = points[:, fours[:, 0]].astype(np.float64)
    edges = [points[:, fours[:, n]] - a for n in (1, 2, 3)]
    volume = (np.cross(edges[0], edges[1]) * edges[2]).sum(2)
    extent = np.prod([np.linalg.norm(e, axis=2) for e in edges], axis=0)
    return volume, extent
