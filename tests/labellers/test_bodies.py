"""Which points belong together: figures of eight points beside each other, so that the answer is known."""

import numpy as np
import pytest

from automarkerlabel.core.tracklets import split
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.matcher.windows import cut_match_windows
from automarkerlabel.labellers.subjects.bodies import (
    Places,
    clouds,
    groups_apart,
    near_bodies,
    share_of_either,
    split_bodies,
)
from tests.fixtures.two_figures import figure, together


def bodies(trial: Trial, n: int) -> tuple[Places, np.ndarray]:
    tracklets = split(trial)
    places = Places.of(cut_match_windows(trial, tracklets), len(tracklets))
    return places, split_bodies(places, n)


def figures_of(names: list[tuple[int, str]]) -> np.ndarray:
    return np.array([k for k, _ in names])


@pytest.mark.parametrize("cut", [None, 60])
def test_two_who_pass_each_other_within_an_arms_length_stay_themselves(cut):
    trial, names = together(figure((0, 0), 0, 1200), figure((0, 600), 180, 1200), cut=cut)
    _, body = bodies(trial, 2)
    own = figures_of(names)
    assert (body == own).all() or (body == 1 - own).all()


def test_bodies_come_in_the_order_of_the_first_axis():
    trial, names = together(figure((1500, 0)), figure((-1500, 0)), figure((0, 400)))
    _, body = bodies(trial, 3)
    assert (body == np.array([2, 0, 1])[figures_of(names)]).all()


def test_one_who_is_there_later():
    late = figure((1200, 0))
    late[:80] = np.nan
    trial, names = together(figure((0, 0)), late)
    assert (bodies(trial, 2)[1] == figures_of(names)).all()


def test_one_who_comes_back_elsewhere_is_not_taken_for_the_one_who_stayed():
    left, back = figure((-3000, 0)), figure((1500, 0))
    left[40:], back[:80] = np.nan, np.nan
    trial, names = together(figure((0, 0)), left, back)
    _, body = bodies(trial, 2)
    own = figures_of(names)
    assert len(set(body[own == 0])) == 1
    assert set(body[own > 0]) == {1 - body[own == 0][0]}


def test_a_point_between_two_bodies_may_belong_to_either_and_one_far_away_to_none():
    # 310 mm beside a shoulder of each.
    trial, _ = together(figure((0, 0)), figure((0, 1000)))
    points = np.concatenate([trial.positions, np.full((trial.n_frames, 2, 3), np.nan, np.float32)], axis=1)
    points[:, -2], points[:, -1] = (0, 500, 1450), (4000, 0, 1000)
    trial = Trial(points, [""] * points.shape[1], trial.rate_hz)
    places, body = bodies(trial, 2)
    near = near_bodies(places, body, 2)
    assert near[-2].all()
    assert not near[-1].any()
    assert (near[:-2].sum(1) >= 1).all()


def test_a_column_that_carries_markers_of_both_belongs_to_both():
    trial, names = together(figure((0, 0)), figure((0, 2000)))
    a, b = names.index((0, "HEAD")), names.index((1, "HEAD"))
    points = trial.positions.copy()
    points[60:, [a, b]] = points[60:, [b, a]]
    tracklets = split(trial)
    places = Places.of(cut_match_windows(Trial(points, trial.labels, trial.rate_hz), tracklets), len(tracklets))
    near = near_bodies(places, split_bodies(places, 2), 2)
    assert near[[a, b]].all()
    others = np.setdiff1d(np.arange(16), [a, b])
    assert (near[others].sum(1) == 1).all()


def test_points_that_may_be_anothers():
    for apart_mm, least, most in ((1500, 0, 0), (30, 0.5, 1)):
        trial, names = together(figure((0, 0)), figure((0, apart_mm)))
        tracklets = split(trial)
        places = Places.of(cut_match_windows(trial, tracklets), len(tracklets))
        share = share_of_either(places, figures_of(names), 2, np.full(16, 120))
        assert least <= share <= most
    assert share_of_either(places, np.full(16, -1), 2, np.full(16, 120)) == 0


def test_a_stray_point_is_no_cloud():
    cloud = np.random.default_rng(0).normal(0, 200, (20, 3))
    points = np.concatenate([cloud, cloud + np.array([1500, 0, 0]), np.array([[9000, 0, 0]])])
    found, clear = clouds(points, 2)
    assert (found[:20] == 0).all()
    assert (found[20:40] == 1).all()
    assert clear > 2


def test_fewer_points_than_clouds_stand_apart_nowhere():
    assert clouds(np.zeros((1, 3)), 2)[1] == -np.inf


@pytest.mark.parametrize(
    ("places", "expected"),
    [(((0, 0),), (8,)), (((0, 0), (0, 1500)), (8, 8)), (((0, 0), (0, 700)), (16,)),
     (((0, 0), (0, 1500), (1500, 0)), (8, 8, 8))],
)  # fmt: skip
def test_groups_that_stand_apart(places, expected):
    assert groups_apart(together(*(figure(x) for x in places))[0]) == expected


def test_a_few_points_apart_are_no_person():
    trial, _ = together(figure((0, 0)), figure((0, 1500))[:, :7])
    assert groups_apart(trial) == (8,)


def test_groups_of_a_trial_without_points_to_see():
    assert groups_apart(Trial(np.full((5, 3, 3), np.nan, np.float32), [""] * 3, 100.0)) == ()
