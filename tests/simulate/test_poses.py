"""Procedural poses: rotations, limits, headings."""

import math

import torch

from automarkerlabel.marker_sets.body.segments import INDEX, N_SEGMENTS, draw_bodies, forward, rotations
from automarkerlabel.simulate import poses
from automarkerlabel.simulate.poses import Chance, about_z, draw_angles, limited, moving, twist


def chance(seed: int = 0) -> Chance:
    return Chance(torch.Generator().manual_seed(seed))


def one(segment: str, angles: tuple[float, float, float]) -> torch.Tensor:
    """The local rotation of one segment."""
    given = torch.zeros(N_SEGMENTS, 3)
    given[INDEX[segment]] = torch.tensor(angles)
    return rotations(given)[INDEX[segment]]


def test_angles_mean_what_the_convention_says():
    down = torch.tensor([0.0, 0.0, -1.0])
    close = torch.testing.assert_close
    close(one("upper_arm_l", (90, 0, 0)) @ down, torch.tensor([0.0, 1.0, 0.0]))  # out to the left
    close(one("upper_arm_r", (90, 0, 0)) @ down, torch.tensor([0.0, -1.0, 0.0]))  # out to the right
    close(one("upper_arm_l", (0, -90, 0)) @ down, torch.tensor([1.0, 0.0, 0.0]))  # forward
    forward_ = torch.tensor([1.0, 0.0, 0.0])
    close(one("foot_l", (0, 0, 90)) @ forward_, torch.tensor([0.0, 1.0, 0.0]))  # turned outwards
    close(one("foot_r", (0, 0, 90)) @ forward_, torch.tensor([0.0, -1.0, 0.0]))


def test_rotations_are_rotations():
    turns = rotations(draw_angles(50, chance()))
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand_as(turns), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(turns.shape[:2]), atol=1e-5, rtol=0)


def test_poses_stay_within_the_limits_and_move_smoothly():
    angles = draw_angles(300, chance())
    assert torch.equal(angles, limited(angles))
    assert float(angles[:, INDEX["shank_l"], 1].min()) >= -3  # no knee bends forward
    assert float(angles[:, INDEX["forearm_r"], 1].max()) <= 3
    times = torch.linspace(-0.2, 0.2, 5).expand(300, 5)
    paths = moving(angles, times, chance(1))
    assert torch.equal(paths[:, 2], angles)
    assert torch.equal(paths, limited(paths))


def test_both_sides_are_drawn_alike():
    angles = draw_angles(6000, chance())
    for kind in ("thigh", "shank", "upper_arm"):
        left, right = angles[:, INDEX[f"{kind}_l"]], angles[:, INDEX[f"{kind}_r"]]
        assert float((left.mean(0) - right.mean(0)).abs().max()) < 3


def test_every_posture_is_within_the_limits():
    means = poses._MEANS
    assert torch.equal(means, limited(means))


def test_twist_is_the_heading_that_tilting_leaves():
    for heading in (-170.0, -30.0, 0.0, 100.0):
        turn = about_z(torch.tensor(math.radians(heading)))
        for tilt in ((0, 85, 0), (0, -85, 0), (80, 0, 0), (30, 40, 0)):
            found = math.degrees(float(twist(turn @ one("pelvis", tilt))))
            assert abs(found - heading) < 1e-3


def test_lying_is_low_and_standing_is_high():
    bodies = draw_bodies(len(poses.POSTURES), torch.Generator().manual_seed(0))
    places, _ = forward(bodies.joints, rotations(poses._MEANS)[:, None])
    height = places[:, 0, :, 2].max(1).values - places[:, 0, :, 2].min(1).values
    by_name = dict(zip(poses.POSTURES, height.tolist(), strict=True))
    assert max(by_name["prone"], by_name["supine"]) < 500 < 1200 < by_name["stand"]
