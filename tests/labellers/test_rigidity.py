"""Distances as evidence: a triangle on one segment and a point that moves freely."""

import numpy as np
import pytest

from automarkerlabel.labellers.matcher.rigidity import rigid_evidence

# Labels 0-2 keep their distances 100, 150 and 180.3 mm; label 3 is anywhere.
POSE = np.array([[0, 0, 0], [100, 0, 0], [0, 150, 0], [500, 500, 500]], np.float32)
SPREAD = np.full((4, 4), 5.0, np.float32)
SPREAD[3, :] = SPREAD[:, 3] = 200.0


def moments(n: int = 10) -> np.ndarray:
    """The triangle elsewhere, the free point somewhere else each time."""
    points = np.tile(POSE, (n, 1, 1)) + np.float32(1000)
    points[:, 3] = np.random.default_rng(0).uniform(0, 900, (n, 3))
    return points.astype(np.float32)


def taken_for(labels: list[int], n: int = 10) -> np.ndarray:
    return np.tile(labels, (n, 1))


def test_the_right_label_of_a_stiff_point_gains_and_others_lose():
    evidence = rigid_evidence(moments(), taken_for([0, 1, 2, 3]), POSE, SPREAD)
    assert evidence.shape == (10, 4, 4)
    for slot in range(3):
        assert (evidence[:, slot, :3].argmax(1) == slot).all()
        assert (evidence[:, slot, slot] > 2).all()


def test_a_label_that_was_given_wrongly_is_told_by_the_distances_to_the_rest():
    # Of five stiff points the last two are taken for each other.
    pose = np.array([[0, 0, 0], [300, 0, 0], [0, 300, 0], [100, 150, 80], [180, 40, -60]], np.float32)
    points = np.tile(pose, (10, 1, 1))
    evidence = rigid_evidence(points, taken_for([0, 1, 2, 4, 3]), pose, np.full((5, 5), 5.0, np.float32))
    assert (evidence[:, 3, 3] > evidence[:, 3, 4]).all()
    assert (evidence[:, 4, 4] > evidence[:, 4, 3]).all()


def test_a_point_that_is_expected_to_move_freely_is_neither_supported_nor_refused():
    evidence = rigid_evidence(moments(), taken_for([0, 1, 2, 3]), POSE, SPREAD)
    assert np.abs(evidence[:, 3, 3]).max() < 1.0


def test_a_ghost_is_refused_by_every_stiff_label():
    points = np.concatenate([moments(), np.full((10, 1, 3), 1300, np.float32)], 1)
    evidence = rigid_evidence(points, taken_for([0, 1, 2, 3, -1]), POSE, SPREAD)
    assert (evidence[:, 4, :3] < -2).all()


def test_without_neighbours_nothing_is_said():
    points = moments()
    points[:, 1:] = np.nan
    evidence = rigid_evidence(points, taken_for([0, -1, -1, -1]), POSE, SPREAD)
    np.testing.assert_array_equal(evidence, 0)


def test_hidden_labels_of_the_pose_tell_nothing():
    pose = POSE.copy()
    pose[2] = np.nan
    evidence = rigid_evidence(moments(), taken_for([0, 1, 2, 3]), pose, SPREAD)
    assert np.isfinite(evidence).all()
    np.testing.assert_array_equal(evidence[:, :, 2], 0)
    assert evidence[:, 0, 0].min() == pytest.approx(evidence[:, 0, 0].max())
