"""Gaps filled: by what, how far off, and what stays open."""

from dataclasses import replace

import numpy as np
import pytest

from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.filling.estimates import Fillers
from automarkerlabel.filling.fill import FillOptions, fill
from automarkerlabel.filling.gaps import Gap, estimated, gaps_of, tells_estimates
from automarkerlabel.filling.regression import foretold
from automarkerlabel.filling.rigid import looseness_mm, rigid, steadiest, weights_of
from automarkerlabel.filling.spline import n_beside, spline
from tests.fixtures.figure import figure_trial
from tests.fixtures.filling_cases import gappy_trial, hidden, tumbling, turn


@pytest.fixture
def gappy():
    return gappy_trial()


def off_mm(filled, truth):
    return np.linalg.norm(filled.trial.positions - truth.positions, axis=2)[filled.mask]


# ---------------------------------------------------------------- gaps


def test_gaps_lie_between_samples_of_one_column(gappy):
    assert gaps_of(gappy, range(8)) == [Gap(0, 20, 26), Gap(3, 50, 65), Gap(5, 70, 71)]


def test_a_residual_of_0_tells_estimates_only_where_others_have_more():
    trial = tumbling(20)
    residuals = np.full((20, 6), 0.3, np.float32)
    residuals[3:5, 1] = 0
    told = replace(trial, residuals=residuals)
    assert np.argwhere(estimated(told)).tolist() == [[3, 1], [4, 1]]
    assert not tells_estimates(trial) and not estimated(trial).any()  # a trial without residuals
    assert not estimated(replace(told, computed=frozenset({1}))).any()


# ---------------------------------------------------------------- spline


@pytest.mark.parametrize("n_samples", [3, 4, 7])
def test_a_parabola_is_filled_exactly(n_samples):
    time = np.arange(40.0)
    path = np.stack([3 * time, 5 - 0.2 * time**2, 100 + time + 0.05 * time**2], axis=1)
    made = spline(path[None, 12 - n_samples : 12], path[None, 27 : 27 + n_samples], 15)
    assert np.allclose(made[0], path[12:27], atol=1e-9)


def test_a_straight_way_is_filled_exactly_from_one_sample_on_each_side():
    path = np.outer(np.arange(10.0), [1, 2, 3])
    assert np.allclose(spline(path[None, 2:3], path[None, 7:8], 4)[0], path[3:7], atol=1e-12)
    assert np.allclose(spline(path[None, 1:3], path[None, 7:8], 4)[0], path[3:7], atol=1e-12)


def test_a_speed_is_taken_from_at_least_three_samples():
    assert [n_beside(rate) for rate in (30.0, 100.0, 240.0)] == [3, 4, 8]


# ---------------------------------------------------------------- rigid


def test_the_marker_of_a_stiff_body_is_filled_within_float_error():
    truth = tumbling()
    filled = fill(hidden(truth, (3, 40, 80)), FillOptions(method="rigid"))
    assert [g.method for g in filled.gaps] == ["rigid"]
    assert off_mm(filled, truth).max() < 0.01  # positions are float32 of some 1000 mm
    assert filled.gaps[0].expected_mm < 0.01


def test_auto_takes_what_is_expected_nearest():
    truth = tumbling()
    trial = hidden(truth, (3, 40, 80), (5, 60, 62))
    filled = fill(trial)
    assert [g.method for g in filled.gaps] == ["rigid", "spline"]  # F alone goes its own way
    assert filled.gaps[0].errors_mm["spline"] > 1 > filled.gaps[0].errors_mm["rigid"]
    assert off_mm(filled, truth).max() < 0.1


def test_rigid_meets_both_edges_of_a_body_that_gives_way():
    truth = tumbling()
    positions = truth.positions.copy()
    positions[:, 3, 2] += np.linspace(0, 60, 200)  # D slides along the body
    points = positions.astype(np.float64)
    made = rigid(points[None, [39, 60], 3], points[None, 39:61][:, :, [0, 1, 2, 4]], np.ones(4))[0]
    step = np.linalg.norm(np.diff(points[:, 3], axis=0), axis=1).max()
    assert (
        np.linalg.norm(made[0] - points[39, 3]) < 1.1 * step and np.linalg.norm(made[-1] - points[60, 3]) < 1.1 * step
    )
    assert np.abs(made - points[40:60, 3]).max() < 0.5  # a steady slide is blended away


def test_mates_are_those_that_keep_their_distance():
    trial = tumbling()
    loose = looseness_mm(trial.positions, trial.visible, 3)
    assert loose[[0, 1, 2, 4]].max() < 0.01 < 10 < loose[5] < loose[3] == np.inf
    mates = steadiest(loose, np.array([True, True, False, True, True, True]))
    assert set(mates[:3].tolist()) == {0, 1, 4} and mates[3] == 5
    assert weights_of(loose[mates])[3] < 0.01 * weights_of(loose[mates])[0]
    assert not len(steadiest(loose, np.array([True, True, False, False, False, False])))


# ---------------------------------------------------------------- regression


def test_what_moves_a_marker_on_its_body_is_read_off_another():
    truth = tumbling(300)
    positions = truth.positions.astype(np.float64)
    bend = 40 * np.sin(np.arange(300) / 11)
    shape = turn(1.8 * np.arange(300))
    positions[:, 3] += bend[:, None] * shape[:, :, 0]  # along the body's own axis
    positions[:, 5] = positions[:, 1] + (50 + bend)[:, None] * shape[:, :, 1]  # F now sits there, and bends as D does
    truth = replace(truth, positions=positions.astype(np.float32))
    trial = hidden(truth, (3, 100, 170))
    filled = fill(trial)
    assert [g.method for g in filled.gaps] == ["regression"]
    stiff = fill(trial, FillOptions(method="rigid", max_error_mm=1000))
    assert off_mm(filled, truth).mean() < 0.1 * off_mm(stiff, truth).mean()
    assert filled.gaps[0].expected_mm < 0.1 * filled.gaps[0].errors_mm["rigid"]


def filled_by(*given, **also):
    found = foretold(*given, **also)
    return found.in_space(found.bridged())


def test_regression_meets_the_edges_and_does_not_look_into_the_gap():
    truth = figure_trial()
    columns, learnt = np.array([0, 1, 2, 5, 6, 7]), np.arange(120)
    trial = hidden(truth, (3, 50, 65))
    weights, starts = np.ones(4), np.array([50, 51])
    made = [
        filled_by(x.positions, 3, learnt, columns[:4], weights, columns, starts[:1], 15)
        for x in (truth, replace(trial, positions=np.nan_to_num(trial.positions)))
    ]
    assert np.array_equal(*made)
    both = filled_by(truth.positions, 3, learnt, columns[:4], weights, columns, starts, 15)
    assert both.shape == (2, 15, 3) and np.allclose(both[0], made[0][0], atol=1e-6)
    step = np.linalg.norm(np.diff(truth.positions[:, 3], axis=0), axis=1).max()
    assert np.linalg.norm(made[0][0, 0] - truth.positions[49, 3]) < 2 * step


def test_a_turn_is_never_a_mirror_image_and_mates_in_line_hold_still_what_they_do_not_tell():
    line = np.array([[0.0, 0, 0], [50, 0, 0], [100, 0, 0]])
    mates = np.stack([line + np.array([0, 0, k]) for k in range(5)])[None]
    marker = np.array([20.0, 30, 0])
    made = rigid(np.stack([marker, marker + np.array([0, 0, 4])])[None], mates, np.ones(3))[0]
    assert np.allclose(made, marker + np.array([[0, 0, 1], [0, 0, 2], [0, 0, 3]]), atol=1e-6)


# ---------------------------------------------------------------- expected errors, and what stays open


def test_made_gaps_have_as_much_beside_them_as_the_real_one_and_never_show_what_is_hidden():
    truth = figure_trial()
    trial = hidden(truth, (3, 50, 60), (3, 62, 64))
    fillers = Fillers(trial.positions, trial.visible, np.arange(8), 60.0)
    gap = Gap(3, 50, 60)
    assert fillers._reach(gap) == (3, 2)
    starts = fillers._tries(gap, fillers.predictors(gap, 10))
    assert len(starts) == 16
    for start in starts.tolist():
        assert trial.visible[start - 3 : start + 12, 3].all()


def test_what_is_told_is_what_is_found_on_like_gaps():
    truth = figure_trial(600)
    gaps = [(3, start, start + 18) for start in range(40, 560, 60)]
    filled = fill(hidden(truth, *gaps), FillOptions(max_error_mm=1000, method="spline"))
    told = np.array([g.expected_mm for g in filled.gaps])
    found = off_mm(filled, truth).reshape(len(gaps), 18).mean(1)
    assert len(told) == len(gaps) and 0.5 < told.mean() / found.mean() < 2


def test_a_gap_stays_open_that_is_too_long_too_far_off_or_not_to_be_judged():
    truth = tumbling(200)
    trial = hidden(truth, (3, 40, 141), (5, 50, 90), (1, 10, 60), (1, 70, 110), (1, 120, 160))
    found = {(g.label, g.first_frame): g for g in fill(trial, FillOptions(max_gap_s=1.0, max_error_mm=5)).gaps}
    assert found["D", 41].why == "longer than 1 s"
    assert found["F", 51].why == "error over 5 mm to be expected" and found["F", 51].expected_mm > 5
    assert "nowhere seen long enough" in found["B", 11].why and found["B", 11].expected_mm is None
    assert not any(g.method for g in found.values())


def test_a_gap_as_long_as_allowed_is_filled():
    filled = fill(hidden(tumbling(), (3, 40, 70)), FillOptions(max_gap_s=0.3))
    assert filled.gaps[0].seconds == 0.3 and filled.gaps[0].method


def test_estimates_of_others_are_not_learnt_from():
    truth = tumbling(200)
    trial = hidden(truth, (3, 40, 60))
    positions, residuals = trial.positions.copy(), trial.residuals.copy()
    positions[100:160, 4] += 300  # another program's guess, marked as such
    residuals[100:160, 4] = 0
    filled = fill(replace(trial, positions=positions, residuals=residuals), FillOptions(method="rigid"))
    assert filled.n_estimated == 60 and off_mm(filled, truth).max() < 0.01


def test_nothing_measured_changes_and_nothing_is_put_beyond_the_edges(gappy):
    filled = fill(gappy)
    seen = gappy.visible
    assert filled.trial.positions[seen].tobytes() == gappy.positions[seen].tobytes()
    assert filled.trial.residuals[seen].tobytes() == gappy.residuals[seen].tobytes()
    assert not filled.trial.visible[:4, 6].any() and not filled.trial.visible[100:, 7].any()
    assert filled.mask.sum() == 6 + 15 + 1 and (filled.trial.residuals[filled.mask] == 0).all()
    assert off_mm(filled, figure_trial()).max() < 10


def test_the_order_of_columns_does_not_matter(gappy):
    order = np.array([5, 2, 7, 0, 3, 6, 1, 4])
    other = Trial(gappy.positions[:, order], [gappy.labels[n] for n in order], gappy.rate_hz, gappy.residuals[:, order])
    one, two = fill(gappy), fill(other)
    assert np.allclose(one.trial.positions[:, order], two.trial.positions, atol=1e-3, equal_nan=True)
    assert {g.label: g.method for g in one.gaps} == {g.label: g.method for g in two.gaps}


def test_heading_and_units_do_not_matter(gappy):
    turned = replace(gappy, positions=(gappy.positions @ turn(77.0).T).astype(np.float32))
    one, two = fill(gappy), fill(turned)
    assert [g.method for g in one.gaps] == [g.method for g in two.gaps]
    assert np.allclose(one.trial.positions @ turn(77.0).T, two.trial.positions, atol=2e-3, equal_nan=True)


def test_only_named_markers_are_filled(gappy):
    labels = ["*1", *gappy.labels[1:]]
    assert [g.label for g in fill(replace(gappy, labels=labels)).gaps] == ["LHND", "SACR"]
    with pytest.raises(TrialError, match="label it first"):
        fill(replace(gappy, labels=[f"*{n}" for n in range(8)]))


@pytest.mark.parametrize("bad", [{"max_gap_s": 0}, {"max_error_mm": float("nan")}, {"method": "magic"}])
def test_options_that_make_no_sense_are_refused(bad):
    with pytest.raises(InputError, match="expected"):
        FillOptions(**bad)
