"""Which labels to look at first, and why."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from automarkerlabel.assignment.confidence import doubtful_spans
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import Trial
from automarkerlabel.io.files import atomic

DOUBTFUL = 0.9  # labels below this confidence, all along or for a while, are worth a look
_BRIEF_S = 0.25  # a tracklet as short tells little
_UNSURE_TRIAL = 0.9  # mean confidence of a trial's points below which the whole of it is in doubt
_HARDLY = 0.5


@dataclass(frozen=True)
class Span:
    """Frames, as the file counts them, both included, and the lowest confidence among them."""

    first_frame: int
    last_frame: int
    confidence: float


@dataclass(frozen=True)
class Doubt:
    """A label to look at: where it stands, what else it may be, and why.

    label       as decided; `kept` says whether it was given or is below `--min-confidence`.
    confidence  of the whole tracklet; `lowest` in the course of it.
    second      the next best choice, "none" for no label.
    spans       the frames where it is in doubt.
    """

    label: str
    column: str
    first_frame: int
    last_frame: int
    confidence: float
    second: str
    lowest: float
    why: str
    kept: bool
    spans: tuple[Span, ...]


def review(labelling: Labelling, trial: Trial, min_confidence: float = 0.0) -> list[Doubt]:
    """The doubtful labels of a labelling before any was left out, the most doubtful first."""
    labelled = np.flatnonzero(labelling.assigned >= 0).tolist()
    unsure_trial = labelling.mean_confidence(trial) < _UNSURE_TRIAL
    found = []
    for n in labelled:
        below = max(DOUBTFUL, min_confidence)
        spans = doubtful_spans(labelling, n, DOUBTFUL)
        confidence = float(labelling.confidence[n])
        if confidence >= below and not spans:
            continue
        t, second = labelling.tracklets[n], int(labelling.second[n])
        told = tuple(Span(trial.first_frame + a, trial.first_frame + b - 1, round(p, 4)) for a, b, p in spans)
        found.append(
            Doubt(
                label=labelling.labels[labelling.assigned[n]],
                column=trial.labels[t.column],
                first_frame=trial.first_frame + t.start,
                last_frame=trial.first_frame + t.stop - 1,
                confidence=round(confidence, 4),
                second=labelling.labels[second] if second >= 0 else "none",
                lowest=round(min([confidence, *(s.confidence for s in told)]), 4),
                why=_why(labelling, n, trial, told, unsure_trial),
                kept=confidence >= min_confidence,
                spans=told,
            )
        )
    return sorted(found, key=lambda d: (d.lowest, d.confidence))


def write_review(path: Path, reviews: Sequence[tuple[str, Sequence[Doubt]]]) -> None:
    """One row a doubtful label, of one trial after the other. Raises `OutputError`."""
    names = [f.name for f in fields(Doubt)]
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["trial", *names])
        for trial, doubts in reviews:
            for d in doubts:
                spans = " ".join(f"{s.first_frame}-{s.last_frame}:{s.confidence:.4f}" for s in d.spans)
                rows.writerow([trial, *(spans if x == "spans" else getattr(d, x) for x in names)])


def _why(labelling: Labelling, n: int, trial: Trial, spans: Sequence[Span], unsure_trial: bool) -> str:
    t = labelling.tracklets[n]
    reasons = []
    if labelling.second[n] >= 0 and labelling.confidence[n] < _HARDLY:
        reasons.append(f"{labelling.labels[labelling.second[n]]} is about as likely")
    elif labelling.second[n] < 0 and labelling.confidence[n] < _HARDLY:
        reasons.append("it may be no marker at all")
    part = [
        s
        for s in spans
        if (s.first_frame, s.last_frame) != (trial.first_frame + t.start, trial.first_frame + t.stop - 1)
    ]
    if part:
        worst = min(part, key=lambda s: s.confidence)
        reasons.append(f"frames {worst.first_frame}-{worst.last_frame} do not look like it")
    elif spans:
        reasons.append("it never looks quite like it")
    if (t.stop - t.start) / trial.rate_hz < _BRIEF_S:
        reasons.append("it is seen only briefly")
    if unsure_trial:
        reasons.append("the whole trial is unsure")
    return "; ".join(reasons) or "the evidence is weak"
