import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.decide import assign as decide
from automarkerlabel.scores import LabelScores
from automarkerlabel.tracklets import Tracklet


def value(gain, answer):
    return sum(gain[t, k] for t, k in enumerate(answer) if k >= 0)


def allowed(visible, answer):
    for a, b in itertools.combinations(range(len(answer)), 2):
        if answer[a] == answer[b] >= 0 and (visible[:, a] & visible[:, b]).any():
            return False
    return True


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3))
def test_as_good_as_trying_everything(seed, n_tracklets, n_labels):
    rng = np.random.default_rng(seed)
    gain = rng.normal(0.3, 1, (n_tracklets, n_labels))
    visible = rng.random((6, n_tracklets)) < 0.5
    answer, gap = decide.assign(gain, visible)
    everything = itertools.product(range(-1, n_labels), repeat=n_tracklets)
    best = max(value(gain, a) for a in everything if allowed(visible, a))
    assert gap == 0
    assert allowed(visible, answer)
    assert value(gain, answer) == pytest.approx(best, abs=1e-9)


def test_the_stronger_of_two_that_meet_wins_and_both_keep_it_apart():
    gain = np.array([[2.0], [3.0]])
    together = np.array([[True, True]])
    apart = np.array([[True, False], [False, True]])
    assert decide.assign(gain, together)[0].tolist() == [-1, 0]
    assert decide.assign(gain, apart)[0].tolist() == [0, 0]


def test_an_answer_in_time_tells_how_far_from_the_best_it_may_be(monkeypatch):
    solve = decide.milp

    def out_of_time(*arguments, **named):
        result = solve(*arguments, **named)
        result.status, result.mip_gap = 1, 0.02
        return result

    monkeypatch.setattr(decide, "milp", out_of_time)
    assert decide.assign(np.ones((1, 1)), np.ones((1, 1), bool))[1] == 0.02


def test_a_gap_in_one_leaves_room_for_another():
    visible = np.array([[1, 0], [0, 1], [1, 0]], bool)
    assert decide.assign(np.ones((2, 1)), visible)[0].tolist() == [0, 0]


def scores_of(probabilities, windows=1):
    p = np.array(probabilities, np.float32)
    n = len(p)
    tracklet = np.repeat(np.arange(n), windows)
    frames = np.tile([0, 10], (n * windows, 1))
    return LabelScores([f"L{k}" for k in range(p.shape[1] - 1)], np.log(p)[tracklet], tracklet, frames, n)


def test_evidence_grows_with_windows_up_to_a_bound():
    p = [[0.8, 0.2]]
    once = decide.evidence(scores_of(p))[0, 0]
    assert once == pytest.approx(np.log(4))
    assert decide.evidence(scores_of(p, 3))[0, 0] == pytest.approx(3 * once, rel=1e-5)
    assert decide.evidence(scores_of(p, 30))[0, 0] == pytest.approx(decide.MAX_WINDOWS * once, rel=1e-5)


def test_confidence_is_the_share_among_what_the_others_leave():
    # Two tracklets side by side: the first surely carries L0, so the second is L1 or none.
    scores = scores_of([[0.98, 0.01, 0.01], [0.5, 0.25, 0.25]])
    tracklets = [Tracklet(0, 0, 10), Tracklet(1, 0, 10)]
    labelling = decide.decide(scores, tracklets, np.ones((10, 2), bool))
    assert [labelling.label_of(0), labelling.label_of(1)] == ["L0", None]
    assert labelling.confidence[1] == pytest.approx(0.5, abs=1e-6)
    assert labelling.second[1] == 1


def test_a_higher_temperature_is_less_sure():
    scores = scores_of([[0.9, 0.1]])
    sure, unsure = (
        decide.decide(scores, [Tracklet(0, 0, 10)], np.ones((10, 1), bool), t).confidence[0] for t in (1.0, 4.0)
    )
    assert sure == pytest.approx(0.9, abs=1e-5)
    assert unsure == pytest.approx(9**0.25 / (1 + 9**0.25), abs=1e-5)


def test_doubtful_labels_are_taken_away():
    scores = scores_of([[0.6, 0.4], [0.99, 0.01]])
    tracklets = [Tracklet(0, 0, 5), Tracklet(1, 5, 10)]
    visible = np.zeros((10, 2), bool)
    visible[:5, 0] = visible[5:, 1] = True
    kept = decide.keep_confident(decide.decide(scores, tracklets, visible), 0.9)
    assert kept.assigned.tolist() == [-1, 0]
    assert kept.second[0] == 0
    assert kept.confidence[0] == pytest.approx(0.4, abs=1e-5)


def test_what_is_held_fixed_stays_and_its_label_is_not_given_again():
    scores = scores_of([[0.9, 0.05, 0.05], [0.9, 0.06, 0.04]])
    tracklets = [Tracklet(0, 0, 10), Tracklet(1, 0, 10)]
    labelling = decide.decide(scores, tracklets, np.ones((10, 2), bool), fixed=np.array([decide.FREE, 0]))
    assert labelling.label_of(1) == "L0"
    assert labelling.confidence[1] == 1
    assert labelling.label_of(0) != "L0"


def test_no_tracklets():
    labelling = decide.decide(scores_of(np.zeros((0, 3))), [], np.zeros((10, 0), bool))
    assert len(labelling.assigned) == 0
