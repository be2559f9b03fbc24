"""What `aml report` and `aml label --report` do with files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automarkerlabel import io
from automarkerlabel.audit.audit import audit
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.tracklets import n_samples
from automarkerlabel.core.trial import Trial
from automarkerlabel.io.files import atomic, check_input, check_output
from automarkerlabel.labellers.labeller import Labeller, LabelResult
from automarkerlabel.labellers.warnings import doubts_about
from automarkerlabel.review.report.given_labels import findings_as_doubts, named_labelling
from automarkerlabel.review.report.page import report_page
from automarkerlabel.review.report.points import pack_points
from automarkerlabel.review.report.view import view_of
from automarkerlabel.version import __version__

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True)
class ReportOptions:
    """How a trial is read and shown; names as on the command line."""

    min_confidence: float = 0.5
    keep_labels: bool = False
    reading: io.Reading = field(default_factory=io.Reading)
    heading_deg: float | None = None
    overwrite: bool = False


def read_for_report(source: Path, out: Path, options: ReportOptions) -> tuple[Trial, bool]:
    """The trial, and whether it has labels to show. Raises what reading raises, `OutputError` for an unfit `out`."""
    check_input(source)
    check_output(out, [source], options.overwrite, SUFFIXES)
    trial = options.reading.trial(source)
    return trial, bool(labelled_columns(trial))


def report_labelled_by(labeller: Labeller, source: Path, out: Path, trial: Trial, options: ReportOptions) -> None:
    """Label a trial as `aml label` does, and show it; no trial is written. Raises what labelling raises."""
    answer = labeller.label(trial, options.keep_labels, options.heading_deg)
    notes = (*trial.notes, *doubts_about(answer, trial))
    write_report(out, source, trial, answer, options.min_confidence, notes=notes)


def report_names(source: Path, out: Path, trial: Trial) -> None:
    """Show the names that a trial has, and what an audit of the trial by itself says of them."""
    labelling, notes = named_labelling(trial)
    found = audit(trial, name=source.name)
    answer = LabelResult.of(labelling, f"the names in {source.name}")
    told = (*trial.notes, *notes, *found.notes, "confidence is 1: names of a file; to review is what `aml audit` finds")
    write_report(out, source, trial, answer, 0.0, notes=told, doubts=findings_as_doubts(found, labelling, trial))


def write_report(
    path: Path, source: Path, trial: Trial, answer: LabelResult, min_confidence: float, *,
    notes: Sequence[str] = (), doubts: Sequence[dict[str, Any]] | None = None, attention: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """The page of a labelled trial; `answer` holds labels below `min_confidence`, too. Raises `OutputError`."""
    packed, content = pack_points(trial)
    view = view_of(
        trial, answer, title=source.name, source=str(source), labelled_by=answer.by,
        marker_set=answer.marker_set, min_confidence=min_confidence, doubts=doubts,
        facts=facts_about(trial, answer, min_confidence), notes=notes, points=packed, attention=attention,
    )  # fmt: skip
    text = report_page(view, content)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def facts_about(trial: Trial, answer: LabelResult, min_confidence: float) -> list[tuple[str, str]]:
    """What a labelling came to, in words."""
    kept = answer.above(min_confidence)
    has = kept.assigned >= 0
    seen = n_samples(trial, kept.tracklets)
    facts = [
        (
            "frames",
            f"{trial.n_frames} from {trial.first_frame} on, {trial.rate_hz:g} a second, {trial.duration_s:.2f} s",
        ),
        ("columns", f"{trial.n_columns}, of which {len(trial.computed)} hold computed points"),
        ("labels found", f"{len(kept.found)} of {len(kept.labels)}"),
        ("missing", ", ".join(kept.missing) or "none"),
        ("points labelled", f"{100 * seen[has].sum() / max(1.0, seen.sum()):.1f} %"),
        ("tracklets", f"{len(seen)}, {int((~has).sum())} without a label"),
        ("mean confidence", f"{kept.mean_confidence(trial):.4f}" if has.any() else "no label"),
        ("left out", f"labels below a confidence of {min_confidence:g}"),
    ]
    if kept.cuts:
        facts.append(("columns that carry two markers", f"{len(kept.cuts)} changes"))
    if answer.candidates:
        facts.append(("marker sets compared", "\n".join(str(c) for c in answer.candidates)))
    return [*facts, ("made by", f"automarkerlabel {__version__}")]
