from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel.assignment.assign import decide
from automarkerlabel.core import tracklets
from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.source import Source
from automarkerlabel.errors import InputError
from automarkerlabel.evaluation import evaluate
from automarkerlabel.simulate.corrupt import Corruption, make_case
from tests.fixtures.figure import FIGURE, figure_trial


class Knowing:
    """Stands in for a labeller: says of each tracklet what it truly is, with a given strength.

    `ghostly` is how much likelier than fair it finds *no label*; where `doubt` says so, it mistakes left for right.
    """

    def __init__(self, cases, strength=2.0, ghostly=0.0, doubt=lambda n: False):
        self.truth = {case.trial.positions.tobytes(): case for case in cases}
        self.strength, self.ghostly, self.doubt = strength, ghostly, doubt
        self.labels = tuple(FIGURE)

    def raw_scores(self, trial):
        case = self.truth[trial.positions.tobytes()]
        pieces = tracklets.split(trial)
        logits = np.zeros((len(pieces), len(self.labels) + 1))
        for n, t in enumerate(pieces):
            truth = case.truth[t.start, t.column]
            wrong = truth >= 0 and self.doubt(n)
            logits[n, (truth + 1) % 8 if wrong else truth] = self.strength  # -1, a ghost, is the last class
        logits[:, -1] += self.ghostly
        log_probs = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
        spans = np.array([(t.start, t.stop) for t in pieces])
        return pieces, LabelScores(self.labels, log_probs, np.arange(len(pieces)), spans, len(pieces))

    def label(self, trial):
        pieces, scores = self.raw_scores(trial)
        return decide(scores, pieces, tracklets.visibility(trial, pieces))


CORRUPTION = Corruption(cuts=20, swaps=0, ghosts=6, seed=3)
TRIALS = [figure_trial(200, seed=1), figure_trial(200, seed=2)]


def seen_cases(trials=TRIALS, corruption=CORRUPTION, count=6):
    return [make_case(trials[n % len(trials)], replace(corruption, seed=corruption.seed + n)) for n in range(count)]


def test_what_is_right_needs_no_offset():
    offset, temperature = evaluate.calibrate(Knowing(seen_cases()), TRIALS, CORRUPTION)
    assert offset == 0
    assert temperature <= 1  # always right, so it may be surer than it is


def test_a_model_that_sees_ghosts_everywhere_is_corrected():
    offset, _ = evaluate.calibrate(Knowing(seen_cases(), ghostly=2.5), TRIALS, CORRUPTION)
    assert offset == 1.0  # the least that puts the labels first again


def test_a_model_that_is_too_sure_becomes_less_sure():
    often_wrong = Knowing(seen_cases(), strength=12.0, doubt=lambda n: n % 4 == 0)
    _, temperature = evaluate.calibrate(often_wrong, TRIALS, CORRUPTION)
    assert temperature > 2


def test_a_case_is_scored_against_its_truth():
    case = make_case(TRIALS[0], CORRUPTION)
    assert evaluate.score_case(Knowing([case]), case).accuracy == 1
    confused = Knowing([case], doubt=lambda n: True)
    assert evaluate.score_case(confused, case).accuracy < 0.2


def test_report_adds_up_points_of_markers_and_means_of_cases():
    sources = [Source(Path(f"t{n}.c3d"), trial, "s") for n, trial in enumerate(TRIALS)]
    labeller = Knowing(seen_cases(count=2))
    done = []
    found = evaluate.evaluate([("m", labeller)], sources, CORRUPTION, progress=lambda *x: done.append(x))
    report = evaluate.report(found)
    assert [r["trial"] for r in report["cases"]] == ["t0.c3d", "t1.c3d"]
    assert report["means"][0]["accuracy"] == pytest.approx(np.mean([r["accuracy"] for r in report["cases"]]))
    assert report["markers"]["m"] == dict.fromkeys(FIGURE, 1.0)
    assert done == [(1, 2), (2, 2)]


def test_an_unknown_protocol_is_named():
    with pytest.raises(InputError, match="own, soma"):
        evaluate.cases(TRIALS[0], "theirs", CORRUPTION, ())
