"""Confidence: the map from signs, what it does to a labeller that is too sure of itself, its file, and its course."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.assignment.assign import decide
from automarkerlabel.assignment.confidence import (
    Calibration,
    Scale,
    calibrated,
    doubtful_spans,
    ece,
    frame_confidence,
    lead,
    logit,
    probability,
    signed,
)
from automarkerlabel.assignment.confidence_fit import Observed, errors, fit, fit_knots, pool_violators
from automarkerlabel.cli import run
from automarkerlabel.core import tracklets
from automarkerlabel.core.labelling import Labelling, LabelScores
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, ModelError, OutputError
from automarkerlabel.evaluation import calibration
from automarkerlabel.labellers.doubtful import review, write_review
from automarkerlabel.simulate.corrupt import Case
from tests.fixtures.figure import FIGURE, figure_trial
from tests.fixtures.places import SAMPLES

SCALE = Scale((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), ((-2.0, -2.0), (4.0, 4.0)))
PLAIN = Calibration(SCALE, SCALE, ((-9.0, -9.0), (9.0, 9.0)))
RATE_HZ = 10.0


def scores_of(per_window, labels="ABC"):
    """Scores of tracklets from `(n_windows, n_labels + 1)` probabilities of each, windows of 5 frames."""
    counts = [len(p) for p in per_window]
    start = np.concatenate([5 * np.arange(n) for n in counts])
    log_probs = np.log(np.concatenate(per_window)).astype(np.float32)
    which = np.repeat(np.arange(len(counts)), counts)
    return LabelScores(tuple(labels), log_probs, which, np.stack([start, start + 5], 1), len(counts))


def labelling_of(assigned, n_frames=50, labels="ABC"):
    pieces = [Tracklet(n, 0, n_frames) for n in range(len(assigned))]
    return Labelling(tuple(labels), pieces, np.array(assigned), np.full(len(assigned), 0.9, np.float32),
                     np.full(len(assigned), -1))  # fmt: skip


def sure_of(label, n_windows, share=0.97):
    row = np.full(4, (1 - share) / 3)
    row[label] = share
    return np.tile(row, (n_windows, 1))


def test_adjacent_violators_are_pooled_by_hand():
    assert pool_violators(np.array([0.1, 0.5, 0.3, 0.9]), np.ones(4)).tolist() == [0.1, 0.4, 0.4, 0.9]
    weighted = pool_violators(np.array([3.0, 1.0, 2.0]), np.array([1.0, 3.0, 1.0]))
    assert weighted.tolist() == [1.5, 1.5, 2.0]


def test_knots_ascend_and_no_bin_is_certain():
    rng = np.random.default_rng(0)
    number = rng.normal(1, 2, 20_000)
    right = (rng.random(20_000) < 1 / (1 + np.exp(-number))).astype(float)
    knots = np.array(fit_knots(number, right, np.ones(20_000), 20))
    assert (np.diff(knots, axis=0) >= 0).all() and np.isfinite(knots).all()
    middle = knots[np.abs(knots[:, 0]) < 2.5]  # the truth is the number itself
    assert len(middle) > 8 and np.abs(middle[:, 0] - middle[:, 1]).max() < 0.4
    all_right = np.array(fit_knots(number[:20], np.ones(20), np.ones(20), 20))
    assert probability(all_right[:, 1])[0] == pytest.approx(20.5 / 21)


def test_points_weigh():
    # One tracklet of 30 points right, one of 10 wrong; weighted by points 3 of 4, as two tracklets 1.5 of 2.
    ((number, log_odds),) = fit_knots(np.array([1.0, 1.0]), np.array([1.0, 0.0]), np.array([30.0, 10.0]), 20)
    assert number == 1 and probability(np.array([log_odds]))[0] == pytest.approx((1.5 + 0.5) / 3)


def test_calibration_error_by_hand():
    confidence, right = np.array([0.95, 0.95, 0.35]), np.array([1.0, 0.0, 1.0])
    # Bins of tenths: 2 x 0.95 against 1 right, then 0.35 against 1; weights 1, 1, 2.
    assert ece(confidence, right, np.array([1.0, 1.0, 2.0]), 10) == pytest.approx((0.9 + 1.3) / 4)


def test_the_lead_is_over_what_no_other_carries():
    gain = np.array([[5.0, 3.0], [1.0, 4.0]])
    together, apart = np.array([[True, True]]), np.eye(2, dtype=bool)
    alone = lead(gain, np.array([0, 1]), together)
    assert alone == pytest.approx([5.0, 4.0])  # against none, since the other label is taken
    assert lead(gain, np.array([0, 1]), apart)[0] == pytest.approx(5 - np.log(np.exp(3) + 1))
    assert lead(gain, np.array([-1, 1]), together)[0] == pytest.approx(-5.0)
    assert lead(np.full((1, 2), -np.inf), np.array([-1]), np.ones((1, 1), bool)).tolist() == [0.0]


def test_confidence_rises_with_every_sign():
    rng = np.random.default_rng(1)
    scale = Scale((0.5, 1.0, 0.2, 0.1, 0.3, -1.0), ((-3.0, -2.0), (0.0, 1.0), (4.0, 7.0)))
    signs = rng.normal(0, 2, (200, 5)).astype(np.float32)
    for n in range(5):
        better = signs.copy()
        better[:, n] += 1
        assert (scale.log_odds(better) >= scale.log_odds(signs)).all()


@pytest.mark.parametrize(
    ("weights", "knots"),
    [((1,) * 6, ((0, 1), (1, 0))), ((-1, 1, 1, 1, 1, 0), ((0, 0),)), ((1, 1, 0), ((0, 0),)), ((1,) * 6, ()),
     ((1,) * 5 + (float("nan"),), ((0, 0),))],
)  # fmt: skip
def test_a_map_that_does_not_ascend_is_refused(weights, knots):
    with pytest.raises(ModelError, match="calibration"):
        Scale(weights, knots)


@pytest.mark.parametrize("damage", [{"labelled": None}, {"in_course": [[1]]}, {"labelled": {"weights": "x"}}, 5])
def test_a_damaged_calibration_is_told(damage):
    values = PLAIN.plain() | damage if isinstance(damage, dict) else damage
    with pytest.raises(ModelError, match="calibration"):
        Calibration.from_plain(values)


def observed_by_an_overconfident(n_cases, seed):
    """A scorer that claims 0.99 in every window of tracklets, with 20 windows each, and errs in one of five; where it
    does, the windows are a little less sure, 0.9."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_cases):
        wrong = rng.random(60) < 0.2
        windows = [sure_of(0, 20, 0.9 if w or rng.random() < 0.1 else 0.99) for w in wrong]
        scores = scores_of(windows)
        sets = np.eye(60, dtype=bool)
        pieces = [Tracklet(n, 0, 100) for n in range(60)]
        labelling = signed(decide(scores, pieces, sets), scores, sets, RATE_HZ)
        course = [np.full(20, 0.0 if w else 1.0, np.float32) for w in wrong]
        found.append(Observed(labelling, (~wrong).astype(float), np.full(60, 100.0), course))
    return found


def test_one_that_is_too_sure_becomes_honest_on_cases_it_was_not_fitted_to():
    learnt, held_out = observed_by_an_overconfident(30, 0), observed_by_an_overconfident(30, 1)
    before, after = errors(held_out, None), errors(held_out, fit(learnt))
    assert before.points > 0.15 and before.tracklets > 0.15
    assert after.points < 0.02 and after.tracklets < 0.02
    assert after.loss < before.loss / 2
    told = calibration.fit_confidence(learnt)
    assert told.calibration is not None and told.after.points < 0.03 < told.before.points


def test_nothing_is_stored_that_foretells_no_better():
    honest = observed_by_an_overconfident(4, 0)
    fitted = fit(honest)
    by_itself = [replace(o, labelling=calibrated(o.labelling, fitted)) for o in honest]
    assert calibration.fit_confidence(by_itself).calibration is None


def test_too_little_to_fit_to_is_told():
    few = observed_by_an_overconfident(2, 0)
    with pytest.raises(InputError, match="100 labelled tracklets"):
        calibration.fit_confidence(few)
    with pytest.raises(InputError, match="2 cases"):
        calibration.fit_confidence(few[:1])


def test_confidence_drops_where_windows_disagree_and_only_there():
    windows = sure_of(0, 10)
    windows[6:8] = sure_of(1, 2)  # frames 30 to 39 look like B
    scores, sets = scores_of([windows, sure_of(2, 10)]), np.ones((1, 2), bool)
    labelling = calibrated(signed(labelling_of([0, 2]), scores, sets, RATE_HZ), PLAIN)
    confidence = frame_confidence(labelling, 60, 3)
    assert np.isnan(confidence[50:]).all() and np.isnan(confidence[:, 2]).all()
    assert confidence[32:38, 0].max() < 0.1 < 0.9 < confidence[:25, 0].min()
    assert confidence[:50, 1].min() > 0.9
    assert confidence[:25, 0] == pytest.approx(labelling.confidence[0], abs=0.01)
    assert doubtful_spans(labelling, 1, 0.9) == []
    ((start, stop, lowest),) = doubtful_spans(labelling, 0, 0.5)
    assert 27 <= start <= 32 and 38 <= stop <= 42 and lowest == confidence[:, 0][:50].min()


def test_a_label_that_was_held_is_certain():
    windows = sure_of(0, 10)
    windows[6:8] = sure_of(1, 2)
    scores, sets = scores_of([windows]), np.ones((1, 1), bool)
    labelling = signed(labelling_of([0]), scores, sets, RATE_HZ, held=np.array([True]))
    told = calibrated(labelling, PLAIN)
    assert told.confidence.tolist() == [1.0] and (frame_confidence(told, 50, 1) == 1).all()


def test_without_signs_or_windows_a_tracklet_has_one_confidence():
    plain = labelling_of([0, -1])
    assert calibrated(plain, PLAIN) is plain
    assert frame_confidence(plain, 50, 2)[:, 1] == pytest.approx(0.9)
    scores = replace(scores_of([sure_of(0, 3)]), n_tracklets=2)
    told = calibrated(signed(plain, scores, np.ones((1, 2), bool), RATE_HZ), PLAIN)
    assert frame_confidence(told, 50, 2)[:, 1] == pytest.approx(told.confidence[1])


def test_what_is_right_of_a_case():
    points = np.ones((20, 3, 3), np.float32)
    points[5:9, 1] = np.nan
    truth = np.array([[0, 1, -1]] * 20)
    truth[10:, 0] = 1  # exchanged in mid-course
    truth[10:, 1] = 0
    truth[5:9, 1] = -1
    case = Case(Trial(points, ["*0", "*1", "*2"], RATE_HZ), truth, ["B", "D"])
    labelling = labelling_of([1, -1, -1], 20)  # the labels are A, B, C: D is unknown to them
    scores = scores_of([sure_of(1, 4), sure_of(3, 4), sure_of(3, 4)])
    labelling = signed(labelling, scores, np.ones((1, 3), bool), RATE_HZ)
    seen = calibration.observed_in(labelling, case)
    assert seen.right.tolist() == [0.5, 6 / 16, 1.0]  # D without a label is right, B without one is not
    assert seen.points.tolist() == [20, 16, 20]
    assert seen.course[0].tolist() == [1, 1, 0, 0]  # windows about frames 2, 7, 12, 17
    assert seen.course[1][[0, 2]].tolist() == [1, 0] and np.isnan(seen.course[1][1])


def test_a_calibration_is_stored_and_loaded(tmp_path):
    from automarkerlabel.labellers.trajectory import TrajectoryLabeller
    from automarkerlabel.models.checkpoints import PRETRAINED, find_model
    from automarkerlabel.models.checkpoints import trajectory as store

    sample = find_model("sample")
    out = tmp_path / "calibrated.ckpt"
    fitted = calibration.fit_confidence(observed_by_an_overconfident(30, 0))
    calibration.store_in(sample, out, fitted, 1.5, 2.0)
    stored = store.load(out)
    assert Calibration.from_plain(stored.confidence) == fitted.calibration
    assert (stored.temperature, stored.no_label_offset) == (1.5, 2.0)
    assert TrajectoryLabeller.of_file(out).calibration == fitted.calibration
    assert stored.training["calibration"]["cases"] == 30
    assert sample.parent == PRETRAINED


def test_a_matcher_keeps_its_weights(tmp_path):
    from automarkerlabel.labellers.matcher.labeller import PoseMatcher
    from automarkerlabel.models.checkpoints import matcher
    from automarkerlabel.models.matcher import Matcher, MatcherConfig

    before, after = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    matcher.save_matcher(before, Matcher(MatcherConfig(width=16, heads=2)), {"step": 7})
    fitted = calibration.fit_confidence(observed_by_an_overconfident(30, 0))
    calibration.store_in(before, after, fitted)
    _, weights, _ = matcher.read(before)
    _, same, training = matcher.read(after)
    assert weights.keys() == same.keys() and all((weights[k] == same[k]).all() for k in weights)
    assert training["step"] == 7
    assert PoseMatcher.load(after).calibration == fitted.calibration
    assert PoseMatcher.load(before).calibration is None


def test_a_model_that_comes_along_is_never_changed(tmp_path):
    from automarkerlabel.models.checkpoints import find_model

    sample = find_model("sample")
    with pytest.raises(OutputError, match="-o"):
        calibration.output_for(sample, None)
    with pytest.raises(OutputError):
        calibration.output_for(sample, sample)
    own = tmp_path / "own.ckpt"
    own.write_bytes(b"x")
    assert calibration.output_for(own, None) == own
    assert calibration.output_for(own, own) == own
    other = tmp_path / "other.ckpt"
    other.write_bytes(b"y")
    with pytest.raises(OutputError, match="exists"):
        calibration.output_for(own, other)


class Knowing:
    """Labels every tracklet truly, and is sure of it."""

    def __init__(self, cases):
        self.cases = {c.trial.positions.tobytes(): c for c in cases}

    def label(self, trial):
        case = self.cases[trial.positions.tobytes()]
        pieces = tracklets.split(trial)
        own = [int(case.truth[t.start, t.column]) for t in pieces]
        windows = []
        for k in own:
            row = np.full((3, len(FIGURE) + 1), 0.01)
            row[:, k] = 1 - 0.01 * len(FIGURE)
            windows.append(row)
        scores = scores_of(windows, FIGURE)
        sets = tracklets.meeting_sets(trial, pieces)
        return signed(decide(scores, pieces, sets), scores, sets, trial.rate_hz)


def test_broken_copies_are_labelled_and_fitted_to():
    from automarkerlabel.simulate.corrupt import Corruption

    trials, corruption = [figure_trial(200, seed=1), figure_trial(200, seed=2)], Corruption(cuts=40, swaps=2, seed=3)
    cases = calibration.broken_copies(trials, corruption)
    assert len(cases) == 6 and [len(c.swaps) > 0 for c in cases][::2] == [False] * 3
    steps = []
    fitted = calibration.calibrate(Knowing(cases), trials, corruption, lambda *x: steps.append(x))
    assert steps[-1] == (6, 6) and fitted.n_cases == 6
    assert fitted.after.points < 0.05


def test_the_most_doubtful_come_first_with_their_reasons(tmp_path: Path):
    windows = sure_of(0, 10)
    windows[6:8] = sure_of(1, 2)
    scores = scores_of([windows, sure_of(2, 10), sure_of(1, 10, 0.3)])
    trial = Trial(np.ones((50, 3, 3), np.float32), ["*7", "*8", "*9"], RATE_HZ, first_frame=101)
    labelling = calibrated(signed(labelling_of([0, 2, 1]), scores, np.ones((1, 3), bool), RATE_HZ), PLAIN)
    labelling = replace(labelling, confidence=np.array([0.97, 0.99, 0.4], np.float32))
    first, second = review(labelling, trial, 0.5)
    assert (first.label, first.column, first.first_frame, first.last_frame) == ("A", "*7", 101, 150)
    assert first.kept and first.confidence == pytest.approx(0.97) and first.lowest < 0.1
    (span,) = first.spans
    assert 125 < span.first_frame <= 132 and 139 <= span.last_frame < 146
    assert f"frames {span.first_frame}-{span.last_frame}" in first.why
    assert (second.label, second.kept) == ("B", False) and "no marker" in second.why
    out = tmp_path / "review.csv"
    write_review(out, [("walk.c3d", [first, second])])
    head, *rows = out.read_text().splitlines()
    assert head.startswith("trial,label,column") and len(rows) == 2 and rows[0].startswith("walk.c3d,A,*7,101,150,0.97")


def test_log_odds_and_back():
    p = np.array([0.2, 0.5, 0.999])
    assert probability(logit(p)) == pytest.approx(p)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()


@pytest.fixture(scope="module")
def walks(tmp_path_factory) -> Path:
    """Two labelled trials in the marker set of the sample model, which has not seen them."""
    folder = tmp_path_factory.mktemp("walks")
    whole = io.read(SAMPLES / "walk_truth.c3d")
    half = whole.n_frames // 2
    for n, part in enumerate((slice(0, half), slice(half, None))):
        io.write(folder / f"t{n}.c3d", Trial(whole.positions[part], whole.labels, whole.rate_hz))
    return folder


def test_eval_calibrates_a_copy_of_the_sample_model(walks, tmp_path, capsys):
    out = tmp_path / "own.ckpt"
    assert run(["eval", str(walks), "--model", "sample", "--calibrate"]) == 2
    assert "-o FILE" in capsys.readouterr().err
    assert run(["eval", str(walks), "--model", "sample", "-o", str(out)]) == 2
    command = ["eval", str(walks), "--model", "sample", "--calibrate", "-o", str(out), "--swaps", "2", "--json"]
    assert run(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == str(out) and told["cases"] == 6 and told["tracklets"] > 300
    assert run(["eval", str(walks), "--model", str(out), "--calibrate", "--swaps", "2"]) == 0  # its own file, this time
    said = capsys.readouterr().out
    assert f"written: {out}" in said.replace("\n", "") and "6 cases" in said


def test_label_tells_what_to_look_at_first(walks, tmp_path, capsys):
    table, own = tmp_path / "review.csv", str(tmp_path / "own.ckpt")
    assert run(["eval", str(walks), "--model", "sample", "--calibrate", "-o", own]) == 0
    capsys.readouterr()
    # Half of the points, for a moment, leave much in doubt.
    whole, trial = io.read(SAMPLES / "walk_truth.c3d"), str(tmp_path / "few.c3d")
    io.write(Path(trial), Trial(whole.positions[:20, :40:2], [f"*{n}" for n in range(20)], whole.rate_hz))
    base = ["label", trial, "--model", own, "--dry-run", "--min-confidence", "0.999", "--review", str(table)]
    assert run([*base, "--json"]) == 0
    doubts = json.loads(capsys.readouterr().out)["doubtful"]
    assert doubts and [d["lowest"] for d in doubts] == sorted(d["lowest"] for d in doubts)
    assert {"label", "second", "column", "first_frame", "last_frame", "confidence", "why"} <= set(doubts[0])
    assert len(table.read_text().splitlines()) == len(doubts) + 1
    assert not doubts[0]["kept"]
    assert run([*base, "--overwrite"]) == 0
    assert "look at these first" in capsys.readouterr().out
    assert run(base) == 2  # the table is there already
