"""Making confidences honest: labelling trials whose truth is known, and storing what was learnt in the model's file."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel.assignment.confidence import Calibration
from automarkerlabel.assignment.confidence_fit import Errors, Observed, errors, fit
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import InputError, OutputError
from automarkerlabel.evaluation.evaluate import Labels
from automarkerlabel.evaluation.evaluate import calibrate as fit_evidence
from automarkerlabel.io.files import check_output, same_file
from automarkerlabel.labellers.labeller import Labeller
from automarkerlabel.labellers.methods import MatcherLabeller
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models.checkpoints import PRETRAINED
from automarkerlabel.models.checkpoints import matcher as match_store
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.simulate.corrupt import Case, Corruption, make_case

_MOST_CASES = 24
_CASES_A_TRIAL = 3
_FOLDS = 2


@dataclass(frozen=True)
class Fitted:
    """A calibration; None where there was none that foretells better than what there was. Its errors are those on the
    half of the cases that it was not fitted to, `before` those of confidences as they were."""

    calibration: Calibration | None
    before: Errors
    after: Errors
    n_cases: int
    n_tracklets: int

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "cases": self.n_cases, "tracklets": self.n_tracklets, "better": self.calibration is not None,
            "before": asdict(self.before), "after": asdict(self.after),
        }  # fmt: skip


def number_of_cases(trials: Sequence[Trial]) -> int:
    """How many broken copies of some trials are labelled."""
    return max(len(trials), min(_MOST_CASES, _CASES_A_TRIAL * len(trials)))


def broken_copies(trials: Sequence[Trial], corruption: Corruption) -> list[Case]:
    """Cases of each trial, every second one without swaps; of few trials several of each."""
    n_cases = number_of_cases(trials)
    swaps = [corruption.swaps if n % 2 else 0 for n in range(n_cases)]
    return [
        make_case(trials[n % len(trials)], replace(corruption, swaps=swaps[n], seed=corruption.seed + n))
        for n in range(n_cases)
    ]


def observe(labeller: Labels, case: Case) -> Observed:
    """A case as it is labelled, and what of it is right. To leave a marker without a label is right where the labels
    have none for it."""
    labelling = labeller.label(case.trial)
    return observed_in(labelling, case)


def observed_in(labelling: Labelling, case: Case) -> Observed:
    """As `observe`, of a labelling."""
    index = {x: n for n, x in enumerate(labelling.labels)}
    own = np.array([*(index.get(x, -1) for x in case.labels), -1])
    visible = case.trial.visible
    right, points, courses = [], [], []
    for n, t in enumerate(labelling.tracklets):
        seen = visible[t.start : t.stop, t.column]
        correct = own[case.truth[t.start : t.stop, t.column]] == labelling.assigned[n]
        right.append(float(correct[seen].mean()))
        points.append(float(seen.sum()))
        moments = np.zeros(0) if labelling.signs is None else labelling.signs.courses[n][0]
        at = np.clip(np.round(moments).astype(np.int64) - t.start, 0, len(seen) - 1)
        course: FloatArray = np.where(seen[at], correct[at].astype(np.float32), np.float32(np.nan))
        courses.append(course)
    return Observed(labelling, np.array(right), np.array(points), courses)


def fit_confidence(observed: Sequence[Observed]) -> Fitted:
    """Fit confidences to labellings, and measure on each half what was fitted to the other.

    Raises `InputError` for fewer than two labellings, or too little in them.
    """
    if len(observed) < _FOLDS:
        raise InputError(f"calibration: expected {_FOLDS} cases or more, found {len(observed)}")
    before, after = [], []
    fold_of = np.random.default_rng(0).permutation(len(observed)) % _FOLDS  # cases may take turns in kind
    for fold in range(_FOLDS):
        held_out = [observed[n] for n in np.flatnonzero(fold_of == fold).tolist()]
        others = [observed[n] for n in np.flatnonzero(fold_of != fold).tolist()]
        before.append(errors(held_out, None))
        after.append(errors(held_out, fit(others)))
    was, becomes = (Errors(*np.mean([list(asdict(e).values()) for e in some], 0).tolist()) for some in (before, after))
    chosen = fit(observed) if becomes.loss < was.loss else None
    return Fitted(chosen, was, becomes, len(observed), sum(len(o.points) for o in observed))


def calibrate(
    labeller: Labels,
    trials: Sequence[Trial],
    corruption: Corruption,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Fit confidences on broken copies of labelled trials, which the model must not have learnt from."""
    cases = broken_copies(trials, corruption)
    observed = []
    for n, case in enumerate(cases):
        observed.append(observe(labeller, case))
        if progress:
            progress(n + 1, len(cases))
    return fit_confidence(observed)


def recalibrate(
    method: Labeller,
    trials: Sequence[Trial],
    corruption: Corruption,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Fitted, float, float]:
    """The confidences fitted anew, temperature and no-label offset.

    Of a model of trajectories all three are fitted. Those of a matcher stay, since its passes depend on them.
    """
    if isinstance(method, MatcherLabeller):
        matcher = method.matcher
        return calibrate(method, trials, corruption, progress), matcher.temperature, matcher.no_label_offset
    assert isinstance(method, TrajectoryLabeller)
    old = method
    offset, temperature = fit_evidence(old, trials, replace(corruption, swaps=0))
    stored = replace(old.checkpoint, no_label_offset=offset, temperature=temperature, confidence={})
    fitted = calibrate(TrajectoryLabeller(stored, str(old.device)), trials, corruption, progress)
    return fitted, temperature, offset


def output_for(model: Path, out: Path | None) -> Path:
    """Where a calibrated model goes: `out`, or the model's own file.

    Raises `OutputError` for a model that comes with the package and no `out`, and for an `out` that is there already.
    """
    if out is not None and not (out.exists() and same_file(out, model)):
        check_output(out, [model])
        return out
    if model.resolve().parent == PRETRAINED.resolve():
        raise OutputError(
            f"{model.name}: expected -o FILE for the calibrated copy of a model that comes along, found none"
        )
    return model


def store_in(model: Path, out: Path, fitted: Fitted, temperature: float = 1.0, no_label_offset: float = 0.0) -> None:
    """Write the model with its calibration to `out`. Raises `ModelError`, `OutputError`."""
    confidence = {} if fitted.calibration is None else fitted.calibration.plain()
    if match_store.is_matcher(model):
        config, tensors, training = match_store.read(model)
        known = training.get("calibration", {})
        confidence = confidence or known.get("confidence", {})
        calibration = {"temperature": temperature, "no_label_offset": no_label_offset, "confidence": confidence}
        figures = {"figures": fitted.to_dict()}
        match_store.write(out, config, tensors, training | {"calibration": known | calibration | figures})
        return
    checkpoint = store.load(model)
    training = checkpoint.training | {"calibration": fitted.to_dict()}
    store.save(
        replace(
            checkpoint, temperature=temperature, no_label_offset=no_label_offset, confidence=confidence,
            training=training,
        ),
        out,
    )  # fmt: skip
