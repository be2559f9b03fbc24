"""How well models label: trials corrupted, labelled and compared with the truth; and calibration of confidences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.assign import assign, confidences, evidence
from automarkerlabel.core import tracklets as pieces
from automarkerlabel.core.labelling import Labelling, LabelScores
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import BoolArray, IntArray, Trial
from automarkerlabel.errors import InputError, ProcessingError
from automarkerlabel.evaluation.metrics import Figures, compare, given_labels
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.simulate.corrupt import SOMA_SETTINGS, Case, Corruption, make_case, make_soma_case

PROTOCOLS = ("own", "soma")
_CALIBRATION_CASES = 3  # of each trial
_MOST_CASES = 12  # of all
_SOON_S = 3.0
_OFFSETS = (0.0, 1.0, 2.0, 3.0, 4.0)
_TEMPERATURES = np.geomspace(0.5, 16.0, 21)


class Labels(Protocol):
    """What labels a trial: a model of trajectories, or any other way."""

    def label(self, trial: Trial) -> Labelling: ...


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of one model on one case: `setting` names the corruption."""

    model: str
    trial: str
    setting: str
    figures: Figures


def cases(trial: Trial, protocol: str, corruption: Corruption, labels: Sequence[str]) -> list[tuple[str, Case]]:
    """(setting, case) of a labelled trial under a protocol: one of our own, or SOMA's five."""
    if protocol == "own":
        return [("own", make_case(trial, corruption, labels))]
    if protocol == "soma":
        return [(f"soma {o},{g},{b}", make_soma_case(trial, o, g, b, corruption.seed)) for o, g, b in SOMA_SETTINGS]
    raise InputError(f"protocol: expected one of {', '.join(PROTOCOLS)}, found {protocol!r}")


def evaluate(
    models: Sequence[tuple[str, Labels]],
    sources: Sequence[Source],
    corruption: Corruption,
    protocol: str = "own",
    min_confidence: float = 0.5,
    progress: Callable[[int, int], None] | None = None,
) -> list[Evaluation]:
    """Every model on the same cases of every trial."""
    results = []
    for n, source in enumerate(sources):
        # Another seed for each trial, so that not all are broken alike.
        broken = replace(corruption, seed=corruption.seed + n)
        for setting, case in cases(source.trial, protocol, broken, ()):
            for name, labeller in models:
                figures = score_case(labeller, case, min_confidence)
                results.append(Evaluation(name, source.path.name, setting, figures))
        if progress:
            progress(n + 1, len(sources))
    return results


def score_case(labeller: Labels, case: Case, min_confidence: float = 0.0) -> Figures:
    """Label a case and compare it with its truth."""
    labelling = labeller.label(case.trial).above(min_confidence)
    return compare(case, *given_labels(case.trial, labelling, case.labels))


@dataclass(frozen=True, eq=False)
class _Observed:
    """What a labeller says of one case: its scores, who is seen together, the class that each truly is (the
    number of labels for none, -2 for a label that the model lacks), and its points."""

    scores: LabelScores
    sets: BoolArray
    truth: IntArray
    points: IntArray


def calibrate(labeller: TrajectoryLabeller, trials: Sequence[Trial], corruption: Corruption) -> tuple[float, float]:
    """(no-label offset, temperature) that suit corrupted copies of `trials` best.

    The offset is taken from the log-probability of *no label* in every window: ghosts are frequent in training, and
    the assignment, in which a label stands once, holds most of them off already. The one with the most points right
    is chosen. The temperature then makes the confidences of all tracklets likeliest.
    """
    observed = []
    n_cases = min(_MOST_CASES, _CALIBRATION_CASES * len(trials))
    for n in range(n_cases):
        case = make_case(trials[n % len(trials)], replace(corruption, seed=corruption.seed + n), None)
        observed.append(_observe(labeller, case))
    right = [sum(_points_right(o, offset) for o in observed) for offset in _OFFSETS]
    offset = _OFFSETS[int(np.argmax(right))]
    losses = np.zeros(len(_TEMPERATURES))
    for o in observed:
        gain = evidence(o.scores.without_label_less_likely(offset))
        assigned = _assigned(gain, o.sets)
        correct = np.where(assigned < 0, len(o.scores.labels), assigned) == o.truth
        for i, temperature in enumerate(_TEMPERATURES):
            confidence, _ = confidences(gain, assigned, o.sets, float(temperature))
            p = np.clip(confidence, 1e-4, 1 - 1e-4)
            losses[i] -= np.log(np.where(correct, p, 1 - p)).sum()
    return offset, float(_TEMPERATURES[losses.argmin()])


def _observe(labeller: TrajectoryLabeller, case: Case) -> _Observed:
    tracklets, scores = labeller.raw_scores(case.trial)
    index = {x: i for i, x in enumerate(scores.labels)}
    classes = np.array([index.get(x, -2) for x in case.labels] + [len(scores.labels)])  # the last one serves -1
    truth = classes[[_main_truth(case, t) for t in tracklets]]
    points = pieces.visibility(case.trial, tracklets).sum(0).astype(np.int64)
    return _Observed(scores, pieces.meeting_sets(case.trial, tracklets), truth, points)


def _assigned(gain: npt.NDArray[np.float64], sets: BoolArray) -> IntArray:
    """The assignment, or none at all where a model knows too little for one to be found soon."""
    try:
        return assign(gain, sets, _SOON_S)[0]
    except ProcessingError:
        return np.full(len(gain), -1, np.int64)


def _points_right(observed: _Observed, offset: float) -> int:
    """Points whose tracklet gets its label, or rightly none."""
    gain = evidence(observed.scores.without_label_less_likely(offset))
    assigned = _assigned(gain, observed.sets)
    given = np.where(assigned < 0, len(observed.scores.labels), assigned)
    return int(observed.points[given == observed.truth].sum())


def _main_truth(case: Case, tracklet: pieces.Tracklet) -> int:
    """The label that most of a tracklet's points truly carry, -1 for a ghost."""
    seen = case.trial.visible[tracklet.start : tracklet.stop, tracklet.column]
    values, counts = np.unique(case.truth[tracklet.start : tracklet.stop, tracklet.column][seen], return_counts=True)
    return int(values[counts.argmax()])


def report(found: Sequence[Evaluation]) -> dict[str, Any]:
    """All figures as plain values: by case, means by model and setting, and by marker and model."""
    rows = [{"model": e.model, "trial": e.trial, "setting": e.setting, **e.figures.summary()} for e in found]
    means = []
    for model, setting in dict.fromkeys((e.model, e.setting) for e in found):
        same = [r for r in rows if (r["model"], r["setting"]) == (model, setting)]
        means.append({"model": model, "trial": "mean", "setting": setting, **_mean(same)})
    models = list(dict.fromkeys(e.model for e in found))
    markers: dict[str, dict[str, float]] = {}
    confusions: dict[str, list[tuple[str, str, int]]] = {}
    for model in models:
        figures = [e.figures for e in found if e.model == model]
        markers[model] = _accuracy_by_marker(figures)
        counts: dict[tuple[str, str], int] = {}
        for f in figures:
            for truth, given, n in f.confusions:
                counts[truth, given] = counts.get((truth, given), 0) + n
        confusions[model] = [(a, b, n) for (a, b), n in sorted(counts.items(), key=lambda x: -x[1])]
    labels = list(dict.fromkeys(label for model in models for label in markers[model]))
    return {"cases": rows, "means": means, "markers": markers, "labels": labels, "confusions": confusions}


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each share over cases; counts are added up."""
    result: dict[str, Any] = {}
    for name in ("accuracy", "precision", "coverage", "f1", "ghosts"):
        values = [r[name] for r in rows if r[name] is not None]
        result[name] = float(np.mean(values)) if values else None
    fixed = [str(r["swaps"]).split("/") for r in rows]
    result["swaps"] = f"{sum(int(a) for a, _ in fixed)}/{sum(int(b) for _, b in fixed)}"
    result["twice"] = sum(r["twice"] for r in rows)
    return result


def _accuracy_by_marker(figures: Sequence[Figures]) -> dict[str, float]:
    """Correct points of each marker over its points, over all cases."""
    right: dict[str, int] = {}
    total: dict[str, int] = {}
    for f in figures:
        for marker in f.markers:
            right[marker.label] = right.get(marker.label, 0) + marker.correct
            total[marker.label] = total.get(marker.label, 0) + marker.points
    return {label: right[label] / total[label] for label in total if total[label]}
