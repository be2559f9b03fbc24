"""ASF/AMC files: what they say, in our axes, and only our errors for any bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.motion.asf_amc import MAX_BYTES, parse_amc, parse_asf
from tests.fixtures.motion_texts import amc_text, asf_bones, asf_text

UNIT_MM = 25.4 / 0.45  # of CMU's files


def parsed(turns=None, **more):
    return parse_amc(amc_text(turns, **more).encode(), parse_asf(asf_text().encode()))


def test_names_parents_and_rate():
    motion = parsed(n_frames=3)
    assert motion.names[0] == "root" and len(motion.names) == 1 + len(asf_bones())
    parents = {
        name: motion.names[parent] for name, parent in zip(motion.names, motion.parents, strict=True) if name != "root"
    }
    assert parents == {name: parent for name, parent, *_ in asf_bones()}
    assert all(parent < index for index, parent in enumerate(motion.parents))
    assert motion.n_frames == 3 and motion.rate_hz == 120


def test_rest_pose_in_mm_z_up():
    motion = parsed(root=(1, 16, 2, 0, 0, 0))
    assert motion.position("root")[0] == pytest.approx(np.array([2, 1, 16]) * UNIT_MM, abs=0.01)
    # Hip 2 to the left, then 8 down to the knee.
    assert motion.position("ltibia")[0] == pytest.approx(np.array([2, 1 + 2, 16 - 8]) * UNIT_MM, abs=0.01)
    # Spine 12 up, clavicle 3 and upper arm 6 to the right.
    assert motion.position("rradius")[0] == pytest.approx(np.array([2, 1 - 9, 16 + 12]) * UNIT_MM, abs=0.01)
    assert motion.orientations == pytest.approx(np.broadcast_to(np.eye(3), motion.orientations.shape))


def test_the_unit_of_length_counts():
    motion = parse_amc(amc_text().encode(), parse_asf(asf_text(length_unit=1).encode()))
    assert motion.position("root")[0] == pytest.approx([0, 0, 16 * 25.4], abs=0.01)


def test_knee_bends_backwards_about_its_axis():
    motion = parsed({"ltibia": [90]})
    # The shank, 8 long, now points backwards.
    knee, ankle = motion.position("ltibia")[0], motion.position("lfoot")[0]
    assert ankle - knee == pytest.approx(np.array([-8, 0, 0]) * UNIT_MM, abs=0.01)


@pytest.mark.parametrize("side", ["l", "r"])
def test_elbow_bends_forward_about_axes_given_in_order(side):
    motion = parsed({f"{side}radius": [90]})
    # Axis 180 0 -90: its x points down on the left, up on the right; both bend the forearm forward.
    elbow, wrist = motion.position(f"{side}radius")[0], motion.position(f"{side}wrist")[0]
    assert wrist - elbow == pytest.approx(np.array([5, 0, 0]) * UNIT_MM, abs=0.01)
    hinge = motion.hinges[motion.names.index(f"{side}radius")]
    assert hinge == pytest.approx([0, 0, -1 if side == "l" else 1], abs=1e-6)


def test_three_angles_turn_about_x_first():
    # About x by 90: the thigh, pointing down, goes backwards (-z); about z by 90 leaves it there.
    motion = parsed({"lfemur": [90, 0, 90]})
    hip, knee = motion.position("lfemur")[0], motion.position("ltibia")[0]
    assert knee - hip == pytest.approx(np.array([-8, 0, 0]) * UNIT_MM, abs=0.01)


def test_only_bones_with_one_axis_have_a_hinge():
    motion = parsed()
    hinged = {name for name, hinge in zip(motion.names, motion.hinges, strict=True) if np.isfinite(hinge).all()}
    assert hinged == {side + name for side in "lr" for name in ("tibia", "toes", "radius", "wrist")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", "with :root"),
        (lambda t: "stray\n" + t, "expected an ASF skeleton"),
        (lambda t: t.replace(":hierarchy", ":nothing"), "with :hierarchy"),
        (lambda t: t.replace("angle deg", "angle rad"), "angles in degrees"),
        (lambda t: t.replace("length 0.45", "length 0"), "unit of length"),
        (lambda t: t.replace("length 0.45", "length"), "expected 1 numbers"),
        (lambda t: t.replace("direction 0 1 0", "direction 0 1 up"), "the direction of lowerback"),
        (lambda t: t.replace("direction 0 1 0", "direction 0 1"), "the direction of lowerback"),
        (lambda t: t.replace("axis 0 0 0 XYZ", "axis 0 0 0 XYX"), "order of axes"),
        (lambda t: t.replace("dof rx ry", "dof rx tx"), "channels of lowerback"),
        (lambda t: t.replace("dof rx ry", "dof rx rx"), "channels of lowerback"),
        (lambda t: t.replace("name rfemur", "name lfemur"), "each once"),
        (lambda t: t.replace("lfemur ltibia\n", ""), "hang on the root"),
        (lambda t: t.replace("lfemur ltibia\n", "lfemur ltibia root\n"), "expected a hierarchy"),
        (lambda t: t.replace("lfemur ltibia\n", "lfemur ltibia lfemur\n"), "expected a hierarchy"),
        (lambda t: t.replace("root lhipjoint\n", "lfemur lhipjoint\n"), "hang on the root"),
    ],
)
def test_refuses_what_is_no_asf(change, message):
    with pytest.raises(FileFormatError, match=message):
        parse_asf(change(asf_text()).encode(), "figure")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", "expected frames"),
        (lambda t: t.replace(":DEGREES", ":RADIANS"), "in degrees"),
        (lambda t: t.replace("ltibia 0\n", "", 1), "every bone in frame 1"),
        (lambda t: t.replace("ltibia 0\n", "tail 0\n", 1), "found 'tail'"),
        (lambda t: t.replace("ltibia 0\n", "rtibia 0\n"), "twice in 1"),
        (lambda t: t.replace("ltibia 0", "ltibia 0 0"), "1 numbers for ltibia in frame 1"),
        (lambda t: t.replace("ltibia 0", "ltibia bent"), "1 numbers for ltibia in frame 1"),
        (lambda t: t.replace("ltibia 0", "ltibia inf"), "expected numbers"),
        (lambda t: t[: len(t) * 3 // 4], "in frame 2|for"),
    ],
)
def test_refuses_what_is_no_amc(change, message):
    with pytest.raises(FileFormatError, match=message):
        parse_amc(change(amc_text()).encode(), parse_asf(asf_text().encode()), what="clip")


def test_refuses_what_is_too_long():
    with pytest.raises(FileFormatError, match="expected at most"):
        parse_asf(b"\n" * (MAX_BYTES + 1))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_only_our_errors_for_damaged_bytes(data):
    texts = [bytearray(asf_text().encode()), bytearray(amc_text().encode())]
    for _ in range(data.draw(st.integers(1, 5))):
        damaged = texts[data.draw(st.integers(0, 1))]
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        motion = parse_amc(bytes(texts[1]), parse_asf(bytes(texts[0])))
    except FileFormatError:
        return
    assert np.isfinite(motion.orientations).all() and np.isfinite(motion.starts_mm).all()
