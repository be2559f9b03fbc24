import importlib.util
import json

import numpy as np
import pytest

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.evaluation.metrics import MarkerFigures, compare, given_labels
from automarkerlabel.simulate.corrupt import Case, Corruption, make_case
from tests.fixtures.places import SHARED

TOOL = SHARED / "tools" / "marker_case.py"
LABELS = ("A", "B", "C")
# Four frames, four columns: A, B, C (hidden in the last frame), and a ghost in the first two frames.
TRUTH = np.array([[0, 1, 2, -1], [0, 1, 2, -1], [0, 1, 2, -1], [0, 1, -1, -1]])
VISIBLE = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]], bool)


def small_case(truth=TRUTH, visible=VISIBLE, swaps=()):
    positions = np.where(visible[..., None], np.arange(truth.size * 3).reshape(*truth.shape, 3), np.nan)
    trial = Trial(positions.astype(np.float32), [f"*{n}" for n in range(truth.shape[1])], 100.0)
    return Case(trial, np.where(visible, truth, -1), LABELS, np.array(swaps, np.int64).reshape(-1, 3))


def test_the_truth_scores_full_marks():
    figures = compare(small_case(swaps=[(0, 1, 2)]), TRUTH)
    assert (figures.accuracy, figures.precision, figures.coverage, figures.f1) == (1, 1, 1, 1)
    assert (figures.frame_accuracy, figures.ghosts, figures.swaps, figures.twice) == (1, 1, "1/1", 0)
    assert figures.points == 13 and figures.confusions == () and figures.calibration_error is None


def test_nothing_given():
    figures = compare(small_case(), np.full(TRUTH.shape, -1))
    assert (figures.accuracy, figures.precision, figures.coverage, figures.ghosts) == (0, 0, 0, 1)
    # Frames 1, 2: a ghost among 4 points is right, F1 of none 2/5, of A, B, C 0. Frames 3, 4: nothing right.
    assert figures.frame_accuracy == pytest.approx((0.25 + 0.25 + 0 + 0) / 4)
    assert figures.f1 == pytest.approx((2 / 5 / 4) * 2 / 4)


def test_wrong_labels_by_hand():
    given = TRUTH.copy()
    given[0, [0, 1]] = [1, 0]  # A and B exchanged in frame 1
    given[1, 3] = 2  # the ghost called C as well: C stands twice in frame 2, so nowhere
    given[2, 1] = -1  # B without a label in frame 3
    figures = compare(small_case(), given)
    assert figures.twice == 1
    assert figures.accuracy == pytest.approx(7 / 11)  # wrong: A, B in 1, C in 2, B in 3
    assert figures.precision == pytest.approx(7 / 9)
    assert figures.coverage == pytest.approx(9 / 11)
    assert figures.ghosts == 1
    assert figures.frame_accuracy == pytest.approx(np.mean([2 / 4, 3 / 4, 2 / 3, 1]))
    # F1 of A, B, C, none. Frame 1: 0, 0, 1, 1. Frame 2: 1, 1, 0, 2/3 (ghost, C). Frame 3: 1, 0, 1, 0. Frame 4: 1, 1.
    assert figures.f1 == pytest.approx(np.mean([2 / 4, (2 + 2 / 3) / 4, 2 / 4, 1]))
    assert figures.confusions == (("A", "B", 1), ("B", "A", 1))
    a, b, c = figures.markers
    assert a == MarkerFigures("A", points=4, correct=3, covered=4, given=4)
    assert b == MarkerFigures("B", points=4, correct=2, covered=3, given=3)
    assert c == MarkerFigures("C", points=3, correct=2, covered=2, given=2)
    assert (b.accuracy, b.precision, b.coverage, b.f1) == (0.5, pytest.approx(2 / 3), 0.75, pytest.approx(4 / 7))


def test_labels_under_hidden_points_count_for_nothing():
    given = TRUTH.copy()
    given[~VISIBLE] = 0
    assert compare(small_case(), given) == compare(small_case(), TRUTH)


def test_ghosts_and_foreign_labels():
    given = TRUTH.copy()
    given[:2, 3] = 3
    given[:, 2] = 4
    figures = compare(small_case(), given, names=("A", "B", "C", "X", "Y"))
    assert figures.ghosts == 0 and figures.coverage == 1
    assert figures.accuracy == pytest.approx(8 / 11) and figures.precision == pytest.approx(8 / 13)
    assert figures.confusions == (("C", "Y", 3), ("ghost", "X", 2))
    assert compare(small_case(), given).confusions[0] == ("C", "label 4", 3)


def test_a_marker_never_seen_has_no_accuracy():
    case = small_case(np.where(TRUTH == 2, -1, TRUTH))
    c = compare(case, case.truth).markers[2]
    assert (c.accuracy, c.precision, c.coverage, c.f1) == (None, None, None, None)


def test_a_swap_is_repaired_only_if_both_sides_are_right():
    truth = np.array([[0, 1]] * 10 + [[1, 0]] * 10)
    case = small_case(truth, np.ones(truth.shape, bool), [(0, 1, 10)])
    assert compare(case, truth).swaps == "1/1"
    assert compare(case, np.tile([0, 1], (20, 1))).swaps == "0/1"
    late = truth.copy()
    late[10] = [0, 1]  # right in exactly 9 of 10 frames after it: not more than 0.9
    assert compare(case, late).swaps_repaired == 0


def test_calibration_error_by_hand():
    given = TRUTH.copy()
    given[0, 3] = 0  # A twice in frame 1: neither counts
    given[1, 3] = -1
    confidence = np.full(TRUTH.shape, 0.95, np.float32)
    confidence[:, 2] = 0.35
    given[:2, 2] = [3, 4]  # two of three labels with confidence 0.35 are wrong
    figures = compare(small_case(), given, confidence)
    # 7 right with 0.95 (A in 3 frames, B in 4), 1 right of 3 with 0.35.
    assert figures.calibration_error == pytest.approx((7 * 0.05 + abs(3 * 0.35 - 1)) / 10, abs=1e-6)
    assert compare(small_case(), np.full(TRUTH.shape, -1), confidence).calibration_error is None


def test_given_labels_of_a_labelling():
    case = small_case()
    tracklets = [Tracklet(0, 0, 4), Tracklet(1, 0, 2), Tracklet(1, 2, 4), Tracklet(2, 0, 3), Tracklet(3, 0, 2)]
    values = {"assigned": np.array([1, 0, -1, 2, -1]), "second": np.full(5, -1)}
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32)
    labelling = Labelling(("B", "A", "Z"), tracklets, confidence=confidence, **values)
    given, sure, names = given_labels(case.trial, labelling, LABELS)
    assert names == ("A", "B", "C", "Z")
    assert given.tolist() == [[0, 1, 3, -1], [0, 1, 3, -1], [0, -1, 3, -1], [0, -1, -1, -1]]
    np.testing.assert_array_equal(sure[:, 1], np.array([0.8, 0.8, 0.7, 0.7], np.float32))
    np.testing.assert_array_equal(np.isnan(sure), ~VISIBLE)
    figures = compare(case, given, sure, names)
    assert figures.accuracy == pytest.approx(6 / 11) and figures.confusions == (("C", "Z", 3),)


def test_figures_fit_json():
    figures = compare(small_case(), TRUTH)
    told = json.loads(json.dumps(figures.to_dict()))
    assert told["accuracy"] == 1 and told["swaps"] == "0/0"
    assert told["markers"][0] == {
        "label": "A", "points": 4, "correct": 4, "covered": 4, "given": 4,
        "accuracy": 1.0, "precision": 1.0, "coverage": 1.0, "f1": 1.0,
    }  # fmt: skip
    assert "markers" not in figures.summary()


def test_shapes_and_empty_truth_are_refused():
    with pytest.raises(TrialError, match="given: expected shape"):
        compare(small_case(), TRUTH[:2])
    with pytest.raises(TrialError, match="found none"):
        compare(small_case(np.full(TRUTH.shape, -1)), TRUTH)


def moving_trial(seed):
    """Twenty markers about a walking point, all rotating with it, 300 frames."""
    rng = np.random.default_rng(seed)
    place, angle = rng.normal(0, 300, (20, 3)), np.linspace(0, 2, 300)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = cos * place[:, 0] - sin * place[:, 1], sin * place[:, 0] + cos * place[:, 1]
    points = np.stack([x + 2000 * angle[:, None], y + 5, np.broadcast_to(place[:, 2], x.shape) + 1000], -1)
    return Trial(
        (points + rng.normal(0, 0.3, points.shape)).astype(np.float32), [f"M{chr(65 + n)}" for n in range(20)], 100.0
    )


@pytest.mark.skipif(not TOOL.exists(), reason="the measuring tool is not beside this checkout")
@pytest.mark.parametrize("seed", range(4))
def test_same_figures_as_the_measuring_tool(tmp_path, seed):
    spec = importlib.util.spec_from_file_location("marker_case", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    case = make_case(moving_trial(seed), Corruption(seed=seed))
    rng = np.random.default_rng(seed)
    # Mostly the label of a column's first point; some wrong, some none, some foreign, many twice in a frame.
    first = case.truth[case.trial.visible.argmax(0), np.arange(case.trial.n_columns)]
    drawn = rng.integers(-1, 22, len(first))
    column_label = np.where(rng.random(len(first)) < 0.25 * seed, drawn, first)
    names = (*case.labels, "XA", "XB")
    points = case.trial.positions
    np.savez(tmp_path / "truth.npz", points=points, truth=case.truth, names=np.array(case.labels), swaps=case.swaps)
    told = [names[k] if k >= 0 else f"*{n}" for n, k in enumerate(column_label)]
    tool.write_c3d(tmp_path / "answer.c3d", told, points.astype(float), case.trial.rate_hz)
    theirs = tool.score(tmp_path, tmp_path / "answer.c3d")
    ours = compare(case, np.where(case.trial.visible, column_label, -1), names=names).summary()
    assert theirs["lost"] == theirs["invented"] == 0
    for name in ("accuracy", "precision", "coverage", "f1", "ghosts"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9), name
    assert [ours[x] for x in ("swaps", "twice", "points")] == [theirs[x] for x in ("swaps", "twice", "points")]
