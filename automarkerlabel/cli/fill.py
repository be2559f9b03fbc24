"""`aml fill`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automarkerlabel.cli import console, many
from automarkerlabel.cli.options import AsJson, Exclude, Jobs, Overwrite, Trials, Units, Up

if TYPE_CHECKING:
    from automarkerlabel.filling.fill import FilledGap
    from automarkerlabel.workflows.fill import FillSummary

_MOST_SHOWN = 40  # gaps; all are in --json and --csv


def fill(
    trials: Trials,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="output file, or folder for many trials")] = None,
    max_gap_s: Annotated[float, typer.Option(help="leave longer gaps open")] = 1.0,
    max_error_mm: Annotated[float, typer.Option(help="leave gaps open in which a larger error is to be expected")] = 10,
    method: Annotated[
        str,
        typer.Option(
            help="spline, rigid, regression, with --model also poses and forecast; auto: the one to be expected nearest"
        ),
    ] = "auto",
    model: Annotated[
        Path | None, typer.Option(help="a forecaster of your marker set (aml train --task forecast)")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="write a row for each gap")] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    jobs: Jobs = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be filled, write nothing")] = False,
    overwrite: Overwrite = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="skip the second look at the output by ezc3d")] = False,
    as_json: AsJson = False,
) -> None:
    """Fill gaps of labelled markers, flagged in the copy; no measured point is moved.

    The error of each method is measured on the same trial, in gaps of that length made where the marker is seen.
    """
    from automarkerlabel.filling.fill import FillOptions
    from automarkerlabel.io import Reading
    from automarkerlabel.io.files import check_output
    from automarkerlabel.io.outputs import make_folders, placed, refuse_collisions
    from automarkerlabel.workflows.batch.batch import Where
    from automarkerlabel.workflows.batch.jobs import FillWork
    from automarkerlabel.workflows.batch.task import Task
    from automarkerlabel.workflows.fill import write_csv

    options = FillOptions(max_gap_s, max_error_mm, method)
    inputs = placed(trials, out, "filled")
    if not dry_run:
        refuse_collisions([*inputs.outputs, *([csv] if csv is not None else [])], inputs.sources)
        make_folders(inputs.outputs, out)
    if csv is not None:
        check_output(csv, inputs.sources, overwrite)
    made = FillWork(options, Reading(units, up, exclude), dry_run, not no_verify, model)
    tasks = [Task(source, (output,), overwrite) for source, output in zip(inputs.sources, inputs.outputs, strict=True)]
    results = many.Results(len(tasks))

    def show(summary: "FillSummary") -> None:
        if not as_json:
            _print(summary, brief=len(tasks) > 1)

    try:
        many.run("filling", made, tasks, results, show, Where(jobs), quiet=as_json)
    finally:
        if csv is not None and results.begun:  # also for what was done before Ctrl-C
            write_csv(csv, results.in_order(), overwrite)
    if as_json:
        console.print_json(results.as_json([s.to_dict() for s in results.in_order()]))
    results.leave()


def _print(found: "FillSummary", brief: bool) -> None:
    """A table of the gaps; one line a trial when there are many."""
    from automarkerlabel.filling.fill import summary

    for note in found.notes:
        console.say(f"note: {Path(found.trial).name}: {note}")
    where = found.output or "nothing written (--dry-run)"
    what = f"{summary(found.gaps)}, {found.n_samples} samples"
    if brief:
        console.results.print(f"{Path(found.trial).name}: {what} -> {where}", markup=False)
        return
    if found.gaps:
        shown = found.gaps[:_MOST_SHOWN]
        rest = f" (the first {len(shown)} of {len(found.gaps)}; --csv has all)" if len(shown) < len(found.gaps) else ""
        head = ["marker", "frames", "s", "filled by", "expected mm", ""]
        console.results.print(console.table(f"gaps{rest}", head, [_row(g) for g in shown], frozenset({1, 2, 4})))
    if found.n_estimated:
        console.results.print(f"{found.n_estimated} samples were no measurements before, as their residual says")
    console.results.print(f"{found.trial}: {what}", markup=False)
    console.results.print(f"written: {where}" if found.output else where, markup=False)


def _row(gap: "FilledGap") -> list[str]:
    frames = f"{gap.first_frame}-{gap.last_frame}" if gap.n_frames > 1 else str(gap.first_frame)
    expected = "" if gap.expected_mm is None else f"{gap.expected_mm:.1f}"
    return [gap.label, frames, f"{gap.seconds:.2f}", gap.method or "open", expected, gap.why]
