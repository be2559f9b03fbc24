from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.errors import TrialError
from automarkerlabel.markerset import is_unlabelled
from automarkerlabel.simulate.walker import MOTIONS, make_trial, marker_set


def points(trial, *labels):
    """(n_frames, n_labels, 3) of these markers."""
    return trial.positions[:, [trial.labels.index(x) for x in labels]].astype(float)


def test_marker_set_has_segments_and_sides():
    markers = marker_set()
    assert len(markers) == 45
    assert len(markers.pairs) == 20 and ("LTOE", "RTOE") in markers.pairs
    assert dict(zip(markers.labels, markers.segments, strict=True))["LKNE"] == "L_thigh"
    assert len(set(markers.segments)) == 15 and markers.local_mm.shape == (45, 3)
    # No mirror image: a wand sits lower on the right.
    assert markers.local_mm[markers.labels.index("RTHI"), 2] < markers.local_mm[markers.labels.index("LTHI"), 2] - 20


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("subject", [0, 1])
def test_a_person_on_a_floor(motion, subject):
    trial = make_trial(motion, subject, 5.0, seed=4)
    assert trial.positions.shape == (500, 45, 3) and trial.visible.all()
    assert trial.labels == marker_set().labels
    assert 1300 < np.median(points(trial, "LFHD", "RFHD")[..., 2].max(0)) < 2050
    feet = points(trial, "LTOE", "RTOE", "LHEE", "RHEE")[..., 2]
    assert feet.min() > -25 and feet.min(1).max() < 90
    speed_m_s = np.linalg.norm(np.diff(trial.positions, axis=0), axis=2) * trial.rate_hz / 1000
    assert speed_m_s.max() < 8
    gap = np.linalg.norm(trial.positions[::50, :, None] - trial.positions[::50, None], axis=3) + 1e6 * np.eye(45)
    assert gap.min() > 20


@pytest.mark.parametrize("motion", MOTIONS)
def test_segments_are_stiff_but_for_the_skin(motion):
    trial, markers = make_trial(motion, 3, 4.0, seed=1), marker_set()
    for segment in set(markers.segments):
        members = [n for n, s in enumerate(markers.segments) if s == segment]
        for a, b in pairwise(members):
            length = np.linalg.norm(trial.positions[:, a] - trial.positions[:, b], axis=1)
            assert 0.1 < length.std() < 6


def test_noise_and_skin_are_as_small_as_said():
    trial = make_trial("stand", 0, 3.0, rate_hz=120.0)
    assert trial.n_frames == 360 and trial.rate_hz == 120
    # Third differences of noise alone have a variance of 1 + 9 + 9 + 1 times its own; slow movement has next to none.
    noise = np.diff(trial.positions.astype(float), 3, axis=0).std() / np.sqrt(20)
    assert noise == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("motion", MOTIONS)
def test_left_is_left_of_forward(motion):
    trial = make_trial(motion, 2, 4.0, seed=2)
    left, right, back = np.moveaxis(points(trial, "LASI", "RASI", "LPSI"), 1, 0)
    across, forward = left - right, (left + right) / 2 - back
    assert (np.cross(forward, across)[:, 2] > 0).all()
    for side in "LR":
        toe, heel = np.moveaxis(points(trial, f"{side}TOE", f"{side}HEE"), 1, 0)
        assert np.median(((toe - heel)[:, :2] * forward[:, :2]).sum(1)) > 0


def test_walking_goes_somewhere_and_squatting_goes_down():
    walk = points(make_trial("walk", 0, 6.0), "C7")[:, 0]
    path = np.linalg.norm(np.diff(walk[::20, :2], axis=0), axis=1).sum()
    assert 0.6 < path / 1000 / 6.0 < 1.8  # m/s
    for motion in ("squat", "sit"):
        height = points(make_trial(motion, 0, 6.0), "LASI")[:, 0, 2]
        assert np.ptp(height) > 250
    stand = points(make_trial("stand", 0, 6.0), "LASI")[:, 0]
    assert np.ptp(stand, axis=0).max() < 120


def test_walking_feet_stand_while_they_bear():
    trial = make_trial("walk", 1, 6.0, seed=7)
    body = np.linalg.norm(np.diff(points(trial, "C7")[:, 0, :2], axis=0), axis=1)
    feet = np.linalg.norm(np.diff(points(trial, "LTOE", "RTOE", "LHEE", "RHEE")[..., :2], axis=0), axis=2)
    assert np.median(feet.min(1)) < 0.4 * np.median(body)
    assert feet.max() > 2 * np.median(body)


def test_seeds_decide_subject_and_movement():
    def thigh(trial):
        return np.median(np.linalg.norm(np.subtract(*np.moveaxis(points(trial, "LTHI", "LKNE"), 1, 0)), axis=1))

    first = make_trial("walk", 5, 2.0, seed=0)
    assert np.array_equal(first.positions, make_trial("walk", 5, 2.0, seed=0).positions)
    again = make_trial("squat", 5, 2.0, seed=1)
    assert not np.array_equal(first.positions, again.positions)
    assert thigh(first) == pytest.approx(thigh(again), abs=5)
    lengths = [thigh(make_trial("stand", s, 0.5)) for s in range(6)]
    assert np.ptp(lengths) > 15


def test_one_frame_will_do():
    for motion in MOTIONS:
        assert make_trial(motion, 0, 0.01).n_frames == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fly", 0, 1.0), "motion: expected one of walk"),
        (("walk", -1, 1.0), "seeds: expected"),
        (("walk", 0, 0.001), "length: expected at least one frame"),
        (("walk", 0, float("nan")), "length: expected"),
        (("walk", 0, 1.0, 0.0), "length: expected"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(TrialError, match=message):
        make_trial(*arguments)


def test_the_sample_trials_are_of_this_figure():
    samples = Path(__file__).resolve().parents[1] / "sample_data"
    squat, truth, unlabelled = (io.read(samples / f"{x}.c3d") for x in ("train/squat", "walk_truth", "walk_unlabelled"))
    np.testing.assert_allclose(squat.positions, make_trial("squat", 1, 7.0, 60.0, seed=3).positions, atol=0.01)
    assert truth.labels[:45] == marker_set().labels
    assert all(is_unlabelled(x) for x in (*truth.labels[45:], *unlabelled.labels))
    assert (truth.visible.sum(1) == unlabelled.visible.sum(1)).all()
