"""Longer gaps: the marker goes where the markers that keep their distance to it carry it, told from both edges."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.rotations import turns
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray

Array = npt.NDArray[np.float64]

MOST_MATES = 4
LEAST_MATES = 3
_LEAST_TOGETHER = 10  # frames in which two markers are seen, to know how they keep their distance
OWN_FRAME = 4.0  # poses of other trials that a frame of the trial's own counts as
_NOISE_MM = 1.0  # a distance is not held to be steadier than this
_MOST_FRAMES = 1000


def looseness_mm(points: FloatArray, measured: BoolArray, column: int, poses: Sequence[FloatArray] = ()) -> Array:
    """`(n_columns,)`: by how much the distance of each column to one changes over the trial (standard deviation).

    Infinite for the column itself and where too few frames show both.

    points    `(n_frames, n_columns, 3)` mm.
    measured  bool `(n_frames, n_columns)`.
    poses     `(n_poses, n_columns, 3)` of each of other trials, NaN where a marker is hidden or missing: what distances
              do there counts, too.
    """
    frames = np.flatnonzero(measured[:, column])
    frames = frames[:: max(1, len(frames) // _MOST_FRAMES)]
    count, squares = _distances(points[frames], measured[frames], column)
    few = count < _LEAST_TOGETHER
    count, squares = OWN_FRAME * count, OWN_FRAME * squares
    for trial in poses:
        seen = ~np.isnan(trial[..., 0])
        theirs = _distances(trial[seen[:, column]], seen[seen[:, column]], column)
        count, squares = count + theirs[0], squares + theirs[1]
    spread = np.sqrt(squares / np.maximum(count, 1))
    spread[few] = np.inf
    spread[column] = np.inf
    return np.asarray(spread)


def _distances(points: FloatArray, measured: BoolArray, column: int) -> tuple[Array, Array]:
    """`(n_columns,)` each: how many frames show a column with that one, and the squares of how far their distance is
    from its mean, summed over them."""
    apart = np.linalg.norm(points.astype(np.float64) - points[:, column, None], axis=2)
    count = measured.sum(0).astype(np.float64)
    mean = np.where(measured, apart, 0.0).sum(0) / np.maximum(count, 1)
    return count, np.asarray((np.where(measured, apart - mean, 0.0) ** 2).sum(0))


def steadiest(looseness: Array, seen_throughout: BoolArray, most: int = MOST_MATES) -> IntArray:
    """The columns that keep their distance to a marker best, the best first; none where there are too few.

    looseness        `(n_columns,)`: see `looseness_mm`.
    seen_throughout  bool `(n_columns,)`: which may.
    """
    usable = np.where(seen_throughout, looseness, np.inf)
    best = np.argsort(usable, kind="stable")[:most]
    best = best[np.isfinite(usable[best])]
    return best.astype(np.int64) if len(best) >= LEAST_MATES else np.zeros(0, np.int64)


def weights_of(looseness: Array) -> Array:
    """How much mates count that keep their distance so well."""
    return np.asarray(1 / (looseness**2 + _NOISE_MM**2))


def rigid(edges: Array, mates: Array, weights: Array) -> Array:
    """`(n_gaps, n_hidden, 3)`: where mates carry a marker from each edge, blended linearly so that it meets both.

    The motion of the mates from an edge to a frame is the turn and shift that fit them best by weighted least squares
    (Kabsch 1976, Acta Crystallographica A32).

    edges    `(n_gaps, 2, 3)` mm: the marker in the last frame before the gap and the first after it.
    mates    `(n_gaps, n_hidden + 2, n_mates, 3)` mm: from the one of these frames to the other.
    weights  `(n_mates,)` above 0.
    """
    share = (weights / weights.sum())[:, None]
    centre = (mates * share).sum(2)  # (n_gaps, n_hidden + 2, 3)
    arms = mates - centre[:, :, None]
    inner = arms[:, 1:-1]
    carried = []
    for side, at in ((0, 0), (1, -1)):
        arm = edges[:, side] - centre[:, at]
        turned = np.einsum("gi,gfij->gfj", arm, turns(arms[:, at], inner, share[:, 0]))
        carried.append(centre[:, 1:-1] + turned)
    n = inner.shape[1]
    u = (np.arange(1, n + 1) / (n + 1))[None, :, None]
    return np.asarray((1 - u) * carried[0] + u * carried[1])
