"""How far off a method is to be expected in a gap: measured in gaps of that length made where the marker is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray
from automarkerlabel.filling.gaps import Gap
from automarkerlabel.filling.regression import MOST_PREDICTORS, MOST_WITH_POSES, Foretold, foretold
from automarkerlabel.filling.rigid import MOST_MATES, looseness_mm, rigid, steadiest, weights_of
from automarkerlabel.filling.spline import n_beside, spline

Array = npt.NDArray[np.float64]

METHODS = ("spline", "rigid", "regression")
MODEL_METHODS = ("poses", "forecast")  # of a forecaster
N_TRIES = 16  # made gaps that are most like the real one
_N_DRAWN = 96  # of so many drawn at random
_LEAST_TRIES = 3
_STILL_MM = 5.0  # movements below this count as alike


@dataclass(frozen=True, eq=False)
class Estimate:
    """One method's answer for a gap: `points` `(n_hidden, 3)` mm, and the error to expect, its mean over the gap."""

    points: Array
    expected_mm: float


class Model(Protocol):
    """What is asked of a forecaster, see `filling.forecaster`: example poses of a trial's labels, and what is to be
    added in gaps `(n_gaps, n_hidden, 3)` mm to what they tell; `beside` frames are looked at on either side."""

    def poses(self, labels: Sequence[str]) -> list[FloatArray]: ...
    def beside(self, rate_hz: float) -> int: ...
    def rolled(self, found: Foretold, rate_hz: float, looseness_mm: float) -> Array: ...


class Fillers:
    """Every method for every gap of one trial; nothing that is filled helps to fill anything else.

    points    `(n_frames, n_columns, 3)` mm.
    measured  bool `(n_frames, n_columns)`: what may be learnt from and judged by.
    columns   the markers that may carry others.
    model     a forecaster, and the `labels` of the columns, by which it knows them.
    """

    def __init__(
        self, points: FloatArray, measured: BoolArray, columns: IntArray, rate_hz: float,
        model: Model | None = None, labels: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.points, self.measured, self.rate_hz, self.model = points, measured, rate_hz, model
        self.poses = model.poses(labels) if model is not None else []
        self.visible: BoolArray = ~np.isnan(points[..., 0])
        self.carriers = np.zeros(points.shape[1], np.bool_)
        self.carriers[columns] = True
        self.n_beside = n_beside(rate_hz)
        self._looseness: dict[int, Array] = {}

    def estimates(self, gap: Gap) -> dict[str, Estimate]:
        """What each method that can be judged here makes of a gap. One is missing where it lacks markers that are seen
        throughout, or where these and the marker are nowhere seen long enough to make gaps of this length."""
        found: dict[str, Estimate] = {}
        starts = np.zeros(0, np.int64)
        # From the method that needs most: the others are then judged by the same made gaps.
        for method, needed in self._carriers(gap):
            if method in found or (method != "spline" and not len(needed)):
                continue
            if not len(starts):
                starts = self._tries(gap, needed)
            if len(starts):
                truth = self._of(gap, starts[:, None] + np.arange(gap.n_frames))
                for name, made in self._made(method, gap, needed, np.append(starts, gap.start)).items():
                    found[name] = Estimate(made[-1], float(np.linalg.norm(made[:-1] - truth, axis=2).mean()))
        return {n: x for n, x in found.items() if np.isfinite(x.points).all() and np.isfinite(x.expected_mm)}

    def _carriers(self, gap: Gap) -> list[tuple[str, IntArray]]:
        """The other columns that each method needs, of those that are seen throughout the gap; the steadiest first.
        With poses it goes with fewer, where more are nowhere seen together."""
        best = self.predictors(gap, MOST_WITH_POSES)
        fewer, mates = best[:MOST_PREDICTORS], best[:MOST_MATES]
        with_poses = [("poses", best), ("poses", fewer)] if self.model is not None else []
        return [*with_poses, ("regression", fewer), ("rigid", mates), ("spline", best[:0])]

    def predictors(self, gap: Gap, most: int) -> IntArray:
        """The columns seen throughout a gap that keep their distance to its marker best, the best first."""
        seen = self.measured[gap.start - 1 : gap.stop + 1].all(0) & self.carriers
        return steadiest(self.looseness(gap.column), seen, most)

    def looseness(self, column: int) -> Array:
        """`(n_columns,)` mm: see `looseness_mm`."""
        if column not in self._looseness:
            self._looseness[column] = looseness_mm(self.points, self.measured, column, self.poses)
        return self._looseness[column]

    def _tries(self, gap: Gap, needed: IntArray) -> IntArray:
        """First frames of made gaps, throughout which the needed columns are seen."""
        possible = room_for(self.measured[:, gap.column], gap.n_frames, *self._reach(gap))
        throughout = np.asarray(self.measured[:, needed].all(axis=1))
        return self._alike(gap, np.flatnonzero(possible & room_for(throughout, gap.n_frames, 1, 1)))

    def _made(self, method: str, gap: Gap, needed: IntArray, starts: IntArray) -> dict[str, Array]:
        """`(n, n_hidden, 3)`: what a method makes of gaps of this length at `starts`; with poses also the forecast."""
        if method == "spline":
            return {method: spline(*self._beside(gap, starts), gap.n_frames)}
        if method == "rigid":
            frames = starts[:, None] + np.arange(-1, gap.n_frames + 1)
            around = self.points[frames[:, :, None], needed].astype(np.float64)
            weights = weights_of(self.looseness(gap.column)[needed])
            return {method: rigid(self._of(gap, frames[:, [0, -1]]), around, weights)}
        if method == "regression":
            found = self.foretold(gap.column, needed, starts, gap.n_frames, 1)
            return {method: found.in_space(found.bridged())}
        assert self.model is not None
        beside = self.model.beside(self.rate_hz)
        found = self.foretold(gap.column, needed, starts, gap.n_frames, beside, with_poses=True)
        before, after = self._reach(gap, beside)  # what the real gap does not have beside it, no made one shows
        found.measured[:, : beside - before] = found.measured[:, beside + gap.n_frames + after :] = np.nan
        bridged = found.bridged()
        loose = float(self.looseness(gap.column)[needed[:MOST_MATES]].mean())
        rolled = self.model.rolled(found, self.rate_hz, loose)
        return {method: found.in_space(bridged), "forecast": found.in_space(bridged + rolled)}

    def foretold(
        self, column: int, predictors: IntArray, starts: IntArray, n_hidden: int, beside: int, with_poses: bool = False
    ) -> Foretold:
        """What predictors, the steadiest first, tell of a marker in gaps at `starts`; see `regression.foretold`."""
        learnt_from = np.flatnonzero(self.measured[:, [column, *predictors]].all(1))
        mates = predictors[:MOST_MATES]
        weights = weights_of(self.looseness(column)[mates])
        return foretold(
            self.points, column, learnt_from, mates, weights, predictors, starts, n_hidden, beside,
            self.poses if with_poses else (),
        )  # fmt: skip

    def _reach(self, gap: Gap, most: int | None = None) -> tuple[int, int]:
        """How many samples right before and after a gap are seen, of so many, or of those that a speed is told by."""
        seen, most = self.visible[:, gap.column], most or self.n_beside
        before = seen[max(0, gap.start - most) : gap.start][::-1]
        return _run(before), _run(seen[gap.stop : gap.stop + most])

    def _alike(self, gap: Gap, starts: IntArray) -> IntArray:
        """The few of many possible starts in which the marker moves most as it does about the gap; none if there are
        fewer than can tell."""
        if len(starts) < _LEAST_TRIES:
            return starts[:0]
        # Of the gap alone, not of its column's place in the file: the order of columns must not matter.
        draw = np.random.default_rng((gap.start, gap.n_frames))
        starts = np.sort(draw.choice(starts, min(_N_DRAWN, len(starts)), replace=False))
        own = self._movement(gap, np.array([gap.start]))
        unlike = np.abs(self._movement(gap, starts) - own).sum(1)
        return np.sort(starts[np.argsort(unlike, kind="stable")[:N_TRIES]])

    def _movement(self, gap: Gap, starts: IntArray) -> Array:
        """`(n, 2)`: logarithms of the way across gaps at `starts`, and of that foretold by the speeds at the edges."""
        before, after = self._beside(gap, starts)
        first, last = before[:, -1], after[:, 0]
        across = np.linalg.norm(last - first, axis=1)
        steps = [x[:, -1] - x[:, -2] for x in (before, after[:, ::-1]) if x.shape[1] > 1]
        speeds = [np.linalg.norm(x, axis=1) * (gap.n_frames + 1) for x in steps] or [across]
        ahead = np.mean(speeds, axis=0)
        return np.asarray(np.log(np.stack([across, ahead], axis=1) + _STILL_MM))

    def _beside(self, gap: Gap, starts: IntArray) -> tuple[Array, Array]:
        """`(n, n_before, 3)`, `(n, n_after, 3)`: the samples beside gaps at `starts`, as many as the gap itself has."""
        before, after = self._reach(gap)
        return (
            self._of(gap, starts[:, None] + np.arange(-before, 0)),
            self._of(gap, starts[:, None] + gap.n_frames + np.arange(after)),
        )

    def _of(self, gap: Gap, frames: IntArray) -> Array:
        """`(..., 3)` mm: where the gap's marker is in some frames."""
        return np.asarray(self.points[frames, gap.column], np.float64)


def _run(seen: BoolArray) -> int:
    """How many from the first on are True."""
    return len(seen) if seen.all() else int(seen.argmin())


def room_for(seen: BoolArray, n_hidden: int, before: int, after: int) -> BoolArray:
    """bool `(n_frames,)`: where a gap of `n_hidden` frames can be made, with so many seen frames before and after."""
    found = np.zeros(len(seen), np.bool_)
    length = before + n_hidden + after
    if length <= len(seen):
        total = np.concatenate(([0], np.cumsum(seen)))
        found[before : before + len(seen) - length + 1] = total[length:] - total[:-length] == length
    return found
