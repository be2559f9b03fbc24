import numpy as np
import pytest

from automarkerlabel.core.labelling import Labelling, LabelScores, OutputColumn, apply, output_columns
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrialError


def labelling(
    trial: Trial, pieces: list[tuple[int, int, int]], assigned: list[int], labels=("A", "B", "C")
) -> Labelling:
    n = len(pieces)
    return Labelling(labels, [Tracklet(*p) for p in pieces], np.array(assigned), np.ones(n, np.float32), np.full(n, -1))


@pytest.fixture
def trial() -> Trial:
    positions = np.arange(4 * 3 * 3, dtype=np.float32).reshape(4, 3, 3)
    positions[2:, 0] = np.nan
    positions[:2, 1] = np.nan
    return Trial(positions, ["x", "y", "LHJC"], 100, computed=frozenset({2}))


def test_tracklets_of_one_label_are_joined_and_the_rest_keeps_placeholders(trial):
    columns = output_columns(trial, labelling(trial, [(0, 0, 2), (1, 2, 4)], [1, 1]))
    assert columns == [OutputColumn("B", ((0, 0, 2), (1, 2, 4))), OutputColumn("LHJC", ((2, 0, 4),))]
    out = apply(trial, columns)
    np.testing.assert_array_equal(out.positions[:2, 0], trial.positions[:2, 0])
    np.testing.assert_array_equal(out.positions[2:, 0], trial.positions[2:, 1])
    np.testing.assert_array_equal(out.positions[:, 1], trial.positions[:, 2])
    assert out.computed == {1}


def test_unlabelled_columns_and_absent_labels(trial):
    columns = output_columns(trial, labelling(trial, [(0, 0, 2), (1, 2, 4)], [-1, 0]), all_labels=True)
    assert [c.label for c in columns] == ["A", "B", "C", "*0", "LHJC"]
    assert columns[1].pieces == ()


def test_a_label_twice_in_a_frame_is_refused(trial):
    positions = trial.positions.copy()
    positions[1, 1] = 5
    both = Trial(positions, trial.labels, 100)
    with pytest.raises(TrialError, match="A would stand twice in frame 2"):
        output_columns(both, labelling(both, [(0, 0, 2), (1, 1, 4)], [0, 0]))


def test_mean_of_scores_and_tracklets_without_a_window():
    log_probs = np.log(np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 1e-9]], np.float32))
    scores = LabelScores(["A"], log_probs, np.array([0, 0, 2]), np.array([[0, 4], [4, 8], [0, 8]]), 3)
    mean = scores.mean()
    assert mean[0, 0] == pytest.approx((np.log(0.5) + np.log(0.25)) / 2)
    assert mean[1].tolist() == [-np.inf, 0]
    assert scores.n_windows().tolist() == [2, 0, 1]


def test_scores_in_the_wrong_order_are_refused():
    with pytest.raises(TrialError, match="ascending"):
        LabelScores(["A"], np.zeros((2, 2), np.float32), np.array([1, 0]), np.zeros((2, 2), int), 2)


def test_what_was_found_and_how_surely_weighs_each_point_alike():
    """Three tracklets of 10, 30 and 60 points; A at 0.9, B at 0.5, the last without a label."""
    points = np.zeros((60, 3, 3), np.float32)
    points[10:, 0], points[30:, 1] = np.nan, np.nan
    trial = Trial(points, ["", "", ""], 100.0)
    tracklets = [Tracklet(0, 0, 10), Tracklet(1, 0, 30), Tracklet(2, 0, 60)]
    confidence = np.array([0.9, 0.5, 0.8], np.float32)
    labelling = Labelling(("B", "A", "C"), tracklets, np.array([1, 0, -1]), confidence, np.array([0, -1, 2]))
    assert (labelling.found, labelling.missing) == (("B", "A"), ("C",))
    assert labelling.mean_confidence(trial) == pytest.approx((10 * 0.9 + 30 * 0.5) / 40)
    sure = labelling.above(0.6)
    assert (sure.found, sure.missing) == (("A",), ("B", "C"))
    assert sure.mean_confidence(trial) == pytest.approx(0.9)
    assert sure.assigned.tolist() == [1, -1, -1] and sure.second.tolist() == [0, 0, 2]
    np.testing.assert_allclose(sure.confidence, [0.9, 0.5, 0.8])
    assert labelling.above(0.5).found == labelling.found  # at the limit a label stays
    assert labelling.above(1.0).mean_confidence(trial) == 0.0
