"""Which labels of a pose are mirror images of one another, told by where they are: for names that do not tell.

The plane of the body is the one in which most points have an image of their own. It tells one side from the other, but
not which is left.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.sides import Pairs, find_pairs
from automarkerlabel.core.trial import FloatArray, IntArray

Array = npt.NDArray[np.float64]

_NEAR_MM = 60.0  # of an image to the point that it stands for; half of that is half as good
_APART_MM = 40.0  # two images that are nearer are one point of the middle
_LEAST_SHARE = 0.5  # of the points, which must have an image
_FEWEST = 3  # pairs
_TELLING = 0.25  # of the labels, in pairs by their names
_FULL, _MOMENTS = 0.9, 5  # moments in which nearly as many labels are seen as ever, and how many of them
_MOST_PLANES, _BEST_PLANES, _STEPS = 500, 10, 5


def sides_of(labels: Sequence[str], positions: FloatArray, known: Pairs | None = None) -> tuple[Pairs, bool]:
    """Pairs of left and right labels, and whether it is known which is left.

    Those that are known or that the names tell; where these are few, those that the pose `(n_labels, 3)` tells.
    """
    return sides_in(labels, positions[None], known)


def sides_in(labels: Sequence[str], points: FloatArray, known: Pairs | None = None) -> tuple[Pairs, bool]:
    """As `sides_of`, by the one of some moments of a trial `(n_frames, n_labels, 3)` that tells most pairs."""
    named = find_pairs(labels) if known is None else known
    if 2 * len(named) >= _TELLING * len(labels):
        return named, True
    n_seen = np.isfinite(points[..., 0]).sum(1)
    full = np.flatnonzero(n_seen >= _FULL * n_seen.max())
    some = full[np.unique(np.linspace(0, len(full) - 1, _MOMENTS).astype(np.int64))]
    best = max((mirror_pairs(points[n]).tolist() for n in some), key=len)
    found = tuple((labels[a], labels[b]) for a, b in best)
    if len(found) <= len(named):
        return named, True
    agree = len(set(named) & set(found)) - len({(b, a) for a, b in named} & set(found))
    return (found if agree >= 0 else tuple((b, a) for a, b in found)), agree != 0


def mirror_pairs(positions: FloatArray) -> IntArray:
    """`(n_pairs, 2)`: labels that are mirror images in a pose `(n_labels, 3)` mm, those of one side first, of the other
    second; none where fewer than half of the points have an image.

    Points that are NaN have none. Which side is left is not known.
    """
    there = np.flatnonzero(np.isfinite(positions).all(1))
    points = positions[there].astype(np.float64)
    none = np.zeros((0, 2), np.int64)
    if len(there) < 2 * _FEWEST:
        return none
    best, worth = none, 0.0
    for normal, offset in _promising(points):
        pairs = none
        for _ in range(_STEPS):
            pairs, total = _images(points, normal, offset)
            if total > worth:
                best, worth = pairs, total
            if len(pairs) < _FEWEST:
                break
            normal, offset = _plane(points, pairs)
    if len(best) < _FEWEST or 2 * len(best) < _LEAST_SHARE * len(there):
        return none
    return np.asarray(there[best], np.int64)


def _promising(points: Array) -> list[tuple[Array, float]]:
    """The planes half way between two points in which most others have images: normals and offsets."""
    a, b = np.triu_indices(len(points), 1)
    across = points[b] - points[a]
    length = np.linalg.norm(across, axis=1)
    far = np.flatnonzero(length > _APART_MM)
    if not len(far):
        return []
    far = far[np.unique(np.linspace(0, len(far) - 1, _MOST_PLANES).astype(np.int64))]
    normals = across[far] / length[far, None]
    offsets = ((points[a[far]] + points[b[far]]) / 2 * normals).sum(1)
    worth = np.array([_images(points, n, o)[1] for n, o in zip(normals, offsets.tolist(), strict=True)])
    return [(normals[n], float(offsets[n])) for n in np.argsort(-worth, kind="stable")[:_BEST_PLANES]]


def _images(points: Array, normal: Array, offset: float) -> tuple[IntArray, float]:
    """The pairs of points that are each other's nearest to their image, and what the plane is worth by them."""
    side = points @ normal - offset
    image = points - 2 * side[:, None] * normal
    away = np.linalg.norm(image[:, None] - points[None], axis=2)
    away = (away + away.T) / 2  # the same either way, but for rounding
    nearest = away.argmin(1)
    n = np.arange(len(points))
    first = (
        (nearest[nearest] == n)
        & (nearest != n)
        & (side < side[nearest])
        & (np.linalg.norm(points - points[nearest], axis=1) > _APART_MM)
    )
    first &= away[n, nearest] < _NEAR_MM
    worth = 1 / (1 + np.square(2 * away[n, nearest][first] / _NEAR_MM))
    return np.stack([n[first], nearest[first]], 1).astype(np.int64), float(worth.sum())


def _plane(points: Array, pairs: IntArray) -> tuple[Array, float]:
    """The plane that is half way between the points of each pair, as nearly as can be: its normal and offset."""
    across = points[pairs[:, 1]] - points[pairs[:, 0]]
    normal = np.linalg.svd(across, full_matrices=False)[2][0]
    normal = normal if (across @ normal).sum() >= 0 else -normal
    return normal, float(np.median((points[pairs].mean(1) * normal).sum(1)))
