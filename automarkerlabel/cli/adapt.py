"""`aml adapt`."""

from pathlib import Path
from typing import Annotated

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import AsJson, Device, Exclude, Overwrite, Units, Up


def adapt(
    model: Annotated[str, typer.Argument(help="model file, or the name of one that comes with the package")],
    corrected: Annotated[
        list[Path],
        typer.Argument(help="corrected trials, folders of them, lists (.txt), or corrections of aml review (.json)"),
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="the new model (default: MODEL_adapted)")] = None,
    seed: Annotated[int, typer.Option(help="of the training")] = 0,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Add corrected trials to a model, in about a minute, and show that what was right stays right."""
    from automarkerlabel.audit.quick import label_notes
    from automarkerlabel.io import collect
    from automarkerlabel.models.device import as_device
    from automarkerlabel.review.editing import corrections
    from automarkerlabel.training import adapt as work

    named = Path(model) if Path(model).exists() else Path(f"{model}.ckpt")
    reviewed = [x for x in corrected if x.suffix.lower() == corrections.SUFFIX]
    trials = [x for x in corrected if x not in reviewed]
    sources = corrections.sources_of(reviewed, units, up, exclude)
    if trials:
        sources += collect.read_labelled(collect.find_trials(trials), units, up, exclude)
    for note in label_notes(sources):
        console.say(f"note: {note}")
    tell = (lambda line: None) if as_json else console.say
    done = work.adapt(model, sources, out or work.adapted_name(named), as_device(device), overwrite, seed, tell)
    if as_json:
        console.print_json(done.to_dict())
        return
    rows = [("corrected", done.corrected), *([("kept of earlier ones", done.kept)] if done.kept else [])]
    console.results.print(
        console.table(
            "share of points labelled rightly in broken copies",
            ["trials", "copies", "before", "after"],
            [
                [name, str(c.n_cases), "-" if c.before is None else f"{c.before:.4f}", f"{c.after:.4f}"]
                for name, c in rows
            ],
            frozenset({1, 2, 3}),
        )
    )
    for note in done.notes:
        console.say(f"note: {note}")
    if done.kept and done.kept.before is not None and done.kept.after < done.kept.before - 0.002:
        console.say("note: some of what was right is wrong now; give more trials to aml train, or keep the old model")
    console.results.print(
        f"written: {done.model}  (label with: aml label TRIAL --model {done.model})", markup=False, soft_wrap=True
    )
