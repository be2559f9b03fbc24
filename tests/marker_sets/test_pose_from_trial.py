"""References: one labelled pose of a trial."""

import numpy as np
import pytest

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from tests.fixtures.figure import FIGURE, figure_trial


def standing(**changes) -> Trial:
    """The figure standing still for 40 frames."""
    points = np.tile(np.array(list(FIGURE.values()), np.float32), (40, 1, 1))
    return Trial(points, list(FIGURE), 60.0, **changes)


def test_the_pose_its_labels_and_its_heading():
    reference = reference_from_trial(standing())
    assert reference.labels == tuple(FIGURE)
    np.testing.assert_allclose(reference.positions, list(FIGURE.values()), atol=1e-3)
    assert reference.heading_rad == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("degrees", [-135, 40, 178])
def test_a_turned_reference_faces_x_again(degrees):
    reference = reference_from_trial(figure_trial(speed_mm_s=0, turn_deg=degrees), frame=1)
    # 1 mm of noise over a breadth of 400 mm, and 100 mm of swing cancel between the hands.
    np.testing.assert_allclose(reference.facing_x(), list(FIGURE.values()), atol=6)


def test_frames_are_counted_as_the_file_counts_them():
    trial = standing(first_frame=100)
    assert reference_from_trial(trial, frame=139).labels == tuple(FIGURE)
    for frame in (99, 140):
        with pytest.raises(InputError, match="from 100 to 139, found"):
            reference_from_trial(trial, frame=frame)


def test_labels_hidden_there_are_left_out_and_by_default_the_fullest_frame_is_taken():
    trial = standing()
    points = trial.positions.copy()
    points[:30, 0] = np.nan
    points[35:, 1] = np.nan
    trial = Trial(points, trial.labels, trial.rate_hz)
    assert "HEAD" not in reference_from_trial(trial, frame=1).labels
    assert reference_from_trial(trial).labels == tuple(FIGURE)


def test_noise_of_a_still_body_is_averaged_and_a_moving_one_is_not():
    still = figure_trial(speed_mm_s=0)
    points = still.positions.copy()
    points[:, 3:5] = points[:1, 3:5]  # hands at rest
    noisy = Trial(points, still.labels, still.rate_hz)
    expected = np.median(points[44:57], axis=0)
    np.testing.assert_allclose(reference_from_trial(noisy, frame=51).positions, expected)
    moving = figure_trial()
    np.testing.assert_array_equal(reference_from_trial(moving, frame=51).positions, moving.positions[50])


def test_computed_points_are_no_part():
    assert "SACR" not in reference_from_trial(standing(computed=frozenset({5}))).labels


def test_a_marker_set_picks_labels_and_tells_pairs():
    pairs = [("LSHO", "RSHO")]
    reference = reference_from_trial(standing(), marker_set=MarkerSet(["RSHO", "LSHO", "SACR"], pairs=pairs))
    assert set(reference.labels) == {"RSHO", "LSHO", "SACR"}
    assert reference.marker_set.pairs == tuple(pairs)
    assert reference.heading_rad == pytest.approx(0.0, abs=1e-6)


def test_without_left_and_right_the_heading_is_not_known():
    trial = standing()
    named = Trial(trial.positions, [f"P{n}X" for n in range(8)], 60.0)
    assert reference_from_trial(named).heading_rad is None


def test_nothing_labelled_is_one_clear_error():
    trial = standing()
    unnamed = Trial(trial.positions, [f"*{n}" for n in range(8)], 60.0)
    with pytest.raises(TrialError, match="expected a labelled trial as reference, found 8 columns"):
        reference_from_trial(unnamed)
    points = trial.positions.copy()
    points[7] = np.nan
    with pytest.raises(TrialError, match="in frame 8, found all hidden"):
        reference_from_trial(Trial(points, trial.labels, 60.0), frame=8)


def test_a_pose_of_two_points_is_refused():
    with pytest.raises(TrialError, match="at least 3 labels seen in one pose, found 2"):
        Reference(MarkerSet(["A", "B"]), np.zeros((2, 3), np.float32))
    with pytest.raises(TrialError, match=r"expected positions \(3, 3\), found \(2, 3\)"):
        Reference(MarkerSet(["A", "B", "C"]), np.zeros((2, 3), np.float32))
