"""Stands the body on the floor: what touches it stays where it is and bears the weight."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from automarkerlabel.core.trial import FloatArray
from automarkerlabel.marker_sets.body.segments import INDEX, SIDES, Bodies, forward, standard_bodies
from automarkerlabel.simulate.motion import Motion

DoubleArray = npt.NDArray[np.float64]

# Where the standard body's skin can touch the floor, in its segments' own frames in mm; limbs as on the left.
_TRUNK: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("pelvis", (-182, 0, 20)), ("pelvis", (-75, 62, -150)), ("pelvis", (-75, -62, -150)),
    ("pelvis", (22, 120, 4)), ("pelvis", (22, -120, 4)), ("pelvis", (-60, 170, -15)), ("pelvis", (-60, -170, -15)),
    ("lumbar", (175, 0, 35)), ("thorax", (115, 0, 45)), ("thorax", (102, 0, 125)),
    ("thorax", (-114, 85, 150)), ("thorax", (-114, -85, 150)), ("thorax", (40, 150, 40)), ("thorax", (40, -150, 40)),
    ("head", (-95, 0, 165)), ("head", (116, 0, 185)), ("head", (5, 0, 258)), ("head", (12, 90, 170)),
    ("head", (12, -90, 170)),
)  # fmt: skip
_LIMBS: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("foot", (-62, 2, -72)), ("foot", (125, -32, -72)), ("foot", (108, 46, -72)), ("foot", (-84, 4, -34)),
    ("foot", (62, 6, 0)), ("foot", (40, 48, -55)), ("toes", (62, -8, -26)),
    ("shank", (46, 2, -50)), ("shank", (34, 0, -240)), ("shank", (-76, 2, -110)), ("shank", (-10, 46, -400)),
    ("thigh", (62, 0, -392)), ("thigh", (-5, 92, -5)), ("thigh", (-82, 0, -120)), ("thigh", (88, 4, -160)),
    ("upper_arm", (2, 54, -70)), ("forearm", (-38, 2, -12)), ("radius", (-26, 8, -215)),
    ("hand", (18, 0, -30)), ("hand", (16, 2, -92)), ("hand", (-18, 2, -80)),
)  # fmt: skip

_SOFT_MM = 6.0  # height over which touching points share the weight, so that changing feet gives no jolt
_GLIDE_S = 0.08  # standard deviation by which the speed over ground is smoothed: a body is too heavy for jolts
_AIRBORNE_MM = (20.0, 60.0)  # clearance from which a body begins to fly, and from which it does
_SCALES = (0.5, 1.5)  # plausible sizes of a recorded body against the standard one


def _points() -> tuple[list[int], torch.Tensor]:
    rows = [(INDEX[name], place) for name, place in _TRUNK]
    for side, sign in SIDES.items():
        rows += [(INDEX[f"{name}_{side}"], (x, sign * y, z)) for name, (x, y, z) in _LIMBS]
    return [segment for segment, _ in rows], torch.tensor([place for _, place in rows])


_SEGMENT, _PLACE = _points()


@dataclass(frozen=True, eq=False)
class _Touch:
    """How deep the lowest points hang below the pelvis `(n_frames,)` in mm, and the speed `(n_frames - 1, 2)` in mm a
    frame of the pelvis over the points that bear."""

    depth: DoubleArray
    speed: DoubleArray


def depth(bodies: Bodies, rotations: torch.Tensor) -> DoubleArray:
    """How far the lowest points of one body hang below its pelvis `(n_frames,)` in mm."""
    return _touch(bodies, rotations).depth


def settled(bodies: Bodies, rotations: torch.Tensor, rate_hz: float, lift_mm: DoubleArray) -> FloatArray:
    """The pelvis' path `(n_frames, 3)` of one body in mm, beginning above the origin: the lowest points `lift_mm`
    `(n_frames,)` above the floor z = 0, those that touch it at rest. `rotations` are local, `(n_frames, S, 3, 3)`."""
    touch = _touch(bodies, rotations)
    weight = 1 - _flying(lift_mm) + 1e-3
    between = (weight[1:] + weight[:-1]) / 2
    return _path(touch, lift_mm, _smoothed(touch.speed, between, _GLIDE_S * rate_hz))


def replayed(motion: Motion, bodies: Bodies) -> FloatArray:
    """The same for a motion of another body: it flies where that one did, its way through the air in proportion."""
    rotations = torch.as_tensor(motion.rotations)
    theirs = _touch(standard_bodies(), rotations).depth
    root = motion.root_mm.astype(np.float64)
    size = float(np.median(root[:, 2]) / max(float(np.median(theirs)), 1.0))
    size = size if _SCALES[0] < size < _SCALES[1] else 1.0  # else their floor is elsewhere
    clearance = root[:, 2] - size * theirs
    clearance = np.maximum(clearance - np.percentile(clearance, 5), 0)
    flying = _flying(clearance)
    touch = _touch(bodies, rotations)
    ratio = float(np.median(touch.depth) / max(float(np.median(size * theirs)), 1.0))
    share = ((flying[1:] + flying[:-1]) / 2)[:, None]
    speed = (1 - share) * touch.speed + share * ratio * np.diff(root[:, :2], axis=0)
    smooth = _smoothed(speed, np.ones(len(speed)), _GLIDE_S * motion.rate_hz)
    return _path(touch, ratio * clearance * flying, smooth)


def _flying(clearance_mm: DoubleArray) -> DoubleArray:
    """From 0 on the floor to 1 in the air."""
    low, high = _AIRBORNE_MM
    share = np.clip((clearance_mm - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _touch(bodies: Bodies, rotations: torch.Tensor) -> _Touch:
    origins, turns = forward(bodies.joints[:1], rotations[None])
    local = _PLACE * bodies.scales[0, _SEGMENT]  # (P, 3)
    points = origins[0][:, _SEGMENT] + (turns[0][:, _SEGMENT] @ local[:, :, None]).squeeze(-1)  # (T, P, 3)
    places = points.double().numpy()
    lowest = places[..., 2].min(1, keepdims=True)
    burden = np.exp((lowest - places[..., 2]) / _SOFT_MM)
    whole = burden.sum(1)
    depth = _SOFT_MM * np.log(whole) - lowest[:, 0]
    burden /= whole[:, None]
    between = (burden[1:] + burden[:-1]) / 2
    return _Touch(depth, -(between[..., None] * np.diff(places[..., :2], axis=0)).sum(1))


def _path(touch: _Touch, lift_mm: DoubleArray, speed: DoubleArray) -> FloatArray:
    track = np.concatenate([np.zeros((1, 2)), np.cumsum(speed, 0)])
    return np.column_stack([track, touch.depth + lift_mm]).astype(np.float32)


def _smoothed(values: DoubleArray, weight: DoubleArray, n_frames: float) -> DoubleArray:
    """Rows `(n, k)`, each weighing `weight` `(n,)`, smoothed by a normal curve with a standard deviation of
    `n_frames`; the ends go on unchanged."""
    if not len(values):
        return values
    reach = int(np.ceil(3 * n_frames))
    curve = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(n_frames, 1e-9)) ** 2)

    def spread(column: DoubleArray) -> DoubleArray:
        return np.convolve(np.pad(column, reach, mode="edge"), curve, mode="valid")

    whole = spread(weight)
    return np.stack([spread(column * weight) / whole for column in values.T], 1)
