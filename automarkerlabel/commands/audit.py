"""`aml audit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel import console
from automarkerlabel.commands.common import (
    AsJson,
    Device,
    Exclude,
    Overwrite,
    Reference,
    ReferenceFrame,
    Trials,
    Units,
    Up,
)
from automarkerlabel.errors import AutoMarkerLabelError

if TYPE_CHECKING:
    from automarkerlabel.audit import Audit

FOUND = 4  # exit code


def audit(
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
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Say where the labels of labelled trials are doubtful, and what they should probably be."""
    from automarkerlabel import audit_files as work
    from automarkerlabel.io.files import check_output
    from automarkerlabel.methods import Wanted

    wanted = Wanted(model, reference, reference_frame, marker_set, exclude=exclude)
    if csv is not None:
        check_output(csv, [*trials, *wanted.inputs], overwrite)
    options = work.AuditOptions(wanted, units, up)
    against = work.against(options, device)
    audits: list[Audit] = []
    failures: list[tuple[str, str]] = []
    for path in trials:
        try:
            audits.append(work.audit_file(path, against, options))
        except AutoMarkerLabelError as error:
            if len(trials) == 1:
                raise
            failures.append((str(path), str(error)))
            console.say(f"aml: {error}")
        else:
            if not as_json:
                _print(audits[-1])
    if csv is not None:
        work.write_csv(csv, audits, overwrite)
    if as_json:
        shown: list[dict[str, Any]] = [a.to_dict() for a in audits]
        shown += [{"trial": trial, "error": error} for trial, error in failures]
        console.print_json(shown[0] if len(trials) == 1 else shown)
    if failures:
        raise typer.Exit(1 if not audits else 3)
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
