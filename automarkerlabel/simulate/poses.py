"""Poses within anatomical limits, any number at once, without a file.

A joint's pose is three angles in degrees: about x, about y, and about its own long axis. The first two together are
the vector by which the long axis is swung, so that no combination is singular; the third turns the segment about itself
before. As on the left (the right mirrors the first and third): + is outwards, backwards (a knee bends by +, a hip or
elbow by -), and turning outwards. Limits are the usual ranges of motion (American Academy of Orthopaedic Surgeons 1965,
Boone and Azen 1979), a little widened: markers are worn by gymnasts too.
"""

import tomllib
from dataclasses import dataclass
from importlib import resources

import torch
from torch import Tensor

from automarkerlabel.marker_sets.body.segments import KINDS, MIRRORED, N_SEGMENTS, SEGMENTS, rotations

Angles = tuple[float, float, float]

# Least and most angle, and how much it varies about a posture (standard deviation), by kind of segment.
_JOINTS: dict[str, tuple[Angles, Angles, Angles]] = {
    "pelvis": ((-180, -180, -25), (180, 180, 25), (7, 9, 4)),
    "lumbar": ((-20, -20, -10), (20, 45, 10), (5, 7, 4)),
    "thorax": ((-20, -18, -35), (20, 35, 35), (5, 8, 11)),
    "head": ((-40, -60, -75), (40, 50, 75), (9, 14, 24)),
    "clavicle": ((-8, -5, -22), (32, 8, 25), (6, 2, 6)),
    "upper_arm": ((-35, -170, -90), (160, 55, 80), (22, 28, 26)),
    "forearm": ((-4, -148, 0), (4, 3, 0), (1, 28, 0)),
    "radius": ((0, 0, -165), (0, 0, 15), (0, 0, 35)),
    "hand": ((-25, -70, -5), (30, 70, 5), (8, 20, 2)),
    "thigh": ((-28, -128, -42), (48, 28, 48), (8, 18, 11)),
    "shank": ((-4, -3, -14), (4, 152, 14), (1, 17, 5)),
    "foot": ((-22, -28, -16), (22, 52, 18), (6, 10, 6)),
    "toes": ((0, -55, 0), (0, 25, 0), (0, 8, 0)),
}
_HANGING: dict[str, Angles] = {"upper_arm": (9, 0, 0), "forearm": (0, -16, 0), "radius": (0, 0, -80), "foot": (0, 0, 6)}


def _read_postures() -> dict[str, tuple[float, dict[str, Angles]]]:
    """By name: how often, and angles by segment or, for both sides, by kind."""
    text = resources.files("automarkerlabel.simulate").joinpath("postures.toml").read_text(encoding="utf-8")
    return {
        name: (float(row["share"]), {segment: tuple(angles) for segment, angles in row.items() if segment != "share"})
        for name, row in tomllib.loads(text).items()
    }


_POSTURES = _read_postures()
POSTURES: tuple[str, ...] = tuple(_POSTURES)
# How often subjects take them for a static: people in wheelchairs and on their knees cannot stand (shares a choice).
_STATIC = {"stand": 2.0, "arms_out": 1.0, "t_pose": 1.0, "reach_ahead": 0.3, "sit": 0.3, "kneel": 0.2}


def _rows(angles: dict[str, Angles]) -> list[Angles]:
    """Angles of all segments; a name with its side before that of the kind before standing's."""
    return [
        angles.get(name, angles.get(kind, _HANGING.get(kind, (0.0, 0.0, 0.0))))
        for name, kind in zip(SEGMENTS, KINDS, strict=True)
    ]


_MEANS = torch.tensor([_rows(angles) for _, angles in _POSTURES.values()])  # (P, S, 3)
_WEIGHTS = torch.tensor([weight for weight, _ in _POSTURES.values()])
_REFERENCE_WEIGHTS = torch.tensor([_STATIC.get(n, 0.0) for n in POSTURES])
_LEAST, _MOST, _SPREAD = torch.tensor([_JOINTS[kind] for kind in KINDS]).unbind(1)  # each (S, 3)
_MIRROR_SIGNS = torch.tensor([-1.0, 1.0, -1.0])  # for what has no side; sided segments are exchanged


@dataclass(frozen=True)
class Chance:
    """Where random numbers come from: one seeded generator."""

    generator: torch.Generator

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.generator.device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator, device=self.generator.device)

    def happens(self, share: float, *shape: int) -> Tensor:
        return self.uniform(0, 1, *shape) < share

    def choice(self, weights: Tensor, count: int) -> Tensor:
        weights = weights.to(self.generator.device)
        return torch.multinomial(weights, count, replacement=True, generator=self.generator)


def posture(name: str, offset: Tensor | float = 0.0) -> Tensor:
    """`(..., S, 3)` degrees: the posture, each angle off by `offset` `(..., S, 3)` times its usual variation."""
    return limited(_MEANS[POSTURES.index(name)] + _SPREAD * offset)


def draw_angles(count: int, chance: Chance, *, reference: bool = False) -> Tensor:
    """`(count, S, 3)` degrees: postures, mixtures of two, and everything about them within the limits; with
    `reference` such as subjects take for a static trial."""
    device = chance.generator.device
    means = _MEANS.to(device)
    weights = _REFERENCE_WEIGHTS if reference else _WEIGHTS
    first, second = means[chance.choice(weights, count)], means[chance.choice(weights, count)]
    share = chance.uniform(0, 1, count, 1, 1) * chance.happens(0.4, count, 1, 1)
    angles = first + share * (second - first)
    mirrored = angles[:, list(MIRRORED)]
    middle = torch.tensor([not n.endswith(("_l", "_r")) for n in SEGMENTS], device=device)[:, None]
    mirrored = torch.where(middle, mirrored * _MIRROR_SIGNS.to(device), mirrored)
    angles = torch.where(chance.happens(0.5, count, 1, 1), mirrored, angles)
    low, high = (0.15, 0.5) if reference else (0.25, 1.7)
    # What both sides do alike, and what each does for itself.
    alike = chance.normal(count, N_SEGMENTS, 3)
    alike = torch.where(middle, alike, (alike + alike[:, list(MIRRORED)]) / 2**0.5)
    mix = chance.uniform(0, 1, count, 1, 1)
    varied = mix.sqrt() * alike + (1 - mix).sqrt() * chance.normal(count, N_SEGMENTS, 3)
    return limited(angles + chance.uniform(low, high, count, 1, 1) * _SPREAD.to(device) * varied)


def limited(angles_deg: Tensor) -> Tensor:
    """Angles `(..., S, 3)` within the joints' limits."""
    return angles_deg.clamp(_LEAST.to(angles_deg.device), _MOST.to(angles_deg.device))


def moving(angles_deg: Tensor, times_s: Tensor, chance: Chance) -> Tensor:
    """Angles `(B, T, S, 3)` that pass through `(B, S, 3)` at time 0, at times `(B, T)` in s: each joint with a speed
    and a change of speed of its own, from a slow sample to a throw."""
    count = len(angles_deg)
    pace = torch.exp(chance.normal(count, 1, 1) * 0.9 + 0.3)  # spreads of a joint in a second
    joint_pace = torch.exp(chance.normal(count, N_SEGMENTS, 1) * 0.6)
    spread = _SPREAD.to(angles_deg.device) * pace * joint_pace
    speed = chance.normal(count, N_SEGMENTS, 3) * spread
    change = chance.normal(count, N_SEGMENTS, 3) * spread * 4
    t = times_s[:, :, None, None]
    return limited(angles_deg[:, None] + speed[:, None] * t + 0.5 * change[:, None] * t * t)


def small_turns(count: int, size: Tensor, chance: Chance) -> Tensor:
    """Local rotations `(count, S, 3, 3)` about none, `size` `(count, 1, 1)` times each joint's spread."""
    return rotations(chance.normal(count, N_SEGMENTS, 3) * _SPREAD.to(size.device) * size)


def twist(orientation: Tensor) -> Tensor:
    """Heading in rad `(...)` of orientations `(..., 3, 3)`: the turn about the vertical that is left when the shortest
    rotation that tilts the body is taken away. Standing, lying prone or supine, it is where the body faced before."""
    return torch.atan2(orientation[..., 1, 0] - orientation[..., 0, 1], orientation[..., 0, 0] + orientation[..., 1, 1])


def about_z(angle_rad: Tensor) -> Tensor:
    """Rotations `(..., 3, 3)` about the vertical."""
    s, c, zero, one = angle_rad.sin(), angle_rad.cos(), torch.zeros_like(angle_rad), torch.ones_like(angle_rad)
    return torch.stack([c, -s, zero, s, c, zero, zero, zero, one], -1).reshape(*s.shape, 3, 3)
