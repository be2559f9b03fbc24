"""`aml report`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import (
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
    TrainingValues,
    Trial,
    Units,
    Up,
    WornSet,
    refuse,
)

# What only labelling uses, and why it is refused where names are shown.
_LABELLING = ("heading", "min_confidence", "device")
_NAMED = "--reference, --marker-set or --model beside it, found a trial whose own names are shown"


def report(
    context: typer.Context,
    trial: Trial,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="page, .html (default: beside the trial)")] = None,
    reference: Reference = None,
    reference_frame: ReferenceFrame = None,
    marker_set: WornSet = None,
    model: Model = None,
    training_values: TrainingValues = None,
    heading: Heading = None,
    min_confidence: MinConfidence = 0.5,
    keep_labels: KeepLabels = False,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show a trial and its labels as one page for any browser, which works offline.

    Shown are the names that the trial has. Without any, or with an option that says how to label, it is labelled as
    aml label does it; no trial is written.
    """
    from automarkerlabel.io import Reading
    from automarkerlabel.labellers.request import LabelRequest
    from automarkerlabel.workflows import report as work

    options = work.ReportOptions(min_confidence, keep_labels, Reading(units, up, exclude), heading, overwrite)
    page = trial.with_name(f"{trial.stem}_report.html") if out is None else out
    wanted = LabelRequest(model, reference, reference_frame, marker_set, training_values, exclude)
    read, named = work.read_for_report(trial, page, options)
    says_how = keep_labels or replace(wanted, exclude=None) != LabelRequest()
    if named and not says_how:
        refuse(context, _LABELLING, _NAMED)
        work.report_names(trial, page, read)
    else:
        from automarkerlabel.labellers.request import labeller_for, notes_about
        from automarkerlabel.models.device import as_device

        method = labeller_for(wanted, as_device(device))
        for note in notes_about(method):
            console.say(f"note: {note}")
        work.report_labelled_by(method, trial, page, read, options)
    if as_json:
        console.print_json({"written": str(page)})
    else:
        console.results.print(f"written: {page}", markup=False)
