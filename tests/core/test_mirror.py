import numpy as np
import pytest

from automarkerlabel.core.heading import turned
from automarkerlabel.core.mirror import mirror_pairs, sides_in, sides_of
from automarkerlabel.core.trial import Trial
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from tests.fixtures.figure import FIGURE, figure_trial

POSE = np.array(list(FIGURE.values()), np.float32)
PAIRS = {(1, 2), (3, 4), (6, 7)}
NUMBERS = [f"M{n}" for n in range(8)]


@pytest.mark.parametrize("turn_deg", [0, 77, 180, 301])
def test_images_of_one_another_are_pairs_wherever_the_body_faces(turn_deg):
    pairs = mirror_pairs(turned(POSE, np.deg2rad(turn_deg)) + np.array([500, -2000, 3], np.float32))
    assert {tuple(sorted(p)) for p in pairs.tolist()} == PAIRS


def test_pairs_do_not_depend_on_the_order_of_points_and_have_one_side_first():
    order = np.random.default_rng(3).permutation(8)
    pairs = order[mirror_pairs(POSE[order])]
    assert {tuple(sorted(p)) for p in pairs.tolist()} == PAIRS
    assert len({bool(POSE[a, 1] > 0) for a, _ in pairs.tolist()}) == 1


def test_the_middle_and_what_has_no_image_are_in_no_pair():
    bent = POSE.copy()
    bent[3] += [0, 200, 500]  # one arm raised
    bent[6] = np.nan
    assert not {3, 4, 6, 7, 0, 5} & set(mirror_pairs(bent).ravel().tolist())
    assert len(mirror_pairs(POSE[[0, 5]])) == 0
    assert len(mirror_pairs(np.full((5, 3), np.nan, np.float32))) == 0


def test_names_come_before_places_and_one_pair_of_names_tells_the_sides():
    assert sides_of(list(FIGURE), POSE) == ((("LSHO", "RSHO"), ("LHND", "RHND"), ("LTOE", "RTOE")), True)
    some = ["HEAD", "X1", "X2", "X3", "X4", "SACR", "LTOE", "RTOE", *(f"Y{n}" for n in range(8))]
    both = np.concatenate([POSE, np.full((8, 3), np.nan, np.float32)])
    pairs, told = sides_of(some, both)
    assert told and set(pairs) == {("X1", "X2"), ("X3", "X4"), ("LTOE", "RTOE")}
    assert sides_of(NUMBERS, POSE)[1] is False


def test_of_a_trial_the_moment_that_tells_most():
    points = np.repeat(POSE[None], 50, 0)
    points[:40, 3] += [0, 200, 500]
    pairs, _ = sides_in(NUMBERS, points)
    assert {tuple(sorted(p)) for p in pairs} == {("M1", "M2"), ("M3", "M4"), ("M6", "M7")}


def test_a_reference_without_telling_names_has_pairs_and_no_heading_of_its_own():
    trial = figure_trial(speed_mm_s=0)
    reference = reference_from_trial(Trial(trial.positions, NUMBERS, trial.rate_hz))
    assert reference.heading_rad is None
    assert {tuple(sorted(p)) for p in reference.marker_set.pairs} == {("M1", "M2"), ("M3", "M4"), ("M6", "M7")}
