"""Motions of the simulator's body."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from automarkerlabel.errors import InputError
from automarkerlabel.marker_sets.body.segments import INDEX, SEGMENTS
from automarkerlabel.simulate.motion import Motion


def still(n_frames=3, rate_hz=10.0):
    rotations = np.tile(np.eye(3, dtype=np.float32), (n_frames, len(SEGMENTS), 1, 1))
    return Motion(rotations, np.zeros((n_frames, 3), np.float32), rate_hz)


def bending(n_frames=5, rate_hz=10.0):
    """The left knee bends by 10 degrees a frame; the pelvis goes 100 mm a frame forward, 10 mm to the left."""
    motion = still(n_frames, rate_hz)
    steps = np.arange(n_frames)
    motion.rotations[:, INDEX["shank_l"]] = Rotation.from_euler("y", 10.0 * steps[:, None], degrees=True).as_matrix()
    motion.root_mm[:] = steps[:, None] * (100.0, 10.0, 0.0)
    return motion


def knee_deg(motion, side="l"):
    return np.degrees(Rotation.from_matrix(motion.rotations[:, INDEX[f"shank_{side}"]]).as_rotvec())


def test_holds_what_it_was_given():
    motion = bending()
    assert motion.n_frames == 5
    assert motion.duration_s == pytest.approx(0.4)
    assert motion.rotations.dtype == motion.root_mm.dtype == np.float32


def test_doubling_the_rate_puts_poses_half_way():
    twice = bending().resampled(20.0)
    assert twice.n_frames == 9 and twice.rate_hz == 20.0
    assert knee_deg(twice) == pytest.approx(np.outer(5.0 * np.arange(9), (0, 1, 0)), abs=1e-3)
    assert twice.root_mm == pytest.approx(np.outer(np.arange(9), (50, 5, 0)), abs=1e-3)


def test_a_lower_rate_picks_frames():
    half = bending().resampled(5.0)
    assert half.n_frames == 3
    assert knee_deg(half)[:, 1] == pytest.approx([0, 20, 40], abs=1e-3)


def test_a_rate_that_is_not_exact_keeps_the_last_frame():
    assert bending(n_frames=31, rate_hz=30.0).resampled(59.9999).n_frames == 60
    assert bending(n_frames=172, rate_hz=1 / 0.016667).resampled(30.0).n_frames == 86


def test_one_frame_stays_one():
    assert still(n_frames=1).resampled(240.0).n_frames == 1


def test_mirroring_exchanges_the_sides():
    mirrored = bending().mirrored()
    assert knee_deg(mirrored, "r")[:, 1] == pytest.approx([0, 10, 20, 30, 40], abs=1e-3)
    assert knee_deg(mirrored, "l") == pytest.approx(0, abs=1e-3)
    assert mirrored.root_mm[-1] == pytest.approx([400, -40, 0])


def test_mirroring_turns_the_other_way_about_the_vertical_and_twice_is_none():
    motion = still()
    motion.rotations[:, 0] = Rotation.from_euler("ZYX", (30, 20, 10), degrees=True).as_matrix()
    mirrored = motion.mirrored()
    euler = Rotation.from_matrix(mirrored.rotations[0, 0]).as_euler("ZYX", degrees=True)
    assert euler == pytest.approx([-30, 20, -10], abs=1e-3)
    assert mirrored.mirrored().rotations == pytest.approx(motion.rotations)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, p: (r[:, :5], p, 10.0), "expected rotations"),
        (lambda r, p: (r, p[:2], 10.0), "expected rotations"),
        (lambda r, p: (r[:0], p[:0], 10.0), "at least one frame"),
        (lambda r, p: (r, p, 0.0), "above 0"),
        (lambda r, p: (r, p, np.nan), "above 0"),
        (lambda r, p: (r, p * np.nan, 10.0), "no number"),
        (lambda r, p: (r * 1.1, p, 10.0), "not orthonormal"),
        (lambda r, p: (r * np.float32([1, 1, -1]), p, 10.0), "mirror"),
        (lambda r, p: (r * 1e30, p, 10.0), "not orthonormal"),
    ],
)
def test_refuses_what_is_no_motion(change, message):
    motion = still()
    with pytest.raises(InputError, match=message):
        Motion(*change(motion.rotations, motion.root_mm))


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, np.inf, np.nan, 1e12])
def test_refuses_to_resample_to_no_rate(rate_hz):
    with pytest.raises(InputError):
        still().resampled(rate_hz)
