"""What the commands do with files: label one, several, dump attention."""

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel import io
from automarkerlabel.decide.assign import keep_confident
from automarkerlabel.doubts import doubts_about
from automarkerlabel.errors import InputError, OutputError
from automarkerlabel.io.attention_h5 import write_attention
from automarkerlabel.io.files import atomic, check_input, check_output, same_file
from automarkerlabel.matching.labeller import MatchFacts
from automarkerlabel.matching.templates import Candidate
from automarkerlabel.methods import Answer, Method
from automarkerlabel.review_list import Doubt, review, write_review
from automarkerlabel.scores import output_columns
from automarkerlabel.trial import Trial


@dataclass(frozen=True)
class LabelOptions:
    """How files are labelled; lengths of names as on the command line."""

    min_confidence: float = 0.5
    keep_labels: bool = False
    all_labels: bool = False
    units: str | None = None
    up: str | None = None
    exclude: str | None = None
    heading_deg: float = 0.0
    overwrite: bool = False
    dry_run: bool = False
    verify: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise InputError(f"--min-confidence: expected 0 to 1, found {self.min_confidence}")


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
    compared, `match` the figures of a match. `swaps` are changes of label within columns.
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def label_file(method: Method, source: Path, output: Path, options: LabelOptions) -> LabelSummary:
    """Label one file into another. The output keeps every point; only names and columns change.

    Raises what reading, labelling and writing raise.
    """
    started = time.perf_counter()
    check_input(source)
    if not options.dry_run:
        check_output(output, [source], options.overwrite, io.FORMATS)
    trial = io.read(source, options.units, options.up, options.exclude)
    trial.require_points(str(source))
    answer = method.answer(trial, options.keep_labels, options.heading_deg)
    doubts = review(answer.labelling, trial, options.min_confidence)
    answer = replace(answer, labelling=keep_confident(answer.labelling, options.min_confidence))
    notes: tuple[str, ...] = ()
    if not options.dry_run:
        columns = output_columns(trial, answer.labelling, options.all_labels, options.keep_labels)
        notes = tuple(io.write_labelled(source, output, trial, columns, options.overwrite, options.verify))
    summary = summarise(source, None if options.dry_run else output, trial, answer, notes, doubts)
    return replace(summary, seconds=round(time.perf_counter() - started, 2))


def summarise(
    source: Path, output: Path | None, trial: Trial, answer: Answer, notes: Sequence[str] = (),
    doubts: Sequence[Doubt] = (),
) -> LabelSummary:  # fmt: skip
    """The figures of a labelling; `doubts` are those of the whole of it."""
    labelling = answer.labelling
    seen = np.array([trial.visible[t.start : t.stop, t.column].sum() for t in labelling.tracklets], np.int64)
    labelled = labelling.assigned >= 0
    found = {labelling.labels[k] for k in labelling.assigned[labelled]}
    return LabelSummary(
        trial=str(source),
        output=None if output is None else str(output),
        n_frames=trial.n_frames,
        rate_hz=trial.rate_hz,
        n_columns=trial.n_columns,
        n_tracklets=len(labelling.tracklets),
        n_labels=len(labelling.labels),
        found=tuple(x for x in labelling.labels if x in found),
        missing=tuple(x for x in labelling.labels if x not in found),
        doubtful=tuple(doubts),
        unlabelled_tracklets=int((~labelled).sum()),
        labelled_share=float(seen[labelled].sum() / max(1, seen.sum())),
        mean_confidence=float(labelling.confidence[labelled].mean()) if labelled.any() else 0.0,
        notes=(*trial.notes, *notes, *doubts_about(answer, trial)),
        by=answer.by,
        optional=tuple(x for x in labelling.labels if x not in found and x in answer.optional),
        seconds=0.0,
        candidates=answer.candidates,
        match=answer.match,
        swaps=tuple(
            Swap(trial.labels[c.column], trial.first_frame + c.frame, c.before or "none", c.after or "none", c.why)
            for c in labelling.cuts
        ),
    )


def outputs_for(sources: Sequence[Path], out: Path | None, suffix: str = "") -> list[Path]:
    """Where each source goes: `out` itself for one, inside the folder `out` for many; None: beside the source.

    `suffix` other than "" names attention files rather than labelled trials.
    Raises `OutputError` where a folder is needed.
    """
    names = [f"{s.stem}_attention{suffix}" if suffix else f"{s.stem}_labelled{s.suffix}" for s in sources]
    if out is None:
        return [s.with_name(name) for s, name in zip(sources, names, strict=True)]
    if len(sources) == 1 and not out.is_dir():
        return [out]
    if not out.is_dir():
        raise OutputError(f"{out}: expected a folder that is there for {len(sources)} trials, found none; make it")
    return [out / name for name in names]


def refuse_collisions(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise `OutputError` if an output is an input of the same command, by whatever name, or if two are one file."""
    for output in outputs:
        if any(same_file(output, x) for x in inputs):
            raise OutputError(f"{output}: expected an output beside the inputs, found one of them; name another")
    real = [x.resolve() for x in outputs]
    twice = sorted({x.name for x in real if real.count(x) > 1})
    if twice:
        raise OutputError(f"expected a name for each output, found several that are {', '.join(twice)}")


def dump_attention(method: Method, source: Path, path: Path, options: LabelOptions) -> None:
    """What every window of a trial looked at as HDF5; see `io.attention_h5` for the layout.

    Raises `ModelError` for a model type without attention.
    """
    check_output(path, [source], options.overwrite)
    trial = io.read(source, options.units, options.up, options.exclude)
    inside = method.inside(trial)
    with atomic(path) as temporary:
        write_attention(temporary, source.stem, trial, inside)


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
