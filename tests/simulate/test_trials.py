from itertools import pairwise

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.marker_set import MarkerSet, is_unlabelled
from automarkerlabel.errors import MarkerSetError, TrialError
from automarkerlabel.marker_sets.body.landmarks import LANDMARKS
from automarkerlabel.simulate.actions import make_motion
from automarkerlabel.simulate.dataset import worn_set
from automarkerlabel.simulate.trials import make_subject, make_trial
from tests.fixtures.places import SAMPLES

PLACES = (
    "asis_l", "asis_r", "psis_l", "psis_r", "vertex", "head_front_l", "head_front_r", "head_back_l", "C7", "sternum",
    "knee_lateral_l", "knee_medial_l", "patella_l", "heel_l", "heel_r", "second_metatarsal_head_l",
    "second_metatarsal_head_r", "wrist_radial_l", "wrist_ulnar_l",
)  # fmt: skip
WORN = MarkerSet(
    PLACES, [LANDMARKS[p][0] for p in PLACES], (), np.array([LANDMARKS[p][1] for p in PLACES], np.float32), "test"
)


def points(trial, *labels):
    """(n_frames, n_labels, 3) of these markers."""
    return trial.positions[:, [trial.labels.index(x) for x in labels]].astype(float)


def test_a_trial_has_the_labels_and_no_gaps():
    trial = make_trial("walk", WORN, 0, 3.0, 60.0)
    assert trial.positions.shape == (180, len(PLACES), 3) and trial.positions.dtype == np.float32
    assert trial.labels == PLACES and trial.visible.all() and trial.rate_hz == 60


@pytest.mark.parametrize("motion", ["walk", "squat", "prone", "range_of_motion"])
def test_segments_are_stiff_but_for_the_skin(motion):
    trial = make_trial(motion, WORN, 3, 4.0, seed=1)
    for segment in set(WORN.segments):
        members = [n for n, s in enumerate(WORN.segments) if s == segment]
        for a, b in pairwise(members):
            length = np.linalg.norm(trial.positions[:, a] - trial.positions[:, b], axis=1)
            assert 0.1 < length.std() < 10


def test_skin_moves_most_on_the_thigh():
    def wobble(a, b):
        found = []
        for subject in range(8):
            a_place, b_place = np.moveaxis(points(make_trial("stand", WORN, subject, 3.0, 30.0), a, b), 1, 0)
            found.append(np.linalg.norm(a_place - b_place, axis=1).std())
        return np.mean(found)

    assert wobble("knee_lateral_l", "patella_l") > 2 * wobble("vertex", "head_front_l")


def test_noise_is_as_small_as_said():
    trial = make_trial("stand", WORN, 0, 3.0, rate_hz=120.0)
    # Third differences of noise alone have a variance of 1 + 9 + 9 + 1 times its own; slow movement has next to none.
    noise = np.diff(trial.positions.astype(float), 3, axis=0).std() / np.sqrt(20)
    assert noise == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("motion", ["walk", "run", "sit", "lunge", "jump"])
def test_left_is_left_of_forward(motion):
    trial = make_trial(motion, WORN, 2, 4.0, 60.0, seed=2)
    left, right, back = np.moveaxis(points(trial, "asis_l", "asis_r", "psis_l"), 1, 0)
    across, forward = left - right, (left + right) / 2 - back
    assert (np.cross(forward, across)[:, 2] > 0).all()
    for side in "lr":
        toe, heel = np.moveaxis(points(trial, f"second_metatarsal_head_{side}", f"heel_{side}"), 1, 0)
        assert np.median(((toe - heel)[:, :2] * forward[:, :2]).sum(1)) > 0


def test_people_are_of_all_heights():
    tops = np.array([points(make_trial("stand", WORN, s, 0.1, 30.0), "vertex")[0, 0, 2] for s in range(60)])
    assert 1580 < np.median(tops) < 1800 and 60 < tops.std() < 220
    assert tops.min() > 1000 and tops.max() < 2150


def test_everybody_stands_on_the_floor():
    for subject in range(6):
        feet = points(make_trial("stand", WORN, subject, 0.5, 30.0), "heel_l", "heel_r")[..., 2]
        assert 10 < feet.min() < 70


def test_seeds_decide_subject_and_movement():
    first, again = (make_trial("walk", WORN, 5, 2.0) for _ in range(2))
    assert first.positions.tobytes() == again.positions.tobytes()
    assert not np.array_equal(first.positions, make_trial("walk", WORN, 5, 2.0, seed=1).positions)
    one, same, other = (make_subject(WORN, s) for s in (5, 5, 6))
    assert np.array_equal(one.place, same.place) and not np.allclose(one.body.joints, other.body.joints)


def test_a_stretch_of_a_recorded_motion():
    motion = make_motion("walk", 5.0, 50.0, seed=3)
    trial = make_trial(motion, WORN, 1, 2.0, 100.0)
    assert trial.n_frames == 200 and trial.visible.all()
    assert make_trial(motion, WORN, 1, 60.0, 50.0).n_frames == 250  # no longer than it is
    way = points(make_trial(motion, WORN, 1, 5.0, 50.0), "asis_l")[:, 0, :2]
    theirs = np.linalg.norm(motion.root_mm[-1, :2] - motion.root_mm[0, :2])
    assert np.linalg.norm(way[-1] - way[0]) == pytest.approx(theirs, rel=0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fly", WORN), "motion: expected one of walk"),
        (("walk", WORN, -1), "seeds: expected"),
        (("walk", WORN, 0, 0.001), "length: expected at least one frame"),
        (("walk", WORN, 0, 1.0, 0.0), "length: expected"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(TrialError, match=message):
        make_trial(*arguments)


def test_sets_without_places_on_the_body_are_refused():
    with pytest.raises(MarkerSetError, match="expected places on the simulator's segments, found no places"):
        make_trial("walk", MarkerSet(["A"], ["thorax"]))
    with pytest.raises(MarkerSetError, match="found femur_r"):
        make_trial("walk", MarkerSet(["A"], ["femur_r"], local_mm=np.zeros((1, 3), np.float32)))


def test_the_sample_trials_are_simulated():
    samples = SAMPLES
    squat, truth, unlabelled = (io.read(samples / f"{x}.c3d") for x in ("train/squat", "walk_truth", "walk_unlabelled"))
    worn = worn_set("plug-in-gait").moving()
    np.testing.assert_allclose(squat.positions, make_trial("squat", worn, 1, 7.0, 60.0, seed=3).positions, atol=0.01)
    assert squat.labels == worn.labels
    assert truth.labels[:39] == worn.labels
    assert all(is_unlabelled(x) for x in (*truth.labels[39:], *unlabelled.labels))
    assert (truth.visible.sum(1) == unlabelled.visible.sum(1)).all()
