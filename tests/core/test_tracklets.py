import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.core import tracklets
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from tests.fixtures.figure import figure_trial


def with_positions(trial: Trial, positions: np.ndarray, **changes) -> Trial:
    return Trial(
        positions, changes.get("labels", trial.labels), trial.rate_hz, computed=changes.get("computed", frozenset())
    )


def test_whole_columns_stay_whole(figure):
    assert tracklets.split(figure) == [Tracklet(c, 0, 120) for c in range(8)]


def test_a_gap_that_the_body_explains_is_kept(figure):
    positions = figure.positions.copy()
    positions[40:50, 2] = np.nan
    assert Tracklet(2, 0, 120) in tracklets.split(with_positions(figure, positions))


def test_a_column_that_comes_back_as_another_marker_is_cut(figure):
    positions = figure.positions.copy()
    positions[40:50, 2] = np.nan
    positions[50:, 2] = figure.positions[50:, 6]  # the shoulder's column goes on with the toe
    positions[50:, 6] = np.nan
    found = tracklets.split(with_positions(figure, positions))
    assert Tracklet(2, 0, 40) in found
    assert Tracklet(2, 50, 120) in found


def test_a_nearer_candidate_cuts(figure):
    # The shoulder goes on in a new column in mid-gap; its old column returns 60 mm beside.
    positions = np.concatenate([figure.positions, np.full((120, 1, 3), np.nan, np.float32)], 1)
    positions[45:, 8] = figure.positions[45:, 2]
    positions[40:50, 2] = np.nan
    positions[50:, 2] += np.array([0, 60, 0], np.float32)
    found = tracklets.split(with_positions(figure, positions, labels=[*figure.labels, "*8"]))
    assert Tracklet(2, 0, 40) in found


def test_a_lone_point_that_moves_on_steadily_is_not_cut():
    positions = np.zeros((60, 1, 3), np.float32)
    positions[:, 0, 0] = 10.0 * np.arange(60)
    positions[30:34] = np.nan
    assert tracklets.split(Trial(positions, ["A"], 60)) == [Tracklet(0, 0, 60)]


def test_computed_columns_have_no_tracklets(figure):
    found = tracklets.split(with_positions(figure, figure.positions, computed=frozenset({0})))
    assert {t.column for t in found} == set(range(1, 8))


def test_nothing_visible_gives_nothing():
    assert tracklets.split(Trial(np.full((5, 2, 3), np.nan), ["A", "B"], 100)) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_visible_point_is_in_exactly_one_tracklet(seed):
    rng = np.random.default_rng(seed)
    trial = figure_trial(40)
    positions = trial.positions.copy()
    positions[rng.random((40, 8)) < rng.uniform(0, 0.9)] = np.nan
    trial = with_positions(trial, positions)
    found = tracklets.split(trial)
    count = np.zeros((40, 8), int)
    for t in found:
        assert trial.visible[t.start, t.column]
        assert trial.visible[t.stop - 1, t.column]
        count[t.start : t.stop, t.column] += trial.visible[t.start : t.stop, t.column]
    assert (count == trial.visible).all()
    assert (tracklets.visibility(trial, found).sum(1) == trial.visible.sum(1)).all()


def test_sets_hold_whatever_is_seen_in_one_frame_in_the_order_of_time():
    seen = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]], bool)
    positions = np.where(seen[..., None], np.ones(3), np.nan)
    trial = Trial(positions, ["", "", ""], 100)
    pieces = [Tracklet(0, 0, 1), Tracklet(1, 0, 3), Tracklet(2, 2, 4)]
    assert tracklets.meeting_sets(trial, pieces).astype(int).tolist() == [[1, 1, 0], [0, 1, 1]]
