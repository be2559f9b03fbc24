"""Short gaps: one cubic from edge to edge, with the speeds that the marker has on either side."""

from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SPAN_S = 0.03  # over which a speed is taken


def n_beside(rate_hz: float) -> int:
    """How many samples on each side tell the speed there; enough for a parabola."""
    return max(3, round(SPAN_S * rate_hz) + 1)


def spline(before: Array, after: Array, n_hidden: int) -> Array:
    """`(n_gaps, n_hidden, 3)`: cubic Hermite curves that meet the samples at both edges, and the speeds there.

    A speed is that of a parabola fitted to the samples, so that a marker on a parabola is met exactly; that of a line
    through two, and of the straight way across the gap where only the one at the edge is seen.

    before  `(n_gaps, n_before, 3)` mm: the last samples, that at the edge last.
    after   `(n_gaps, n_after, 3)` mm: the first samples after the gap, that at the edge first.
    """
    first, last = before[:, -1], after[:, 0]
    step = n_hidden + 1  # frames from edge to edge
    leaving = -step * speed(before[:, ::-1]) if before.shape[1] > 1 else last - first
    coming = step * speed(after) if after.shape[1] > 1 else last - first
    u = (np.arange(1, step) / step)[None, :, None]
    ours = first[:, None] * (1 + u * u * (2 * u - 3)) + last[:, None] * (u * u * (3 - 2 * u))
    return np.asarray(ours + leaving[:, None] * (u * (1 - u) ** 2) + coming[:, None] * (u * u * (u - 1)))


def speed(samples: Array) -> Array:
    """`(n_gaps, 3)`: change per sample at the first of `(n_gaps, n, 3)`; n is 2 or more."""
    return np.asarray(np.einsum("n,gnk->gk", _slope(samples.shape[1]), samples))


@cache
def _slope(n: int) -> Array:
    """`(n,)`: the weights of n samples in the slope at the first of them."""
    powers = np.vander(np.arange(n), min(3, n), increasing=True).astype(float)
    return np.asarray(np.linalg.pinv(powers)[1])
