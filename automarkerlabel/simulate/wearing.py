"""A marker set worn by the standard body: where each marker sits, and where it is in the poses of a static trial."""

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.simulate.body import INDEX, N_SEGMENTS, SEGMENTS, forward, on_surface, standard_bodies
from automarkerlabel.simulate.definition import Definition, MarkerLine
from automarkerlabel.simulate.landmarks import LANDMARKS
from automarkerlabel.simulate.poses import rotations
from automarkerlabel.simulate.samples import MarkerPlaces
from automarkerlabel.trial import FloatArray

_SOLE_MM = 80.0  # below the ankle joint
_SAME_MM = 25.0

# Angles in degrees by kind of segment, as in `poses`; what is not named is not turned. How people stand in a static
# trial: elbows are seldom straight, palms face inwards, backwards or down, feet point outwards a little.
_LEGS = {"thigh": (3.0, 0.0, 3.0), "foot": (-3.0, 0.0, 6.0)}
_POSES: dict[str, dict[str, tuple[float, float, float]]] = {
    "arms hanging": {"upper_arm": (12, 3, -8), "forearm": (0, -25, 0), "radius": (0, 0, -100)},
    "arms out": {"upper_arm": (45, 0, -10), "forearm": (0, -32, 0), "radius": (0, 0, -105)},
    "T-pose": {"clavicle": (8, 0, 0), "upper_arm": (75, 0, 20), "forearm": (0, -14, 0), "radius": (0, 0, -92)},
    "T-pose, palms forward": {
        "clavicle": (8, 0, 0),
        "upper_arm": (70, 0, 45),
        "forearm": (0, -20, 0),
        "radius": (0, 0, 5),
    },
    "elbows bent": {"upper_arm": (12, 0, 0), "forearm": (0, -90, 0), "radius": (0, 0, -90)},
    "arms out, elbows bent": {
        "clavicle": (6, 0, 0),
        "upper_arm": (76, 0, -38),
        "forearm": (0, -86, 0),
        "radius": (0, 0, -104),
    },
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


def standing(worn: MarkerPlaces) -> dict[str, FloatArray]:
    """The markers `(n, 3)` in mm on the standard body, 1.70 m tall, by name of the pose: facing +x, the pelvis above
    the origin, the soles at height 0. Poses that look like an earlier one, to a set without arms, are left out."""
    angles = torch.zeros(len(_POSES), N_SEGMENTS, 3)
    for n, pose in enumerate(_POSES.values()):
        for k, name in enumerate(SEGMENTS):
            kind = name[:-2] if name.endswith(("_l", "_r")) else name
            angles[n, k] = torch.tensor((_LEGS | pose).get(kind, (0.0, 0.0, 0.0)))
    origins, turns = forward(standard_bodies().joints, rotations(angles)[None])
    origins = origins[0] - origins[0][:, INDEX["foot_l"], None, 2:] * torch.tensor([0.0, 0.0, 1.0])
    origins[..., 2] += _SOLE_MM
    points = origins[:, worn.segment] + (turns[0][:, worn.segment] @ worn.place[:, :, None]).squeeze(-1)  # (P, n, 3)
    found: dict[str, FloatArray] = {}
    for name, pose in zip(_POSES, points.numpy(), strict=True):
        if not any(np.abs(pose - earlier).max() < _SAME_MM for earlier in found.values()):
            found[name] = pose
    return found
