"""Gaps on parts that give way: how the marker moves on its mates is read off the markers about it.

What moves a marker on the stiff body of its mates (a joint, the skin) moves other markers there as well. A ridge
regression learns from all other frames of the trial how; without any such relation it is the stiff body alone. That
markers of one person foretell each other linearly was used to fill gaps by Federolf (2013, PLoS ONE 8:e78689) and
Gløersen and Federolf (2016, PLoS ONE 11:e0152616); they take all markers at once, here it is in the mates' own axes.
Poses of other trials of the marker set, where there are any, are learnt from beside the trial's own frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.rotations import turns
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray
from automarkerlabel.filling.rigid import OWN_FRAME

Array = npt.NDArray[np.float64]

MOST_PREDICTORS = 10
MOST_WITH_POSES = 16  # predictors, where poses of other trials tell what is chance
_MOST_FRAMES = 1000
_RIDGE_MM = 4.0  # movements of a predictor that are much smaller count little
_RIDGE_WITH_POSES_MM = 1.0
_LEAST_POSES = 5  # of a trial, to know its mean


@dataclass(frozen=True, eq=False)
class Foretold:
    """A marker about gaps at `starts`, as other markers tell it and as it was measured, in the axes of its mates.

    told      `(n_gaps, n_around, 3)` mm, but for a constant of each gap: from `beside` frames before its first hidden
              frame to as many after its last; NaN where a predictor is hidden.
    measured  the same shape, NaN where the marker is not seen.
    turn, centre  `(n_gaps, n_around, 3, 3)` and `(n_gaps, n_around, 3)`: those axes.
    n_learnt  own frames that were learnt from.
    """

    told: Array
    measured: Array
    turn: Array
    centre: Array
    beside: int
    n_learnt: int

    @property
    def n_hidden(self) -> int:
        return int(self.told.shape[1]) - 2 * self.beside

    @property
    def share(self) -> Array:
        """`(n_hidden, 1)`: of the way across the gap."""
        return np.asarray(np.arange(1, self.n_hidden + 1)[:, None] / (self.n_hidden + 1))

    def bridged(self) -> Array:
        """`(n_gaps, n_hidden, 3)`: what is told, shifted linearly so that it meets what was measured at both edges."""
        near, far = self.beside - 1, self.beside + self.n_hidden
        off = self.measured[:, [near, far]] - self.told[:, [near, far]]
        u = self.share
        return self.told[:, self.beside : far] + (1 - u) * off[:, :1] + u * off[:, 1:]

    def in_space(self, hidden: Array) -> Array:
        """Points `(n_gaps, n_hidden, 3)` of the gaps in these axes, as points in space."""
        inner = slice(self.beside, self.beside + self.n_hidden)
        return np.asarray(np.einsum("gnj,gnji->gni", hidden, self.turn[:, inner]) + self.centre[:, inner])


def foretold(
    points: FloatArray, column: int, learnt_from: IntArray, mates: IntArray, weights: Array, predictors: IntArray,
    starts: IntArray, n_hidden: int, beside: int = 1, poses: Sequence[FloatArray] = (),
) -> Foretold:  # fmt: skip
    """What predictors tell of a marker in gaps at `starts`, and up to `beside` frames from them.

    points       `(n_frames, n_columns, 3)` mm; mates and predictors are seen in the gaps and at their edges, the marker
                 at the edges, all of them in `learnt_from`. Of those, the frames in a gap are left out for that gap.
    weights      of the mates.
    predictors   columns; a marker's mates should be among them.
    poses        `(n_poses, n_columns, 3)` of each of other trials, NaN where a marker is hidden or missing.
    """
    learnt = learnt_from[:: max(1, -(-len(learnt_from) // _MOST_FRAMES))]
    gaps = starts[:, None] + np.arange(-beside, n_hidden + beside)  # (n_gaps, n_around)
    axes = _Axes(points[starts[0] - 1], column, mates, weights / weights.sum(), predictors)
    x, y, turn, centre = axes.of(points[gaps.ravel().clip(0, len(points) - 1)])
    own_x, own_y, _, _ = axes.of(points[learnt])
    inside = (learnt >= starts[:, None]) & (learnt < starts[:, None] + n_hidden)  # (n_gaps, n_learnt)
    slopes = _slopes(own_x, own_y, ~inside, _Others(axes, poses))
    told = x.reshape(*gaps.shape, -1) @ slopes
    there = ((gaps >= 0) & (gaps < len(points)))[..., None]
    measured = np.where(there, y.reshape(*gaps.shape, 3), np.nan)
    shape = (*gaps.shape, 3)
    return Foretold(told, measured, turn.reshape(*shape, 3), centre.reshape(shape), beside, len(learnt_from))


class _Axes:
    """The axes that mates carry: of one pose they are those of space."""

    def __init__(self, pose: FloatArray, column: int, mates: IntArray, share: Array, predictors: IntArray) -> None:
        self.column, self.mates, self.share, self.predictors = column, mates, share, predictors
        self.shape = pose[mates] - share @ pose[mates].astype(np.float64)  # (n_mates, 3)

    def of(self, points: FloatArray) -> tuple[Array, Array, Array, Array]:
        """Predictors `(n, n_inputs)` and marker `(n, 3)` in these axes in poses `(n, n_columns, 3)`, and each time the
        turn `(n, 3, 3)` and centre `(n, 3)` of the mates."""
        of_mates = points[:, self.mates].astype(np.float64)  # (n, n_mates, 3)
        centre = np.einsum("m,nmi->ni", self.share, of_mates)
        turn = turns(self.shape[None], (of_mates - centre[:, None])[None], self.share)[0]
        x = np.einsum("npi,nji->npj", points[:, self.predictors] - centre[:, None], turn)
        y = np.einsum("ni,nji->nj", points[:, self.column] - centre, turn)
        return x.reshape(len(points), 3 * len(self.predictors)), y, turn, centre


class _Others:
    """Poses of other trials, each counted from its trial's mean: how many, and the sums over them of the products of
    predictors and marker, `squares` `(n_inputs + 3, n_inputs + 3)`."""

    def __init__(self, axes: _Axes, poses: Sequence[FloatArray]) -> None:
        size = 3 * len(axes.predictors) + 3
        self.n, self.squares = 0, np.zeros((size, size))
        for trial in poses:
            seen = ~np.isnan(trial[:, [axes.column, *axes.predictors], 0]).any(1)
            if seen.sum() >= _LEAST_POSES:
                x, y, _, _ = axes.of(trial[seen])
                both = _from_mean(np.hstack([x, y]))
                self.n, self.squares = self.n + len(both), self.squares + both.T @ both


def _slopes(x: Array, y: Array, kept: BoolArray, others: _Others) -> Array:
    """`(n_gaps, n_inputs, 3)`: ridge regression on the frames that are kept for each gap, and on other trials."""
    frame, ridge_mm = (OWN_FRAME, _RIDGE_WITH_POSES_MM) if others.n else (1.0, _RIDGE_MM)
    n_inputs, found = x.shape[1], []
    for some in kept:
        own = _from_mean(np.hstack([x[some], y[some]]))  # (n_kept, n_inputs + 3)
        held = (others.n + frame * len(own)) * ridge_mm**2 + 1e-9
        squares = others.squares[:n_inputs] + frame * own[:, :n_inputs].T @ own
        found.append(np.linalg.solve(squares[:, :n_inputs] + held * np.eye(n_inputs), squares[:, n_inputs:]))
    return np.stack(found)


def _from_mean(x: Array) -> Array:
    return x - x.mean(0) if len(x) else x
