"""Labelling by matching, with a hand-made matcher in place of the network: it pairs points that lie near each other
once both sets stand about their median, so that it is right only where heading and geometry are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.tracklets import split
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.labellers.matcher.evidence import combined
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.labellers.matcher.windows import cut_match_windows
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.models.matcher.scores import Assignment
from tests.fixtures.figure import FIGURE, figure_trial
from tests.fixtures.two_figures import NearestPoint


@pytest.fixture
def reference() -> Reference:
    return reference_from_trial(figure_trial(speed_mm_s=0))


def unlabelled(trial: Trial, seed: int = 0, cut: int | None = None) -> tuple[Trial, list[str]]:
    """The trial without names, its columns in another order, each cut in two at `cut`; and the names."""
    order = np.random.default_rng(seed).permutation(trial.n_columns)
    points = trial.positions[:, order]
    names = [trial.labels[c] for c in order]
    if cut is not None:
        first, second = points.copy(), points.copy()
        first[cut:], second[:cut] = np.nan, np.nan
        points, names = np.concatenate([first, second], 1), names * 2
    return Trial(points, [""] * points.shape[1], trial.rate_hz), names


def given(trial: Trial, labelling) -> list[str | None]:
    return [labelling.label_of(n) for n in range(len(labelling.tracklets))]


@pytest.mark.parametrize("turn_deg", [0, 77, 180, -120])
def test_every_tracklet_gets_its_label_whichever_way_the_body_faces(reference, turn_deg):
    trial, names = unlabelled(figure_trial(turn_deg=turn_deg), cut=50)
    labelling, facts = PoseMatcher(NearestPoint()).label(trial, reference)
    assert given(trial, labelling) == names
    assert (labelling.confidence > 0.9).all()
    assert facts.n_found == facts.n_labels == len(FIGURE)


def test_a_body_that_turns_while_it_is_recorded(reference):
    from automarkerlabel.core.heading import turned

    trial = figure_trial(n_frames=360, speed_mm_s=0)
    points = turned(trial.positions, np.linspace(0, 2 * np.pi, 360)) + np.float32(300)
    trial, names = unlabelled(Trial(points, trial.labels, trial.rate_hz))
    labelling, facts = PoseMatcher(NearestPoint()).label(trial, reference)
    assert given(trial, labelling) == names
    assert facts.turns_deg == pytest.approx(360, abs=20)


def test_the_heading_of_a_reference_without_sides_is_searched():
    still = figure_trial(speed_mm_s=0, turn_deg=100)
    labels = [f"P{n}X" for n in range(8)]
    reference = reference_from_trial(Trial(still.positions, labels, still.rate_hz))
    assert reference.heading_rad is None
    walk = figure_trial(turn_deg=-30)
    trial, names = unlabelled(Trial(walk.positions, labels, walk.rate_hz))
    labelling, _ = PoseMatcher(NearestPoint()).label(trial, reference)
    assert given(trial, labelling) == names


def test_a_ghost_far_from_all_gets_no_label_and_a_missing_marker_leaves_its_label_free(reference):
    trial, names = unlabelled(figure_trial())
    points = trial.positions.copy()
    gone = names.index("LHND")
    points[:, gone] = points[:, names.index("SACR")] + np.array([-900, 0, 600], np.float32)
    labelling, facts = PoseMatcher(NearestPoint()).label(Trial(points, trial.labels, trial.rate_hz), reference)
    names[gone] = None
    assert given(trial, labelling) == names
    assert facts.n_found == len(FIGURE) - 1


def test_labels_that_the_trial_has_are_held(reference):
    trial, names = unlabelled(figure_trial())
    labels = ["" for _ in names]
    a, b = names.index("LTOE"), names.index("RTOE")
    labels[a] = "RTOE"
    labelling, _ = PoseMatcher(NearestPoint()).label(
        Trial(trial.positions, labels, trial.rate_hz), reference, keep_labels=True
    )
    found = given(trial, labelling)
    assert found[a] == "RTOE"
    assert found[b] != "RTOE"


def test_a_second_pass_only_where_it_is_wanted(reference):
    trial, _ = unlabelled(figure_trial())
    passes = {}
    for n, options in enumerate([MatchOptions(self_references=0), MatchOptions(enough=0.5), MatchOptions(enough=1.1)]):
        passes[n] = PoseMatcher(NearestPoint()).label(trial, reference, options=options)[1].n_passes
    assert passes == {0: 1, 1: 1, 2: 2}


def test_the_second_pass_knows_the_posture_that_the_reference_has_not(reference):
    # Hands raised by 160 mm, where 180 mm are as good as no counterpart: hard to tell by the reference alone.
    walk = figure_trial()
    points = np.tile(np.array(list(FIGURE.values()), np.float32), (120, 1, 1))
    points[:, 3:5, 2] += 160
    trial, names = unlabelled(Trial(points, walk.labels, walk.rate_hz))
    labeller = PoseMatcher(NearestPoint(), temperature=10.0)
    once, _ = labeller.label(trial, reference, options=MatchOptions(self_references=0))
    twice, _ = labeller.label(trial, reference, options=MatchOptions(sure=0.5))
    hands = [names.index("LHND"), names.index("RHND")]
    assert given(trial, twice) == names
    assert twice.confidence[hands].min() > once.confidence[hands].min()


def test_a_label_that_only_a_ghost_carries_needs_more_evidence(reference):
    # The reference shows a knee that the trial lacks; for a fifth of a second a ghost is 100 mm from where it would be.
    knee = np.array([[40, 130, 500]], np.float32)
    shown = np.concatenate([reference.positions, knee])
    worn = Reference(MarkerSet([*reference.labels, "LKNE"]), shown, reference.heading_rad)
    walk = figure_trial(n_frames=240, speed_mm_s=0)
    points = np.concatenate([walk.positions, np.full((240, 1, 3), np.nan, np.float32)], 1)
    points[100:112, 8] = knee + np.float32([0, 0, 100])
    trial = Trial(points, [""] * 9, walk.rate_hz)
    labeller = PoseMatcher(NearestPoint())
    eager = labeller.label(trial, worn, options=MatchOptions(least_worn=0.0))[0]
    assert eager.label_of(8) == "LKNE"
    labelling, facts = labeller.label(trial, worn)
    assert labelling.label_of(8) is None
    assert facts.n_found == len(FIGURE)


def test_likelihood_prefers_the_marker_set_that_is_worn(reference):
    trial, _ = unlabelled(figure_trial(turn_deg=60))
    other = np.random.default_rng(3).normal(0, 400, (8, 3)).astype(np.float32)
    strange = Reference(MarkerSet([f"S{n}X" for n in range(8)]), other)
    half = Reference(MarkerSet(list(FIGURE)[:4]), reference.positions[:4], 0.0)
    found = PoseMatcher(NearestPoint()).likelihood(trial, [strange, half, reference])
    assert int(np.argmax(found)) == 2


def test_a_rough_look_tells_the_marker_set_with_less_work(reference):
    trial, _ = unlabelled(figure_trial(turn_deg=60))
    half = Reference(MarkerSet(list(FIGURE)[:4]), reference.positions[:4], 0.0)
    work = []
    for roughly in (False, True):
        scorer = NearestPoint()
        found = PoseMatcher(scorer).likelihood(trial, [half, reference], roughly)
        assert found[1] > found[0]
        work.append(scorer.n_windows)
    assert work[1] == 2 * 2 * 4  # sets, moments and headings
    assert work[1] < work[0]


def test_right_labels_are_likelier_than_exchanged_ones_and_none_are_impossible(reference):
    trial, _ = unlabelled(figure_trial(turn_deg=130))
    labeller = PoseMatcher(NearestPoint())
    right = labeller.label(trial, reference)[0]
    exchanged = replace(right, assigned=np.roll(right.assigned, 1))
    likely = labeller.likelihood_of_labels(trial, right, reference)
    assert labeller.likelihood_of_labels(trial, exchanged, reference) < likely <= 0
    none = replace(right, assigned=np.full_like(right.assigned, -1))
    assert labeller.likelihood_of_labels(trial, none, reference) == -np.inf


def test_moments_are_matched_to_several_poses_in_turn(reference):
    """In one of them left and right are exchanged: alone it labels wrongly, among three it is outvoted."""
    order = [list(FIGURE).index(x) for x in FIGURE]
    index = {x: n for n, x in enumerate(FIGURE)}
    for a, b in reference.marker_set.pairs or ():
        order[index[a]], order[index[b]] = index[b], index[a]
    crossed = replace(reference, positions=reference.positions[order])
    trial, names = unlabelled(figure_trial())
    labeller, options = PoseMatcher(NearestPoint()), MatchOptions(self_references=0)
    alone = labeller.label(trial, [reference], options=options)[0]
    voted = labeller.label(trial, [reference, crossed, reference], options=options)[0]
    assert given(trial, voted) == given(trial, alone) == names
    assert (voted.confidence < alone.confidence).any()


def test_work_grows_as_the_trial_does(reference):
    counts = []
    for n_frames in (600, 1200):
        scorer = NearestPoint()
        trial, _ = unlabelled(figure_trial(n_frames))
        PoseMatcher(scorer).label(trial, reference, options=MatchOptions(self_references=0))
        counts.append(scorer.n_windows)
    assert counts[1] < 2.2 * counts[0]  # twice, and a few more anchors


def test_an_empty_trial_is_refused(reference):
    trial = Trial(np.full((5, 2, 3), np.nan, np.float32), ["", ""], 60.0)
    with pytest.raises(TrialError, match="every point of every frame hidden"):
        PoseMatcher(NearestPoint()).label(trial, reference)


@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_the_shortest_trials(reference, n_frames):
    trial, names = unlabelled(figure_trial(n_frames))
    labelling, _ = PoseMatcher(NearestPoint()).label(trial, reference)
    assert given(trial, labelling) == names


def test_windows_hold_what_is_seen_and_where_it_was_before_and_after():
    trial = figure_trial(60)
    points = trial.positions.copy()
    points[:20, 0] = np.nan
    trial = Trial(points, trial.labels, trial.rate_hz)
    windows = cut_match_windows(trial, split(trial))
    # One in twelve frames at 60 Hz: 6, 18, ...; frames of a window six apart.
    assert windows.frame.tolist() == [6, 18, 30, 42, 54]
    assert windows.step_s == pytest.approx(0.1)
    assert windows.n_points.tolist() == [7, 7, 8, 8, 8]
    slot = windows.tracklet[2].tolist().index(0)
    np.testing.assert_array_equal(windows.positions[2, 1:, slot], points[[24, 30, 36, 42], 0])
    assert np.isnan(windows.positions[2, 0, slot]).all()
    assert np.isnan(windows.positions[0, 0]).all()  # before the trial began


def test_short_tracklets_get_windows_of_their_own():
    trial = figure_trial(60)
    points = np.concatenate([trial.positions, np.full((60, 1, 3), np.nan, np.float32)], 1)
    points[22:27, 8] = [0, 0, 500]
    trial = Trial(points, [*trial.labels, ""], trial.rate_hz)
    tracklets = split(trial)
    windows = cut_match_windows(trial, tracklets)
    assert 24 in windows.frame
    assert set(windows.tracklet[windows.tracklet >= 0].tolist()) == set(range(len(tracklets)))


def test_both_sides_decide_and_hidden_labels_are_told_from_none_by_neither():
    rows = torch.tensor([[[0.7, 0.1, 0.2], [0.6, 0.1, 0.3]]]).log()
    columns = torch.tensor([[[0.85, 0.1], [0.1, 0.1], [0.05, 0.8]]]).log()
    answer = combined(Assignment(rows, columns), torch.tensor([[False, False]])).exp()
    assert answer[0, 0].argmax() == 0
    assert answer[0, 1].argmax() == 2  # reference 0 would rather have the first
    torch.testing.assert_close(answer.sum(2), torch.ones(1, 2))
    hidden = combined(Assignment(rows, columns), torch.tensor([[False, True]])).exp()
    torch.testing.assert_close(hidden[..., 1], hidden[..., 2])
