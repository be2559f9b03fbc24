"""The simulator's human body: 22 rigid segments on joints, drawn in any number at once.

Millimetres; x forward, y to the body's left, z up. In the neutral pose (every local rotation the identity) the body
stands upright facing +x in the anatomical position: arms down, palms forward, feet pointing forward. Each segment's own
frame is parallel to the world's there, its origin at the joint to its parent.

Joint places are those of the full-body model of Rajagopal et al. 2016 (IEEE Trans. Biomed. Eng. 63:2068), 1.70 m tall,
with its trunk divided at the thoracolumbar junction and its shoulder girdle turning about the sternoclavicular joint.
Stature and its spread follow the ANSUR II survey (Gordon et al. 2014); the spread of single lengths at a given stature
and of widths and depths is of the size of the residuals of its regressions and of Drillis and Contini 1966.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_MIDDLE: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("pelvis", "", (0.0, 0.0, 0.0)),
    ("lumbar", "pelvis", (-100.7, 0.0, 81.5)),
    ("thorax", "lumbar", (-10.0, 0.0, 170.0)),
    ("head", "thorax", (-10.0, 0.0, 230.0)),
)
# As on the left; the right mirrors them.
_LIMBS: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("clavicle", "thorax", (55.0, 22.0, 205.0)),
    ("upper_arm", "clavicle", (-41.8, 148.0, -3.5)),
    ("forearm", "upper_arm", (13.1, -9.6, -286.3)),
    ("radius", "forearm", (-6.7, 26.1, -13.0)),
    ("hand", "radius", (-8.8, 13.6, -235.8)),
    ("thigh", "pelvis", (-56.3, 77.3, -78.5)),
    ("shank", "thigh", (0.0, 1.3, -404.4)),
    ("foot", "shank", (-10.0, 0.0, -400.0)),
    ("toes", "foot", (130.0, 9.0, -44.0)),
)
SIDES = {"l": 1.0, "r": -1.0}  # sign of y


def _chain() -> tuple[list[str], list[int], list[tuple[float, float, float]]]:
    names = [name for name, _, _ in _MIDDLE]
    parents = [names.index(parent) if parent else -1 for _, parent, _ in _MIDDLE]
    places = [place for _, _, place in _MIDDLE]
    for side, sign in SIDES.items():
        for name, parent, (x, y, z) in _LIMBS:
            full = parent if parent in names else f"{parent}_{side}"
            names.append(f"{name}_{side}")
            parents.append(names.index(full))
            places.append((x, sign * y, z))
    return names, parents, places


_names, _parents, _places = _chain()
SEGMENTS: tuple[str, ...] = tuple(_names)
PARENTS: tuple[int, ...] = tuple(_parents)  # of each segment; -1 for the pelvis
JOINTS_MM: tuple[tuple[float, float, float], ...] = tuple(_places)  # of each segment in its parent's frame
KINDS: tuple[str, ...] = tuple(n[:-2] if n.endswith(("_l", "_r")) else n for n in SEGMENTS)  # without the side
INDEX = {name: n for n, name in enumerate(SEGMENTS)}
N_SEGMENTS = len(SEGMENTS)
MIRRORED: tuple[int, ...] = tuple(
    INDEX[n[:-1] + ("r" if n.endswith("_l") else "l")] if n.endswith(("_l", "_r")) else k
    for k, n in enumerate(SEGMENTS)
)

# Where each segment's flesh is: centre line and half axes (front to back, side to side) at the shares of its length.
# Limbs: from breadths and circumferences of ANSUR II at the middle of the sample, as ellipses.
_SHAPES: dict[str, tuple[float, tuple[tuple[float, float, float, float, float], ...]]] = {
    # segment: (length in mm along -z, ((share, centre x, centre y, half depth, half width), ...)), as on the left
    "thigh": (404, ((0, 5, 5, 88, 82), (0.3, 8, 2, 82, 76), (0.7, 4, 0, 66, 60), (1, 0, 0, 60, 56))),
    "shank": (400, ((0, -5, 0, 58, 54), (0.25, -14, 2, 60, 56), (0.6, -12, 0, 46, 42), (1, -8, 0, 38, 36))),
    "upper_arm": (286, ((0, 0, 6, 58, 50), (0.5, 6, -2, 50, 42), (1, 10, -4, 40, 42))),
    "radius": (236, ((0, -2, -8, 44, 46), (0.4, -4, -8, 38, 40), (1, -8, 8, 22, 32))),
    "lumbar": (-170, ((0, 55, 0, 115, 150), (1, 60, 0, 108, 140))),
    "thorax": (-200, ((0, 55, 0, 112, 142), (0.6, 40, 0, 112, 158), (1, 10, 0, 90, 120))),
    "pelvis": (160, ((0, -60, 0, 112, 158), (0.5, -65, 0, 120, 168), (1, -65, 0, 115, 172))),
    "head": (-230, ((0, 20, 0, 70, 62), (0.6, 12, 0, 98, 77), (1, 0, 0, 60, 50))),
}


SHAPED: tuple[str, ...] = tuple(n for n, kind in zip(SEGMENTS, KINDS, strict=True) if kind in _SHAPES)
_GRID = torch.linspace(0, 1, 21)


def _tables() -> tuple[Tensor, Tensor]:
    """Centre and half axes `(S, 21, 4)` of each segment at even shares of its length, and that length `(S,)` in mm."""
    rows, lengths = [], []
    for name, kind in zip(SEGMENTS, KINDS, strict=True):
        length, shape = _SHAPES.get(kind, (0.0, ((0, 0, 0, 0, 0), (1, 0, 0, 0, 0))))
        knots = torch.tensor(shape)
        upper = torch.searchsorted(knots[:, 0].contiguous(), _GRID).clamp(1, len(knots) - 1)
        low, high = knots[upper - 1], knots[upper]
        weight = (_GRID - low[:, 0]) / (high[:, 0] - low[:, 0])
        row = low[:, 1:] + weight[:, None] * (high[:, 1:] - low[:, 1:])
        if name.endswith("_r"):  # to the right is outwards there
            row = row * torch.tensor([1.0, -1.0, 1.0, -1.0])
        rows.append(row)
        lengths.append(float(length))
    return torch.stack(rows), torch.tensor(lengths)


_SHAPE_TABLE, _SHAPE_LENGTHS = _tables()


def on_surface(segment: Tensor, along: Tensor, around_deg: Tensor, girth: Tensor | float = 1.0) -> Tensor:
    """Places on the skin of the standard body `(..., 3)` in mm, each in its segment's own frame, from numbers of
    segments that have a shape (see `SHAPED`): `along` from the joint (0) to the other end (1), and `around_deg` from
    the front (0) over the outer side (90; the left of trunk and head) to the back (180); broadcast together."""
    segment, along, around_deg = torch.broadcast_tensors(segment, along, around_deg)  # type: ignore[no-untyped-call]
    step = (along.clamp(0, 1) * (len(_GRID) - 1)).clamp(0, len(_GRID) - 1.001)
    low = step.long()
    table = _SHAPE_TABLE.to(segment.device)
    shape = table[segment, low] + (step - low)[..., None] * (table[segment, low + 1] - table[segment, low])
    x, y, depth, width = shape.unbind(-1)
    angle = torch.deg2rad(around_deg)
    z = -along * _SHAPE_LENGTHS.to(segment.device)[segment]
    return torch.stack([x + girth * depth * angle.cos(), y + girth * width * angle.sin(), z], -1)


@dataclass(frozen=True)
class Bodies:
    """`joints` `(B, S, 3)`: each joint in its parent's frame, mm; `scales` `(B, S, 3)`: each segment's depth, width and
    length against the standard body's."""

    joints: Tensor
    scales: Tensor


def standard_bodies(count: int = 1) -> Bodies:
    """The standard body, 1.70 m tall, `count` times."""
    joints = torch.tensor(JOINTS_MM).expand(count, -1, -1)
    return Bodies(joints, torch.ones_like(joints))


# Standard deviations, as logarithms: of one segment's length at a given stature, of its girth, of left against right.
_LENGTH_SPREAD = 0.045
_GIRTH_SPREAD = 0.08
_BUILD_SPREAD = 0.07
_SIDE_SPREAD = 0.006
_STATURES_MM = ((1756.0, 69.0), (1629.0, 64.0))  # ANSUR II: men, women
_CHILD_SHARE, _CHILD_MM = 0.1, (1150.0, 1600.0)
_STANDARD_MM = 1700.0


def draw_bodies(count: int, generator: torch.Generator) -> Bodies:
    """`count` people: women and men alike often, one in ten a child; proportions and build vary about the stature."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=generator.device)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=generator.device)

    adult = torch.tensor(_STATURES_MM, device=generator.device)[(uniform(count) < 0.5).long()]
    low, high = _CHILD_MM
    child = low + (high - low) * uniform(count)
    is_child = uniform(count) < _CHILD_SHARE
    stature = torch.where(is_child, child, adult[:, 0] + adult[:, 1] * normal(count)) / _STANDARD_MM
    kinds = sorted(set(KINDS))
    kind_of = torch.tensor([kinds.index(k) for k in KINDS], device=generator.device)
    length = (_LENGTH_SPREAD * normal(count, len(kinds)))[:, kind_of] + _SIDE_SPREAD * normal(count, N_SEGMENTS)
    build = _BUILD_SPREAD * normal(count, 1, 1)
    girth = build + (_GIRTH_SPREAD * normal(count, len(kinds), 2))[:, kind_of]
    scales = stature[:, None, None] * torch.cat([girth, length[:, :, None]], -1).exp()
    # The foot is long in x, and the girdle and pelvis in y: what is length there follows the length's spread.
    lengthways = scales.clone()
    for names, axis in ((("foot", "toes"), 0), (("clavicle",), 1)):
        rows = [n for n, kind in enumerate(KINDS) if kind in names]
        lengthways[:, rows, axis] = scales[:, rows, 2]
    parents = torch.tensor([max(p, 0) for p in PARENTS], device=generator.device)
    joints = torch.tensor(JOINTS_MM, device=generator.device) * lengthways[:, parents]
    return Bodies(joints, lengthways)


_LEVELS: list[list[int]] = []
for _n, _p in enumerate(PARENTS):
    _depth = 0
    while _p >= 0:
        _depth, _p = _depth + 1, PARENTS[_p]
    while len(_LEVELS) <= _depth:
        _LEVELS.append([])
    _LEVELS[_depth].append(_n)


def forward(joints: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
    """Origins `(B, T, S, 3)` in mm about the pelvis and orientations `(B, T, S, 3, 3)` of all segments, from joints
    `(B, S, 3)` and local rotations `(B, T, S, 3, 3)`, the pelvis' own being its orientation in the world."""
    places: list[Tensor] = [torch.empty(0)] * N_SEGMENTS
    turns: list[Tensor] = [torch.empty(0)] * N_SEGMENTS
    places[0], turns[0] = torch.zeros_like(rotations[:, :, 0, 0]), rotations[:, :, 0]
    for level in _LEVELS[1:]:
        above = torch.stack([turns[PARENTS[n]] for n in level], 2)  # (B, T, L, 3, 3)
        start = torch.stack([places[PARENTS[n]] for n in level], 2)
        offset = joints[:, None, level, :, None]  # (B, 1, L, 3, 1)
        place = start + (above @ offset).squeeze(-1)
        turn = above @ rotations[:, :, level]
        for k, n in enumerate(level):
            places[n], turns[n] = place[:, :, k], turn[:, :, k]
    return torch.stack(places, 2), torch.stack(turns, 2)


_SIGNS = torch.tensor([[-1.0, 1.0, -1.0] if n.endswith("_r") else [1.0, 1.0, 1.0] for n in SEGMENTS])


def rotations(angles_deg: Tensor) -> Tensor:
    """Local rotations `(..., S, 3, 3)` from angles `(..., S, 3)` in degrees, given as on the left for both sides."""
    x, y, z = torch.deg2rad(angles_deg * _SIGNS.to(angles_deg.device)).unbind(-1)
    size = (x * x + y * y).sqrt().clamp_min(1e-9)
    ux, uy, s, c = x / size, y / size, size.sin(), size.cos()
    sz, cz = z.sin(), z.cos()
    k = 1 - c
    # The swing about (ux, uy, 0), and its product with the turn about z before it.
    a = (c + ux * ux * k, ux * uy * k, uy * s)
    b = (ux * uy * k, c + uy * uy * k, -ux * s)
    d = (-uy * s, ux * s, c)
    flat = [value for row in (a, b, d) for value in (row[0] * cz + row[1] * sz, row[1] * cz - row[0] * sz, row[2])]
    return torch.stack(flat, -1).reshape(*x.shape, 3, 3)
