import numpy as np
import pytest
import torch

from automarkerlabel.errors import TrialError
from automarkerlabel.marker_sets.body.segments import (
    INDEX,
    JOINTS_MM,
    PARENTS,
    SEGMENTS,
    forward,
    rotations,
    standard_bodies,
)
from automarkerlabel.simulate.actions import ACTIONS, make_motion
from automarkerlabel.simulate.clock import Clock
from automarkerlabel.simulate.ground import replayed, settled
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.poses import posture

GAITS = ("walk", "run", "crawl")


def joints(motion):
    """Places of the joints (n_frames, S, 3) in the world."""
    origins, _ = forward(standard_bodies().joints, torch.as_tensor(motion.rotations)[None])
    return origins[0].numpy().astype(float) + motion.root_mm[:, None]


def headings(motion):
    """Which way the pelvis faces (n_frames, 2); on all fours, which way it points."""
    x, z = motion.rotations[:, 0, :2, 0], motion.rotations[:, 0, :2, 2]
    ahead = x + z if abs(motion.rotations[0, 0, 2, 0]) > 0.7 else x
    return ahead / np.linalg.norm(ahead, axis=1, keepdims=True)


def bend_deg(motion, segment):
    """How far a joint is bent forward (-) or backward (+), about y, in degrees (n_frames,)."""
    axis = -motion.rotations[:, INDEX[segment], :, 2].astype(float)  # where the limb points, as its parent sees it
    return np.rad2deg(np.arctan2(-axis[:, 0], -axis[:, 2]))


@pytest.mark.parametrize("name", ACTIONS)
def test_bones_keep_their_length_and_nothing_jumps(name):
    motion = make_motion(name, 6.0, 100.0, seed=2)
    assert motion.rotations.shape == (600, len(SEGMENTS), 3, 3) and motion.rate_hz == 100
    places = joints(motion)
    for segment, parent in enumerate(PARENTS):
        if parent >= 0:
            length = np.linalg.norm(places[:, segment] - places[:, parent], axis=1)
            assert length == pytest.approx(np.linalg.norm(JOINTS_MM[segment]), abs=0.05)
    speed_m_s = np.linalg.norm(np.diff(places, axis=0), axis=2) * motion.rate_hz / 1000
    assert speed_m_s.max() < 9


@pytest.mark.parametrize("name", ACTIONS)
def test_somebody_on_a_floor(name):
    places = joints(make_motion(name, 6.0, 60.0, seed=1))
    lowest = places[..., 2].min(1)
    assert lowest.min() > 10  # joints are inside the body
    if name not in ("jump", "run"):
        assert lowest.max() < 160


@pytest.mark.parametrize("name", ACTIONS)
def test_joints_stay_within_their_limits(name):
    motion = make_motion(name, 5.0, 60.0, seed=5)
    for side in "lr":
        knee, elbow = bend_deg(motion, f"shank_{side}"), bend_deg(motion, f"forearm_{side}")
        assert knee.min() > -3.1 and knee.max() < 152.1  # knees bend backwards
        assert elbow.max() < 3.1 and elbow.min() > -148.1  # elbows forwards
        ankle = motion.rotations[:, INDEX[f"foot_{side}"], 2, 0].astype(float)  # how far the toes point down
        assert np.rad2deg(np.arcsin(-ankle)).max() < 52.1


@pytest.mark.parametrize("name", GAITS)
@pytest.mark.parametrize("seed", [0, 1])
def test_going_is_forward(name, seed):
    motion = make_motion(name, 6.0, 100.0, seed)
    velocity = np.diff(motion.root_mm[:, :2], axis=0) * 0.1  # m/s
    ahead = (velocity * headings(motion)[:-1]).sum(1)
    low, high = {"walk": (0.8, 1.5), "run": (1.2, 3.5), "crawl": (0.1, 0.8)}[name]
    assert low < ahead.mean() < high
    aside = velocity[:, 0] * headings(motion)[:-1, 1] - velocity[:, 1] * headings(motion)[:-1, 0]
    assert np.abs(aside).mean() < 0.3 * ahead.mean() + 0.1


def test_walking_feet_stand_while_they_bear():
    motion = make_motion("walk", 6.0, 100.0, seed=7)
    feet = joints(motion)[:, [INDEX["toes_l"], INDEX["toes_r"]], :2]
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=2) * 0.1  # m/s
    body = np.linalg.norm(np.diff(motion.root_mm[:, :2], axis=0), axis=1) * 0.1
    assert np.median(speed.min(1)) < 0.15 * np.median(body)
    assert speed.max() > 2 * np.median(body)


def test_a_runner_flies_and_a_walker_never():
    """All joints of both feet at once higher than they ever are while standing on them."""
    for name, flies in (("walk", False), ("run", True), ("jump", True)):
        feet = joints(make_motion(name, 6.0, 100.0, seed=3))[:, [INDEX[f"toes_{s}"] for s in "lr"], 2]
        assert ((feet.min(1) > 50).mean() > 0.04) == flies


def test_standing_feet_do_not_slide():
    for name in ("stand", "static"):
        places = joints(make_motion(name, 8.0, 60.0, seed=4))
        assert np.ptp(places[:, [INDEX["foot_l"], INDEX["foot_r"]]], axis=0).max() < 25


def test_heights_tell_the_postures():
    height = {name: joints(make_motion(name, 8.0, 30.0, seed=6)) for name in ACTIONS}
    head = INDEX["head"]
    assert height["stand"][:, head, 2].min() > 1300
    assert height["crawl"][:, head, 2].max() < 900
    assert height["prone"][:, 0, 2].min() < 220 and height["supine"][:, 0, 2].min() < 260
    for name in ("squat", "sit", "kneel", "crouch"):
        assert np.ptp(height[name][:, 0, 2]) > 250


def test_lying_on_the_belly_or_on_the_back():
    for name, sign in (("prone", -1), ("supine", 1)):
        front = make_motion(name, 10.0, 30.0, seed=0).rotations[:, 0, 2, 0]  # the pelvis' x axis, upwards
        assert (sign * front).max() > 0.9


def test_the_same_seed_the_same_motion():
    first, again, other = (make_motion("walk", 2.0, 60.0, s) for s in (5, 5, 6))
    assert first.rotations.tobytes() == again.rotations.tobytes() and first.root_mm.tobytes() == again.root_mm.tobytes()
    assert not np.array_equal(first.rotations, other.rotations)


@pytest.mark.parametrize("name", ACTIONS)
def test_one_frame_will_do(name):
    assert make_motion(name, 0.01).n_frames == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fly", 1.0), "motion: expected one of walk"),
        (("walk", 1.0, 100.0, -1), "seed: expected"),
        (("walk", 0.001), "length: expected at least one frame"),
        (("walk", float("nan")), "length: expected"),
        (("walk", 1.0, 0.0), "length: expected"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(TrialError, match=message):
        make_motion(*arguments)


def test_courses_pass_through_their_values_at_rest():
    clock = Clock(np.linspace(0, 3, 31), np.random.default_rng(0))
    course = clock.between(np.array([0.0, 1.0, 2.0]), np.array([0.0, 10.0, 4.0]))
    assert course[[0, 5, 10, 20, 30]] == pytest.approx([0, 5, 10, 4, 4])
    assert course[11] == pytest.approx(10, abs=0.1)  # slow away from it
    assert clock.still.shape == (31,) and clock.end == 3


def test_the_body_stands_on_its_soles_and_rises_by_its_lift():
    turns = rotations(posture("stand")).expand(4, -1, -1, -1)
    root = settled(standard_bodies(), turns, 30.0, np.array([0.0, 0.0, 100.0, 0.0]))
    # Hip, knee, ankle and sole lie below the pelvis one under the other; the sole is 72 mm below the ankle.
    assert root[0, 2] == pytest.approx(78.5 + 404.4 + 400 + 72, abs=25)
    assert root[2, 2] - root[0, 2] == pytest.approx(100, abs=1e-3)
    assert root[:, :2] == pytest.approx(0, abs=1e-3)


def test_a_recorded_body_of_another_size_flies_in_proportion():
    motion = make_motion("jump", 4.0, 60.0, seed=1)
    small = Motion(motion.rotations, motion.root_mm * 0.6, motion.rate_hz)
    there, again = (replayed(m, standard_bodies())[:, 2] for m in (motion, small))
    assert there == pytest.approx(motion.root_mm[:, 2], abs=35)
    assert np.ptp(again) == pytest.approx(np.ptp(there), rel=0.1)
