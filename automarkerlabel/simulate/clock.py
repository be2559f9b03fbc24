"""Time, chance, and smooth courses between values: what procedural motions are drawn with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Clock:
    """Time `(n_frames,)` in s, from 0, and where chance comes from."""

    time: Array
    rng: np.random.Generator

    @property
    def still(self) -> Array:
        return np.zeros(len(self.time))

    @property
    def end(self) -> float:
        return float(self.time[-1])

    def about(self, value: float) -> float:
        """Within 15 % of `value`."""
        return float(value * self.rng.uniform(0.85, 1.15))

    def between(self, times: Array, values: Array) -> Array:
        """`(n_frames, ...)`: from each of `values` `(K, ...)` at `times` `(K,)` to the next by a minimum-jerk course
        (Flash and Hogan 1985), at rest at each; the last is kept."""
        after = np.clip(np.searchsorted(times, self.time, side="right"), 1, len(times) - 1)
        share = np.clip((self.time - times[after - 1]) / np.maximum(times[after] - times[after - 1], 1e-9), 0, 1)
        eased = share**3 * (10 - 15 * share + 6 * share**2)
        eased = eased.reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(values[after - 1] + (values[after] - values[after - 1]) * eased)

    def keys(self, draw: Callable[[int], Array], period_s: float) -> Array:
        """`(n_frames,)` from each of the values drawn to the next, `period_s` apart."""
        start = -self.rng.uniform(0, period_s)
        times = start + period_s * np.arange(int((self.end - start) / period_s) + 2)
        return self.between(times.astype(np.float64), np.asarray(draw(len(times)), np.float64))

    def drift(self, deg: float, period_s: float = 1.5) -> Array:
        """Wandering about 0, within `deg`."""
        return self.keys(lambda n: self.rng.uniform(-deg, deg, n), period_s)

    def to_and_fro(self, period_s: float, least: float = 0.75) -> Array:
        """From 0 to somewhere from `least` to 1 and back, again and again."""
        return self.keys(lambda n: np.where(np.arange(n) % 2, self.rng.uniform(least, 1, n), 0.0), period_s)
