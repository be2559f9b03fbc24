"""What the commands do with files: label one, several, dump attention."""

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from automarkerlabel import io
from automarkerlabel.core.labelling import Labelling, OutputColumn, output_columns
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.tracklets import n_samples
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.filling.fill import Filled, FilledGap, FillOptions, fill
from automarkerlabel.io.files import atomic, check_input, check_output
from automarkerlabel.io.hdf5.attention import write_attention
from automarkerlabel.io.labelled_copy import labelled_trial
from automarkerlabel.io.renaming import renamed_columns
from automarkerlabel.labellers.doubtful import Doubt, review, write_review
from automarkerlabel.labellers.figures import Candidate, MatchFacts, SubjectFacts
from automarkerlabel.labellers.labeller import Labeller, LabelResult
from automarkerlabel.labellers.warnings import doubts_about
from automarkerlabel.review.report.attention import Attention
from automarkerlabel.workflows.fill import notes_about
from automarkerlabel.workflows.report import SUFFIXES, write_report


@dataclass(frozen=True)
class LabelOptions:
    """How files are labelled; lengths of names as on the command line. `fill_gaps` is the longest gap to fill, in
    frames; 0: none."""

    min_confidence: float = 0.5
    keep_labels: bool = False
    all_labels: bool = False
    units: str | None = None
    up: str | None = None
    exclude: str | None = None
    heading_deg: float | None = None
    overwrite: bool = False
    dry_run: bool = False
    verify: bool = True
    rename: Mapping[str, str] = field(default_factory=dict)
    fill_gaps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise InputError(f"min_confidence: expected 0 to 1, found {self.min_confidence}")
        if self.fill_gaps < 0:
            raise InputError(f"fill_gaps: expected a number of frames, found {self.fill_gaps}")


@dataclass(frozen=True)
class Swap:
    """Where a column changes its label, and why: `frame` is the first with the label `after`."""

    column: str
    frame: int
    before: str
    after: str
    why: str


@dataclass(frozen=True)
class LabelSummary:
    """What labelling one file came to. `output` is None for a dry run; shares lie between 0 and 1.

    `by` says what it was labelled by. `missing` are labels that were not found, `optional` those of them whose absence
    means nothing. `doubtful` are labels to look at, the most doubtful first. `candidates` are the marker sets that were
    compared, `match` the figures of a match. `swaps` are changes of label within columns, `gaps` what became of gaps
    where they were to be filled. `subjects` is what became of each of several people.
    """

    trial: str
    output: str | None
    n_frames: int
    rate_hz: float
    n_columns: int
    n_tracklets: int
    n_labels: int
    found: tuple[str, ...]
    missing: tuple[str, ...]
    doubtful: tuple[Doubt, ...]
    unlabelled_tracklets: int
    labelled_share: float
    mean_confidence: float
    notes: tuple[str, ...]
    by: str
    optional: tuple[str, ...]
    seconds: float
    candidates: tuple[Candidate, ...] = ()
    match: MatchFacts | None = None
    swaps: tuple[Swap, ...] = ()
    gaps: tuple[FilledGap, ...] = ()
    subjects: tuple[SubjectFacts, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def label_with(
    labeller: Labeller, source: Path, output: Path, options: LabelOptions,
    attention: Path | None = None, report: Path | None = None,
) -> LabelSummary:  # fmt: skip
    """Label one file into another. The output keeps every point; only names and columns change.

    attention   where what every window looked at goes as HDF5; see `io.hdf5.attention` for the layout.
    report      where the page goes; with `attention` it shows what decided. A dry run writes it, too.

    Raises what reading, labelling and writing raise, `ModelError` for attention of a model type without any.
    """
    started = time.perf_counter()
    check_input(source)
    if not options.dry_run:
        check_output(output, [source], options.overwrite, io.WRITABLE)
    for extra, suffixes in ((attention, ()), (report, SUFFIXES)):
        if extra is not None:
            check_output(extra, [source], options.overwrite, suffixes)
    trial = io.read(source, options.units, options.up, options.exclude)
    trial.require_points(str(source))
    whole = labeller.label(trial, options.keep_labels, options.heading_deg)
    doubts = review(whole, trial, options.min_confidence)
    answer = whole.above(options.min_confidence)
    notes: tuple[str, ...] = ()
    filled = None
    if not options.dry_run or options.fill_gaps:
        columns = output_columns(trial, answer, options.all_labels, options.keep_labels)
        columns = renamed_columns(columns, options.rename)
        filled = _filled(trial, columns, options.fill_gaps)
        if not options.dry_run:
            notes = _write(source, output, trial, columns, filled, options)
    summary = summarise(source, None if options.dry_run else output, trial, answer, notes, doubts)
    summary = replace(summary, seconds=round(time.perf_counter() - started, 2), gaps=filled.gaps if filled else ())
    looked = None if attention is None else _dump_attention(labeller, source.stem, attention, trial, whole)
    if report is not None:
        write_report(report, source, trial, whole, options.min_confidence, notes=summary.notes, attention=looked)
    return summary


def _filled(trial: Trial, columns: Sequence[OutputColumn], longest: int) -> Filled | None:
    """The labelled trial with gaps of up to so many frames filled; None where there is nothing to fill."""
    if not longest:
        return None
    labelled = labelled_trial(trial, columns)
    if not labelled_columns(labelled):
        return None
    return fill(labelled, FillOptions(max_gap_s=longest / trial.rate_hz))


def _write(
    source: Path, output: Path, trial: Trial, columns: Sequence[OutputColumn], filled: Filled | None,
    options: LabelOptions,
) -> tuple[str, ...]:  # fmt: skip
    """Write the labelled copy, and what was filled into it; returns notes."""
    if filled is None:
        return io.write_labelled(source, output, trial, columns, options.overwrite, options.verify)
    with TemporaryDirectory() as folder:
        whole = Path(folder) / output.name
        notes = io.write_labelled(source, whole, trial, columns, verify=options.verify)
        notes += io.write_filled(whole, output, filled.trial, filled.mask, options.overwrite, options.verify)
    return (*notes, *notes_about(filled, output))


def summarise(
    source: Path, output: Path | None, trial: Trial, answer: LabelResult, notes: Sequence[str] = (),
    doubts: Sequence[Doubt] = (),
) -> LabelSummary:  # fmt: skip
    """The figures of a labelling; `doubts` are those of the whole of it."""
    seen = n_samples(trial, answer.tracklets)
    labelled = answer.assigned >= 0
    return LabelSummary(
        trial=str(source),
        output=None if output is None else str(output),
        n_frames=trial.n_frames,
        rate_hz=trial.rate_hz,
        n_columns=trial.n_columns,
        n_tracklets=len(answer.tracklets),
        n_labels=len(answer.labels),
        found=answer.found,
        missing=answer.missing,
        doubtful=tuple(doubts),
        unlabelled_tracklets=int((~labelled).sum()),
        labelled_share=float(seen[labelled].sum() / max(1, seen.sum())),
        mean_confidence=answer.mean_confidence(trial),
        notes=(*trial.notes, *notes, *answer.notes, *doubts_about(answer, trial)),
        by=answer.by,
        optional=tuple(x for x in answer.missing if x in answer.optional),
        seconds=0.0,
        candidates=answer.candidates,
        match=answer.match,
        swaps=tuple(
            Swap(trial.labels[c.column], trial.first_frame + c.frame, c.before or "none", c.after or "none", c.why)
            for c in answer.cuts
        ),
        subjects=answer.subjects,
    )


def _dump_attention(labeller: Labeller, name: str, path: Path, trial: Trial, labelling: Labelling) -> dict[str, Any]:
    """Write what every window of a trial looked at; returns what the report tells of it."""
    inside = labeller.inside(trial)
    looked = Attention(trial, labelling, inside)
    with atomic(path) as temporary:
        write_attention(temporary, name, trial, replace(inside, parts=looked.parts()))
    return looked.found()


def write_csv_rows(
    path: Path, summaries: Sequence[LabelSummary], failures: Sequence[tuple[str, str]], overwrite: bool
) -> None:
    """One row a trial."""
    check_output(path, overwrite=overwrite)
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["trial", "output", "frames", "rate_hz", "columns", "tracklets", "found", "missing", "doubtful",
             "unlabelled_tracklets", "labelled_share", "mean_confidence", "by", "notes", "doubtful_frames", "error"]
        )  # fmt: skip
        for s in summaries:
            rows.writerow(
                [s.trial, s.output or "", s.n_frames, s.rate_hz, s.n_columns, s.n_tracklets, len(s.found),
                 " ".join(s.missing), len(s.doubtful), s.unlabelled_tracklets, f"{s.labelled_share:.4f}",
                 f"{s.mean_confidence:.4f}", s.by, "; ".join(s.notes), _doubtful_frames(s), ""]
            )  # fmt: skip
        for trial, error in failures:
            rows.writerow([trial, *[""] * 14, error])


def _doubtful_frames(summary: LabelSummary) -> str:
    """Label, frames and lowest confidence of each stretch that is in doubt."""
    spans = [(d.label, s) for d in summary.doubtful for s in d.spans]
    return "; ".join(f"{label} {s.first_frame}-{s.last_frame} {s.confidence:.3f}" for label, s in spans)


def write_reviews(path: Path, summaries: Sequence[LabelSummary], overwrite: bool) -> None:
    """The doubtful labels of all trials, one a row."""
    check_output(path, overwrite=overwrite)
    write_review(path, [(s.trial, s.doubtful) for s in summaries])
