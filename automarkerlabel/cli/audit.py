"""`aml audit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel.cli import console, many
from automarkerlabel.cli.options import (
    AsJson,
    Device,
    Exclude,
    Jobs,
    Overwrite,
    Reference,
    ReferenceFrame,
    Trials,
    Units,
    Up,
    refuse,
)

if TYPE_CHECKING:
    from automarkerlabel.audit.audit import Audit

FOUND = 4  # exit code


def audit(
    context: typer.Context,
    trials: Trials,
    reference: Reference = None,
    reference_frame: ReferenceFrame = None,
    model: Annotated[
        str | None, typer.Option(help="model file or name; it labels without looking at the names, and is compared")
    ] = None,
    marker_set: Annotated[
        str | None, typer.Option(help="known marker set (name or file), by which the matcher labels and is compared")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="leave with exit code 4 if anything was found")] = False,
    csv: Annotated[Path | None, typer.Option(help="write the findings there, a row each")] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    device: Device = "auto",
    jobs: Jobs = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Say where the labels of labelled trials are doubtful, and what they should probably be."""
    from automarkerlabel.io.files import check_output
    from automarkerlabel.io.outputs import found as files_of
    from automarkerlabel.labellers.request import LabelRequest
    from automarkerlabel.workflows.audit import AuditOptions, write_csv
    from automarkerlabel.workflows.batch.batch import Where
    from automarkerlabel.workflows.batch.jobs import AuditWork
    from automarkerlabel.workflows.batch.task import Task

    if model is None and marker_set is None:
        refuse(context, ("device",), "--model or --marker-set beside it, found neither")
    wanted = LabelRequest(model, reference, reference_frame, marker_set, exclude=exclude)
    tasks = [Task(x.path) for x in files_of(trials)]
    if csv is not None:
        check_output(csv, [*(t.source for t in tasks), *wanted.inputs], overwrite)
    results = many.Results(len(tasks))

    def show(found: "Audit") -> None:
        if not as_json:
            _print(found)

    try:
        work = AuditWork(AuditOptions(wanted, units, up), device)
        many.run("auditing", work, tasks, results, show, Where(jobs), quiet=as_json)
    finally:
        if csv is not None and results.begun:  # also for what was done before Ctrl-C
            write_csv(csv, results.in_order(), overwrite)
    audits: list[Audit] = results.in_order()
    if as_json:
        shown: list[dict[str, Any]] = [a.to_dict() for a in audits]
        shown += [{"trial": trial, "error": error} for trial, error in results.failures()]
        console.print_json(shown[0] if len(tasks) == 1 else shown)
    results.leave()
    if strict and any(a.findings for a in audits):
        raise typer.Exit(FOUND)


def _print(found: "Audit") -> None:
    head = ["kind", "labels", "columns", "frames", "should be", "sure", "why"]
    rows = [
        [
            f.kind, _some(f.labels), _some([str(c) for c in f.columns]), f"{f.first_frame}-{f.last_frame}",
            _some(f.should), f"{f.sure:.2f}", f.why,
        ]
        for f in found.findings
    ]  # fmt: skip
    checked = f"{found.trial}: {found.n_labels} labels checked against {', '.join(found.checked)}"
    console.results.print(checked if rows else f"{checked}; nothing found", markup=False)
    if rows:
        console.results.print(console.table(f"doubtful ({len(rows)})", head, rows, frozenset({5})))
    for note in found.notes:
        console.results.print(f"note: {note}", markup=False)


def _some(names: "list[str] | tuple[str, ...]") -> str:
    """The first few names."""
    more = f", ... ({len(names)})" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
