"""A marker set worn by the standard body: where each marker sits, and where it is in the poses of a static trial."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.core.trial import FloatArray
from automarkerlabel.marker_sets.body.landmarks import LANDMARKS
from automarkerlabel.marker_sets.body.segments import (
    INDEX,
    N_SEGMENTS,
    SEGMENTS,
    forward,
    on_surface,
    rotations,
    standard_bodies,
)
from automarkerlabel.marker_sets.definition import Definition, MarkerLine


@dataclass(frozen=True)
class MarkerPlaces:
    """A marker set on the standard body: each marker's segment `(n,)` and place `(n, 3)` in mm."""

    segment: Tensor
    place: Tensor


_SOLE_MM = 80.0  # below the ankle joint
_SAME_MM = 25.0

# Angles in degrees by kind of segment, as in `poses`; what is not named is not turned. Forearms are between palms
# forward and palms backward: radial and ulnar wrist markers are told apart as long as the trial's forearm is turned
# by well less than half a circle from the template's, whichever way people hold their palms.
_LEGS = {"thigh": (3.0, 0.0, 3.0), "foot": (-3.0, 0.0, 6.0)}
Pose = Mapping[str, tuple[float, float, float]]
_POSES: dict[str, Pose] = {
    "arms hanging": {"upper_arm": (15, 0, 0), "forearm": (0, -16, 0), "radius": (0, 0, -35)},
    "arms out": {"upper_arm": (45, 0, 0), "forearm": (0, -20, 0), "radius": (0, 0, -35)},
    "elbows bent": {"upper_arm": (15, 0, 0), "forearm": (0, -80, 0), "radius": (0, 0, -35)},
}
STANDING: tuple[str, ...] = tuple(_POSES)


def places(definition: Definition) -> MarkerPlaces:
    """Segment and place in mm of each marker of a set that is defined on the body, in the order of its labels."""
    segment = torch.tensor([INDEX[line.body_segment] for line in definition.lines])
    return MarkerPlaces(segment, torch.stack([_place(line) for line in definition.lines]))


def _place(line: MarkerLine) -> Tensor:
    if line.skin is None:
        return torch.tensor(LANDMARKS[line.at][1] if line.at else line.mm, dtype=torch.float32)
    along, around, out = (torch.tensor(v) for v in line.skin)
    number = torch.tensor(INDEX[line.segment])
    skin = on_surface(number, along, around)
    outwards = on_surface(number, along, around, 2.0) - skin
    place: Tensor = skin + out * outwards / outwards.norm()
    return place


def standing(worn: MarkerPlaces, poses: Mapping[str, Pose] = _POSES) -> dict[str, FloatArray]:
    """The markers `(n, 3)` in mm on the standard body, 1.70 m tall, by name of the pose: facing +x, the pelvis above
    the origin, the soles at height 0. Poses that look like an earlier one, to a set without arms, are left out."""
    angles = torch.zeros(len(poses), N_SEGMENTS, 3)
    for n, pose in enumerate(poses.values()):
        for k, name in enumerate(SEGMENTS):
            kind = name[:-2] if name.endswith(("_l", "_r")) else name
            angles[n, k] = torch.tensor((_LEGS | dict(pose)).get(kind, (0.0, 0.0, 0.0)))
    origins, turns = forward(standard_bodies().joints, rotations(angles)[None])
    origins = origins[0] - origins[0][:, INDEX["foot_l"], None, 2:] * torch.tensor([0.0, 0.0, 1.0])
    origins[..., 2] += _SOLE_MM
    points = origins[:, worn.segment] + (turns[0][:, worn.segment] @ worn.place[:, :, None]).squeeze(-1)  # (P, n, 3)
    found: dict[str, FloatArray] = {}
    for name, pose in zip(poses, points.numpy(), strict=True):
        if not any(np.abs(pose - earlier).max() < _SAME_MM for earlier in found.values()):
            found[name] = pose
    return found
