"""A motion of the simulator's body: how each segment is turned against its parent, frame by frame."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from automarkerlabel.core.trial import FloatArray, IntArray
from automarkerlabel.errors import InputError
from automarkerlabel.io.motion.skeleton import are_rotations
from automarkerlabel.marker_sets.body.segments import MIRRORED, SEGMENTS

_MAX_FRAMES = 10_000_000


@dataclass(frozen=True, eq=False)
class Motion:
    """Poses of the body's segments, validated when made.

    rotations  float32 `(n_frames, n_segments, 3, 3)`: each segment of `SEGMENTS` against its parent, the pelvis
               against the world; all identity in the neutral pose.
    root_mm    float32 `(n_frames, 3)`: the pelvis, mm, z up.
    rate_hz    frames a second.

    Raises `InputError` where the arrays do not fit, hold something that is no number, or are no rotations.
    """

    rotations: FloatArray
    root_mm: FloatArray
    rate_hz: float

    def __post_init__(self) -> None:
        rotations, root = np.asarray(self.rotations, np.float32), np.asarray(self.root_mm, np.float32)
        expected = (len(root) if root.ndim else 0, len(SEGMENTS), 3, 3)
        if rotations.shape != expected or root.shape != (expected[0], 3) or not len(root):
            raise InputError(
                f"motion: expected rotations (n_frames, {len(SEGMENTS)}, 3, 3) and root (n_frames, 3), at least one"
                f" frame, found {rotations.shape} and {root.shape}"
            )
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise InputError(f"motion: expected a finite number of frames a second above 0, found {self.rate_hz}")
        if not (np.isfinite(rotations).all() and np.isfinite(root).all()):
            raise InputError("motion: expected finite rotations and positions, found some that are no number")
        if (np.abs(rotations) > 2).any() or not are_rotations(rotations):
            raise InputError("motion: expected rotation matrices, found some that are not orthonormal or mirror")
        object.__setattr__(self, "rotations", rotations)
        object.__setattr__(self, "root_mm", root)

    @property
    def n_frames(self) -> int:
        return len(self.root_mm)

    @property
    def duration_s(self) -> float:
        """The time from the first frame to the last."""
        return (self.n_frames - 1) / self.rate_hz

    def resampled(self, rate_hz: float) -> "Motion":
        """The same motion at another rate, from its first frame on: along great circles between two frames."""
        if not (np.isfinite(rate_hz) and rate_hz > 0):
            raise InputError(f"motion: expected a finite number of frames a second above 0, found {rate_hz}")
        # The small number keeps the last frame where the rates' ratio is not exact.
        n_frames = int(min(self.duration_s * rate_hz + 1e-6, _MAX_FRAMES)) + 1
        if n_frames > _MAX_FRAMES:
            raise InputError(f"motion: expected at most {_MAX_FRAMES:,} frames after resampling, found more")
        times = np.clip(np.arange(n_frames) * (self.rate_hz / rate_hz), 0, self.n_frames - 1)
        before = times.astype(np.int64)
        after = np.minimum(before + 1, self.n_frames - 1)
        fraction = times - before
        root = self.root_mm[before] + fraction[:, None] * (self.root_mm[after] - self.root_mm[before])
        return Motion(self._between(before, after, fraction), root.astype(np.float32), rate_hz)

    def _between(self, before: IntArray, after: IntArray, fraction: npt.NDArray[np.float64]) -> FloatArray:
        turned = self.rotations[before].copy()
        inner = np.flatnonzero(fraction > 1e-6)
        if len(inner):
            start = Rotation.from_matrix(turned[inner].reshape(-1, 3, 3))
            end = Rotation.from_matrix(self.rotations[after[inner]].reshape(-1, 3, 3))
            share = np.repeat(fraction[inner], len(SEGMENTS))[:, None]
            step = Rotation.from_rotvec((start.inv() * end).as_rotvec() * share)
            turned[inner] = (start * step).as_matrix().reshape(-1, len(SEGMENTS), 3, 3)
        return turned

    def mirrored(self) -> "Motion":
        """Left and right exchanged: what a mirror along the body's middle plane (y = 0) shows."""
        flip = np.array([1, -1, 1], np.float32)
        rotations = self.rotations[:, list(MIRRORED)] * (flip[:, None] * flip)
        return Motion(rotations, self.root_mm * flip, self.rate_hz)
