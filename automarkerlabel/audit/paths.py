"""How well the paths of labels go on from frame to frame, as they are and exchanged."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.jumps import Leap, Paths, leaps, surprises, unsteadiness
from automarkerlabel.core.trial import BoolArray, FloatArray, Trial

Array = npt.NDArray[np.float64]
Exchange = tuple[tuple[int, ...], tuple[int, ...]]  # labels, and of each the label that its points should carry

# All chosen by hand, with mistakes planted in the development trials of docs/benchmarks/README.md#audit, not fitted.
_TAKEN_UP_NATS = 4.0  # by which a path must go on better in another label to be a candidate
_MOST_AT_ONCE = 4.0  # nats for a label going on elsewhere in the frame in which another ceases
_MOST_SURPRISE = 12.0  # nats: no frame says more
_NEARER = 0.5  # of the way that a label makes by itself, within which it must go on elsewhere


class Kinks:
    """The paths of a trial whose columns are labels, `(n_frames, n_labels, 3)`."""

    def __init__(self, points: FloatArray, rate_hz: float) -> None:
        names = [str(n) for n in range(points.shape[1])]
        self.trial = Trial(points, names, rate_hz)
        self.paths = Paths(self.trial, np.arange(points.shape[1]))
        self.scale = unsteadiness(self.paths.straight(), rate_hz)

    def leaps(self) -> list[Leap]:
        return leaps(self.trial)

    def surprise(self, now: int, before: int) -> Array:
        """`(n_frames,)` nats against the marker in `before` going on in `now`; NaN where that is not seen."""
        paths = self.paths
        off = np.full(len(paths.points), np.nan)
        off[1:] = paths.crossed(np.arange(1, len(off)), before, now)
        nats = surprises(off, np.maximum(self.scale[:, now], self.scale[:, before]))
        return np.asarray(np.fmin(nats, _MOST_SURPRISE) + 0 * off)  # NaN stays

    def taken_up(self) -> Iterator[tuple[Exchange, float]]:
        """Labels that go on in a frame where another one vanishes, or come from where another one appears."""
        seen = self.paths.seen
        for frame, label in np.argwhere(seen[:-1] & ~seen[1:]).tolist():
            yield from self._nearer(frame + 1, label, vanishes=True)
        for frame, label in np.argwhere(~seen[:-1] & seen[1:]).tolist():
            yield from self._nearer(frame + 1, label, vanishes=False)

    def _nearer(self, frame: int, label: int, vanishes: bool) -> Iterator[tuple[Exchange, float]]:
        """Labels that go on, in a frame, far better with the points of one that is seen on one side of it only."""
        paths = self.paths
        both = np.flatnonzero(paths.seen[frame - 1] & paths.seen[frame])
        one = np.full(len(both), label)
        before, now = (one, both) if vanishes else (both, one)
        stay = paths.crossed(frame, both, both)
        off = paths.crossed(frame, before, now)
        scale = np.maximum(self.scale[frame, both], self.scale[frame, label])
        gain = surprises(stay, scale) - surprises(off, scale)
        for n in np.flatnonzero((gain > _TAKEN_UP_NATS) & (off < _NEARER * stay)).tolist():
            yield ((int(both[n]),), (label,)), float(gain[n])

    def for_change(self, x: Exchange) -> tuple[Array, Array]:
        """`(n_frames,)` twice: nats for labels being exchanged from a frame on, and for being right again."""
        on, off = np.zeros(len(self.paths.points)), np.zeros(len(self.paths.points))
        for label, should in zip(*x, strict=True):
            stay = self.surprise(label, label)
            on += np.nan_to_num(stay - self.surprise(label, should))
            off += np.nan_to_num(stay - self.surprise(should, label))
            if should not in x[0]:
                on += self._at_once(~np.isnan(stay), self.paths.seen[:, should])
                off += self._at_once(~np.isnan(stay), ~self.paths.seen[:, should])
        return on, off

    @staticmethod
    def _at_once(goes_on: BoolArray, seen: BoolArray) -> Array:
        """`(n_frames,)`: nats for a change where a label goes on and another ceases to be seen; labels seldom do."""
        ceases = np.append(False, seen[:-1] & ~seen[1:]) & goes_on
        rarity = np.log(len(seen) / (1 + ceases.sum()))
        return np.asarray(np.where(ceases, min(_MOST_AT_ONCE, float(rarity)), 0.0))
