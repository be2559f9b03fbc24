"""Recorded skeletons on the simulator's body."""

import zipfile

import numpy as np
import pytest

from automarkerlabel.errors import InputError
from automarkerlabel.io.motion.asf_amc import parse_amc, parse_asf
from automarkerlabel.io.motion.bvh import parse_bvh
from automarkerlabel.marker_sets.body.segments import INDEX, JOINTS_MM, PARENTS, SEGMENTS
from automarkerlabel.simulate.clips import load_clips
from automarkerlabel.simulate.retarget import in_human_size, retarget
from tests.fixtures.motion_texts import amc_text, asf_text, bvh_text


def from_amc(turns=None, **more):
    return retarget(parse_amc(amc_text(turns, **more).encode(), parse_asf(asf_text().encode())))


def from_bvh(turns=None, **more):
    return retarget(parse_bvh(bvh_text(turns, **more).encode()))


def in_world(motion):
    """`(n_frames, n_segments, 3, 3)`: each segment's axes in the world, as columns."""
    world = motion.rotations.copy()
    for segment, parent in enumerate(PARENTS):
        if parent >= 0:
            world[:, segment] = world[:, parent] @ motion.rotations[:, segment]
    return world


def axes(motion, segment):
    return in_world(motion)[0, INDEX[segment]]


def bend_deg(motion, segment):
    """How far a segment is turned about its y axis against its parent, in all frames."""
    local = motion.rotations[:, INDEX[segment]]
    return np.degrees(np.arctan2(local[:, 0, 2], local[:, 2, 2]))


RIGS = [from_amc, from_bvh]


@pytest.mark.parametrize("load", RIGS)
def test_a_t_pose_is_upright_with_arms_out_and_palms_down(load):
    motion = load()
    for name in ("pelvis", "lumbar", "thorax", "head", "thigh_l", "shank_r", "foot_l", "toes_r"):
        assert axes(motion, name) == pytest.approx(np.eye(3), abs=1e-5)
    for side, out in (("l", 1), ("r", -1)):
        for name in ("upper_arm", "forearm", "radius", "hand"):
            assert -axes(motion, f"{name}_{side}")[:, 2] == pytest.approx([0, out, 0], abs=1e-5)
        assert axes(motion, f"upper_arm_{side}")[:, 0] == pytest.approx([1, 0, 0], abs=1e-5)  # elbows bend forward
        assert axes(motion, f"hand_{side}")[:, 0] == pytest.approx([0, 0, -1], abs=1e-5)  # palms
        thumb = axes(motion, f"hand_{side}")[:, 1] * out
        assert thumb == pytest.approx([1, 0, 0], abs=1e-5)


@pytest.mark.parametrize("load", RIGS)
def test_the_radius_turns_with_the_palm_and_the_forearm_does_not(load):
    motion = load()
    for side in "lr":
        assert motion.rotations[0, INDEX[f"forearm_{side}"]] == pytest.approx(np.eye(3), abs=1e-5)
        assert motion.rotations[0, INDEX[f"hand_{side}"]] == pytest.approx(np.eye(3), abs=1e-5)
        radius = motion.rotations[0, INDEX[f"radius_{side}"]]
        assert radius[2] == pytest.approx([0, 0, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("load", "turns"),
    [
        (from_amc, {"ltibia": [40], "rtibia": [70], "lradius": [50], "rradius": [80]}),
        (
            from_bvh,
            # The file's angles are z, x, y; its y points up, its x left: arms turn about y, legs about x.
            {"LeftLeg": (0, 40, 0), "RightLeg": (0, 70, 0), "LeftForeArm": (0, 0, -50), "RightForeArm": (0, 0, 80)},
        ),
    ],
)
def test_knees_bend_backwards_and_elbows_forwards_about_y(load, turns):
    motion = load(turns)
    found = {name: bend_deg(motion, name)[0] for name in ("shank_l", "shank_r", "forearm_l", "forearm_r")}
    assert found == pytest.approx({"shank_l": 40, "shank_r": 70, "forearm_l": -50, "forearm_r": -80}, abs=1e-3)
    for name in found:
        assert motion.rotations[0, INDEX[name], 1] == pytest.approx([0, 1, 0], abs=1e-5)


def test_a_bvh_hand_turned_about_the_forearm_turns_the_radius():
    flat = from_bvh()
    turned = from_bvh({"LeftHand": (0, 30, 0)})  # about the file's x, along the left forearm
    step = flat.rotations[0, INDEX["radius_l"]].T @ turned.rotations[0, INDEX["radius_l"]]
    assert np.degrees(np.arctan2(step[1, 0], step[0, 0])) == pytest.approx(-30, abs=1e-3)
    assert turned.rotations[0, INDEX["hand_l"]] == pytest.approx(np.eye(3), abs=1e-5)


@pytest.mark.parametrize("load", RIGS)
def test_hips_are_where_the_source_has_them(load):
    motion = load()
    hips = np.mean([JOINTS_MM[INDEX["thigh_l"]], JOINTS_MM[INDEX["thigh_r"]]], 0)
    height = 16 * 25.4 / 0.45 if load is from_amc else 900.0
    assert motion.root_mm[0] + hips == pytest.approx([0, 0, height], abs=0.01)


def test_segments_that_the_source_lacks_stay_unturned():
    motion = from_bvh({"LeftArm": (20, 30, 40)})
    for name in ("clavicle_l", "clavicle_r"):
        assert motion.rotations[:, INDEX[name]] == pytest.approx(np.broadcast_to(np.eye(3), (2, 3, 3)), abs=1e-6)


def test_a_foot_solved_sole_up_is_turned_over():
    straight, rolled = from_amc({"lfoot": [-20, 5]}), from_amc({"lfoot": [-200 + 40, 185]})
    for name in ("foot_l", "toes_l"):
        assert axes(rolled, name) == pytest.approx(axes(from_amc({"lfoot": [-20, 5]}), name), abs=1e-5)
    assert axes(straight, "foot_l")[2, 2] > 0


@pytest.mark.parametrize("scale", [1.0, 10.0, 1 / 2.54, 0.45 / 2.54, 0.01])
def test_units_of_a_bvh_are_found_by_its_legs(scale):
    skeleton = in_human_size(parse_bvh(bvh_text(scale=scale).encode()))
    assert skeleton.root_mm[0] == pytest.approx([0, 0, 900], rel=1e-5)
    assert retarget(skeleton).root_mm == pytest.approx(from_bvh().root_mm, rel=1e-4)


def test_refuses_legs_of_no_human_size():
    with pytest.raises(InputError, match="expected a leg of"):
        from_bvh(scale=10.0)


def test_refuses_unknown_names():
    skeleton = parse_bvh(bvh_text().replace("LeftLeg", "Tentacle").encode())
    with pytest.raises(InputError, match=r"expected bones named as .* found Hips"):
        retarget(skeleton)


def test_refuses_another_rest_pose():
    arms_down = bvh_text().replace("OFFSET 40.0 0.0 0.0", "OFFSET 0.0 -40.0 0.0")
    with pytest.raises(InputError, match="expected the rest pose of"):
        retarget(parse_bvh(arms_down.encode()))


@pytest.mark.parametrize(
    ("archive", "wanted"),
    [
        ("cmu_amc.zip", ("02.asf", "02_01.amc", "02_03.amc", "02_04.amc", "02_08.amc")),
        ("cmu_bvh.zip", ("002_01.bvh", "002_06.bvh", "007_12.bvh")),
        pytest.param("cmu_amc.zip", (".asf", ".amc"), marks=pytest.mark.slow),
        pytest.param("cmu_bvh.zip", (".bvh",), marks=pytest.mark.slow),
    ],
)
def test_recorded_clips_bend_as_people_do(shared_data, tmp_path, archive, wanted):
    path = shared_data / "motion" / archive
    if not path.is_file():
        pytest.skip("needs the recorded clips")
    with zipfile.ZipFile(path) as whole:
        whole.extractall(tmp_path, [name for name in whole.namelist() if name.endswith(wanted)])
    motions = load_clips([tmp_path])
    joined = {name: np.concatenate([bend_deg(m, name) for m in motions]) for name in SEGMENTS}
    for side in "lr":
        knee, elbow = joined[f"shank_{side}"], joined[f"forearm_{side}"]
        assert knee.min() > -10 and knee.max() < 165 and 20 < np.median(knee) < 60
        assert elbow.max() < 15 and elbow.min() > -165
    heads = np.concatenate([in_world(m)[:, INDEX["head"], 2, 2] for m in motions])
    assert (heads > 0).mean() > 0.97
