"""The turn that carries points to others best, by weighted least squares (Kabsch 1976, Acta Crystallographica A32)."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_STILL = 1e-9  # share of the points' spread that holds the turn where they leave it open


def turns(edge: Array, arms: Array, share: Array) -> Array:
    """`(n_gaps, n_frames, 3, 3)`: what an arm, as a row, is to be multiplied by to be turned as the mates' arms are;
    NaN where one of them is.

    edge   `(n_gaps, n_mates, 3)` mm: the arms that are turned; arms `(n_gaps, n_frames, n_mates, 3)` mm: into these.
    share  `(n_mates,)`: weights that sum to 1.
    """
    spread = np.einsum("m,gmi,gfmj->gfij", share, edge, arms)  # (n_gaps, n_frames, 3, 3)
    known = np.isfinite(spread).all((2, 3), keepdims=True)
    still = _STILL * np.einsum("m,gmi->g", share, edge**2)
    held = np.where(known, spread, 0) + np.nan_to_num(still)[:, None, None, None] * np.eye(3)
    u, _, vt = np.linalg.svd(held)
    # A turn, never a mirror image.
    sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    u[..., 2] *= np.where(sign == 0, 1.0, sign)[..., None]
    return np.asarray(np.where(known, u @ vt, np.nan))
