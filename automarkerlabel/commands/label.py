"""`aml label`."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from automarkerlabel import console
from automarkerlabel.commands.common import (
    AsJson,
    Device,
    Exclude,
    Heading,
    KeepLabels,
    MinConfidence,
    Model,
    Overwrite,
    Reference,
    ReferenceFrame,
    Rename,
    TrainingValues,
    Trials,
    Units,
    Up,
    WornSet,
)
from automarkerlabel.errors import AutoMarkerLabelError

_MOST_SHOWN = 5  # doubtful labels; all are in --json and --review
# In a batch these fail one trial, not all: ours, and what libraries raise on a machine in need or a file gone mad.
_FAILURES = (AutoMarkerLabelError, MemoryError, OSError, RuntimeError, ValueError)


def label(
    trials: Trials,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="output file, or folder for many trials")] = None,
    reference: Reference = None,
    reference_frame: ReferenceFrame = None,
    marker_set: WornSet = None,
    model: Model = None,
    training_values: TrainingValues = None,
    heading: Heading = 0.0,
    min_confidence: MinConfidence = 0.5,
    keep_labels: KeepLabels = False,
    all_labels: Annotated[bool, typer.Option("--all-labels", help="add empty columns for absent labels")] = False,
    fill_gaps: Annotated[
        int, typer.Option(help="fill gaps of at most so many frames, flagged; see `aml fill`, which knows more")
    ] = 0,
    dump_attention: Annotated[
        Path | None, typer.Option(help="write what windows looked at (.h5; a folder for many trials)")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="write a page that shows trial and labels (.html; a folder for many trials)")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="write a row for each trial")] = None,
    review: Annotated[Path | None, typer.Option(help="write a row for each doubtful label, worst first (.csv)")] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    rename: Rename = None,
    device: Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="label, report, write nothing")] = False,
    overwrite: Overwrite = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="skip the second look at the output by ezc3d")] = False,
    as_json: AsJson = False,
) -> None:
    """Label trials: the same files, with the right name on every trajectory.

    By --reference, one labelled trial of the same marker set (a static trial is best); by --marker-set, one that is
    known; by --model, one trained on your trials; or by nothing: then the likeliest known marker set is found.
    """
    from automarkerlabel import workflow as work
    from automarkerlabel.io.files import check_output
    from automarkerlabel.io.renaming import read_renaming
    from automarkerlabel.labeller import as_device
    from automarkerlabel.methods import Wanted, method_for, notes_about
    from automarkerlabel.outputs import outputs_for, refuse_collisions

    options = work.LabelOptions(
        min_confidence,
        keep_labels,
        all_labels,
        units,
        up,
        exclude,
        heading,
        overwrite,
        dry_run,
        not no_verify,
        read_renaming(rename) if rename is not None else {},
        fill_gaps,
    )
    wanted = Wanted(model, reference, reference_frame, marker_set, training_values, exclude)
    outputs = outputs_for(trials, out)
    attention = outputs_for(trials, dump_attention, "attention", ".h5") if dump_attention is not None else []
    reports = outputs_for(trials, report, "report", ".html") if report is not None else []
    tables = [x for x in (csv, review) if x is not None]
    if not dry_run:
        refuse_collisions([*outputs, *attention, *reports, *tables], [*trials, *wanted.inputs])
    for table in tables:
        check_output(table, overwrite=overwrite)
    method = method_for(wanted, as_device(device))
    for note in notes_about(method):
        console.say(f"note: {note}")
    if attention:
        method.require_inside()
    summaries: list[work.LabelSummary] = []
    failures: list[tuple[str, str]] = []
    try:
        with console.progress("labelling", len(trials), as_json) as bar:
            for n, source in enumerate(trials):
                try:
                    dump = attention[n] if attention and not dry_run else None
                    page = reports[n] if reports else None
                    summary = work.label_file(method, source, outputs[n], options, dump, page)
                except _FAILURES as error:
                    if len(trials) == 1:
                        raise
                    known = isinstance(error, AutoMarkerLabelError)
                    failures.append((str(source), str(error) if known else f"unexpected {error!r}"))
                    console.say(f"aml: {failures[-1][1]}")
                else:
                    summaries.append(summary)
                    if not as_json:
                        _print(summary, brief=len(trials) > 1)
                console.advance(bar)
    finally:
        if csv is not None:  # also for what was done before Ctrl-C
            work.write_csv_rows(csv, summaries, failures, overwrite)
        if review is not None:
            work.write_reviews(review, summaries, overwrite)
    _say_sets(summaries, as_json)
    if as_json:
        found = [s.to_dict() for s in summaries]
        errors = [{"trial": t, "error": e} for t, e in failures]
        console.print_json(found[0] if len(trials) == 1 else {"trials": found, "failed": errors})
    if failures:
        raise typer.Exit(3 if summaries else 1)


def _print(summary: "work.LabelSummary", brief: bool) -> None:  # type: ignore[name-defined] # noqa: F821
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


def _frames(doubt: "work.Doubt") -> str:  # type: ignore[name-defined] # noqa: F821
    """The frames to look at: the worst stretch, or all."""
    worst = min(doubt.spans, key=lambda s: s.confidence, default=doubt)
    return f"{worst.first_frame}-{worst.last_frame}"


def _fit(summary: "work.LabelSummary") -> str:  # type: ignore[name-defined] # noqa: F821
    return f" (fit {summary.candidates[0].fit:.2f})" if summary.candidates else ""


def _say_sets(summaries: "list[work.LabelSummary]", quiet: bool) -> None:  # type: ignore[name-defined] # noqa: F821
    """Which marker sets a batch was found to wear."""
    chosen = Counter(s.candidates[0].name for s in summaries if s.candidates)
    if len(summaries) > 1 and chosen and not quiet:
        sets = ", ".join(f"{name} in {n}" for name, n in chosen.most_common())
        console.say(f"each trial was looked at by itself; marker sets found: {sets}; --marker-set NAME makes it one")
