"""How people and laboratories differ beyond what `poses` and `marker_draw` draw: forearms turned over all their range,
plates worn higher, lower or further round by someone else, and things that lie elsewhere in the trial than in the
reference."""

import torch
from torch import Tensor

from automarkerlabel.marker_sets.body.segments import INDEX, SEGMENTS, SIDES, on_surface
from automarkerlabel.simulate.poses import Chance, about_z

# Degrees about the radius's own axis, as `poses` limits it: 0 is palms forward, -80 thumbs forward. 80 each way from
# thumbs forward (American Academy of Orthopaedic Surgeons 1965), a little widened.
_SUPINATED, _PRONATED = 15.0, -165.0
_TURN_IN_WINDOW_DEG = 25.0  # spread of what a forearm turns from the middle of a window to its end; a choice

# Another subject of one published set (OpenCap) wears a shank plate 50 mm lower; up to 80 mm on a thigh is a choice.
_SHIFT = 0.2  # of the limb's length either way: 81 mm on the standard thigh, 47 mm on the forearm
_TURN_DEG = 30.0  # about the limb either way
_BETWEEN = (0.15, 0.85)  # share of a limb's length where markers are free or on plates, not at joints
_LIMBS = ("thigh", "shank", "upper_arm", "radius")


def _limb_lengths() -> Tensor:
    """Of each segment `(S,)` in mm; infinite for what is no limb."""
    numbers = torch.arange(len(SEGMENTS))
    ends = on_surface(numbers, torch.ones(len(SEGMENTS)), torch.zeros(len(SEGMENTS)))
    limb = torch.tensor([name.rsplit("_", 1)[0] in _LIMBS for name in SEGMENTS])
    return torch.where(limb, -ends[:, 2], torch.inf)


_LENGTHS = _limb_lengths()


def with_turned_forearms(turns: Tensor, share: float, chance: Chance) -> Tensor:
    """Local rotations `(B, T, S, 3, 3)` where a `share` of the samples have forearms turned anywhere between palms up
    and palms down, and turning; half of those on both sides alike."""
    count, n_frames = turns.shape[:2]
    chosen = chance.happens(share, count)[:, None, None, None]
    alike = chance.happens(0.5, count, 1)
    angle = chance.uniform(_PRONATED, _SUPINATED, count, 2)
    angle = torch.where(alike, angle[:, :1], angle)
    speed = chance.normal(count, 2) * _TURN_IN_WINDOW_DEG
    times = torch.linspace(-1, 1, n_frames) if n_frames > 1 else torch.zeros(1)
    angles = (angle[:, None] + speed[:, None] * times[:, None]).clamp(_PRONATED, _SUPINATED)  # (B, T, 2)
    turns = turns.clone()
    for column, (side, sign) in enumerate(SIDES.items()):
        radius = INDEX[f"radius_{side}"]
        turned = about_z(torch.deg2rad(sign * angles[..., column]))
        turns[:, :, radius] = torch.where(chosen, turned, turns[:, :, radius])
    return turns


def with_shifted_plates(segment: Tensor, place: Tensor, share: float, chance: Chance) -> Tensor:
    """Places `(B, n, 3)` in mm where, in a `share` of the samples, all markers between the joints of a limb sit further
    along it and further round it together, each limb by an amount of its own; `segment` `(B, n)`."""
    count, n_segments = len(place), len(SEGMENTS)
    along = -place[..., 2] / _LENGTHS[segment]  # 0 on what is no limb
    free = (along > _BETWEEN[0]) & (along < _BETWEEN[1])
    moved = chance.happens(share, count, 1) & chance.happens(0.5, count, n_segments)
    free &= torch.gather(moved, 1, segment)
    shift = torch.gather(chance.uniform(-_SHIFT, _SHIFT, count, n_segments), 1, segment)  # of the length
    turn = torch.gather(torch.deg2rad(chance.uniform(-_TURN_DEG, _TURN_DEG, count, n_segments)), 1, segment)
    (x, y, z), s, c = place.unbind(-1), turn.sin(), turn.cos()
    there = torch.stack([c * x - s * y, s * x + c * y, z + shift * _LENGTHS[segment]], -1)
    return torch.where(free[..., None], there, place)


def lying_anyhow(shape: Tensor, chance: Chance) -> Tensor:
    """Points of a thing `(B, n, 3)` about its middle, turned any way: two turns about axes that are square."""
    first, second = (about_z(chance.uniform(-torch.pi, torch.pi, len(shape))) for _ in range(2))
    return (shape @ first.mT).roll(1, -1) @ second.mT
