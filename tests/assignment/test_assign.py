import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.assignment import assign as decide
from automarkerlabel.assignment import search
from automarkerlabel.assignment.bound import find_bound
from automarkerlabel.assignment.continuity import NO_JOINS, Joins
from automarkerlabel.assignment.flow import Solution
from automarkerlabel.assignment.search import worth
from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.errors import ProcessingError


def value(gain, joins, visible, answer):
    """Counted label by label: gains, and joins of tracklets between which the label is not seen."""
    total = sum(gain[t, k] for t, k in enumerate(answer) if k >= 0)
    for a, b, joined in zip(joins.before, joins.after, joins.worth, strict=True):
        if answer[a] == answer[b] >= 0:
            frames = range(max(np.flatnonzero(visible[:, a])) + 1, min(np.flatnonzero(visible[:, b])))
            mates = [t for t, k in enumerate(answer) if k == answer[a]]
            total += 0 if visible[np.ix_(frames, mates)].any() else joined
    return total


def allowed(visible, answer):
    for a, b in itertools.combinations(range(len(answer)), 2):
        if answer[a] == answer[b] >= 0 and (visible[:, a] & visible[:, b]).any():
            return False
    return True


def random_problem(seed, n_tracklets, n_labels, gaps, n_frames=10, longest=10):
    """Tracklets of a few frames, some with gaps that others may fit into, and joins between those that can follow."""
    rng = np.random.default_rng(seed)
    gain = rng.normal(0.3, 1, (n_tracklets, n_labels))
    visible = np.zeros((n_frames, n_tracklets), bool)
    for t in range(n_tracklets):
        start = int(rng.integers(n_frames - 1))
        stop = int(rng.integers(start + 1, min(n_frames, start + longest) + 1))
        visible[start:stop, t] = rng.random(stop - start) > gaps
        visible[start, t] = visible[stop - 1, t] = True
    first, last = visible.argmax(0), n_frames - 1 - visible[::-1].argmax(0)
    before, after = np.nonzero(
        (last[:, None] < first) & (first < last[:, None] + longest) & (rng.random((n_tracklets, n_tracklets)) < 0.7)
    )
    return gain, visible, Joins(before, after, rng.uniform(0.1, 3, len(before)))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 3), st.sampled_from([0.0, 0.4]), st.booleans())
def test_as_good_as_trying_everything(seed, n_tracklets, n_labels, gaps, continuity):
    gain, visible, joins = random_problem(seed, n_tracklets, n_labels, gaps)
    joins = joins if continuity else NO_JOINS
    answer, gap = decide.assign(gain, visible, joins=joins)
    everything = itertools.product(range(-1, n_labels), repeat=n_tracklets)
    best = max(value(gain, joins, visible, a) for a in everything if allowed(visible, a))
    assert gap == 0
    assert allowed(visible, answer)
    assert value(gain, joins, visible, answer) == pytest.approx(best, abs=1e-5)
    assert worth(answer, gain, visible, joins) == pytest.approx(best, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 3), st.sampled_from([0.0, 0.4]), st.integers(0, 30))
def test_the_bound_holds_for_every_labelling_after_any_number_of_rounds(seed, n_tracklets, n_labels, gaps, n_rounds):
    gain, visible, joins = random_problem(seed, n_tracklets, n_labels, gaps)
    bound = find_bound(gain, visible, joins, 1 + n_rounds)
    for answer in itertools.product(range(-1, n_labels), repeat=n_tracklets):
        if allowed(visible, answer):
            worth_of_it = value(gain, joins, visible, answer)
            assert worth_of_it <= bound.value + 1e-9
            for t, k in enumerate(answer):
                assert k < 0 or worth_of_it <= bound.value + bound.reach[t, k] + 1e-9


@pytest.mark.parametrize("seed", range(8))
def test_windows_and_few_pairs_at_first_do_not_change_what_is_best(seed, monkeypatch):
    gain, visible, joins = random_problem(seed, 30, 4, 0.2, n_frames=40)
    whole, _ = decide.assign(gain, visible, joins=joins)
    monkeypatch.setattr(search, "_LEAST_PAIRS", 5)
    monkeypatch.setattr(search, "_PAIRS_A_TRACKLET", 0)
    few, gap = decide.assign(gain, visible, joins=joins)
    assert gap == 0
    assert worth(few, gain, visible, joins) == pytest.approx(worth(whole, gain, visible, joins), abs=1e-5)


def never_in_time_as_a_whole(monkeypatch, n_tracklets):
    solve = search.solve

    def solved(gain, *arguments):
        found = solve(gain, *arguments)
        return Solution(None, np.inf) if len(gain) == n_tracklets else found

    monkeypatch.setattr(search, "solve", solved)


@pytest.mark.parametrize("seed", range(4))
def test_windows_agree_and_their_gap_is_honest(seed, monkeypatch):
    gain, visible, joins = random_problem(seed, 60, 3, 0.2, n_frames=100)
    best = worth(decide.assign(gain, visible, joins=joins)[0], gain, visible, joins)
    never_in_time_as_a_whole(monkeypatch, 60)
    monkeypatch.setattr(search, "_AT_ONCE", 20)
    answer, gap = decide.assign(gain, visible, joins=joins)
    found = worth(answer, gain, visible, joins)
    assert allowed(visible, answer)
    assert 0.9 * best < found <= best + 1e-5
    assert best <= found * (1 + gap) + 1e-5


def test_no_answer_in_time_is_an_error(monkeypatch):
    monkeypatch.setattr(search, "solve", lambda *_: Solution(None, np.inf))
    with pytest.raises(ProcessingError, match="expected an answer within 1 s"):
        decide.assign(np.ones((1, 1)), np.ones((1, 1), bool), time_limit_s=1)


def test_pieces_that_fit_each_other_are_preferred():
    # Two pieces, then two more: the evidence of the later ones is even, their places are not.
    gain = np.array([[3.0, 0.0], [0.0, 3.0], [1.0, 1.0], [1.0, 1.0]])
    visible = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
    for after in ([2, 3], [3, 2]):
        answer, gap = decide.assign(gain, visible, joins=Joins(np.array([0, 1]), np.array(after), np.ones(2)))
        assert gap == 0
        assert [answer[after[0]], answer[after[1]]] == [0, 1]


def test_a_join_over_which_the_label_is_seen_elsewhere_is_worth_nothing():
    gain = np.array([[1.0], [2.0], [1.0]])
    visible = np.eye(3, dtype=bool)
    joins = Joins(np.array([0]), np.array([2]), np.array([1.5]))
    assert decide.assign(gain, visible, joins=joins)[0].tolist() == [0, 0, 0]  # 4 rather than 3.5
    joins = Joins(np.array([0]), np.array([2]), np.array([2.5]))
    assert decide.assign(gain, visible, joins=joins)[0].tolist() == [0, -1, 0]  # 4.5 rather than 4


def test_what_has_no_evidence_of_its_own_is_labelled_by_what_it_continues():
    gain = np.array([[3.0], [-0.5]])
    visible = np.eye(2, dtype=bool)
    joins = Joins(np.array([0]), np.array([1]), np.ones(1))
    assert decide.assign(gain, visible)[0].tolist() == [0, -1]
    assert decide.assign(gain, visible, joins=joins)[0].tolist() == [0, 0]


def test_what_is_seen_in_no_set_gets_no_label():
    assert decide.assign(np.ones((2, 1)), np.array([[True, False]]))[0].tolist() == [0, -1]


def test_the_stronger_of_two_that_meet_wins_and_both_keep_it_apart():
    gain = np.array([[2.0], [3.0]])
    together = np.array([[True, True]])
    apart = np.array([[True, False], [False, True]])
    assert decide.assign(gain, together)[0].tolist() == [-1, 0]
    assert decide.assign(gain, apart)[0].tolist() == [0, 0]


def test_a_gap_in_one_leaves_room_for_another():
    visible = np.array([[1, 0], [0, 1], [1, 0]], bool)
    assert decide.assign(np.ones((2, 1)), visible)[0].tolist() == [0, 0]


def scores_of(probabilities, windows=1, every=10):
    """Windows of 10 frames, one after the other by default."""
    p = np.array(probabilities, np.float32)
    n = len(p)
    tracklet = np.repeat(np.arange(n), windows)
    start = np.tile(np.arange(windows) * every, n)
    frames = np.stack([start, start + 10], 1)
    return LabelScores([f"L{k}" for k in range(p.shape[1] - 1)], np.log(p)[tracklet], tracklet, frames, n)


def test_evidence_grows_with_independent_windows_up_to_a_bound():
    p = [[0.8, 0.2]]
    once = decide.evidence(scores_of(p))[0, 0]
    assert once == pytest.approx(np.log(4))
    assert decide.evidence(scores_of(p, 3))[0, 0] == pytest.approx(3 * once, rel=1e-5)
    assert decide.evidence(scores_of(p, 30))[0, 0] == pytest.approx(decide.MAX_WINDOWS * once, rel=1e-5)


def test_time_that_windows_share_counts_once():
    p = [[0.8, 0.2], [0.5, 0.5]]
    assert decide.independent_windows(scores_of(p, 5, every=0)).tolist() == [1, 1]
    assert decide.independent_windows(scores_of(p, 5, every=5)).tolist() == [3, 3]  # 30 frames
    assert decide.independent_windows(scores_of(p, 5, every=20)).tolist() == [5, 5]
    none = LabelScores(["L0"], np.log(np.float32([[0.5, 0.5]])), np.array([1]), np.array([[3, 9]]), 3)
    assert decide.independent_windows(none).tolist() == [0, 1, 0]


def test_confidence_is_the_share_among_what_the_others_leave():
    # Two tracklets side by side: the first surely carries L0, so the second is L1 or none.
    scores = scores_of([[0.98, 0.01, 0.01], [0.5, 0.25, 0.25]])
    tracklets = [Tracklet(0, 0, 10), Tracklet(1, 0, 10)]
    labelling = decide.decide(scores, tracklets, np.ones((10, 2), bool))
    assert [labelling.label_of(0), labelling.label_of(1)] == ["L0", None]
    assert labelling.confidence[1] == pytest.approx(0.5, abs=1e-6)
    assert labelling.second[1] == 1


def test_what_a_tracklet_continues_makes_its_label_surer():
    scores = scores_of([[0.9, 0.05, 0.05], [0.4, 0.35, 0.25]])
    tracklets = [Tracklet(0, 0, 10), Tracklet(1, 10, 20)]
    joins = Joins(np.array([0]), np.array([1]), np.log(np.array([4.0])))
    labelling = decide.decide(scores, tracklets, np.eye(2, dtype=bool), joins=joins)
    assert labelling.assigned.tolist() == [0, 0]
    assert labelling.confidence[1] == pytest.approx(4 * 0.4 / (4 * 0.4 + 0.35 + 0.25), abs=1e-5)


def test_labels_held_and_joined_to_what_is_free():
    scores = scores_of([[0.2, 0.2, 0.6], [0.4, 0.42, 0.18]])
    tracklets = [Tracklet(0, 0, 10), Tracklet(1, 10, 20)]
    joins = Joins(np.array([0]), np.array([1]), np.ones(1))
    labelling = decide.decide(scores, tracklets, np.eye(2, dtype=bool), fixed=np.array([0, decide.FREE]), joins=joins)
    assert labelling.assigned.tolist() == [0, 0]


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
    kept = decide.decide.decide(scores, tracklets, visible).above(0.9)
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
