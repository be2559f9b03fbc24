"""Families of recorded skeletons: what their bones are called, and how the body's segments lie in these bones."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Vector = tuple[float, float, float]
Lie = tuple[Vector, Vector]  # where a segment's x and z axes point in its bone's frame, on the left

UPRIGHT: Lie = ((1, 0, 0), (0, 0, 1))
# At rest in a T-pose, arms to the sides and palms down, every bone's frame is the world's. The elbows then bend
# forwards: the upper arm is as in the neutral pose but raised sideways; the hand is pronated by a right angle more.
_T_POSE_ARM: Lie = ((1, 0, 0), (0, -1, 0))
_T_POSE_HAND: Lie = ((0, 0, -1), (0, -1, 0))
_T_POSE = {"upper_arm": _T_POSE_ARM, "forearm": _T_POSE_ARM, "radius": _T_POSE_HAND, "hand": _T_POSE_HAND}

# Limbs lie along +y of the file's bones, which is our z. Measured on clips that CMU published as ASF/AMC too: the mean
# turn between a bone and the segment there; all but the hands agree to a few degrees from clip to clip.
_CC_LEG: Lie = ((1, 0, 0), (0, 0, -1))
_CC_ARM: Lie = ((0.866, -0.5, 0), (0, 0, -1))
_CC_BASE = {
    "lumbar": ((0.996, 0, -0.088), (0.088, 0, 0.996)),
    "thorax": ((0.984, 0, -0.18), (0.18, 0, 0.984)),
    "clavicle": ((0.966, -0.014, -0.258), (0, -0.998, 0.053)),
    "upper_arm": _CC_ARM,
    "forearm": _CC_ARM,
    "hand": ((0, 1, 0), (0, 0, -1)),
    "thigh": _CC_LEG,
    "shank": _CC_LEG,
    "foot": ((0.23, 0.12, 0.966), (0.969, 0.059, -0.238)),
    "toes": ((-0.086, 0.077, 0.993), (0.996, 0.012, 0.086)),
}


@dataclass(frozen=True)
class Rig:
    """A family of skeletons.

    bones  by kind of segment, the names that its bone may have, `{side}` for the side; the first one found counts.
    lies   by kind of segment, how it lies in its bone; `UPRIGHT` where not named, but feet as the shank above them.
    prefixes  what may stand before each name.
    """

    name: str
    sides: tuple[str, str]  # left, right
    bones: Mapping[str, tuple[str, ...]]
    lies: Mapping[str, Lie]
    prefixes: tuple[str, ...] = field(default=("",))

    def bone(self, kind: str, side: str, names: tuple[str, ...]) -> str | None:
        """The name among `names` of the bone that a segment rides on; `side` is l, r or empty."""
        spelt = self.sides["lr".index(side)] if side else ""
        wanted = (p + name.format(side=spelt) for p in self.prefixes for name in self.bones.get(kind, ()))
        return next((name for name in wanted if name in names), None)


RIGS = (
    Rig(
        name="CMU's ASF (root, lfemur, ltibia ...)",
        sides=("l", "r"),
        bones={
            "pelvis": ("root",),
            "lumbar": ("upperback",),
            "thorax": ("thorax",),
            "head": ("head",),
            "clavicle": ("{side}clavicle",),
            "upper_arm": ("{side}humerus",),
            "forearm": ("{side}radius",),
            "radius": ("{side}wrist",),
            "hand": ("{side}hand",),
            "thigh": ("{side}femur",),
            "shank": ("{side}tibia",),
            "foot": ("{side}foot",),
            "toes": ("{side}toes",),
        },
        lies=_T_POSE,
    ),
    Rig(
        name="CC_Base (CC_Base_Hip, CC_Base_L_Thigh, CC_Base_L_Calf ...)",
        sides=("L", "R"),
        prefixes=("CC_Base_",),
        bones={
            "pelvis": ("Hip",),
            "lumbar": ("Spine01",),
            "thorax": ("Spine02",),
            "head": ("Head",),
            "clavicle": ("{side}_Clavicle",),
            "upper_arm": ("{side}_Upperarm",),
            "forearm": ("{side}_Forearm",),
            "hand": ("{side}_Hand",),
            "thigh": ("{side}_Thigh",),
            "shank": ("{side}_Calf",),
            "foot": ("{side}_Foot",),
            "toes": ("{side}_ToeBase",),
        },
        lies=_CC_BASE,
    ),
    Rig(
        name="Hips, LeftUpLeg, LeftLeg ...",
        sides=("Left", "Right"),
        prefixes=("", "mixamorig:", "mixamorig_"),
        bones={
            "pelvis": ("Hips",),
            "lumbar": ("Spine",),
            "thorax": ("Spine2", "Spine1", "Chest"),
            "head": ("Head",),
            "clavicle": ("{side}Shoulder",),
            "upper_arm": ("{side}Arm",),
            "forearm": ("{side}ForeArm",),
            "hand": ("{side}Hand",),
            "thigh": ("{side}UpLeg",),
            "shank": ("{side}Leg",),
            "foot": ("{side}Foot",),
            "toes": ("{side}ToeBase",),
        },
        lies=_T_POSE,
    ),
    Rig(
        name="Hips, LeftHip, LeftKnee ...",
        sides=("Left", "Right"),
        bones={
            "pelvis": ("Hips",),
            "lumbar": ("Spine", "ToSpine"),
            "thorax": ("Chest",),
            "head": ("Head",),
            "clavicle": ("{side}Collar",),
            "upper_arm": ("{side}Shoulder",),
            "forearm": ("{side}Elbow",),
            "hand": ("{side}Wrist",),
            "thigh": ("{side}Hip",),
            "shank": ("{side}Knee",),
            "foot": ("{side}Ankle",),
            "toes": ("{side}Toe",),
        },
        lies=_T_POSE,
    ),
)
