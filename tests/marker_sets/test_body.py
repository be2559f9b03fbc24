"""The simulator's body: joints, skin, and people drawn from it."""

import torch

from automarkerlabel.marker_sets.body.landmarks import LANDMARKS
from automarkerlabel.marker_sets.body.segments import (
    INDEX,
    MIRRORED,
    N_SEGMENTS,
    PARENTS,
    SEGMENTS,
    draw_bodies,
    forward,
    on_surface,
    rotations,
    standard_bodies,
)

MIRROR = torch.tensor([1.0, -1.0, 1.0])


def upright(name: str) -> torch.Tensor:
    """Where a landmark of the standard body is in the neutral pose, mm about the pelvis."""
    segment, place = LANDMARKS[name]
    origins, _ = forward(standard_bodies().joints, torch.eye(3).expand(1, 1, N_SEGMENTS, 3, 3))
    return origins[0, 0, INDEX[segment]] + torch.tensor(place)


def test_parents_come_first_and_sides_mirror():
    assert all(parent < n for n, parent in enumerate(PARENTS))
    assert [SEGMENTS[m] for m in MIRRORED][:5] == ["pelvis", "lumbar", "thorax", "head", "clavicle_r"]
    assert [MIRRORED[m] for m in MIRRORED] == list(range(N_SEGMENTS))


def test_the_standard_body_stands_about_170_cm_tall_and_faces_x():
    sole = upright("heel_l")[2] - 38  # the marker's height over the floor
    assert 1680 < upright("vertex")[2] - sole < 1720
    assert upright("jugular_notch")[0] > upright("C7")[0]
    assert upright("second_metatarsal_head_l")[0] > upright("heel_l")[0]
    assert upright("asis_l")[1] > 0 > upright("asis_r")[1]
    assert upright("wrist_radial_l")[1] > upright("wrist_ulnar_l")[1]  # palms forward, thumbs outwards


def test_landmarks_mirror_each_other():
    for name in LANDMARKS:
        if name.endswith("_l"):
            torch.testing.assert_close(upright(name), upright(name[:-1] + "r") * MIRROR)


def test_bending_one_knee_swings_that_shank_back_and_nothing_else():
    angles = torch.zeros(1, 1, N_SEGMENTS, 3)
    angles[..., INDEX["shank_l"], 1] = 90
    still, _ = forward(standard_bodies().joints, rotations(torch.zeros_like(angles)))
    bent, _ = forward(standard_bodies().joints, rotations(angles))
    moved = (bent - still)[0, 0].norm(dim=-1) > 1e-3
    assert [SEGMENTS[n] for n in moved.nonzero()[:, 0]] == ["foot_l", "toes_l"]
    knee, ankle = bent[0, 0, INDEX["shank_l"]], bent[0, 0, INDEX["foot_l"]]
    torch.testing.assert_close(ankle - knee, torch.tensor([-400.0, 0.0, 10.0]), atol=1e-3, rtol=0)


def test_skin_is_outside_on_the_left_and_mirrored_on_the_right():
    left, right = (on_surface(torch.tensor(INDEX[f"thigh_{s}"]), torch.tensor(0.5), torch.tensor(90.0)) for s in "lr")
    torch.testing.assert_close(left, right * MIRROR)
    assert 50 < left[1] < 90
    assert abs(left[2] + 202) < 1e-3  # half way down 404 mm
    front = on_surface(torch.tensor(INDEX["thigh_l"]), torch.tensor(0.5), torch.tensor(0.0))
    assert front[0] > 60


def test_people_vary_as_people_do_and_the_same_seed_draws_the_same():
    bodies = draw_bodies(4000, torch.Generator().manual_seed(1))
    again = draw_bodies(4000, torch.Generator().manual_seed(1))
    assert torch.equal(bodies.joints, again.joints)
    thigh = bodies.joints[:, INDEX["shank_l"], 2].abs()
    assert 0.96 < float(thigh.median()) / 404.4 < 1.03
    both = bodies.joints[:, [INDEX["shank_l"], INDEX["shank_r"]], 2]
    assert float((both[:, 0] / both[:, 1] - 1).abs().mean()) < 0.02  # sides nearly equal
    assert 0.05 < float((thigh / thigh.mean()).std()) < 0.2
