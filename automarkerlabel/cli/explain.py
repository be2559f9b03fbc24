"""`aml explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import (
    AsJson,
    Device,
    Exclude,
    Heading,
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

if TYPE_CHECKING:
    from automarkerlabel.review.explain.explained import Explained

_DOUBTFUL = 3  # trajectories, unless some are named


def explain(
    trial: Trial,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="picture (.png) of one trajectory, or folder for pictures")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="column to explain: its name, or its number from 1; may be repeated")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="label to explain, as given here; may be repeated")] = None,
    doubtful: Annotated[
        int | None,
        typer.Option(min=1, help=f"explain this many labels, the least sure ones (default: {_DOUBTFUL})"),
    ] = None,
    frame: Annotated[
        int | None, typer.Option(help="show this frame, as the file counts (default: what says most for the label)")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="compare with this label, or 'no label' (default: the likeliest other one)")
    ] = None,
    reference: Reference = None, reference_frame: ReferenceFrame = None, marker_set: WornSet = None,
    model: Model = None, training_values: TrainingValues = None, heading: Heading = None, units: Units = None,
    up: Up = None, exclude: Exclude = None, device: Device = "auto", overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show why trajectories got their labels: the moments, neighbours and points of the reference that decided.

    The trial is labelled as `aml label` would, by the same options; nothing but pictures is written.
    """
    from automarkerlabel.io import Reading
    from automarkerlabel.labellers.request import LabelRequest, labeller_for
    from automarkerlabel.models.device import as_device
    from automarkerlabel.review.explain import picture
    from automarkerlabel.workflows import explain

    if out is None and not as_json:
        raise InputError("expected -o with a picture (.png) or a folder, or --json, found neither")
    if out is not None:
        picture.require()
    n_doubtful = doubtful or (0 if column or label else _DOUBTFUL)
    wanted = LabelRequest(model, reference, reference_frame, marker_set, training_values, exclude)
    choice = explain.Choice(tuple(column or ()), tuple(label or ()), n_doubtful, frame, against)
    explained = explain.explain_file(
        labeller_for(wanted, as_device(device)), trial, choice, Reading(units, up, exclude), heading
    )
    paths = explain.pictures_for(explained, out, overwrite, [trial, *wanted.inputs]) if out is not None else []
    for one, path in zip(explained, paths, strict=False):
        picture.write(one, path)
    if as_json:
        told = [one.to_dict() for one in explained]
        for one_told, path in zip(told, paths, strict=False):
            one_told["picture"] = str(path)
        console.print_json(told)
        return
    for one, path in zip(explained, paths, strict=True):
        _print(one, path)


def _print(one: "Explained", path: Path) -> None:
    """A few lines for a person."""
    console.results.print(
        f"{one.column}, frames {one.first_frame}-{one.last_frame}: {one.label}, confidence {one.confidence:.3f}",
        markup=False,
    )
    for line in one.because:
        console.results.print(f"  {line}", markup=False)
    if one.note:
        console.results.print(f"  {one.note}", markup=False)
    console.results.print(f"  written: {path}", markup=False)
