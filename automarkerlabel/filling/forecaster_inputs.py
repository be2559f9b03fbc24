"""What the forecaster sees of a gap: the miss of what the predictors tell, up to an edge, and how they go on after it.

The miss is where the marker was measured less where the predictors tell it, see `filling.regression.foretold`, counted
from the edge that is rolled away from. From the edge after the gap the same is read backward in time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import FloatArray, IntArray
from automarkerlabel.filling.regression import Foretold
from automarkerlabel.filling.spline import n_beside, speed, spline

Array = npt.NDArray[np.float64]

STEP_HZ = 50.0  # steps a second, or a little more
N_KNOWN = 5  # samples up to the edge, itself the last
UNIT_MM = 5.0  # of what goes in and comes out
N_FACTS = 6


@dataclass(frozen=True, eq=False)
class Rolls:
    """Sequences of `n_gaps` gaps of one length, float32: first all that roll forward, then all backward.

    facts   `(2 n_gaps, N_KNOWN + n_steps, N_FACTS)`: logarithms of the gap's seconds, of those that were learnt from,
            and of the mates' looseness; whether a known sample was seen; the share of the way; whether the far edge is
            known.
    known   `(2 n_gaps, N_KNOWN, 3)`, units: the miss up to the edge.
    motion  `(2 n_gaps, N_KNOWN + n_steps, 3)`, units: what the predictors tell, from the edge.
    base    `(2 n_gaps, n_steps, 3)`, units: the straight way of the miss to that at the far edge; 0 if that is unknown.
    guess   `(2 n_gaps, n_steps, 3)`, units: what a smooth curve adds to it.
    truth   `(2 n_gaps, n_steps, 3)`, units: the miss less `base`, NaN where it was not measured.
    frames  int `(n_steps,)`: of each step, counted from the edge; the last is the last hidden one.
    """

    facts: FloatArray
    known: FloatArray
    motion: FloatArray
    base: FloatArray
    guess: FloatArray
    truth: FloatArray
    frames: IntArray


def frames_beside(rate_hz: float) -> int:
    """How many frames beside a gap `rolls` looks at, the edge among them."""
    return max((N_KNOWN - 1) * stride(rate_hz) + 1, n_beside(rate_hz))


def stride(rate_hz: float) -> int:
    """Frames from step to step."""
    return max(1, int(rate_hz / STEP_HZ + 1e-6))


def rolls(found: Foretold, rate_hz: float, looseness_mm: float, far_known: bool = True) -> Rolls:
    """The sequences of gaps.

    looseness_mm  by how much the mates' distances to the marker change.
    far_known     whether the edge that is rolled towards is known; without it this is a forecast.
    """
    pairs = (found.told, found.measured), (found.told[:, ::-1], found.measured[:, ::-1])
    told, measured = (np.concatenate(x) for x in zip(*pairs, strict=True))  # (2 n_gaps, n_around, 3)
    near, n, step = found.beside - 1, found.n_hidden, stride(rate_hz)
    far = near + n + 1
    miss = measured - told
    miss -= miss[:, near, None]
    before = np.isfinite(miss[:, : near + 1, 0])[:, ::-1].cumprod(1)[:, ::-1].astype(bool)  # seen without a break
    frames = np.minimum(np.arange(1, -(-n // step) + 1) * step, n)
    at = np.concatenate([near - step * np.arange(N_KNOWN)[::-1], near + frames])
    known = np.where(before[:, at[:N_KNOWN], None], miss[:, at[:N_KNOWN]], 0.0)
    base, guess = _guessed(miss, before, near, far, n_beside(rate_hz), far_known)
    base, guess = base[:, frames - 1], guess[:, frames - 1]
    motion = np.nan_to_num(told[:, at] - told[:, near, None])
    facts = np.zeros((len(told), len(at), N_FACTS), np.float32)
    facts[..., 0] = np.log(n / (0.2 * rate_hz))
    facts[..., 1] = np.log(max(1, found.n_learnt) / rate_hz) / 2
    facts[..., 2] = np.log(looseness_mm + 0.5) / 2
    facts[:, :N_KNOWN, 3] = before[:, at[:N_KNOWN]]
    facts[:, N_KNOWN:, 4] = frames / (n + 1)
    facts[..., 5] = far_known
    truth = miss[:, near + frames] - base
    units = [np.asarray(x / UNIT_MM, np.float32) for x in (known, motion, base, guess, truth)]
    return Rolls(facts, units[0], units[1], units[2], units[3], units[4], frames)


def _guessed(miss: Array, before: Array, near: int, far: int, n_speed: int, far_known: bool) -> tuple[Array, Array]:
    """`(n, n_hidden, 3)` mm each: the straight way of the miss, and what a smooth curve adds to it: that of `spline`,
    or without a far edge straight on at the speed that it has."""
    n_hidden = far - near - 1
    elapsed = np.arange(1, n_hidden + 1)[:, None]
    straight, added = np.zeros((2, len(miss), n_hidden, 3))
    for row in range(len(miss)):
        seen = miss[row, max(0, near + 1 - n_speed) : near + 1]
        seen = seen[before[row, near + 1 - len(seen) : near + 1]]
        if not far_known:
            added[row] = -elapsed * speed(seen[None, ::-1])[0] if len(seen) > 1 else 0.0
            continue
        after = miss[row, far : far + n_speed]
        after = after[: int(np.isfinite(after[:, 0]).cumprod().sum())]
        straight[row] = elapsed / (n_hidden + 1) * after[0]
        added[row] = spline(seen[None], after[None], n_hidden)[0] - straight[row]
    return straight, added


def to_frames(frames: IntArray) -> FloatArray:
    """`(n_hidden, n_steps)`: what steps at `frames` count in each hidden frame; before the first step from the edge,
    where all is 0."""
    n_hidden = int(frames[-1])
    steps = np.eye(len(frames))
    at = np.arange(1, n_hidden + 1)
    weights = [np.interp(at, [0, *frames], [0, *row]) for row in steps]
    return np.asarray(np.stack(weights, 1), np.float32)
