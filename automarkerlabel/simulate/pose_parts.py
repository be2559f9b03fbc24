"""Poses put together from the angles of single segments over time."""

from collections.abc import Callable

import numpy as np

from automarkerlabel.marker_sets.body.segments import INDEX, SIDES
from automarkerlabel.simulate.clock import Array
from automarkerlabel.simulate.poses import posture

Part = tuple[Array | float, Array | float, Array | float]  # degrees about x, about y, about the own axis


def assembled(n_frames: int, **parts: Part | Callable[[float], Part]) -> Array:
    """Angles `(n_frames, S, 3)` in degrees. A part is named after a segment, or after a kind of limb: then it gives
    the angles of a side, told by its sign (left 1, right -1). What is not named hangs as in standing."""
    angles = np.broadcast_to(posture("stand").numpy().astype(np.float64), (n_frames, len(INDEX), 3)).copy()
    for name, part in parts.items():
        if callable(part):
            for side, sign in SIDES.items():
                _put(angles, INDEX[f"{name}_{side}"], part(sign))
        else:
            _put(angles, INDEX[name], part)
    return angles


def _put(angles: Array, segment: int, part: Part) -> None:
    for axis, values in enumerate(part):
        angles[:, segment, axis] = values
