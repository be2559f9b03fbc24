"""Columns that leap away: to a ghost, or onto the path of another marker that is hidden meanwhile."""

from itertools import pairwise

import numpy as np

from automarkerlabel.audit.distances import Distances, own_misfits
from automarkerlabel.audit.exchanges import HIDDEN_SHARE, LEAST_S, Mistake
from automarkerlabel.core.trial import BoolArray, FloatArray

# All chosen by hand, with jumps planted in the development trials of docs/benchmarks/README.md#audit, and not fitted.
_WRONG, _WORSE = 0.8, 0.5  # cost of distances after a leap, and by how much more than before it
_LEAP_MM = 12.0  # in one frame, and so many times the step before and after:
_LEAP_TIMES = 3.0
_GOES_ON = 0.25  # of a leap, within which a path is taken up
_NATS = 10.0  # for a cost of 1: what is told of a leap is its rank
_MOST_MOMENTS = 30  # of a stretch, for time alone


def departures(points: FloatArray, rate_hz: float) -> list[Mistake]:
    """Labels whose column leaps in one frame to where it does not belong, until it leaps back or the trial ends."""
    if len(points) < 3:
        return []
    expected = Distances.of_motion(points)
    leap = _leaps(points)
    mistakes = []
    for label in np.flatnonzero(leap.any(0)).tolist():
        at = np.flatnonzero(leap[:, label])
        edges = [0, *at[np.append(True, np.diff(at) > 1)].tolist(), len(points)]
        level = [_level(points, expected, label, a, b) for a, b in pairwise(edges)]
        for n, (a, b) in enumerate(pairwise(edges)):
            beside = [level[m] for m in (n - 1, n + 1) if 0 <= m < len(level)]
            # Wrong all the time is another mistake than wrong since a leap.
            n_seen = np.isfinite(points[a:b, label, 0]).sum()
            if n_seen >= LEAST_S * rate_hz and level[n] > _WRONG and min(beside) < level[n] - _WORSE:
                other = _taken_up(points, label, a, b)
                mistakes.append(Mistake(a, b, (label,), (label if other is None else other,), _NATS * level[n]))
    return mistakes


def _taken_up(points: FloatArray, label: int, start: int, stop: int) -> int | None:
    """The label that vanishes where the column of another leaps to, if there is one: it goes on there."""
    hidden = np.isnan(points[start:stop, :, 0]).mean(0) > 1 - HIDDEN_SHARE
    for before, after in ((start - 1, start), (stop, stop - 1)):
        if not 0 <= before < len(points) or np.isnan(points[after, label, 0]):
            continue
        leap = float(np.linalg.norm(points[after, label] - points[before, label]))
        away = np.linalg.norm(points[before] - points[after, label], axis=1)
        away[~hidden | np.isnan(away)] = np.inf
        if away.min() < leap * _GOES_ON:
            return int(away.argmin())
    return None


def _level(points: FloatArray, expected: Distances, label: int, start: int, stop: int) -> float:
    """The median cost of a label's distances over some frames."""
    some = start + np.unique(np.linspace(0, stop - start - 1, _MOST_MOMENTS).astype(np.int64))
    cost = own_misfits(points[some], expected, np.array([label]))[:, 0]
    known = cost[~np.isnan(cost)]
    return float(np.median(known)) if len(known) else 0.0


def _leaps(points: FloatArray) -> BoolArray:
    """`(n_frames, n_labels)`: where a label moves much farther than in the frames beside; seen in both."""
    step = np.full(points.shape, np.nan)
    step[1:] = np.diff(points.astype(np.float64), axis=0)
    size = np.linalg.norm(step, axis=2)
    beside = np.zeros((2, *size.shape))
    beside[0, 1:], beside[1, :-1] = np.nan_to_num(size[:-1]), np.nan_to_num(size[1:])
    return np.asarray(np.nan_to_num(size) > np.maximum(_LEAP_MM, _LEAP_TIMES * beside.max(0)))
