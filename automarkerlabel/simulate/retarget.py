"""Puts the motion of a recorded skeleton on the simulator's body.

Each segment rides on one bone of the source: its frame in that bone's frame never changes. That frame has the limb's
long axis where the source's joints have it (thigh: from hip to knee, exactly) and is turned about it as the
anatomical neutral pose asks, so that knees and elbows bend about the segment's y axis: about the bone's hinge where
the file names one, else as the rig says.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import FloatArray
from automarkerlabel.errors import InputError
from automarkerlabel.io.motion.skeleton import SkeletonMotion
from automarkerlabel.marker_sets.body.segments import INDEX, JOINTS_MM, PARENTS, SEGMENTS
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.rigs import RIGS, UPRIGHT, Rig

DoubleArray = npt.NDArray[np.float64]

# The segment at whose start a limb's long axis ends, and the one whose hinge it shares.
_FAR_ENDS = {"thigh": "shank", "shank": "foot", "upper_arm": "forearm", "forearm": "hand"}
_HINGES = {"thigh": "shank", "shank": "shank", "upper_arm": "forearm", "forearm": "forearm"}
_REQUIRED = ("pelvis", "thorax", "thigh", "shank", "foot", "upper_arm", "forearm", "hand")
_MIRROR = np.array([1.0, -1.0, 1.0])
_LEG_MM = (450.0, 1300.0)  # thigh and shank, from small children to the tallest
_COMMON_LEG_MM = 850.0
# A BVH does not name its units: against the centimetres assumed, millimetres, inches, CMU's 1 / 0.45 inches, metres.
_OTHER_UNITS = (0.1, 2.54, 2.54 / 0.45, 100.0)
_COS_NEAR = 0.7  # a rest pose is another one if a limb lies further from where it ought to than about 45 degrees


def retarget(skeleton: SkeletonMotion) -> Motion:
    """The motion of a recorded skeleton as poses of the simulator's body; segments it lacks stay unturned.

    Raises `InputError` if its bones carry no names of a known family, or its rest pose is not that family's, or its
    legs have no human size.
    """
    rig = _rig_of(skeleton)
    low, high = _LEG_MM
    if not low <= (leg := _leg_mm(skeleton, rig)) <= high:
        raise InputError(f"skeleton: expected a leg of {low:.0f} to {high:.0f} mm, found {leg:.3g}; check its units")
    turned = np.empty((skeleton.n_frames, len(SEGMENTS), 3, 3), np.float32)  # against the world
    for segment, parent in zip(SEGMENTS, PARENTS, strict=True):
        bone = _bone(segment, skeleton, rig)
        if bone is None:
            turned[:, INDEX[segment]] = turned[:, parent]
        else:
            turned[:, INDEX[segment]] = skeleton.orientations[:, bone] @ _frame_in_bone(segment, skeleton, rig)
    for side in "lr":
        if _bone(f"radius_{side}", skeleton, rig) is None:
            turned[:, INDEX[f"radius_{side}"]] = _pronated(turned, side)
        _set_sole_down(turned, side)
    local = turned.copy()
    local[:, 1:] = np.swapaxes(turned[:, list(PARENTS[1:])], -1, -2) @ turned[:, 1:]
    return Motion(local, _pelvis_mm(skeleton, rig, turned[:, 0]), skeleton.rate_hz)


def in_human_size(skeleton: SkeletonMotion) -> SkeletonMotion:
    """The skeleton in the units in which its legs are nearest to a grown human's, if they are no human's as they are.

    Raises `InputError` if its bones carry no names of a known family.
    """
    leg = _leg_mm(skeleton, _rig_of(skeleton))
    if _LEG_MM[0] <= leg <= _LEG_MM[1] or leg <= 0:
        return skeleton
    factor = min(_OTHER_UNITS, key=lambda f: abs(np.log(leg * f / _COMMON_LEG_MM)))
    return replace(
        skeleton,
        root_mm=skeleton.root_mm * np.float32(factor),
        starts_mm=skeleton.starts_mm * np.float32(factor),
        tips_mm=skeleton.tips_mm * np.float32(factor),
    )


def _rig_of(skeleton: SkeletonMotion) -> Rig:
    needed = [segment for segment in SEGMENTS if _kind_and_side(segment)[0] in _REQUIRED]
    for rig in RIGS:
        if all(_bone(segment, skeleton, rig) is not None for segment in needed):
            return rig
    raise InputError(
        f"skeleton: expected bones named as one of: {'; '.join(rig.name for rig in RIGS)}; found"
        f" {', '.join(skeleton.names)[:120]}; rename them"
    )


def _kind_and_side(segment: str) -> tuple[str, str]:
    return (segment[:-2], segment[-1]) if segment.endswith(("_l", "_r")) else (segment, "")


def _bone(segment: str, skeleton: SkeletonMotion, rig: Rig) -> int | None:
    name = rig.bone(*_kind_and_side(segment), skeleton.names)
    return None if name is None else skeleton.names.index(name)


def _known_bone(segment: str, skeleton: SkeletonMotion, rig: Rig) -> int:
    bone = _bone(segment, skeleton, rig)
    assert bone is not None  # one of _REQUIRED
    return bone


def _frame_in_bone(segment: str, skeleton: SkeletonMotion, rig: Rig) -> FloatArray:
    """`(3, 3)`: the segment's axes as columns, in the frame of the bone that it rides on."""
    kind, side = _kind_and_side(segment)
    if kind in ("foot", "toes") and kind not in rig.lies:
        return _frame_in_bone(f"shank_{side}", skeleton, rig)  # at rest at a right angle to the shank
    x, z = np.array(rig.lies.get(kind, UPRIGHT), np.float64)
    frame = _frame(x, z)
    if side == "r":
        frame = frame * _MIRROR[:, None] * _MIRROR
    if kind in _FAR_ENDS:
        z = -_unit(skeleton.starts_mm[_known_bone(f"{_FAR_ENDS[kind]}_{side}", skeleton, rig)])
        if z @ frame[:, 2] < _COS_NEAR:
            raise InputError(f"skeleton: expected the rest pose of {rig.name}, found the {kind} in another place there")
        hinge = skeleton.hinges[_known_bone(f"{_HINGES[kind]}_{side}", skeleton, rig)].astype(np.float64)
        if np.isfinite(hinge).all():
            frame = _frame(np.cross(hinge * np.sign(hinge @ frame[:, 1]), z), z)
        else:
            frame = _frame(frame[:, 0], z)
    return frame.astype(np.float32)


def _frame(x: DoubleArray, z: DoubleArray) -> DoubleArray:
    """Axes as columns: z along `z`, x as near to `x` as it can be."""
    z = _unit(z)
    x = _unit(x - (x @ z) * z)
    return np.stack([x, np.cross(z, x), z], 1)


def _unit(vector: npt.NDArray[np.floating]) -> DoubleArray:
    wide = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(wide))
    if length < 1e-6:
        raise InputError("skeleton: expected limbs of some length, found one of none, or one along its own hinge")
    return wide / length


def _pronated(turned: FloatArray, side: str) -> FloatArray:
    """`(n_frames, 3, 3)`: the forearm turned about its long axis as far as the hand is."""
    forearm, hand = turned[:, INDEX[f"forearm_{side}"]], turned[:, INDEX[f"hand_{side}"]]
    local = np.swapaxes(forearm, -1, -2) @ hand
    angle = np.arctan2(local[:, 1, 0] - local[:, 0, 1], local[:, 0, 0] + local[:, 1, 1])
    twist = np.zeros_like(local)
    twist[:, 0, 0] = twist[:, 1, 1] = np.cos(angle)
    twist[:, 1, 0] = np.sin(angle)
    twist[:, 0, 1] = -twist[:, 1, 0]
    twist[:, 2, 2] = 1
    return forearm @ twist


def _set_sole_down(turned: FloatArray, side: str) -> None:
    """Undo, in place, a foot solved with its sole upwards, as some of CMU's are: rolled by 180 degrees about itself."""
    foot, toes = INDEX[f"foot_{side}"], INDEX[f"toes_{side}"]
    local = np.swapaxes(turned[:, INDEX[f"shank_{side}"]], -1, -2) @ turned[:, foot]
    rolled = (local[:, 1, 1] < 0) & (local[:, 0, 0] > 0)
    about_x = np.array([1, -1, -1], np.float32)
    turned[rolled, foot] *= about_x
    turned[rolled, toes] *= about_x


def _pelvis_mm(skeleton: SkeletonMotion, rig: Rig, pelvis: FloatArray) -> FloatArray:
    """Where the body's pelvis must be for the middle between its hips to be that of the source."""
    hips = [skeleton.position(skeleton.names[_known_bone(f"thigh_{side}", skeleton, rig)]) for side in "lr"]
    own = np.mean([JOINTS_MM[INDEX[f"thigh_{side}"]] for side in "lr"], 0).astype(np.float32)
    return np.asarray((hips[0] + hips[1]) / 2 - pelvis @ own, np.float32)


def _leg_mm(skeleton: SkeletonMotion, rig: Rig) -> float:
    bones = [_known_bone(f"{kind}_l", skeleton, rig) for kind in ("shank", "foot")]
    return float(np.linalg.norm(skeleton.starts_mm[bones], axis=1).sum())
