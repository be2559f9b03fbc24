"""BVH files: what they say, in our axes, and only our errors for any bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.motion.bvh import MAX_BYTES, parse_bvh
from tests.fixtures.motion_texts import TREE, bvh_text


def parsed(**figure):
    return parse_bvh(bvh_text(**figure).encode())


def test_names_parents_and_rate():
    motion = parsed(n_frames=3)
    assert set(motion.names) == set(TREE) and motion.names[0] == "Hips"
    assert motion.parents[0] == -1
    for name, parent in zip(motion.names[1:], motion.parents[1:], strict=True):
        assert motion.names[parent] == TREE[name][0]
    assert motion.rate_hz == pytest.approx(50)
    assert motion.n_frames == 3


def test_positions_are_mm_z_up_x_forward():
    motion = parsed(root=(3, 90, 5))  # cm: 3 to the left, 90 up, 5 forward
    assert motion.position("Hips")[0] == pytest.approx([50, 30, 900])
    assert motion.position("LeftHand")[0] == pytest.approx([50, 30 + 1000, 900 + 500])
    assert motion.position("RightToeBase")[0] == pytest.approx([50 + 150, 30 - 100, 900 - 850])


def test_angles_turn_in_the_order_of_the_channels():
    # About the file's z by 90, then about the turned x by 90: its x goes to y, its y to z, its z to x.
    motion = parsed(turns={"Hips": (90, 90, 0)}, root=(0, 0, 0))
    offset = np.array(TREE["Spine"][1])  # (0, 10, 0) in the file: to its (0, 0, 10), our forward
    assert offset.tolist() == [0, 10, 0]
    assert motion.position("Spine")[0] == pytest.approx([100, 0, 0], abs=1e-3)


def test_a_child_turns_with_its_parent():
    motion = parsed(turns={"LeftUpLeg": (0, -90, 0), "LeftLeg": (0, 90, 0)}, root=(0, 0, 0))
    # Thigh lifted forward, knee bent to a right angle.
    assert motion.position("LeftLeg")[0] == pytest.approx([400, 100, 0], abs=1e-3)
    assert motion.position("LeftFoot")[0] == pytest.approx([400, 100, -400], abs=1e-3)


def test_end_sites_are_tips():
    motion = parsed()
    assert motion.tips_mm[motion.names.index("Head")] == pytest.approx([0, 0, 10])
    assert np.isnan(motion.hinges).all()


def test_position_channels_below_the_root_replace_the_offset():
    text = (
        "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 0\nJOINT b c {\nOFFSET 1 1 1\nCHANNELS 1 Yposition\n}\n}\n"
        "MOTION\nFrames: 3\nFrame Time: 0.01\n4\n5\n9\n"
    )
    motion = parse_bvh(text.encode())
    assert motion.names == ("a", "b c")
    assert motion.position("b c")[1] == pytest.approx([10, 10, 50])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", "expected HIERARCHY"),
        (lambda t: t.replace("ROOT", "RUT"), "expected ROOT"),
        (lambda t: t.replace("OFFSET 0.0 10.0", "OFFSET 0.0 ten"), "expected 3 numbers"),
        (lambda t: t.replace("OFFSET 0.0 10.0", "OFFSET 0.0 nan"), "expected numbers"),
        (lambda t: t.replace("Zrotation", "Wrotation"), "expected channels"),
        (lambda t: t.replace("Zrotation", "Xrotation"), "each once"),
        (lambda t: t.replace("RightArm", "LeftArm"), "each name once"),
        (lambda t: t.replace("Frames: 2", "Frames: 3"), "expected 3 frames, found 2"),
        (lambda t: t.replace("Frames: 2", "Frames: 1"), "expected 1 frames"),
        (lambda t: t.replace("Frames: 2", "Frames: 0"), "expected 1 to"),
        (lambda t: t.replace("Time: 0.02", "Time: 0"), "seconds a frame"),
        (lambda t: t[:-5] + "\n", "expected 2 frames"),
        (lambda t: t[:-2] + "x\n", "expected numbers in frame 2"),
        (lambda t: t[: t.index("MOTION")], "expected MOTION"),
        (lambda t: "HIERARCHY\n" + "x" * 300_000, "expected lines of text"),
    ],
)
def test_refuses_what_is_no_bvh(change, message):
    with pytest.raises(FileFormatError, match=message):
        parse_bvh(change(bvh_text()).encode(), "clip")


def test_refuses_what_is_too_long():
    with pytest.raises(FileFormatError, match="expected at most"):
        parse_bvh(b" " * (MAX_BYTES + 1))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_only_our_errors_for_damaged_bytes(data):
    damaged = bytearray(bvh_text().encode())
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        motion = parse_bvh(bytes(damaged))
    except FileFormatError:
        return
    assert np.isfinite(motion.orientations).all() and np.isfinite(motion.root_mm).all()
