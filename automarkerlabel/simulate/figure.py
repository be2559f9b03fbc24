"""One simple figure: its body, its markers, and where they are in a pose.

Rigid segments on forward kinematics. In a segment's own frame, with the figure upright, x points forward, y to its
left and z up; the origin is the joint to its parent. Lengths are in mm, for a stature of 1750 mm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_STATURE_MM = 1750.0
SIDES = {"L": 1.0, "R": -1.0}  # sign of y

# Segment: parent, and where its joint is in the parent's frame. Limbs as on the left; the right mirrors them.
_TRUNK: dict[str, tuple[str, tuple[float, float, float]]] = {
    "pelvis": ("", (0, 0, 0)),
    "torso": ("pelvis", (-25, 0, 95)),
    "head": ("torso", (-5, 0, 438)),
}
_LIMBS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "upper_arm": ("torso", (-10, 178, 380)),
    "forearm": ("upper_arm", (0, 0, -310)),
    "hand": ("forearm", (0, 0, -255)),
    "thigh": ("pelvis", (0, 87, 0)),
    "shank": ("thigh", (0, 0, -429)),
    "foot": ("shank", (0, 0, -430)),
}
_SOLE = ((-60.0, 0.0, -68.0), (140.0, 0.0, -68.0))  # heel and ball of a foot, where it meets the floor

# Label: segment and place. Those on both sides are named without L and R and mirrored.
_MIDDLE_MARKERS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "C7": ("torso", (-80, 0, 445)),
    "T10": ("torso", (-118, 0, 235)),
    "CLAV": ("torso", (62, 0, 372)),
    "STRN": ("torso", (105, 0, 225)),
    "RBAK": ("torso", (-112, -92, 318)),  # on the right only: it tells the sides apart
}
_SIDE_MARKERS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "FHD": ("head", (100, 62, 212)),
    "BHD": ("head", (-85, 70, 200)),
    "SHO": ("torso", (-5, 172, 432)),
    "UPA": ("upper_arm", (8, 52, -125)),
    "ELB": ("upper_arm", (-5, 44, -308)),
    "ELM": ("upper_arm", (0, -42, -312)),
    "FRM": ("forearm", (12, 40, -105)),
    "WRA": ("forearm", (36, 4, -250)),
    "WRB": ("forearm", (-32, 6, -252)),
    "FIN": ("hand", (12, 18, -85)),
    "ASI": ("pelvis", (88, 122, 72)),
    "PSI": ("pelvis", (-112, 46, 88)),
    "THI": ("thigh", (18, 82, -185)),
    "KNE": ("thigh", (0, 56, -425)),
    "KNM": ("thigh", (4, -50, -428)),
    "TIB": ("shank", (15, 58, -165)),
    "ANK": ("shank", (-6, 42, -425)),
    "HEE": ("foot", (-68, 0, -28)),
    "TOE": ("foot", (138, 4, -44)),
    "MT5": ("foot", (98, 50, -50)),
}
_LOWER_ON_THE_RIGHT_MM = 55.0  # how much the wands below sit lower there, as laboratories place them
_WANDS = ("UPA", "FRM", "THI", "TIB")

_SCATTER_MM = 8.0  # of a marker's place between subjects
_SOFT_MM = 6.0  # height over which the sole's points share the weight
_GLIDE_S = 0.08  # standard deviation by which the speed over ground is smoothed: a body is too heavy for jolts


@dataclass(frozen=True, eq=False)
class Subject:
    """Joints `(3,)` in the parent's frame by segment, markers `(n_markers, 3)` in their own, and size against 1."""

    joints: dict[str, Array]
    markers: Array
    size: float


@dataclass(frozen=True, eq=False)
class Pose:
    """Angles in degrees by segment, `(n_frames, 3)`: about x (leaning right), y (forward), z (to the left), against
    the parent; absent ones are 0. Heading `(n_frames,)` in degrees; place `(2,)` in mm where it begins."""

    angles: dict[str, Array]
    heading: Array
    place: Array


def markers() -> tuple[list[str], list[str], Array]:
    """Labels, segments and places `(n_markers, 3)` of all markers."""
    found = [(label, segment, place) for label, (segment, place) in _MIDDLE_MARKERS.items()]
    for name, (segment, (x, y, z)) in _SIDE_MARKERS.items():
        for side, sign in SIDES.items():
            lower = _LOWER_ON_THE_RIGHT_MM if side == "R" and name in _WANDS else 0.0
            found.append((side + name, _side_segment(segment, side), (x, sign * y, z - lower)))
    labels, segments, places = zip(*found, strict=True)
    return list(labels), list(segments), np.array(places, np.float64)


def _side_segment(segment: str, side: str) -> str:
    return f"{side}_{segment}" if segment in _LIMBS else segment


def _parents() -> dict[str, tuple[str, Array]]:
    """Each segment's parent and joint, parents first."""
    chain = {segment: (parent, np.array(place, np.float64)) for segment, (parent, place) in _TRUNK.items()}
    for side, sign in SIDES.items():
        for segment, (parent, (x, y, z)) in _LIMBS.items():
            chain[f"{side}_{segment}"] = (_side_segment(parent, side), np.array([x, sign * y, z]))
    return chain


def make_subject(seed: int) -> Subject:
    rng = np.random.default_rng([seed, 1750])
    size = float(np.clip(rng.normal(1720, 90), 1500, 1980)) / _STATURE_MM
    girth = np.array([rng.normal(1, 0.06), rng.normal(1, 0.05), 1.0])  # depth and width against height
    lengths = {name: rng.normal(1, 0.03) for name in (*_TRUNK, *_LIMBS)}  # alike on both sides, nearly
    chain = _parents()
    joints, scale = {}, {}
    for segment, (parent, place) in chain.items():
        kind = segment.split("_", 1)[1] if segment[:2] in ("L_", "R_") else segment
        scale[segment] = size * girth * np.array([1, 1, lengths[kind] * rng.normal(1, 0.004)])
        joints[segment] = place * scale.get(parent, np.ones(3))
    _, segments, places = markers()
    own_places = places * np.array([scale[s] for s in segments]) + rng.normal(0, _SCATTER_MM, places.shape)
    return Subject(joints, own_places, size)


def _turns(angles_deg: Array) -> Array:
    """`(n_frames, 3, 3)`: about y, then x, then z, by angles `(n_frames, 3)` in degrees about x, y and z."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(np.deg2rad(angles_deg)).T, np.cos(np.deg2rad(angles_deg)).T
    one, zero = np.ones_like(sx), np.zeros_like(sx)

    def matrices(rows: Sequence[Sequence[Array]]) -> Array:
        return np.moveaxis(np.array(rows), -1, 0)

    about_x = matrices([[one, zero, zero], [zero, cx, -sx], [zero, sx, cx]])
    about_y = matrices([[cy, zero, sy], [zero, one, zero], [-sy, zero, cy]])
    about_z = matrices([[cz, -sz, zero], [sz, cz, zero], [zero, zero, one]])
    return np.asarray(about_z @ about_x @ about_y)


def placed(subject: Subject, pose: Pose, rate_hz: float) -> dict[str, tuple[Array, Array]]:
    """Origin `(n_frames, 3)` and turn `(n_frames, 3, 3)` of each segment; soles that touch the floor stay put."""
    still = np.zeros((len(pose.heading), 3))
    frames: dict[str, tuple[Array, Array]] = {}
    for segment, (parent, _) in _parents().items():
        turn = _turns(pose.angles.get(segment, still))
        if not parent:
            heading = _turns(np.stack([0 * pose.heading, 0 * pose.heading, pose.heading], 1))
            frames[segment] = (still, heading @ turn)
            continue
        origin, base = frames[parent]
        frames[segment] = (origin + base @ subject.joints[segment], base @ turn)
    feet = [frames[f"{side}_foot"] for side in SIDES]
    soles = np.stack([o + turn @ (np.array(point) * subject.size) for o, turn in feet for point in _SOLE])
    # The lowest point of both feet bears the figure, shared softly: changing feet gives no jolt.
    lowest = soles[..., 2].min(0)
    burden = np.exp((lowest - soles[..., 2]) / _SOFT_MM)
    floor = lowest - _SOFT_MM * np.log(burden.sum(0))
    burden /= burden.sum(0)
    between = (burden[:, 1:, None] + burden[:, :-1, None]) / 2
    slip = _smoothed((between * np.diff(soles[..., :2], axis=1)).sum(0), _GLIDE_S * rate_hz)
    track = pose.place - np.concatenate([np.zeros((1, 2)), np.cumsum(slip, 0)])
    shift = np.column_stack([track, -floor])
    return {segment: (origin + shift, turn) for segment, (origin, turn) in frames.items()}


def _smoothed(values: Array, n_frames: float) -> Array:
    """Rows `(n, k)` smoothed by a normal curve with a standard deviation of `n_frames`; the ends go on unchanged."""
    if not len(values):
        return values
    reach = int(np.ceil(3 * n_frames))
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(n_frames, 1e-9)) ** 2)
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    columns = [np.convolve(column, weight / weight.sum(), mode="valid") for column in padded.T]
    return np.stack(columns, 1)
