"""`aml train`."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import (
    AsJson,
    Device,
    Exclude,
    Overwrite,
    Rename,
    Units,
    Up,
    add_field_options,
    read_config,
)
from automarkerlabel.cli.train_forecaster import train_forecaster
from automarkerlabel.cli.train_matcher import MATCHER_SETTINGS, BatchPoints, CoolDown, Minutes, Steps, train_matcher
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import InputError
from automarkerlabel.training.settings import MODEL_TYPES, PRESETS, Augmentation, NetworkSettings, TrainSettings

if TYPE_CHECKING:
    from automarkerlabel.simulate.dataset import Endless
    from automarkerlabel.training.legacy.trainer import LegacySettings, LegacyTrainer
    from automarkerlabel.training.trajectory import Trainer

_VAL_SHARE, _VAL_BY, _PRESET = 0.08, "trial", "light"


@add_field_options(TrainSettings, WindowConfig, Augmentation, NetworkSettings)
def train(
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="labelled trials, folders of them, or lists (.txt, a path a line)", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="model file (default: model_<type>_<date>.ckpt)")
    ] = None,
    task: Annotated[
        str, typer.Option(help="label; or forecast: a model that fills gaps, for aml fill --model")
    ] = "label",
    model_type: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(MODEL_TYPES)} (default: matcher if all else is, hybrid otherwise)"),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=f"sizes and settings: {', '.join(PRESETS)} (default: {_PRESET})", show_default=False),
    ] = None,
    base: Annotated[str | None, typer.Option("--from", help="start from the weights of this model")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on where an interrupted run of the same -o stopped")
    ] = False,
    val: Annotated[
        list[Path] | None, typer.Option(help="validation trials or folders, instead of held-out ones")
    ] = None,
    val_share: Annotated[float, typer.Option(help="share of the trials that is held out")] = _VAL_SHARE,
    val_by: Annotated[str, typer.Option(help="hold out by whole trial or whole subject")] = _VAL_BY,
    marker_set: Annotated[
        Path | None, typer.Option(help="OpenSim .xml or .osim; read from the trials if not given")
    ] = None,
    training_values: Annotated[
        Path | None,
        typer.Option(help="go on training a checkpoint of the predecessor (--from): its trainingvals_*.pickle"),
    ] = None,
    simulate: Annotated[
        str | None, typer.Option(help="learn from people simulated anew all the time: a marker set as in aml simulate")
    ] = None,
    motion: Annotated[
        list[str] | None,
        typer.Option(help="with --simulate: walk, squat, ..., clips; all procedural ones if none; matcher: clips"),
    ] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    cool_down: CoolDown = None,
    batch_points: BatchPoints = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings; options on the command line win")] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    rename: Rename = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Train a model on labelled trials of your own marker set, or on simulated people who wear it."""
    from automarkerlabel.audit.quick import label_notes
    from automarkerlabel.core.source import Source
    from automarkerlabel.io import collect
    from automarkerlabel.io.renaming import read_renaming
    from automarkerlabel.models.device import as_device
    from automarkerlabel.training import distributed, trajectory_plan

    names = read_renaming(rename) if rename is not None else {}
    if task not in ("label", "forecast"):
        raise InputError(f"--task: expected label or forecast, found {task!r}")
    if task == "forecast":
        unfit = {
            "model_type": model_type is not None, "preset": preset is not None, "from": base is not None,
            "resume": resume, "val": bool(val), "val_share": val_share != _VAL_SHARE, "val_by": val_by != _VAL_BY,
            "marker_set": marker_set is not None, "training_values": training_values is not None,
            "simulate": simulate is not None, "motion": bool(motion), "steps": steps is not None,
            "minutes": minutes is not None, "cool_down": cool_down is not None,
            "batch_points": batch_points is not None, "config": config is not None,
        }  # fmt: skip
        train_forecaster(
            data or [], (units, up, exclude), given, [name for name, asked in unfit.items() if asked], out, names,
            overwrite, as_json,
        )  # fmt: skip
        return
    settings = read_config(config, {*given, "model_type", "preset"})  # of which `aml tune` writes the last two
    model_type = model_type or settings.pop("model_type", None)
    preset = str(preset or settings.pop("preset", _PRESET))
    why: list[str] = []  # this model type, in a line
    if model_type is None:
        lacking = {
            "preset": preset != _PRESET, "val": bool(val), "val_share": val_share != _VAL_SHARE,
            "val_by": val_by != _VAL_BY, "marker_set": marker_set is not None, "simulate": simulate is not None,
            "training_values": training_values is not None, "config": config is not None,
            "torchrun": distributed.is_one_of_many(),
            **{k: v is not None for k, v in given.items() if k not in MATCHER_SETTINGS},
        }  # fmt: skip
        model_type, reason = _chosen_type(
            data or [], base, out if resume else None, [k for k, v in lacking.items() if v]
        )
        why = [reason]
    if distributed.is_one_of_many() and (model_type == "matcher" or training_values is not None):
        raise InputError("torchrun: expected a model type that several processes can train, found one that they cannot")
    if model_type not in MODEL_TYPES:
        raise InputError(f"--model-type: expected one of {', '.join(MODEL_TYPES)}, found {model_type!r}")
    matcher_only = {"steps": steps, "minutes": minutes, "cool_down": cool_down, "batch_points": batch_points}
    if model_type == "matcher":
        others = {
            "preset": preset != _PRESET, "val": bool(val), "val_share": val_share != _VAL_SHARE,
            "val_by": val_by != _VAL_BY, "marker_set": marker_set is not None, "simulate": simulate is not None,
            "training_values": training_values is not None, "config": config is not None,
        }  # fmt: skip
        train_matcher(
            data or [], motion or [], (units, up, exclude), given, [name for name, asked in others.items() if asked],
            as_json, out=out, base=base, resume=resume, overwrite=overwrite, device=device, why=why, rename=names,
            **matcher_only,
        )  # fmt: skip
        return
    for name, value in matcher_only.items():
        if value is not None:
            raise InputError(f"--{name.replace('_', '-')}: expected --model-type matcher beside it, found {model_type}")
    if preset not in PRESETS:
        raise InputError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    changed = settings | {k: v for k, v in given.items() if v is not None}
    name = model_type if training_values is None else "legacy_lstm"
    out = out or Path(f"model_{name}_{datetime.date.today().isoformat()}.ckpt")
    shared: dict[str, Any] = {
        "out": out,
        "base": None if base is None else Path(base),
        "resume": resume,
        "overwrite": overwrite,
        "device": as_device(device),
    }

    def read(places: list[Path]) -> list[Source]:
        paths = collect.find_trials(places)
        trajectory_plan.refuse_inputs(out, [*paths, config, marker_set, training_values, shared["base"]])
        with console.progress("reading", len(paths), as_json) as bar:
            sources = collect.read_labelled(paths, units, up, exclude, lambda *_: console.advance(bar), names)
        for note in label_notes(sources):
            console.say(f"note: {note}")
        return sources

    if training_values is not None:
        for option, asked in (
            ("--val", bool(val)), ("--val-share", val_share != _VAL_SHARE), ("--val-by", val_by != _VAL_BY),
            ("--model-type", model_type != "hybrid"), ("--preset", preset != _PRESET),
            ("--simulate", simulate is not None),
        ):  # fmt: skip
            if asked:
                raise InputError(f"{option}: expected none with --training-values, which has no such choice")
        if not data:
            raise InputError("--training-values: expected labelled trials to learn from, found none")
        legacy = trajectory_plan.LegacyPlan(training_values, marker_set, _legacy_settings(changed), **shared)
        trajectory_plan.check_legacy(legacy)
        legacy_trainer = trajectory_plan.prepare_legacy(legacy, read(data))
        last = _run(legacy_trainer, legacy_trainer.describe(), out, as_json)
        _tell({"model": str(out), "labels": len(legacy_trainer.parts.labels), **last}, out, as_json)
        return
    plan = trajectory_plan.plan_of(model_type, preset, changed, **shared)
    trajectory_plan.check(plan)
    with distributed.joined(shared["device"]) as group, console.heard(group.leads):
        endless = _simulated(simulate, motion, plan.settings.seed)
        if not data and endless is None:
            raise InputError("expected labelled trials to learn from, or --simulate with a marker set, found neither")
        sources = read(data) if data else []
        held_out = read(val) if val else None
        trainer = trajectory_plan.prepare(plan, sources, held_out, val_share, val_by, marker_set, endless, group)
        last = _run(trainer, "\n".join([*why, trajectory_plan.describe(trainer)]), out, as_json or not group.leads)
    if not group.leads:
        return
    if not as_json:
        console.say("calibrating on broken copies of the validation trials")
    with _telling_how_to_go_on(trainer, out):
        stored = trajectory_plan.calibrate(trainer)
    result = {
        "model": str(out),
        "temperature": stored.temperature,
        "no_label_offset": stored.no_label_offset,
        "labels": len(stored.marker_set),
        **last,
    }
    _tell(result, out, as_json)


def _chosen_type(data: list[Path], base: str | None, resumed: Path | None, asked: list[str]) -> tuple[str, str]:
    """The model type where none is named, and why, in a line.

    base     the model that is started from; `resumed` the one that is gone on with.
    asked    options given that the matcher does not have.
    """
    from automarkerlabel.labellers import load
    from automarkerlabel.models.checkpoints.matcher import is_matcher

    known = next((x for x in (resumed, None if base is None else load.find_matcher(base)) if x), None)
    if known is not None and is_matcher(known):
        return "matcher", f"model type: matcher, as {known.name} is"
    if resumed is not None or base is not None:
        return "hybrid", "model type: hybrid; --model-type names another"
    if not data:
        return "hybrid", "model type: hybrid"
    if asked:
        option = f"--{asked[0].replace('_', '-')}" if asked[0] != "torchrun" else "torchrun"
        return "hybrid", f"model type: hybrid, since the matcher is not trained with {option}"
    return "matcher", (
        "model type: matcher, tuned on your trials, which needs the fewest and the least time"
        " (--model-type hybrid trains a network for this marker set alone)"
    )


def _simulated(marker_set: str | None, motions: list[str] | None, seed: int) -> "Endless | None":
    """The people simulated, if any are wanted. Raises `InputError` for motions without a marker set."""
    if marker_set is None:
        if motions:
            raise InputError("--motion: expected --simulate with a marker set beside it, found none")
        return None
    from automarkerlabel.simulate import dataset

    worn = dataset.worn_set(marker_set)
    found = dataset.find_motions(motions or [], lambda name, message: console.say(f"note: {name} left out: {message}"))
    return dataset.Endless(worn, found, seed)


def _legacy_settings(changed: dict[str, Any]) -> "LegacySettings":
    """What can be set where the predecessor's training goes on. Raises `InputError` for any other setting."""
    from dataclasses import fields

    from automarkerlabel.training.legacy.trainer import LegacySettings

    known = [f.name for f in fields(LegacySettings)]
    strange = [name for name in changed if name not in known]
    if strange:
        raise InputError(
            f"--training-values: expected settings among {', '.join(known)}, found {', '.join(strange)};"
            " the predecessor's training has no such setting"
        )
    return LegacySettings(**changed)


def _tell(result: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        console.print_json(result)
    else:
        console.results.print(
            f"written: {out}  (label with: aml label TRIAL --model {out})", markup=False, soft_wrap=True
        )


def _run(trainer: "Trainer | LegacyTrainer", about: str, out: Path, quiet: bool) -> dict[str, Any]:
    """Train with a live table on stderr; plain lines where stderr is no terminal."""
    from dataclasses import asdict

    if not quiet:
        console.say(about)
    last: dict[str, Any] = {}
    with _telling_how_to_go_on(trainer, out), console.live_epochs(quiet) as show:
        for epoch in trainer.epochs(show.step):
            last = asdict(epoch)
            show.epoch(last)
    return last


@contextmanager
def _telling_how_to_go_on(trainer: "Trainer | LegacyTrainer", out: Path) -> Iterator[None]:
    """On Ctrl-C say what is saved and what to do."""
    try:
        yield
    except KeyboardInterrupt:
        console.say(
            f"stopped; {trainer.epoch} finished epochs are saved. Go on with the same command and --resume (no --from)"
            + (f"; the best model so far, not yet calibrated, is {out}" if out.exists() else "")
        )
        raise
