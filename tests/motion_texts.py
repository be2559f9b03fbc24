"""Small motion files as text: y up, a figure in a T-pose that faces +z, left is +x; arms and legs 4 + 4 dm."""

# name: (parent, offset from the parent's start, x, y, z in cm)
TREE = {
    "Hips": ("", (0, 0, 0)),
    "Spine": ("Hips", (0, 10, 0)),
    "Spine1": ("Spine", (0, 20, 0)),
    "Head": ("Spine1", (0, 30, 0)),
    **{
        f"{side}{name}": (parent if parent in ("Hips", "Spine1") else f"{side}{parent}", (sign * x, y, z))
        for side, sign in (("Left", 1), ("Right", -1))
        for name, parent, (x, y, z) in (
            ("UpLeg", "Hips", (10, 0, 0)),
            ("Leg", "UpLeg", (0, -40, 0)),
            ("Foot", "Leg", (0, -40, 0)),
            ("ToeBase", "Foot", (0, -5, 15)),
            ("Arm", "Spine1", (20, 20, 0)),
            ("ForeArm", "Arm", (40, 0, 0)),
            ("Hand", "ForeArm", (40, 0, 0)),
        )
    },
}


def bvh_text(turns=None, n_frames=2, root=(0, 90, 0), scale=1.0, seconds=0.02):
    """The figure; `turns` gives some joints' angles (z, x, y in degrees, turned in the order Z X Y) in all frames."""
    children = {name: [n for n, (parent, _) in TREE.items() if parent == name] for name in TREE}
    order = []

    def joint(name):
        order.append(name)
        offset = " ".join(str(scale * v) for v in TREE[name][1])
        channels = "6 Xposition Yposition Zposition" if name == "Hips" else "3"
        end = "" if children[name] else "End Site\n{\nOFFSET 0 1 0\n}\n"
        below = "".join(joint(child) for child in children[name])
        return (
            f"{'JOINT' if TREE[name][0] else 'ROOT'} {name}\n{{\nOFFSET {offset}\n"
            f"CHANNELS {channels} Zrotation Xrotation Yrotation\n{below}{end}}}\n"
        )

    hierarchy = "HIERARCHY\n" + joint("Hips")
    angles = [v for name in order for v in (turns or {}).get(name, (0, 0, 0))]
    row = " ".join(str(v) for v in [*(scale * v for v in root), *angles])
    return f"{hierarchy}MOTION\nFrames: {n_frames}\nFrame Time: {seconds}\n" + f"{row}\n" * n_frames


_LIMBS = (
    # name, parent, direction on the left, length, axis on the left, dof
    ("hipjoint", "root", (1, 0, 0), 2, (0, 0, 0), ""),
    ("femur", "hipjoint", (0, -1, 0), 8, (0, 0, 0), "rx ry rz"),
    ("tibia", "femur", (0, -1, 0), 8, (0, 0, 0), "rx"),
    ("foot", "tibia", (0, 0, 1), 3, (-90, 0, 0), "rx rz"),
    ("toes", "foot", (0, 0, 1), 1, (-90, 0, 0), "rx"),
    ("clavicle", "thorax", (1, 0, 0), 3, (0, 0, 0), "ry rz"),
    ("humerus", "clavicle", (1, 0, 0), 6, (180, 0, -90), "rx ry rz"),
    ("radius", "humerus", (1, 0, 0), 5, (180, 0, -90), "rx"),
    ("wrist", "radius", (1, 0, 0), 1, (0, 90, 90), "ry"),
    ("hand", "wrist", (1, 0, 0), 1, (0, 90, 90), "rx rz"),
)
_TRUNK = tuple((n, p, (0, 1, 0), 4, (0, 0, 0), "rx ry rz") for n, p in (
    ("lowerback", "root"), ("upperback", "lowerback"), ("thorax", "upperback"), ("head", "thorax"),
))  # fmt: skip


def asf_bones():
    """(name, parent, direction, length, axis, dof) of each bone."""
    bones = list(_TRUNK)
    for side, sign in (("l", 1), ("r", -1)):
        for name, parent, (x, y, z), length, (a, b, c), dof in _LIMBS:
            own = parent if parent in ("root", "thorax") else side + parent
            bones.append((side + name, own, (sign * x, y, z), length, (a, sign * b, sign * c), dof))
    return bones


def asf_text(length_unit=0.45):
    data = "".join(
        f"begin\nid {k}\nname {name}\ndirection {' '.join(map(str, direction))}\nlength {length}\n"
        f"axis {' '.join(map(str, axis))} XYZ\n" + (f"dof {dof}\n" if dof else "") + "end\n"
        for k, (name, _, direction, length, axis, dof) in enumerate(asf_bones(), 1)
    )
    below = "".join(f"{parent} {name}\n" for name, parent, *_ in asf_bones())
    return (
        f"# made by hand\n:version 1.10\n:name figure\n:units\nmass 1.0\nlength {length_unit}\nangle deg\n:root\n"
        "order TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\norientation 0 0 0\n"
        f":bonedata\n{data}:hierarchy\nbegin\n{below}end\n"
    )


def amc_text(turns=None, root=(0, 16, 0, 0, 0, 0), n_frames=2):
    """`turns` gives some bones' angles, one a channel, in all frames."""
    rows = "".join(
        f"{name} {' '.join(str(v) for v in (turns or {}).get(name, [0] * len(dof.split())))}\n"
        for name, *_, dof in asf_bones()
        if dof
    )
    frames = "".join(f"{k}\nroot {' '.join(map(str, root))}\n{rows}" for k in range(1, n_frames + 1))
    return f"#!OML:ASF\n:FULLY-SPECIFIED\n:DEGREES\n{frames}"
