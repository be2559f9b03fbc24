"""Where columns leap in one frame, as no body moves: two that exchange their places, more in a ring, or one alone.

A column's path from frame to frame is foretold from its speed before and after. What it is off by is judged in units
of how much the same column is off at other times about then.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from automarkerlabel.core.trial import BoolArray, IntArray, Trial

Array = npt.NDArray[np.float64]

_BLOCK_S = 0.15  # over which a column's own unsteadiness is taken
_LEAST_BLOCK = 12  # frames
_RESTLESS = 3.0  # times its unsteadiness, from which on a column may have leapt
_ALONE = 20.0  # times its unsteadiness, from which on it has, though no other column explains where to
_EXCHANGE_NATS = 8.0  # by which an exchange must be likelier than leaps
_HIDDEN_NATS = 18.0  # the same where one of them is hidden for a while
_MOST_IN_RING = 4
_AT_ONCE = 20_000  # restless points
_LONGEST_GAP_S = 0.5  # over which a path is followed
_GUESS_NATS = 12.0
_LEAST_MM = 0.05  # unsteadiness of a column that is not unsteady at all


@dataclass(frozen=True)
class Leap:
    """Columns that leap between frame `frame - 1` and `frame`.

    columns  those that do, and `after`, of each the column in which its marker goes on. Equal for one that leaps
             alone: no other column takes its path up.
    nats     by how much likelier the exchange is than leaps, by the paths alone; for one alone, how unlikely it is.
    """

    frame: int
    columns: tuple[int, ...]
    after: tuple[int, ...]
    nats: float

    @property
    def alone(self) -> bool:
        return self.columns == self.after


def leaps(trial: Trial) -> list[Leap]:
    """All leaps of measured columns, in the order of time. A column leaps in a frame once at most."""
    if trial.n_frames < 3:
        return []
    columns = np.array(trial.marker_columns, np.int64)
    paths = Paths(trial, columns)
    off = paths.straight()
    scale = unsteadiness(off, trial.rate_hz)
    with np.errstate(invalid="ignore"):
        restless = off > _RESTLESS * scale
        lone = off > _ALONE * scale
    peak = _peaks(off)
    found = []
    for frame in _promising(paths, restless, off, scale):
        who = np.flatnonzero(restless[frame])
        for ring, after, nats in _rings(paths, frame, who, scale[frame, who]):
            found.append(Leap(frame, tuple(columns[ring].tolist()), tuple(columns[after].tolist()), nats))
            lone[max(0, frame - 1) : frame + 2, ring] = False  # its echo
    for frame, n in np.argwhere(lone & peak).tolist():
        found.append(_with_hidden(paths, frame, n, scale, columns))
    return sorted(found, key=lambda x: (x.frame, x.columns))


def _with_hidden(paths: "Paths", frame: int, n: int, scale: Array, columns: IntArray) -> Leap:
    """The leap of the n-th column, whose marker may go on in a column that is hidden at that moment, and returns."""
    alone = Leap(frame, (int(columns[n]),), (int(columns[n]),), float(paths.surprise(n, n, frame, scale)))
    best = alone
    for other in paths.hidden(frame).tolist():
        nearer = all(paths.off(a, b, frame)[0] < paths.off(a, a, frame)[0] for a, b in ((n, other), (other, n)))
        if not nearer:
            continue
        straight = alone.nats + paths.surprise(other, other, frame, scale)
        crossed = paths.surprise(n, other, frame, scale) + paths.surprise(other, n, frame, scale)
        nats = float(straight - crossed)
        if nats > (_HIDDEN_NATS if best is alone else best.nats):
            pair = (int(columns[n]), int(columns[other]))
            best = Leap(frame, pair, pair[::-1], nats)
    return best


class Paths:
    """Positions and speeds of some columns, frame by frame."""

    def __init__(self, trial: Trial, columns: IntArray) -> None:
        self.points = trial.positions[:, columns]  # (n_frames, n_columns, 3)
        self.seen = trial.visible[:, columns]
        self.longest = max(1, round(_LONGEST_GAP_S * trial.rate_hz))
        steps = np.full((len(self.points) + 2, *self.points.shape[1:]), np.nan, np.float32)
        np.subtract(self.points[1:], self.points[:-1], out=steps[2:-1])
        self.last_step, self.step, self.next_step = steps[:-2], steps[1:-1], steps[2:]  # to each frame, from the last

    def hidden(self, frame: int) -> IntArray:
        """Columns that are not seen in a frame, but shortly before and after."""
        before = self.seen[max(0, frame - self.longest) : frame].any(0)
        return np.flatnonzero(~self.seen[frame] & before & self.seen[frame : frame + self.longest].any(0))

    def straight(self) -> Array:
        """`(n_frames, n_columns)` mm: how far each point is off where the column was foretold to be."""
        return np.asarray(np.linalg.norm(self.step - _mean(self.last_step, self.next_step), axis=2))

    def crossed(self, frame: IntArray | int, a: IntArray | int, b: IntArray | int) -> Array:
        """mm: how far off, if column `a` went on from `frame` as column `b`; of arrays that fit each other."""
        steps = _mean(self.last_step[frame, a], self.next_step[frame, b])
        return np.asarray(
            np.linalg.norm(self.points[frame, b] - self.points[np.subtract(frame, 1), a] - steps, axis=-1)
        )

    @cached_property
    def _seen_about(self) -> IntArray:
        """`(2, n_frames, n_columns)`: the last frame before each in which a column is seen, and the first from it on;
        far away where there is none."""
        frames = np.arange(len(self.seen))[:, None]
        far = 2 * len(self.seen) + self.longest
        last = np.maximum.accumulate(np.where(self.seen, frames, -far), axis=0)
        last = np.vstack([np.full_like(last[:1], -far), last[:-1]])
        first = np.minimum.accumulate(np.where(self.seen, frames, far)[::-1], axis=0)[::-1]
        return np.stack([last, first])

    def off(
        self, column: IntArray | int, other: IntArray | int, frame: IntArray | int
    ) -> tuple[Array, IntArray, IntArray]:
        """mm by which a path is off that goes on from `frame` as another column's, after a gap perhaps; the frames in
        which it is last and first seen. Infinite if either is not seen for too long. Of arrays that fit each other."""
        m, n = self._seen_about[0, frame, column], self._seen_about[1, frame, other]
        known = (frame - m <= self.longest) & (n - frame < self.longest)
        m, n = np.where(known, m, frame), np.where(known, n, frame)
        steps = (n - m)[..., None] * _mean(self.step[m, column], self.next_step[n, other])
        off = np.linalg.norm(self.points[n, other] - self.points[m, column] - steps, axis=-1)
        return np.where(known, off, np.inf), m, n

    def surprise(self, column: IntArray | int, other: IntArray | int, frame: IntArray | int, scale: Array) -> Array:
        """Nats by which such paths are unlikely; those of a wild guess where they are not known.

        scale  `(n_frames, n_columns)`: see `unsteadiness`.
        """
        off, m, n = self.off(column, other, frame)
        known = np.isfinite(off)
        spread = np.maximum(scale[m, column], scale[n, other]) * np.maximum(n - m, 1) ** 1.5
        return np.where(known, surprises(np.where(known, off, 0), spread), _GUESS_NATS)


def _mean(before: Array, after: Array) -> Array:
    """The mean of two speeds; one of them where the other is not known, 0 where neither is."""
    both = (before + after) / 2
    return np.where(np.isnan(both), np.where(np.isnan(before), np.nan_to_num(after), before), both)


def unsteadiness(off: Array, rate_hz: float) -> Array:
    """`(n_frames, n_columns)`: the median of `off` of a column about each frame, no less than the median of all."""
    n_frames, n_columns = off.shape
    block = max(_LEAST_BLOCK, round(_BLOCK_S * rate_hz))
    n_blocks = -(-n_frames // block)
    padded = np.full((n_blocks * block, n_columns), np.nan)
    padded[:n_frames] = off
    ordered = np.sort(padded.reshape(n_blocks, block, n_columns), axis=1)  # NaN last
    count = (~np.isnan(ordered)).sum(1)
    median = np.take_along_axis(ordered, np.maximum(count - 1, 0)[:, None] // 2, 1)[:, 0]  # (n_blocks, n_columns)
    known = off[~np.isnan(off)]
    floor = max(_LEAST_MM, float(np.median(known))) if len(known) else _LEAST_MM
    median = np.maximum(np.nan_to_num(median), floor)
    about = np.maximum(median, np.maximum(np.vstack([median[:1], median[:-1]]), np.vstack([median[1:], median[-1:]])))
    return np.asarray(np.repeat(about, block, axis=0)[:n_frames])


def _peaks(off: Array) -> BoolArray:
    """Where a column is off more than in the frames beside."""
    filled = np.nan_to_num(off)
    peak: BoolArray = filled > 0
    peak[1:] &= filled[1:] >= filled[:-1]
    peak[:-1] &= filled[:-1] > filled[1:]
    return peak


def _promising(paths: Paths, restless: BoolArray, off: Array, scale: Array) -> list[int]:
    """Frames in which some restless column goes on far better as another one."""
    frame, column = np.nonzero(restless)
    start, count = np.searchsorted(frame, frame), np.bincount(frame, minlength=len(restless))[frame]
    found: list[npt.NDArray[np.int64]] = []
    for first in range(0, len(frame), _AT_ONCE):
        some = np.arange(first, min(first + _AT_ONCE, len(frame)))
        one = np.repeat(some, count[some])  # each with all of its frame
        other = start[one] + np.arange(len(one)) - np.repeat(np.cumsum(count[some]) - count[some], count[some])
        f, a, b = frame[one], column[one], column[other]
        crossed = surprises(paths.crossed(f, a, b), np.maximum(scale[f, a], scale[f, b]))
        better = (a != b) & (surprises(off[f, a], scale[f, a]) - crossed > _EXCHANGE_NATS / _MOST_IN_RING)
        found.append(np.unique(f[better]))
    return np.unique(np.concatenate(found)).tolist() if found else []


def _rings(paths: Paths, frame: int, who: IntArray, scale: Array) -> Iterator[tuple[IntArray, IntArray, float]]:
    """Columns that exchange their places in `frame`: who `(n,)`, as whom each goes on, and the nats for it."""
    off = paths.crossed(frame, who[:, None], who)
    surprise = surprises(off, np.maximum(scale[:, None], scale))
    _, after = linear_sum_assignment(surprise)
    left = set(np.flatnonzero(after != np.arange(len(who))).tolist())
    while left:
        ring = [min(left)]
        while (following := int(after[ring[-1]])) != ring[0]:
            ring.append(following)
        left -= set(ring)
        nats = float((surprise[ring, ring] - surprise[ring, after[ring]]).sum())
        if nats > _EXCHANGE_NATS:
            yield who[ring], who[after[ring]], nats


def surprises(off: Array | float, scale: Array | float) -> Array:
    """Nats by which a path that is `off` is less likely than one that is not: long tails, for bodies hit the floor."""
    return np.asarray(2 * np.log1p(np.square(off / scale)))
