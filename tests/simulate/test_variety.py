"""Forearms turned, plates shifted, things that lie elsewhere, hands together: what can be worked out by hand."""

import torch

from automarkerlabel.marker_sets.body.segments import INDEX, N_SEGMENTS, draw_bodies, forward, rotations
from automarkerlabel.simulate.poses import Chance, draw_angles, posture
from automarkerlabel.simulate.variety import lying_anyhow, with_shifted_plates, with_turned_forearms

UPRIGHT = torch.eye(3).expand(300, 5, N_SEGMENTS, 3, 3)
LEFT, RIGHT = INDEX["radius_l"], INDEX["radius_r"]


def chance() -> Chance:
    return Chance(torch.Generator().manual_seed(0))


def angle_deg(turns: torch.Tensor) -> torch.Tensor:
    return torch.rad2deg(torch.atan2(turns[..., 1, 0], turns[..., 0, 0]))


def test_forearms_turn_about_their_own_axis_over_the_whole_range_and_nothing_else_does():
    turned = with_turned_forearms(UPRIGHT, 1.0, chance())
    others = [n for n in range(N_SEGMENTS) if n not in (LEFT, RIGHT)]
    assert torch.equal(turned[:, :, others], UPRIGHT[:, :, others])
    left, right = angle_deg(turned[:, :, LEFT]), angle_deg(turned[:, :, RIGHT])
    for angle in (left, -right):  # as on the left: + is outwards, 0 palms forward
        assert -165.01 <= float(angle.min()) < -155 and 5 < float(angle.max()) <= 15.01
    assert 0.35 < float(((left + right)[:, 2].abs() < 0.01).float().mean()) < 0.65  # alike on both sides
    assert float((left[:, 4] - left[:, 0]).abs().median()) > 5  # and they move within a window


def test_turning_a_forearm_turns_its_wrist_pair_by_that_angle():
    """Two markers 50 mm apart across the wrist of an upright body: seen from above, they turn with the radius."""
    pair = torch.tensor([[0.0, 25.0, -230.0], [0.0, -25.0, -230.0]])
    turned = with_turned_forearms(UPRIGHT[:, :1], 1.0, chance())
    orientation = forward(draw_bodies(300, chance().generator).joints, turned)[1][:, 0, LEFT]
    first, second = (pair @ orientation.mT).unbind(1)
    across = first - second
    seen = torch.rad2deg(torch.atan2(-across[:, 0], across[:, 1]))
    torch.testing.assert_close(seen, angle_deg(turned[:, 0, LEFT]), atol=1e-3, rtol=0)
    torch.testing.assert_close(across.norm(dim=-1), torch.full((300,), 50.0))


def test_no_share_changes_nothing():
    assert torch.equal(with_turned_forearms(UPRIGHT, 0.0, chance()), UPRIGHT)
    place = torch.randn(300, 2, 3) * 200
    assert torch.equal(with_shifted_plates(torch.full((300, 2), INDEX["shank_l"]), place, 0.0, chance()), place)


def test_a_shifted_plate_keeps_its_distances_and_markers_at_the_joints_stay():
    """A plate of three on a shank of 400 mm, a marker at the ankle (z -400), and one on the pelvis."""
    plate = torch.tensor([[50.0, 0, -180], [50, 30, -180], [50, 0, -240]])
    place = torch.cat([plate, torch.tensor([[0.0, 58, -400], [14, 125, -30]])]).expand(300, 5, 3)
    segment = torch.tensor([INDEX["shank_l"]] * 4 + [INDEX["pelvis"]]).expand(300, 5)
    moved = with_shifted_plates(segment, place, 1.0, chance())
    torch.testing.assert_close(
        torch.cdist(moved[:, :3], moved[:, :3]), torch.cdist(place[:, :3], place[:, :3]), atol=0.02, rtol=0
    )
    assert torch.equal(moved[:, 3:], place[:, 3:])
    shift = moved[:, 0, 2] - place[:, 0, 2]
    assert 60 < float(shift.abs().max()) <= 80.01  # 0.2 of 400 mm
    turn = torch.rad2deg(torch.atan2(moved[:, 0, 1], moved[:, 0, 0]))
    assert 20 < float(turn.abs().max()) <= 30.01
    assert 0.35 < float((shift == 0).float().mean()) < 0.65  # each limb in half of the samples


def test_a_thing_that_lies_anyhow_is_the_same_thing_and_not_its_mirror_image():
    shape = torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(1)) * 100
    lying = lying_anyhow(shape, chance())
    torch.testing.assert_close(torch.cdist(lying, lying), torch.cdist(shape, shape), atol=0.05, rtol=0)
    torch.testing.assert_close(torch.linalg.det(lying[:, :3]), torch.linalg.det(shape[:, :3]), atol=1, rtol=1e-3)
    assert float((lying - shape).norm(dim=-1).mean()) > 50


def test_hands_together_are_within_80_mm_on_bodies_in_the_middle():
    bodies = draw_bodies(200, chance().generator)
    turns = rotations(posture("hands_together")).expand(200, 1, N_SEGMENTS, 3, 3)
    origins, orientations = forward(bodies.joints, turns)
    left, right = (
        origins[:, 0, n] + orientations[:, 0, n] @ torch.tensor([0.0, 0.0, -70.0])
        for n in (INDEX["hand_l"], INDEX["hand_r"])
    )
    assert float((left - right).norm(dim=-1).median()) < 80


def test_some_statics_are_taken_sitting():
    """Hips bent by more than 60 degrees: sitting, in 0.3 of 4.8, and what is mixed with it."""
    angles = draw_angles(4000, chance(), reference=True)
    bent = (angles[:, [INDEX["thigh_l"], INDEX["thigh_r"]], 1] < -60).all(1)
    assert 0.03 < float(bent.float().mean()) < 0.08
