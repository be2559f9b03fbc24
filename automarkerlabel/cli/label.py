"""`aml label`."""

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automarkerlabel.cli import console, many
from automarkerlabel.cli.options import (
    AsJson,
    Device,
    Exclude,
    Heading,
    Jobs,
    KeepLabels,
    MinConfidence,
    Model,
    NamedSubjects,
    Overwrite,
    ReferenceFrame,
    References,
    Rename,
    Subjects,
    TrainingValues,
    Trials,
    Units,
    Up,
    WornSet,
    refuse_both,
)

if TYPE_CHECKING:
    from automarkerlabel.labellers.doubtful import Doubt
    from automarkerlabel.workflows.batch.jobs import LabelWork
    from automarkerlabel.workflows.batch.manifest import Manifest
    from automarkerlabel.workflows.batch.task import Task
    from automarkerlabel.workflows.label import LabelSummary

_MOST_SHOWN = 5  # doubtful labels; all are in --json and --review


Out = Annotated[Path | None, typer.Option("-o", "--out", help="output file, or folder for many trials")]
AllLabels = Annotated[bool, typer.Option("--all-labels", help="add empty columns for absent labels")]
FillGaps = Annotated[
    int, typer.Option(help="fill gaps of at most so many frames, flagged; see `aml fill`, which knows more")
]
DumpAttention = Annotated[
    Path | None, typer.Option(help="write what windows looked at (.h5; a folder for many trials)")
]
Report = Annotated[
    Path | None, typer.Option(help="write a page that shows trial and labels (.html; a folder for many trials)")
]
Csv = Annotated[Path | None, typer.Option(help="write a row for each trial")]
Review = Annotated[Path | None, typer.Option(help="write a row for each doubtful label, worst first (.csv)")]
Cluster = Annotated[str | None, typer.Option(help="address of a Dask scheduler, tcp://host:port: its workers label")]
Noted = Annotated[
    Path | None, typer.Option(help="what was done is noted there (.jsonl); the same command again does what is left")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="label, report, write nothing")]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="skip the second look at the output by ezc3d")]


def label(
    context: typer.Context, trials: Trials, out: Out = None, reference: References = None,
    reference_frame: ReferenceFrame = None, marker_set: WornSet = None, subject: NamedSubjects = None,
    subjects: Subjects = None, model: Model = None, training_values: TrainingValues = None, heading: Heading = None,
    min_confidence: MinConfidence = 0.5, keep_labels: KeepLabels = False, all_labels: AllLabels = False,
    fill_gaps: FillGaps = 0, dump_attention: DumpAttention = None, report: Report = None, csv: Csv = None,
    review: Review = None, units: Units = None, up: Up = None, exclude: Exclude = None, rename: Rename = None,
    device: Device = "auto", jobs: Jobs = None, cluster: Cluster = None, manifest: Noted = None,
    dry_run: DryRun = False, overwrite: Overwrite = False, no_verify: NoVerify = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Label trials: the same files, with the right name on every trajectory.

    By --reference, one labelled trial of the same marker set (a static trial is best); by --marker-set, one that is
    known; by --model, one trained on your trials; or by nothing: then the likeliest known marker set is found. Several
    people in one trial: --subject NAME=REFERENCE for each, or --subjects N.
    """
    from automarkerlabel.io.renaming import read_renaming
    from automarkerlabel.labellers.request import LabelRequest
    from automarkerlabel.labellers.subjects.options import one_or_entries
    from automarkerlabel.workflows.batch.jobs import LabelWork
    from automarkerlabel.workflows.label import LabelOptions

    refuse_both(context, "manifest", "dry_run", "a dry run does nothing to go on from")
    options = LabelOptions(
        min_confidence=min_confidence, keep_labels=keep_labels, all_labels=all_labels, units=units, up=up,
        exclude=exclude, heading_deg=heading, overwrite=overwrite, dry_run=dry_run, verify=not no_verify,
        rename=read_renaming(rename) if rename is not None else {}, fill_gaps=fill_gaps,
    )  # fmt: skip
    one, named = one_or_entries(reference or (), subject or ())
    wanted = LabelRequest(
        model=model, reference=one, reference_frame=reference_frame, marker_set=marker_set,
        training_values=training_values, exclude=exclude, subjects=named, n_subjects=subjects,
    )  # fmt: skip
    work = LabelWork(wanted, options, device, dump_attention is not None)
    files = _Files(trials, out, None if dry_run else dump_attention, report, csv, review, manifest)
    _label_all(work, files, jobs, cluster, as_json)


@dataclass(frozen=True)
class _Files:
    """What is read and written."""

    trials: list[Path]
    out: Path | None
    attention: Path | None
    report: Path | None
    csv: Path | None
    review: Path | None
    manifest: Path | None

    def tasks(self, work: "LabelWork") -> "list[Task]":
        """A task a trial. Raises `OutputError` where outputs are inputs or meet each other."""
        from automarkerlabel.io.outputs import placed, refuse_collisions
        from automarkerlabel.workflows.batch.task import Task

        inputs = placed(self.trials, self.out, "labelled")
        if inputs.n_left_out:
            console.say(f"note: {inputs.n_left_out} of the files found are outputs of others, and are left out")
        attention = inputs.beside(self.attention, "attention", ".h5")
        reports = inputs.beside(self.report, "report", ".html")
        tasks = [
            Task(source, tuple(outputs), work.options.overwrite)
            for source, *outputs in zip(inputs.sources, inputs.outputs, attention, reports, strict=True)
        ]
        if not work.options.dry_run:
            more = [x for x in (self.csv, self.review, self.manifest) if x is not None]
            written = [path for task in tasks for path in task.written]
            refuse_collisions([*written, *more], [*inputs.sources, *work.wanted.inputs])
        return tasks


def _label_all(work: "LabelWork", files: _Files, jobs: int | None, cluster: str | None, as_json: bool) -> None:
    """Label all trials, tell of each and of all together, and leave with the exit code."""
    from automarkerlabel.io.outputs import make_folders
    from automarkerlabel.workflows.batch.batch import Where
    from automarkerlabel.workflows.batch.manifest import Manifest
    from automarkerlabel.workflows.label import LabelSummary

    tasks = files.tasks(work)
    written = [path for task in tasks for path in task.written]
    key = work.digest() if files.manifest is not None or cluster is not None else ""
    where = Where(jobs, cluster, key)
    if cluster is not None:  # whose workers are in other folders
        work, tasks = work.anywhere(), [task.anywhere() for task in tasks]
    results = many.Results(len(tasks))
    sets: Counter[str] = Counter()

    def show(summary: LabelSummary) -> None:
        if summary.candidates:
            sets[summary.candidates[0].name] += 1
        if not as_json:
            _print(summary, brief=len(tasks) > 1)

    with nullcontext() if files.manifest is None else Manifest(files.manifest, key) as noted:
        tables = _Tables(files.csv, files.review, work.options.overwrite, noted)
        tables.check()
        for folder in (None if work.options.dry_run else files.out, files.attention, files.report):
            make_folders(written, folder)
        keep = as_json or files.csv is not None or files.review is not None
        try:
            many.run("labelling", work, tasks, results, show, where, noted, as_json, keep)
        finally:
            if keep and noted is not None:
                results.values |= {n: noted.summary(tasks[n], LabelSummary) for n in results.before}
            if results.begun:  # also for what was done before Ctrl-C
                tables.write(results)
    if len(tasks) > 1 and sets and not as_json:
        shown = ", ".join(f"{name} in {n}" for name, n in sets.most_common())
        console.say(f"each trial was looked at by itself; marker sets found: {shown}; --marker-set NAME makes it one")
    if as_json:
        console.print_json(results.as_json([s.to_dict() for s in results.in_order()]))
    results.leave()


@dataclass(frozen=True)
class _Tables:
    """What is written of all trials. A table that an earlier run with the same manifest wrote is written anew."""

    csv: Path | None
    review: Path | None
    overwrite: bool
    noted: "Manifest | None"

    def _may(self, table: Path) -> bool:
        return self.overwrite or (self.noted is not None and self.noted.owns(table))

    def check(self) -> None:
        """Raise `OutputError` where one cannot be written."""
        from automarkerlabel.io.files import check_output

        for table in (self.csv, self.review):
            if table is not None:
                check_output(table, overwrite=self._may(table))

    def write(self, results: many.Results) -> None:
        """Write them. Raises `OutputError`."""
        from automarkerlabel.workflows.label import write_csv_rows, write_reviews

        if self.csv is not None:
            write_csv_rows(self.csv, results.in_order(), results.failures(), self._may(self.csv))
        if self.review is not None:
            write_reviews(self.review, results.in_order(), self._may(self.review))
        if self.noted is not None:
            self.noted.tables(x for x in (self.csv, self.review) if x is not None)


def _print(summary: "LabelSummary", brief: bool) -> None:
    """A few lines for a person; one line a trial when there are many."""
    from automarkerlabel.filling.fill import summary as told

    share = f"{100 * summary.labelled_share:.1f} % of the points"
    found = f"{len(summary.found)} of {summary.n_labels} labels found, on {share}"
    where = summary.output or "nothing written (--dry-run)"
    for note in summary.notes:
        console.say(f"note: {Path(summary.trial).name}: {note}")
    how = f"by {summary.by}{_fit(summary)}, in {summary.seconds:.1f} s"
    if brief:
        doubts = f", {len(summary.doubtful)} doubtful" if summary.doubtful else ""
        swaps = f", {len(summary.swaps)} changes of label within columns" if summary.swaps else ""
        swaps += f", {told(summary.gaps)}" if summary.gaps else ""
        console.results.print(f"{Path(summary.trial).name}: {found}{swaps}{doubts}, {how} -> {where}", markup=False)
        return
    console.results.print(f"{summary.trial}: {found}; mean confidence {summary.mean_confidence:.3f}", markup=False)
    console.results.print(how, markup=False)
    for s in summary.subjects:
        own = f"{s.n_found} of {s.n_labels} labels, on {100 * s.share:.1f} % of the points"
        console.results.print(f"{s.name}: {own}; mean confidence {s.confidence:.3f}", markup=False)
    console.results.print(
        f"{summary.n_tracklets} tracklets, {summary.unlabelled_tracklets} left without a label", markup=False
    )
    if summary.gaps:
        console.results.print(told(summary.gaps), markup=False)
    lacking = [x for x in summary.missing if x not in summary.optional]
    if lacking and summary.match is None:  # of a match a note says so
        console.results.print(f"missing: {', '.join(lacking)}", markup=False)
    if summary.swaps:
        rows = [[x.column, str(x.frame), x.before, x.after, x.why] for x in summary.swaps[:15]]
        title = f"columns that carry two markers ({len(summary.swaps)} changes)"
        console.results.print(
            console.table(title, ["column", "from frame", "before", "after", "why"], rows, frozenset({1}))
        )
    if summary.doubtful:
        rows = [
            [d.label if d.kept else f"({d.label})", d.column, _frames(d), f"{d.lowest:.2f}", d.second, d.why]
            for d in summary.doubtful[:_MOST_SHOWN]
        ]
        title = f"look at these first ({len(summary.doubtful)} doubtful; labels in brackets were left away)"
        head = ["label", "column", "frames", "confidence", "or else", "why"]
        console.results.print(console.table(title, head, rows, frozenset({3})))
    console.results.print(f"written: {where}" if summary.output else where, markup=False)


def _frames(doubt: "Doubt") -> str:
    """The frames to look at: the worst stretch, or all."""
    worst = min(doubt.spans, key=lambda s: s.confidence, default=doubt)
    return f"{worst.first_frame}-{worst.last_frame}"


def _fit(summary: "LabelSummary") -> str:
    return f" (fit {summary.candidates[0].fit:.2f})" if summary.candidates else ""
