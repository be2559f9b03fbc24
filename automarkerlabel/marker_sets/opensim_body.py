"""Places in an OpenSim model's bodies as places on the simulator's segments.

OpenSim's bodies have x forward, y up, z to the right. Origins are those of the generic models Gait2392 (Delp et al.
1990) and Rajagopal et al. 2016, which the simulator's joints follow; models scaled to a subject are close enough to
match markers. Their torso is one body, ours are the trunk below and above the thoracolumbar junction, the head and the
shoulder girdle: what sits where on the torso tells them apart.
"""

import re

import numpy as np

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.errors import MarkerSetError
from automarkerlabel.marker_sets.body.segments import INDEX, JOINTS_MM, PARENTS, SEGMENTS

Point = tuple[float, float, float]

# Body without its side: segment and the body's origin in it, as on the left.
_BODIES: dict[str, tuple[str, Point]] = {
    "pelvis": ("pelvis", (0.0, 0.0, 0.0)),
    "head": ("head", (0.0, 0.0, -28.5)),  # Clouthier et al. 2021: the neck is 28.5 mm below our head's origin
    "femur": ("thigh", (0.0, 0.0, 0.0)),
    "patella": ("thigh", (48.0, 0.0, -405.0)),
    "tibia": ("shank", (0.0, 0.0, 0.0)),
    "talus": ("foot", (0.0, 0.0, 0.0)),
    "calcn": ("foot", (-48.8, 7.9, -42.0)),
    "toes": ("toes", (0.0, 0.0, 0.0)),
    "humerus": ("upper_arm", (0.0, 0.0, 0.0)),
    "ulna": ("forearm", (0.0, 0.0, 0.0)),
    "radius": ("radius", (0.0, 0.0, 0.0)),
    "hand": ("hand", (0.0, 0.0, 0.0)),
    "scapulaphantom": ("clavicle", (-41.8, 148.0, -3.5)),  # its origin is the shoulder joint
}
_TORSO = "torso"
_LUMBAR_MM, _HEAD_MM, _SHOULDER_MM = 200.0, 465.0, (340.0, 105.0)  # heights above the torso's origin; and to the side


def body_places(marker_set: MarkerSet) -> dict[str, tuple[str, Point]]:
    """Each label's segment and place in mm in its frame, from an OpenSim marker set.

    Raises `MarkerSetError` for a marker without a place, or on a body that has no counterpart.
    """
    if marker_set.local_mm is None:
        raise MarkerSetError(f"{marker_set.name}: expected a location for every marker, found some without")
    found = {}
    for label, body, (x, y, z) in zip(marker_set.labels, marker_set.segments, marker_set.local_mm, strict=True):
        found[label] = _on_segment(marker_set.name, label, body, (float(x), -float(z), float(y)))
    return found


def _on_segment(name: str, label: str, body: str, place: Point) -> tuple[str, Point]:
    if body.lower() == _TORSO:
        return _on_trunk(place)
    match = re.fullmatch(r"([a-z]+?)_?([lr]?)", body.lower())
    stem, side = (match.group(1), match.group(2)) if match else ("", "")
    if stem not in _BODIES or (f"{_BODIES[stem][0]}_{side}" if side else _BODIES[stem][0]) not in INDEX:
        raise MarkerSetError(
            f"{name}: {label}: expected a body such as {', '.join([_TORSO, *_BODIES])} with _l or _r, found {body!r};"
            " name bodies as OpenSim's full-body models do"
        )
    segment, (x, y, z) = _BODIES[stem]
    sign = -1.0 if side == "r" else 1.0
    return f"{segment}_{side}" if side else segment, (place[0] + x, place[1] + sign * y, place[2] + z)


def _on_trunk(place: Point) -> tuple[str, Point]:
    _, across, up = place
    height, aside = _SHOULDER_MM
    if up < _LUMBAR_MM:
        segment = "lumbar"
    elif up > _HEAD_MM:
        segment = "head"
    elif up > height and abs(across) > aside:
        segment = "clavicle_l" if across > 0 else "clavicle_r"
    else:
        segment = "thorax"
    x, y, z = np.array(place) - _above_lumbar(segment)
    return segment, (float(x), float(y), float(z))


def _above_lumbar(segment: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Where a segment's origin is from that of the torso, which is the lumbar segment's, standing upright."""
    offset, number = np.zeros(3), INDEX[segment]
    while SEGMENTS[number] != "lumbar":
        offset += JOINTS_MM[number]
        number = PARENTS[number]
    return offset
