"""Training of the matcher as the command line asks for it: endlessly on simulated bodies, or fine-tuned on trials."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from automarkerlabel.core.source import Source
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.io.files import check_output
from automarkerlabel.labellers import load
from automarkerlabel.marker_sets.catalogue import built_in_places
from automarkerlabel.models.checkpoints import matcher as match_store
from automarkerlabel.models.checkpoints.excerpts import PREFIX, excerpts, pack
from automarkerlabel.models.checkpoints.matcher import load_matcher
from automarkerlabel.models.device import choose_for_training, has_bfloat16, keep_or_choose
from automarkerlabel.models.matcher.batch import MatchBatch
from automarkerlabel.simulate.clips import load_clips
from automarkerlabel.simulate.samples import ClipPoses, MatchSampler, SampleSettings
from automarkerlabel.training.matcher import MatchLog, MatchSettings, MatchTrainer
from automarkerlabel.training.matcher_samples import TrialSampler, alternating

FRESH = "none"  # as `base`: fresh weights, though there are trials to tune on
_TUNING_STEPS, _TUNING_RATE, _TUNING_WARMUP = 400, 3e-4, 30
_TUNING_SAVE = 25  # steps


@dataclass(frozen=True)
class MatchPlan:
    """What `aml train --model-type matcher` was asked for; None: as is customary.

    base          matcher whose weights are started from: a file or a name, or `FRESH`.
    motion        clips, folders or archives of them, that the simulator draws from beside its own poses.
    steps         in all, also those of earlier runs; minutes of this run; the first of both that is reached ends it.
    cool_down     steps before `steps` over which the learning rate goes down to 0.
    batch_points  points of a batch, samples times markers.
    """

    out: Path
    base: str | None = None
    resume: bool = False
    overwrite: bool = False
    device: str = "cpu"
    motion: tuple[Path, ...] = ()
    steps: int | None = None
    minutes: float | None = None
    cool_down: int | None = None
    learning_rate: float | None = None
    batch_points: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = {"--steps": self.steps, "--minutes": self.minutes, "--batch-points": self.batch_points}
        for option, value in numbers.items():
            if value is not None and not value > 0:
                raise InputError(f"{option}: expected more than 0, found {value}")
        if self.cool_down is not None and (self.steps is None or not 0 <= self.cool_down <= self.steps):
            raise InputError(
                f"cool_down: expected at most the number of --steps, found {self.cool_down} and"
                f" {'no --steps' if self.steps is None else self.steps}"
            )
        if self.seed < 0:
            raise InputError(f"seed: expected 0 or more, found {self.seed}")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise InputError(f"learning_rate: expected above 0 and below 1, found {self.learning_rate}")


def check(plan: MatchPlan) -> None:
    """Refuse early what would fail late. Raises `OutputError`, `InputError`, `ModelError`."""
    if plan.resume and plan.base is not None:
        raise InputError("--resume and --from: expected one of them, found both")
    if plan.resume:
        if not match_store.is_matcher(plan.out):
            raise ModelError(f"{plan.out}: expected the matcher of an earlier run to go on with, found none")
        return
    check_output(plan.out, overwrite=plan.overwrite)


def prepare(
    plan: MatchPlan, sources: Sequence[Source] = (), on_progress: Callable[[str], None] | None = None,
    kept: Sequence[Source] | None = None,
) -> tuple[MatchTrainer, list[str]]:  # fmt: skip
    """A trainer ready to run, and lines that tell about it.

    With `sources`, labelled trials, it is fine-tuned: half of its batches come from them, half from the simulator; the
    file keeps excerpts of them, or `kept`.
    Raises `InputError` for clips or trials that cannot be learnt from, `ModelError` for a base that is no matcher.
    """
    skipped: list[str] = []
    tensors: dict[str, Tensor] = {}
    clips = load_clips(plan.motion, 30.0, on_progress, lambda name, why: skipped.append(f"{name}: {why}"))
    settings = SampleSettings()
    if plan.batch_points is not None:
        settings = replace(settings, points_per_batch=plan.batch_points)
    simulated = MatchSampler(settings, ClipPoses.of(clips) if clips else None, built_in_places(), plan.seed)
    as_in = f" and as in {len(clips)} clips" if clips else ""
    lines = [f"simulated bodies move by themselves{as_in}"]
    lines += [f"left out: {line}" for line in skipped]
    note: dict[str, Any] = {"clips": len(clips)}
    batches: Callable[[int], MatchBatch] = simulated.batch
    base = plan.base
    if sources:
        tuned = TrialSampler(sources, settings, plan.seed)
        batches = alternating(tuned.batch, simulated.batch)
        base = None if base == FRESH else base or load.MATCHER
        tensors, facts = pack(excerpts(sources) if kept is None else kept)
        note |= {"trials": len(sources), "reference": load.stored_reference(tuned.reference), "kept": facts}
        lines.append(
            f"fine-tuning on {len(sources) - len(tuned.left_out)} trials of {len(tuned.marker_set)} labels, half of the"
            f" batches; kept as reference: {tuned.reference.source}"
        )
        if tuned.left_out:
            lines.append(f"left out, since no frame tells which way the body faces: {', '.join(tuned.left_out)}")
        lines += [f"note: {note}" for note in tuned.notes]
    trainer = _trainer(plan, batches, None if plan.resume else base, note, bool(sources))
    trainer.beside = tensors
    return trainer, lines


def _trainer(
    plan: MatchPlan, batches: Callable[[int], MatchBatch], base: str | None, note: dict[str, Any], tuning: bool
) -> MatchTrainer:
    settings = MatchSettings(seed=plan.seed, mixed_precision=has_bfloat16(plan.device))
    if tuning:
        settings = replace(settings, learning_rate=_TUNING_RATE, warmup_steps=_TUNING_WARMUP, save_steps=_TUNING_SAVE)
    if plan.learning_rate is not None:
        settings = replace(settings, learning_rate=plan.learning_rate)
    if base is None:
        if not plan.resume:
            plan.out.unlink(missing_ok=True)  # there only with --overwrite
        return MatchTrainer(batches, plan.out, None, settings, plan.device, note)
    path = load.find_matcher(base)
    if path is None:
        raise ModelError(f"{base}: expected a matcher to start from, found none")
    matcher, training = load_matcher(path)
    note |= {"from": path.name, "from_step": training.get("step")}
    if "calibration" in training:
        note["calibration"] = training["calibration"]
    plan.out.unlink(missing_ok=True)
    trainer = MatchTrainer(batches, plan.out, matcher.config, settings, plan.device, note)
    trainer.start_from(matcher)
    return trainer


def run(trainer: MatchTrainer, plan: MatchPlan, tuning: bool, on_log: Callable[[MatchLog], None] | None = None) -> None:
    """Train as planned, or until Ctrl-C; the file is saved in any case and can label.

    Raises `TrainingError` when losses are no numbers, `OutputError` when the file cannot be written.
    """
    steps, cool_down = ends(plan, tuning)
    if plan.device == "cpu":
        first = trainer.batches(trainer.step)
        with torch.no_grad():
            trainer.note["threads"] = keep_or_choose(
                int(trainer.note.get("threads", 0)),
                lambda: choose_for_training(lambda: trainer.matcher(first.query, first.dt_s, first.reference)),
            )
    try:
        trainer.train(steps, plan.minutes, cool_down, on_log)
    finally:
        _keep_calibration(plan.out, trainer.note.get("calibration"))


def finish(path: Path) -> None:
    """Leave nothing in a trained matcher's file but what labels, and what it keeps of its trials."""
    config, tensors, training = match_store.read(path)
    matcher, _ = load_matcher(path)
    weights = {match_store.WEIGHTS + k: v for k, v in matcher.state_dict().items()}
    match_store.write(path, config, weights | {k: v for k, v in tensors.items() if k.startswith(PREFIX)}, training)


def ends(plan: MatchPlan, tuning: bool) -> tuple[int | None, int]:
    """The last step, None for none, and the steps of the cool-down before it."""
    steps = plan.steps
    if tuning and steps is None and plan.minutes is None:
        steps = _TUNING_STEPS
    if plan.cool_down is not None or steps is None:
        return steps, plan.cool_down or 0
    return steps, steps // 2 if tuning else 0


def _keep_calibration(path: Path, calibration: Any) -> None:
    """What the matcher that was started from had been calibrated to holds for the new one until it is measured."""
    if calibration and match_store.is_matcher(path):
        config, tensors, training = match_store.read(path)
        match_store.write(path, config, tensors, training | {"calibration": calibration})
