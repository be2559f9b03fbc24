"""From trials and settings to a trained, calibrated model file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automarkerlabel.core.marker_set import MarkerSet, from_trials
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, MarkerSetError, OutputError
from automarkerlabel.evaluation import calibration
from automarkerlabel.evaluation.evaluate import calibrate as fit_calibration
from automarkerlabel.io.collect import split_validation
from automarkerlabel.io.files import check_output
from automarkerlabel.io.marker_sets.opensim import read_marker_set
from automarkerlabel.io.outputs import refuse_collisions
from automarkerlabel.labellers.load import read_any_marker_set
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models import make_config
from automarkerlabel.models.checkpoints import excerpts, find_model
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.simulate.corrupt import Corruption
from automarkerlabel.training.distributed import ALONE, Group
from automarkerlabel.training.settings import PRESETS, Augmentation, NetworkSettings, TrainSettings, settings_of
from automarkerlabel.training.task import Task, TrialPools
from automarkerlabel.training.trajectory import Trainer

if TYPE_CHECKING:
    from automarkerlabel.training.legacy.trainer import LegacySettings, LegacyTrainer

_CUSTOMARY_OFFSET = 2.0
_MOST_VALIDATION = 24  # trials by which confidences are fitted


@dataclass(frozen=True)
class Plan:
    """What `aml train` was asked for. `neighbours_given`: False lets the paper preset take all other markers."""

    model_type: str
    preset: str
    windows: WindowConfig
    settings: TrainSettings
    augmentation: Augmentation
    network: NetworkSettings
    neighbours_given: bool
    out: Path
    base: Path | None = None
    resume: bool = False
    overwrite: bool = False
    device: str = "cpu"


@dataclass(frozen=True)
class LegacyPlan:
    """What `aml train --training-values` was asked for: going on with the predecessor's training."""

    training_values: Path
    marker_set: Path | None
    settings: "LegacySettings"
    out: Path
    base: Path | None = None
    resume: bool = False
    overwrite: bool = False
    device: str = "cpu"


def plan_of(model_type: str, preset: str, changed: Mapping[str, Any], **rest: Any) -> Plan:
    """A plan with the settings of a preset, some of them changed by name; `rest` are fields of `Plan`.

    Raises `InputError` for settings that make no sense.
    """
    layers = (PRESETS[preset]["windows"], PRESETS[preset]["training"], changed)
    return Plan(
        model_type=model_type,
        preset=preset,
        windows=settings_of(WindowConfig, *layers),
        settings=settings_of(TrainSettings, *layers),
        augmentation=settings_of(Augmentation, *layers),
        network=settings_of(NetworkSettings, *layers),
        neighbours_given=any(x.get("n_neighbours") is not None for x in layers),
        **rest,
    )


def check(plan: Plan) -> None:
    """Refuse early what would fail late. Raises `OutputError`, `ModelError`, `InputError`."""
    _network(plan)
    _check_files(plan, "state.pt")


def _check_files(plan: Plan | LegacyPlan, state_name: str, sources: Sequence[Path] = ()) -> None:
    if plan.resume and plan.base is not None:
        raise InputError("--resume and --from: expected one of them, found both")
    if not plan.resume:
        check_output(plan.out, sources, plan.overwrite)
        state = plan.out.with_name(plan.out.name + ".run") / state_name
        if state.exists() and not plan.overwrite:
            raise OutputError(f"{plan.out}: expected no earlier run, found one; add --resume to go on or --overwrite")
        if state.exists():
            check_output(state, sources, plan.overwrite)


def refuse_inputs(out: Path, inputs: Sequence[Path | None]) -> None:
    """Raise `OutputError` if the model file would replace one of the files that it is made of."""
    refuse_collisions([out], [x for x in inputs if x is not None])


def check_legacy(plan: LegacyPlan) -> None:
    """Refuse early what would fail late. Raises `OutputError`, `InputError`."""
    from automarkerlabel.training.legacy.state import STATE

    if plan.marker_set is None:
        raise InputError("training_values: expected --marker-set MarkerSet.xml beside it, found none")
    if plan.base is None and not plan.resume:
        raise InputError(
            "training_values: expected --from with the predecessor's checkpoint, or --resume, found neither"
        )
    _check_files(plan, STATE, [x for x in (plan.base, plan.training_values, plan.marker_set) if x is not None])


def prepare_legacy(plan: LegacyPlan, sources: Sequence[Source]) -> "LegacyTrainer":
    """A trainer that goes on with the predecessor's network.

    Raises `InputError`, `FileFormatError` or `ModelError` where its three files cannot be used or contradict each
    other, `TrialError` for trials that cannot be learnt from.
    """
    # Here, and with it scipy.signal, since only few need it.
    from automarkerlabel.labellers.legacy.model import convert
    from automarkerlabel.training.legacy.state import saved_state
    from automarkerlabel.training.legacy.trainer import LegacyTrainer

    assert plan.marker_set is not None
    base = plan.base or saved_state(plan.out)
    parts = convert(base, plan.training_values, read_marker_set(plan.marker_set))
    trainer = LegacyTrainer(parts, sources, plan.settings, plan.out, plan.device)
    if plan.resume:
        trainer.resume()
    else:
        trainer.start_from(base)
        trainer.forget()
    return trainer


def _network(plan: Plan) -> dict[str, object]:
    changes = {k: v for k, v in asdict(plan.network).items() if v is not None}
    if plan.settings.forecast:
        changes["forecast"] = True
    make_config(plan.model_type, plan.preset, **changes)
    return changes


def prepare(
    plan: Plan,
    sources: Sequence[Source],
    validation: Sequence[Source] | None,
    val_share: float,
    val_by: str,
    marker_set_file: Path | None,
    endless: TrialPools | None = None,
    group: Group = ALONE,
) -> Trainer:
    """A trainer ready to run; with `endless` there may be no sources. Raises `MarkerSetError` where trials and marker
    set share no label."""
    if validation is not None:
        train, held_out = list(sources), list(validation)
    elif endless is not None and not sources:
        train, held_out = [], []
    else:
        train, held_out = split_validation(sources, val_share, val_by, plan.settings.seed)
    validate = [s.trial for s in held_out]
    if endless is not None and not validate and val_share:
        validate = endless.validation()
    seen = [s.trial for s in sources] + (endless.pool(0) if endless is not None else [])
    marker_set = _marker_set(seen, marker_set_file)
    windows = plan.windows
    if plan.preset == "paper" and not plan.neighbours_given:
        windows = replace(windows, n_neighbours=len(marker_set) - 1)
    config = make_config(plan.model_type, plan.preset, **_network(plan))
    task = Task(
        plan.model_type, config, windows, marker_set, [s.trial for s in train], validate, plan.augmentation,
        endless,
    )  # fmt: skip
    trainer = Trainer(task, plan.settings, plan.out, plan.device, group)
    trainer.held_out = [s.path.name if val_by == "trial" else f"{s.subject}/{s.path.name}" for s in held_out]
    trainer.ignored = [x for x in from_trials(seen).labels if x not in set(marker_set.labels)]
    span_s = windows.n_samples / windows.rate_hz
    trainer.kept = excerpts.excerpts(train, max(excerpts.RATE_HZ, windows.rate_hz), max(excerpts.SECONDS, 2 * span_s))
    if plan.resume:
        trainer.resume()
    else:
        trainer.forget()
    if plan.base is not None:
        trainer.start_from(store.load(find_model(plan.base)))
    return trainer


def _marker_set(trials: Sequence[Trial], file: Path | None) -> MarkerSet:
    worn = from_trials(trials)
    if file is None:
        return worn
    marker_set = read_any_marker_set(file)
    shared = set(marker_set.labels) & set(worn.labels)
    if not shared:
        raise MarkerSetError(
            f"{file}: expected labels of the trials ({', '.join(worn.labels[:4])}, ...),"
            f" found none of them ({', '.join(marker_set.labels[:4])}, ...)"
        )
    return marker_set


def describe(trainer: Trainer) -> str:
    """What is about to be learnt, in a line or two."""
    task = trainer.task
    weights = sum(p.numel() for p in trainer.model.parameters())
    lines = [
        f"{task.model_type} of {weights:,} weights for {len(task.marker_set)} labels; {len(task.train)} trials to learn"
        f" from, {len(task.validation)} to validate; {trainer.steps_per_epoch} steps of"
        f" {trainer.settings.batch_size} windows an epoch on {trainer.device}"
    ]
    if trainer.back_off.part < trainer.settings.batch_size:
        lines.append(f"memory: steps are taken in parts of {trainer.back_off.part} windows")
    if task.endless is not None:
        lines.append(f"simulated anew for each epoch: {task.endless.name}")
    if trainer.held_out:
        lines.append(f"held out: {', '.join(trainer.held_out)}")
    if trainer.fresh:
        lines.append(f"not taken over, since the other model has none of this shape: {', '.join(trainer.fresh)}")
    if trainer.ignored:
        lines.append(f"labels of the trials that the marker set does not have: {', '.join(trainer.ignored)}")
    if task.augmentation.mirror and not trainer.sampler.mirrored:
        lines.append("left and right are not exchanged: the marker set does not mirror itself")
    return "\n".join(lines)


def calibrate(trainer: Trainer) -> store.Checkpoint:
    """Calibrate the best model on corrupted validation trials, store that in the file, and return it.

    Without validation trials the confidence stays as the model has it, and *no label* is made less likely by a
    customary amount.
    """
    stored = store.load(trainer.out)
    told: dict[str, Any] = {}
    confidence: dict[str, Any] = {}
    if trainer.task.validation:
        corruption = Corruption(swaps=0, seed=trainer.settings.seed)
        labeller = TrajectoryLabeller(stored, str(trainer.device))
        offset, temperature = fit_calibration(labeller, trainer.task.validation, corruption)
        labeller = TrajectoryLabeller(
            replace(stored, no_label_offset=offset, temperature=temperature), str(trainer.device)
        )
        confidence, told = _confidence(labeller, trainer.task.validation, trainer.settings.seed)
    else:
        offset, temperature = _CUSTOMARY_OFFSET, 1.0
    calibrated = replace(
        stored, no_label_offset=offset, temperature=temperature, confidence=confidence,
        training=stored.training | {"calibration": told},
    )  # fmt: skip
    store.save(calibrated, trainer.out)
    return calibrated


def _confidence(
    labeller: TrajectoryLabeller, trials: Sequence[Trial], seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What confidences are made of, as plain values, and how well; nothing where the trials hold too little."""
    try:
        fitted = calibration.calibrate(labeller, trials[:_MOST_VALIDATION], Corruption(seed=seed + 1))
    except InputError as error:
        return {}, {"by temperature alone": str(error)}
    return {} if fitted.calibration is None else fitted.calibration.plain(), fitted.to_dict()
