"""Headings: turns that are put in come out."""

import numpy as np
import pytest

from automarkerlabel.core.heading import (
    anchors,
    follow,
    heading_path,
    more_anchors,
    offsets_along,
    side_heading,
    turned,
    wrapped,
    yaw_between,
)

SQUARE = np.array([[100, 0, 0], [0, 100, 500], [-100, 0, 900], [0, -100, 1500], [70, 70, 300]], np.float32)


def test_a_quarter_turn_brings_x_to_y():
    np.testing.assert_allclose(turned(np.array([[1.0, 0, 5]]), np.pi / 2), [[0, 1, 5]], atol=1e-6)


def test_each_set_of_points_is_turned_by_its_own_angle():
    points = np.tile(np.array([[1.0, 0, 0]]), (2, 1, 1))
    np.testing.assert_allclose(turned(points, np.array([0, np.pi]))[:, 0, 0], [1, -1], atol=1e-6)


def test_angles_are_wrapped_to_half_a_turn():
    np.testing.assert_allclose(wrapped([3 * np.pi / 2, -3 * np.pi / 2, 0.5]), [-np.pi / 2, np.pi / 2, 0.5])


@pytest.mark.parametrize("degrees", [-170, -60, 0, 25, 120])
def test_the_turn_between_two_moments_whatever_the_body_moved(degrees):
    moved = turned(SQUARE, np.deg2rad(degrees)) + np.array([700, -300, 40], np.float32)
    assert yaw_between(SQUARE, moved) == pytest.approx(np.deg2rad(degrees), abs=1e-5)


def test_one_point_that_goes_elsewhere_is_no_turn_of_the_body():
    many = np.random.default_rng(0).normal(0, 300, (20, 3)).astype(np.float32)
    moved = turned(many, 0.3)
    moved[4] += np.array([0, 400, 0], np.float32)
    assert yaw_between(many, moved) == pytest.approx(0.3, abs=0.005)


def test_hidden_points_do_not_count_and_too_few_tell_nothing():
    moved = turned(SQUARE, 0.5)
    moved[0] = np.nan
    assert yaw_between(SQUARE, moved) == pytest.approx(0.5, abs=1e-5)
    moved[1:3] = np.nan
    assert np.isnan(yaw_between(SQUARE, moved))


def test_points_on_one_vertical_line_tell_no_turn():
    line = np.array([[5, 5, z] for z in range(4)], np.float32)
    assert np.isnan(yaw_between(line, line))


def test_right_to_left_points_to_plus_y():
    left, right = np.array([[0, 150, 1000], [20, 90, 50]], np.float32), np.array([[0, -150, 1000], [20, -90, 50]])
    assert side_heading(left, right.astype(np.float32)) == pytest.approx(0.0, abs=1e-6)
    for angle in (-2.0, 0.7, 3.0):
        found = side_heading(turned(left, angle), turned(right, angle))
        assert found is not None
        assert wrapped(found - angle) == pytest.approx(0.0, abs=1e-5)


def test_crossed_hands_do_not_change_the_heading():
    left = np.array([[0, 150, 1000], [0, 200, 1400], [10, 90, 50], [300, -100, 1100]], np.float32)
    right = left * np.array([1, -1, 1], np.float32)
    heading = side_heading(left, right)
    assert heading == pytest.approx(0.0, abs=1e-3)


def test_pairs_that_contradict_each_other_tell_no_heading():
    left = np.array([[0, 150, 0], [0, -150, 0]], np.float32)
    assert side_heading(left, -left) is None
    assert side_heading(left[:0], left[:0]) is None
    # Lying on the side: left is above right.
    above = np.array([[0, 0, 300], [5, 0, 300]], np.float32)
    assert side_heading(above, above * 0) is None


def test_a_turn_is_followed_and_a_break_begins_a_new_stretch():
    ids = np.arange(5)
    moments = [(ids, turned(SQUARE, 0.1 * n)) for n in range(4)] + [(ids + 10, SQUARE)]
    heading, stretch = follow(moments)
    np.testing.assert_allclose(heading, [0, 0.1, 0.2, 0.3, 0], atol=1e-5)
    assert stretch.tolist() == [0, 0, 0, 0, 1]


def test_anchors_stand_in_every_stretch_where_most_points_are():
    time = np.arange(12) / 5
    n_points = np.array([5, 9, 5, 5, 5, 5, 9, 5, 5, 9, 4, 4])
    stretch = np.array([0] * 10 + [1] * 2)
    assert anchors(time, n_points, stretch).tolist() == [1, 6, 9, 10, 11]


def test_a_long_trial_has_an_anchor_in_three_to_eight_seconds():
    for seconds, n in ((2, 3), (15, 5), (60, 8), (600, 75)):
        time = np.arange(seconds * 5) / 5
        found = anchors(time, np.full(len(time), 40), np.zeros(len(time), np.int64))
        assert abs(len(found) - n) <= 1


def hill(degrees: float, height: float = 20.0) -> np.ndarray:
    """A likelihood over twelve headings that is greatest at `degrees`."""
    return height * np.cos(2 * np.pi * np.arange(12) / 12 - np.deg2rad(degrees))


def test_between_two_tried_headings_the_greatest_is_found():
    offsets, total = offsets_along(hill(40)[None], np.zeros(1, np.int64), np.zeros(1))
    assert np.rad2deg(offsets[0]) == pytest.approx(40)  # of 0, 5, 10, ...
    assert total == pytest.approx(20.0)


def test_offsets_are_chosen_jointly_along_a_stretch():
    # The second anchor alone would prefer a flip, by 16 nats; to flip and back costs 24.
    likelihood = np.stack([hill(90), hill(-90, 8), hill(90)])
    offsets, _ = offsets_along(likelihood, np.zeros(3, np.int64), np.arange(3.0))
    np.testing.assert_allclose(np.rad2deg(offsets), 90)


def test_what_was_followed_is_trusted_more_than_one_anchor():
    # Hills of 1 nat are nearly flat within 40 degrees: a drift of 4.5 degrees a second is dearer.
    likelihood = np.stack([hill(0, 1), hill(40, 1), hill(0, 1)])
    offsets, _ = offsets_along(likelihood, np.zeros(3, np.int64), np.arange(3.0))
    assert np.ptp(np.rad2deg(offsets)) < 5.1


def test_more_moments_are_looked_at_where_two_headings_are_alike():
    """Two stretches of 20 moments; in the second one the opposite heading is as good but for a nat."""
    stretch = np.repeat([0, 1], 20)
    anchor = np.array([5, 25])
    likelihood = np.full((2, 12), -50.0)
    likelihood[:, 3] = 0
    likelihood[1, 9] = -1
    more = more_anchors(anchor, stretch, likelihood, np.full(2, np.pi / 2), 24)
    assert len(more) > 3
    assert len(more_anchors(anchor, stretch, likelihood, np.full(2, np.pi / 2), 2)) == 2
    assert (stretch[more] == 1).all() and 25 not in more and len(set(more)) == len(more)
    likelihood[1, 9] = -50
    assert len(more_anchors(anchor, stretch, likelihood, np.full(2, np.pi / 2), 24)) == 0


def test_more_moments_are_looked_at_where_an_anchor_contradicts_its_stretch():
    """Three anchors of one stretch; the last by itself has another heading than the path gives it."""
    anchor, stretch = np.array([5, 15, 25]), np.zeros(30, np.int64)
    likelihood = np.full((3, 12), -50.0)
    likelihood[:, 3] = 0
    path = np.full(3, np.pi / 2)
    assert len(more_anchors(anchor, stretch, likelihood, path, 24)) == 0
    likelihood[2, 3] = -10
    likelihood[2, 4] = 0
    assert len(more_anchors(anchor, stretch, likelihood, path, 24)) > 3
    likelihood[2] = likelihood[1]
    assert (
        len(more_anchors(anchor, stretch, likelihood, np.array([path[0], path[0], path[0] + 0.7]), 24)) > 3
    )  # the path turns by 40 degrees


def test_a_stretch_of_anchors_alone_has_no_more_moments():
    assert len(more_anchors(np.array([0]), np.array([0]), np.zeros((1, 12)), np.zeros(1), 24)) == 0


def test_two_stretches_may_have_different_offsets():
    offsets, _ = offsets_along(np.stack([hill(90), hill(-90)]), np.array([0, 1]), np.arange(2.0))
    np.testing.assert_allclose(np.rad2deg(offsets), [90, -90])


def test_offsets_are_interpolated_between_anchors_across_half_a_turn():
    time = np.arange(5.0)
    path = heading_path(
        np.zeros(5), np.zeros(5, np.int64), time, np.array([0, 4]), np.deg2rad(np.array([170.0, -170.0]))
    )
    np.testing.assert_allclose(np.rad2deg(path), [170, 175, -180, -175, -170], atol=1e-9)
