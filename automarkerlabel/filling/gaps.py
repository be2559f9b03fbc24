"""Where markers are hidden for a while, and which samples of a file were no measurements to begin with."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from automarkerlabel.core.trial import BoolArray, Trial, runs

_MOST = 0.5  # share of the points


@dataclass(frozen=True, order=True)
class Gap:
    """Frames `start` to `stop` (one after the last) in which a column is hidden; it is seen before and after."""

    column: int
    start: int
    stop: int

    @property
    def n_frames(self) -> int:
        return self.stop - self.start


def gaps_of(trial: Trial, columns: Iterable[int]) -> list[Gap]:
    """The gaps of some columns, in the order of columns and time. What lies before a column's first sample or after
    its last one is none."""
    found = []
    for column in columns:
        hidden = runs(~trial.visible[:, column])
        found += [Gap(column, a, b) for a, b in hidden.tolist() if a > 0 and b < trial.n_frames]
    return found


def tells_estimates(trial: Trial) -> bool:
    """Whether residuals of 0 tell what was not measured: most markers' points have a larger one."""
    columns = trial.marker_columns
    seen = trial.visible[:, columns]
    with np.errstate(invalid="ignore"):
        above = trial.residuals[:, columns] > 0
    return bool(above.sum() > _MOST * seen.sum())


def estimated(trial: Trial) -> BoolArray:
    """bool `(n_frames, n_columns)`: points that the file says were not measured, but interpolated or the like.

    By the convention of C3D files a residual of 0 says so. It says nothing, and nothing is True, where most points of
    the markers have none, as in files of filtered or simulated points and in formats without residuals.
    """
    found = np.zeros(trial.visible.shape, np.bool_)
    if tells_estimates(trial):
        markers = trial.marker_columns
        found[:, markers] = (trial.residuals[:, markers] == 0) & trial.visible[:, markers]
    return found
