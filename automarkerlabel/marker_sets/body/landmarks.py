"""Named places on the skin of the standard body: what marker sets are defined on.

A place is given in its segment's own frame in mm (see `body`), the centre of a marker of usual size on the skin.
Places on both sides are written once, as on the left. They follow palpation guides (Van Sint Jan 2007) and the marker
places of the published full-body models (Rajagopal et al. 2016 and the model of Clouthier et al. 2021).
"""

from automarkerlabel.marker_sets.body.segments import INDEX, SIDES

Place = tuple[float, float, float]

_MIDDLE: dict[str, tuple[str, Place]] = {
    "sacrum": ("pelvis", (-182, 0, 20)),
    "L5": ("lumbar", (-82, 0, -15)),
    "L4": ("lumbar", (-82, 0, 20)),
    "L3": ("lumbar", (-82, 0, 55)),
    "L1": ("lumbar", (-90, 0, 125)),
    "T12": ("thorax", (-98, 0, -10)),
    "T10": ("thorax", (-112, 0, 45)),
    "T8": ("thorax", (-116, 0, 95)),
    "T6": ("thorax", (-112, 0, 145)),
    "T4": ("thorax", (-102, 0, 190)),
    "T2": ("thorax", (-85, 0, 225)),
    "C7": ("thorax", (-62, 0, 262)),
    "jugular_notch": ("thorax", (72, 0, 195)),
    "sternum": ("thorax", (100, 0, 125)),
    "xiphoid": ("thorax", (118, 0, 45)),
    "navel": ("lumbar", (178, 0, 35)),
    "vertex": ("head", (5, 0, 262)),
    "forehead": ("head", (118, 0, 185)),
    "nape": ("head", (-92, 0, 165)),
    "head_rear": ("head", (-92, 0, 195)),
    "chin": ("head", (100, 0, 60)),
}
_SIDE: dict[str, tuple[str, Place]] = {
    "asis": ("pelvis", (14, 125, 4)),
    "psis": ("pelvis", (-170, 46, 42)),
    "iliac_crest": ("pelvis", (-62, 150, 70)),
    "pelvis_side": ("pelvis", (-60, 165, -15)),
    "trochanter": ("thigh", (-5, 92, -5)),
    "knee_lateral": ("thigh", (0, 58, -404)),
    "knee_medial": ("thigh", (2, -56, -404)),
    "patella": ("thigh", (62, 0, -392)),
    "tibial_tuberosity": ("shank", (46, 2, -62)),
    "fibula_head": ("shank", (-18, 54, -42)),
    "tibial_plateau_lateral": ("shank", (8, 50, -28)),
    "tibial_plateau_medial": ("shank", (8, -48, -28)),
    "ankle_lateral": ("shank", (-14, 44, -402)),
    "ankle_medial": ("shank", (-4, -42, -392)),
    "heel": ("foot", (-80, 6, -28)),
    "heel_upper": ("foot", (-76, 6, 2)),
    "heel_peg": ("foot", (-112, 6, -16)),
    "heel_lateral": ("foot", (-48, 38, -40)),
    "heel_medial": ("foot", (-48, -26, -38)),
    "foot_dorsum": ("foot", (62, 6, 2)),
    "navicular": ("foot", (28, -34, -14)),
    "first_metatarsal_base": ("foot", (62, -30, -12)),
    "fifth_metatarsal_base": ("foot", (38, 48, -44)),
    "first_metatarsal_head": ("foot", (126, -28, -33)),
    "second_metatarsal_head": ("foot", (130, 8, -20)),
    "fifth_metatarsal_head": ("foot", (106, 58, -44)),
    "hallux": ("toes", (52, -28, 8)),
    "toe_tip": ("toes", (70, -6, 6)),
    "clavicle_medial": ("thorax", (72, 24, 202)),
    "rib_front": ("thorax", (92, 85, 25)),
    "rib_side": ("thorax", (40, 152, 40)),
    "scapula_inferior": ("thorax", (-118, 88, 100)),
    "scapula_spine": ("thorax", (-105, 70, 185)),
    "scapula_middle": ("thorax", (-114, 90, 150)),
    "lumbar_side": ("lumbar", (-78, 50, 60)),
    "acromion": ("clavicle", (-62, 142, 46)),
    "acromion_front": ("clavicle", (-20, 130, 42)),
    "acromion_back": ("clavicle", (-100, 120, 38)),
    "coracoid": ("clavicle", (-2, 118, 8)),
    "shoulder_front": ("upper_arm", (52, 10, -30)),
    "shoulder_back": ("upper_arm", (-52, 14, -40)),
    "deltoid": ("upper_arm", (2, 54, -90)),
    "elbow_lateral": ("upper_arm", (12, 40, -284)),
    "elbow_medial": ("upper_arm", (8, -52, -284)),
    "olecranon": ("forearm", (-38, 2, -12)),
    "wrist_radial": ("radius", (0, 46, -222)),
    "wrist_ulnar": ("radius", (-16, -26, -224)),
    "wrist_back": ("radius", (-32, 10, -222)),
    "hand_back": ("hand", (-24, 2, -48)),
    "second_knuckle": ("hand", (-18, 28, -86)),
    "third_knuckle": ("hand", (-20, 6, -90)),
    "fifth_knuckle": ("hand", (-16, -34, -78)),
    "hand_ulnar": ("hand", (-6, -40, -40)),
    "thumb": ("hand", (14, 52, -62)),
    "fingertip": ("hand", (-4, 8, -178)),
    "head_front": ("head", (98, 62, 208)),
    "head_back": ("head", (-68, 63, 188)),
    "temple": ("head", (68, 76, 165)),
    "head_side": ("head", (12, 92, 190)),
    "ear": ("head", (10, 82, 130)),
    "cheek": ("head", (88, 55, 105)),
}


def _all() -> dict[str, tuple[str, Place]]:
    found = dict(_MIDDLE)
    for side, sign in SIDES.items():
        for name, (segment, (x, y, z)) in _SIDE.items():
            full = segment if segment in INDEX else f"{segment}_{side}"
            found[f"{name}_{side}"] = (full, (x, sign * y, z))
    return found


LANDMARKS: dict[str, tuple[str, Place]] = _all()  # name, `_l` or `_r` at its end if sided: segment and place in mm
