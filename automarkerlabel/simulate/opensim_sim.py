"""Marker trajectories from body kinematics and an OpenSim marker set: each marker rides rigidly on its body."""

import numpy as np
from scipy.interpolate import CubicSpline

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import InputError, MarkerSetError
from automarkerlabel.io.motion.kinematics_hdf5 import BodyKinematics

_MAX_FRAMES = 10_000_000


def simulate_opensim(kinematics: BodyKinematics, markers: MarkerSet, rate_hz: float | None = None) -> Trial:
    """The trial that the markers of an OpenSim marker set would give: mm, z up, one column a label, in its order.

    `markers.local_mm` is in the generic model's body frames; it is stretched to the subject's size. With `rate_hz` the
    trajectories are resampled by cubic splines.

    Raises `MarkerSetError` for markers without a place, or on a segment that the kinematics lack; `InputError` if the
    rate is none, or frames are missing that resampling would need.
    """
    if markers.local_mm is None:
        raise MarkerSetError(f"marker set {markers.name}: expected where each marker lies on its segment, found none")
    missing = sorted(set(markers.segments) - set(kinematics.transforms))
    if missing:
        raise MarkerSetError(
            f"marker set {markers.name}: expected segments among {', '.join(kinematics.transforms)},"
            f" found {', '.join(missing)}"
        )
    positions = np.empty((kinematics.n_frames, len(markers), 3), np.float32)
    for column, (segment, local) in enumerate(zip(markers.segments, markers.local_mm, strict=True)):
        place = local * kinematics.scale[segment] - kinematics.com_mm[segment]
        transform = kinematics.transforms[segment]
        positions[:, column] = transform[:, :3, :3] @ place + transform[:, :3, 3]
    if rate_hz is not None and rate_hz != kinematics.rate_hz:
        positions = _resampled(positions, kinematics.rate_hz, rate_hz)
    return Trial(positions, list(markers.labels), kinematics.rate_hz if rate_hz is None else rate_hz)


def _resampled(positions: FloatArray, old_hz: float, new_hz: float) -> FloatArray:
    """The same trajectories `(n_frames, n_columns, 3)` at another rate, from the first frame on."""
    n_old = len(positions)
    n_new = int(min((n_old - 1) * new_hz / old_hz + 1e-6, _MAX_FRAMES)) + 1 if np.isfinite(new_hz) and new_hz > 0 else 0
    if not 0 < n_new <= _MAX_FRAMES:
        raise InputError(f"rate: expected frames a second above 0 and no more than a file can hold, found {new_hz}")
    if n_old < 2:
        return positions
    if not np.isfinite(positions).all():
        raise InputError(
            "kinematics: expected every segment in every frame to resample them, found gaps; keep their rate"
        )
    times = np.minimum(np.arange(n_new) * (old_hz / new_hz), n_old - 1)
    return np.asarray(CubicSpline(np.arange(n_old), positions, axis=0)(times), np.float32)
