"""Gaps on parts that give way: how the marker moves on its mates is read off the markers about it.

What moves a marker on the stiff body of its mates (a joint, the skin) moves other markers there as well. A ridge
regression learns from all other frames of the trial how; without any such relation it is the stiff body alone. That
markers of one person foretell each other linearly was used to fill gaps by Federolf (2013, PLoS ONE 8:e78689) and
Gløersen and Federolf (2016, PLoS ONE 11:e0152616); they take all markers at once, here it is in the mates' own axes.
"""

import numpy as np
import numpy.typing as npt

from automarkerlabel.decide.kabsch import turns
from automarkerlabel.trial import FloatArray, IntArray

Array = npt.NDArray[np.float64]

MOST_PREDICTORS = 10
_MOST_FRAMES = 1000
_RIDGE_MM = 4.0  # movements of a predictor that are much smaller count little


def regression(
    points: FloatArray, column: int, learnt_from: IntArray, mates: IntArray, weights: Array, predictors: IntArray,
    starts: IntArray, n_hidden: int,
) -> Array:  # fmt: skip
    """`(n_gaps, n_hidden, 3)` mm: a marker in gaps at `starts`, shifted linearly so that it meets both edges.

    points       `(n_frames, n_columns, 3)` mm; mates and predictors are seen in all frames used, the marker at the
                 edges of the gaps and in `learnt_from`. Of those, the ones in a gap are left out for that gap.
    weights      of the mates.
    predictors   columns; a marker's mates should be among them.
    """
    learnt = learnt_from[:: -(-len(learnt_from) // _MOST_FRAMES)]
    gaps = starts[:, None] + np.arange(-1, n_hidden + 1)  # (n_gaps, n_hidden + 2)
    frames = np.concatenate([gaps.ravel(), learnt])
    share = weights / weights.sum()
    of_mates = points[frames[:, None], mates].astype(np.float64)  # (n, n_mates, 3)
    centre = np.einsum("m,nmi->ni", share, of_mates)
    arms = of_mates - centre[:, None]
    turn = turns(arms[:1], arms[None], share)[0]  # (n, 3, 3)
    about = points[frames[:, None], predictors] - centre[:, None]
    x = np.einsum("npi,nji->npj", about, turn).reshape(len(frames), -1)  # in the mates' axes
    y = np.einsum("ni,nji->nj", points[frames, column] - centre, turn)
    n = gaps.size
    x = np.hstack([x - x[n:].mean(0), np.ones((len(x), 1))])
    inside = (learnt >= starts[:, None]) & (learnt < starts[:, None] + n_hidden)  # (n_gaps, n_learnt)
    slopes = np.stack([_ridge(x[n:][~gone], y[n:][~gone]) for gone in inside])
    found = x[:n].reshape(*gaps.shape, -1) @ slopes  # (n_gaps, n_hidden + 2, 3)
    off = y[:n].reshape(found.shape)[:, [0, -1]] - found[:, [0, -1]]
    u = np.linspace(0, 1, n_hidden + 2)[:, None]
    found += (1 - u) * off[:, :1] + u * off[:, 1:]
    world = np.einsum("nj,nji->ni", found.reshape(n, 3), turn[:n]) + centre[:n]
    return np.asarray(world.reshape(found.shape)[:, 1:-1])


def _ridge(x: Array, y: Array) -> Array:
    """`(n_inputs, 3)`: slopes; the last input is 1 throughout and is not held small."""
    held = np.full(x.shape[1], len(x) * _RIDGE_MM**2)
    held[-1] = 1e-9
    return np.asarray(np.linalg.solve(x.T @ x + np.diag(held), x.T @ y))
