"""`aml review`."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import (
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
)
from automarkerlabel.errors import InputError


def review(
    trial: Trial,
    labels: Annotated[
        Path | None, typer.Option(help="the same trial with labels, to begin with; it may be the trial itself")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="reviewed trial, or a folder for it")] = None,
    reference: Reference = None, reference_frame: ReferenceFrame = None, marker_set: WornSet = None,
    model: Model = None, training_values: TrainingValues = None, heading: Heading = None,
    min_confidence: MinConfidence = 0.0, keep_labels: KeepLabels = False, units: Units = None, up: Up = None,
    exclude: Exclude = None, device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="begin anew; the earlier journal is set aside")] = False,
    port: Annotated[int, typer.Option(help="to listen at; 0: one that is free", min=0, max=65535)] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="only say the address")] = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="skip the second look at the output by ezc3d")] = False,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="say address and journal in a first line of JSON")] = False,
) -> None:  # fmt: skip
    """Look at a trial's labels in the browser, correct them, and save.

    Labels are those of --labels, of the trial itself, or found as aml label finds them. Every edit is on disk at once;
    the same command goes on where it ended. Ctrl-C ends it.
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"aml review: expected the packages starlette and uvicorn, found no {' and no '.join(missing)};"
            " pip install 'automarkerlabel[review]'"
        )
    from automarkerlabel.review.editing.opening import Asked, opened
    from automarkerlabel.review.editing.save import outputs_for
    from automarkerlabel.review.editing.serve import serve

    named = {
        "model": model, "reference": reference, "reference_frame": reference_frame, "marker_set": marker_set,
        "training_values": training_values,
    }  # fmt: skip
    wanted = {k: v if isinstance(v, int) else str(v) for k, v in named.items() if v is not None}
    inputs = tuple(Path(x) for x in (labels, *wanted.values()) if x is not None and not isinstance(x, int))
    outputs = outputs_for(trial, out, inputs, overwrite, not no_verify)
    asked = Asked(
        trial, outputs, labels, wanted, exclude, heading, min_confidence, keep_labels, units, up, device, fresh
    )
    session = opened(asked, console.say)

    def started(address: str) -> None:
        if as_json:
            typer.echo(json.dumps({"address": address, "journal": str(outputs.journal.resolve())}))
        else:
            console.results.print(f"review at {address}", markup=False)
            console.say("Ctrl-C ends it; every edit is on disk at once")

    try:
        serve(session, port, started, not no_browser)
    finally:
        session.close()
        console.say(_left(session.history.unsaved, trial, outputs.trial))


def _left(unsaved: bool, trial: Path, output: Path) -> str:
    if not unsaved:
        return "ended; nothing is unsaved"
    return f"ended; edits are in the journal and not yet in {output.name}: aml review {trial} goes on"
