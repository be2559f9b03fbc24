"""`aml train`."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import (
    AsJson,
    Device,
    Exclude,
    MarkerSetFile,
    Overwrite,
    Rename,
    Units,
    Up,
    Val,
    ValBy,
    ValShare,
    add_field_options,
    given_options,
    option_name,
    read_config,
    refuse_others,
)
from automarkerlabel.cli.train_forecaster import train_forecaster
from automarkerlabel.cli.train_matcher import BatchPoints, CoolDown, Minutes, Steps, train_matcher
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import InputError
from automarkerlabel.training.settings import MODEL_TYPES, PRESETS, Augmentation, NetworkSettings, TrainSettings

if TYPE_CHECKING:
    from automarkerlabel.core.source import Source
    from automarkerlabel.simulate.dataset import Endless
    from automarkerlabel.training.legacy.trainer import LegacySettings, LegacyTrainer
    from automarkerlabel.training.trajectory import Trainer

_PRESET = "light"
Data = Annotated[
    list[Path] | None,
    typer.Argument(help="labelled trials, folders of them, or lists (.txt, a path a line)", show_default=False),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="model file (default: model_<type>_<date>.ckpt)")]
Task = Annotated[str, typer.Option(help="label; or forecast: a model that fills gaps, for aml fill --model")]
ModelType = Annotated[
    str | None, typer.Option(help=f"{', '.join(MODEL_TYPES)} (default: matcher if all else is, hybrid otherwise)")
]
Preset = Annotated[
    str | None,
    typer.Option(help=f"sizes and settings: {', '.join(PRESETS)} (default: {_PRESET})", show_default=False),
]
Base = Annotated[str | None, typer.Option("--from", help="start from the weights of this model")]
Resume = Annotated[bool, typer.Option("--resume", help="go on where an interrupted run of the same -o stopped")]
TrainingValues = Annotated[
    Path | None,
    typer.Option(help="go on training a checkpoint of the predecessor (--from): its trainingvals_*.pickle"),
]
Simulate = Annotated[
    str | None, typer.Option(help="learn from people simulated anew all the time: a marker set as in aml simulate")
]
Motions = Annotated[
    list[str] | None,
    typer.Option(help="with --simulate: walk, squat, ..., clips; all procedural ones if none; matcher: clips"),
]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings; options on the command line win")]

# Which options each way to train has; whatever else stands on the command line is refused.
_COMMON = {"data", "out", "task", "units", "up", "exclude", "rename", "overwrite", "as_json"}
_FORECAST = {*_COMMON, "epoch_windows", "epochs", "batch_size", "learning_rate", "cells", "seed"}
_MATCHER_ALONE = {"steps", "minutes", "cool_down", "batch_points"}
_MATCHER = {
    *_COMMON, *_MATCHER_ALONE, "model_type", "base", "resume", "motion", "device", "learning_rate", "seed",
}  # fmt: skip
_NOT_LEGACY = {"val", "val_share", "val_by", "model_type", "preset", "simulate", "motion", *_MATCHER_ALONE}


@dataclass(frozen=True)
class TrainOptions:
    """The options of `aml train` that are no settings; `settings` are those that are, None where not given."""

    data: list[Path]
    out: Path | None
    task: str
    model_type: str | None
    preset: str | None
    base: str | None
    resume: bool
    val: list[Path]
    val_share: float
    val_by: str
    marker_set: Path | None
    training_values: Path | None
    simulate: str | None
    motion: list[str]
    steps: int | None
    minutes: float | None
    cool_down: int | None
    batch_points: int | None
    config: Path | None
    units: str | None
    up: str | None
    exclude: str | None
    rename: Path | None
    device: str
    overwrite: bool
    as_json: bool
    settings: dict[str, Any]

    @classmethod
    def of(cls, context: typer.Context) -> "TrainOptions":
        named = {f.name: context.params[f.name] for f in fields(cls) if f.name != "settings"}
        lists = {name: list(named[name] or []) for name in ("data", "val", "motion")}
        settings = {name: value for name, value in context.params.items() if name not in named}
        return cls(**named | lists, settings=settings)

    def new_names(self) -> dict[str, str]:
        """New labels by old ones. Raises `InputError` for a file that says none."""
        from automarkerlabel.io.renaming import read_renaming

        return read_renaming(self.rename) if self.rename is not None else {}

    def default_out(self, kind: str) -> Path:
        return self.out or Path(f"model_{kind}_{datetime.date.today().isoformat()}.ckpt")


@add_field_options(TrainSettings, WindowConfig, Augmentation, NetworkSettings)
def train(
    context: typer.Context, data: Data = None, out: Out = None, task: Task = "label", model_type: ModelType = None,
    preset: Preset = None, base: Base = None, resume: Resume = False, val: Val = None, val_share: ValShare = 0.08,
    val_by: ValBy = "trial", marker_set: MarkerSetFile = None, training_values: TrainingValues = None,
    simulate: Simulate = None, motion: Motions = None, steps: Steps = None, minutes: Minutes = None,
    cool_down: CoolDown = None, batch_points: BatchPoints = None, config: Config = None, units: Units = None,
    up: Up = None, exclude: Exclude = None, rename: Rename = None, device: Device = "auto",
    overwrite: Overwrite = False, as_json: AsJson = False, **settings: Any,
) -> None:  # fmt: skip
    """Train a model on labelled trials of your own marker set, or on simulated people who wear it."""
    from automarkerlabel.training import distributed

    options = TrainOptions.of(context)
    if task not in ("label", "forecast"):
        raise InputError(f"--task: expected label or forecast, found {task!r}")
    if task == "forecast":
        refuse_others(context, _FORECAST, "with --task forecast, which has no such choice")
        train_forecaster(options, options.new_names())
        return
    stored = read_config(config, {*options.settings, "model_type", "preset"})  # `aml tune` writes the last two
    chosen, why = model_type or stored.pop("model_type", None), list[str]()
    if chosen is None:
        foreign = [name for name in given_options(context) if name not in _MATCHER]
        foreign += ["torchrun"] if distributed.is_one_of_many() else []
        chosen, reason = _chosen_type(options, foreign)
        why = [reason]
    if distributed.is_one_of_many() and (chosen == "matcher" or training_values is not None):
        raise InputError("torchrun: expected a model type that several processes can train, found one that they cannot")
    if chosen not in MODEL_TYPES:
        raise InputError(f"--model-type: expected one of {', '.join(MODEL_TYPES)}, found {chosen!r}")
    if chosen == "matcher":
        refuse_others(context, _MATCHER, "with --model-type matcher, which has no such choice")
        train_matcher(options, options.new_names(), why)
        return
    for name in given_options(context):
        if name in _MATCHER_ALONE:
            raise InputError(f"{option_name(name)}: expected --model-type matcher beside it, found {chosen}")
    preset = str(preset or stored.pop("preset", _PRESET))
    if preset not in PRESETS:
        raise InputError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    changed = stored | {k: v for k, v in options.settings.items() if v is not None}
    if training_values is not None:
        every = {p.name for p in context.command.params if p.name} - _NOT_LEGACY
        refuse_others(context, every, "with --training-values, which has no such choice")
        _train_legacy(options, training_values, changed)
        return
    _train_trajectories(options, chosen, preset, changed, why)


def _shared(options: TrainOptions, out: Path) -> dict[str, Any]:
    """What the plan of every trainer of trajectories has."""
    from automarkerlabel.models.device import as_device

    base = None if options.base is None else Path(options.base)
    return {
        "out": out, "base": base, "resume": options.resume, "overwrite": options.overwrite,
        "device": as_device(options.device),
    }  # fmt: skip


def _read(options: TrainOptions, places: list[Path], out: Path) -> "list[Source]":
    """The labelled trials of `places`, with notes on doubtful labels. Raises `InputError`, also where one is `out`."""
    from automarkerlabel.audit.quick import label_notes
    from automarkerlabel.io import collect
    from automarkerlabel.training import trajectory_plan

    paths = collect.find_trials(places)
    base = None if options.base is None else Path(options.base)
    trajectory_plan.refuse_inputs(out, [*paths, options.config, options.marker_set, options.training_values, base])
    with console.progress("reading", len(paths), options.as_json) as bar:
        sources = collect.read_labelled(
            paths, options.units, options.up, options.exclude, lambda *_: console.advance(bar), options.new_names()
        )
    for note in label_notes(sources):
        console.say(f"note: {note}")
    return sources


def _train_legacy(options: TrainOptions, training_values: Path, changed: dict[str, Any]) -> None:
    """Go on with the predecessor's training."""
    from automarkerlabel.training import trajectory_plan

    if not options.data:
        raise InputError("--training-values: expected labelled trials to learn from, found none")
    out = options.default_out("legacy_lstm")
    plan = trajectory_plan.LegacyPlan(
        training_values, options.marker_set, _legacy_settings(changed), **_shared(options, out)
    )
    trajectory_plan.check_legacy(plan)
    trainer = trajectory_plan.prepare_legacy(plan, _read(options, options.data, out))
    last = _run(trainer, trainer.describe(), out, options.as_json)
    _tell({"model": str(out), "labels": len(trainer.parts.labels), **last}, out, options.as_json)


def _train_trajectories(
    options: TrainOptions, model_type: str, preset: str, changed: dict[str, Any], why: list[str]
) -> None:
    """Train a model of trajectories, in as many processes as torchrun started; the first alone tells and calibrates."""
    from automarkerlabel.training import distributed, trajectory_plan

    out, as_json = options.default_out(model_type), options.as_json
    shared = _shared(options, out)
    plan = trajectory_plan.plan_of(model_type, preset, changed, **shared)
    trajectory_plan.check(plan)
    with distributed.joined(shared["device"]) as group, console.heard(group.leads):
        endless = _simulated(options.simulate, options.motion, plan.settings.seed)
        if not options.data and endless is None:
            raise InputError("expected labelled trials to learn from, or --simulate with a marker set, found neither")
        sources = _read(options, options.data, out) if options.data else []
        held_out = _read(options, options.val, out) if options.val else None
        trainer = trajectory_plan.prepare(
            plan, sources, held_out, options.val_share, options.val_by, options.marker_set, endless, group
        )
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


def _chosen_type(options: TrainOptions, foreign: list[str]) -> tuple[str, str]:
    """The model type where none is named, and why, in a line; `foreign` is what was given that the matcher has not."""
    from automarkerlabel.labellers import load
    from automarkerlabel.models.checkpoints.matcher import is_matcher

    base, resumed = options.base, options.out if options.resume else None
    known = next((x for x in (resumed, None if base is None else load.find_matcher(base)) if x), None)
    if known is not None and is_matcher(known):
        return "matcher", f"model type: matcher, as {known.name} is"
    if resumed is not None or base is not None:
        return "hybrid", "model type: hybrid; --model-type names another"
    if not options.data:
        return "hybrid", "model type: hybrid"
    if foreign:
        option = "torchrun" if foreign[0] == "torchrun" else option_name(foreign[0])
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
