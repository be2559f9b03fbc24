"""`aml train`."""

import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from automarkerlabel import console
from automarkerlabel.commands.common import AsJson, Data, Device, Exclude, Overwrite, Units, Up
from automarkerlabel.commands.options import add_field_options, read_config, settings_of
from automarkerlabel.errors import InputError
from automarkerlabel.settings import PRESETS, Augmentation, NetworkSettings, TrainSettings, WindowConfig

MODEL_TYPES = "hybrid, lstm or transformer"


@add_field_options(TrainSettings, WindowConfig, Augmentation, NetworkSettings)
def train(
    data: Data,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="model file [default: model_<type>_<date>.ckpt]")
    ] = None,
    model_type: Annotated[str, typer.Option(help=MODEL_TYPES)] = "hybrid",
    preset: Annotated[str, typer.Option(help=f"sizes and settings: {', '.join(PRESETS)}")] = "light",
    base: Annotated[Path | None, typer.Option("--from", help="start from the weights of this model")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on where an interrupted run of the same -o stopped")
    ] = False,
    val: Annotated[
        list[Path] | None, typer.Option(help="validation trials or folders, instead of held-out ones")
    ] = None,
    val_share: Annotated[float, typer.Option(help="share of the trials that is held out")] = 0.08,
    val_by: Annotated[str, typer.Option(help="hold out by whole trial or whole subject")] = "trial",
    marker_set: Annotated[
        Path | None, typer.Option(help="OpenSim .xml or .osim; read from the trials if not given")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; options on the command line win")] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Train a model on labelled trials of your own marker set."""
    from automarkerlabel import collect, teach
    from automarkerlabel.labeller import as_device

    if preset not in PRESETS:
        raise InputError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    out = out or Path(f"model_{model_type}_{datetime.date.today().isoformat()}.ckpt")
    layers = (PRESETS[preset]["windows"], PRESETS[preset]["training"], read_config(config, set(given)), given)
    plan = teach.Plan(
        model_type=model_type,
        preset=preset,
        windows=settings_of(WindowConfig, *layers),
        settings=settings_of(TrainSettings, *layers),
        augmentation=settings_of(Augmentation, *layers),
        network=settings_of(NetworkSettings, *layers),
        neighbours_given=any("n_neighbours" in x and x["n_neighbours"] is not None for x in layers),
        out=out,
        base=base,
        resume=resume,
        overwrite=overwrite,
        device=as_device(device),
    )
    teach.check(plan)
    paths = collect.find_trials(data)
    with console.progress("reading", len(paths), as_json) as bar:
        sources = collect.read_labelled(paths, units, up, exclude, lambda *_: console.advance(bar))
    held_out = None
    if val:
        held_out = collect.read_labelled(collect.find_trials(val), units, up, exclude)
    trainer = teach.prepare(plan, sources, held_out, val_share, val_by, marker_set)
    if not as_json:
        console.say(teach.describe(trainer))
    try:
        last = _run(trainer, quiet=as_json)
    except KeyboardInterrupt:
        console.say(
            f"stopped; {trainer.epoch} finished epochs are saved. Go on with the same command and --resume"
            + (f"; the best model so far is {out}" if out.exists() else "")
        )
        raise
    stored = teach.calibrate(trainer)
    result = {
        "model": str(out),
        "temperature": stored.temperature,
        "no_label_offset": stored.no_label_offset,
        "labels": len(stored.marker_set),
        **last,
    }
    if as_json:
        console.print_json(result)
    else:
        console.results.print(
            f"written: {out}  (label with: aml label TRIAL --model {out})", markup=False, soft_wrap=True
        )


def _run(trainer: "teach.Trainer", quiet: bool) -> dict[str, Any]:  # type: ignore[name-defined] # noqa: F821
    """Train with a live table on stderr; plain lines where stderr is no terminal."""
    from dataclasses import asdict

    last: dict[str, Any] = {}
    with console.live_epochs(quiet) as show:
        for epoch in trainer.epochs(show.step):
            last = asdict(epoch)
            show.epoch(last)
    return last
