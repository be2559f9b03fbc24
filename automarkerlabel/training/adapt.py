"""Adding corrected trials to a model: a short training on them and on what the model keeps of its earlier trials, and
how much is right before and after, on both."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from automarkerlabel.core.marker_set import from_trials
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.source import Source
from automarkerlabel.errors import MarkerSetError, ModelError
from automarkerlabel.evaluation.evaluate import score_case
from automarkerlabel.io.files import atomic, check_output
from automarkerlabel.labellers import load
from automarkerlabel.labellers.labeller import Labeller
from automarkerlabel.labellers.request import LabelRequest, labeller_for
from automarkerlabel.models import architecture
from automarkerlabel.models.checkpoints import find_model
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.checkpoints.excerpts import excerpts
from automarkerlabel.simulate.corrupt import Case, Corruption, make_case
from automarkerlabel.training import matcher_plan as teach_matcher
from automarkerlabel.training.settings import Augmentation, TrainSettings
from automarkerlabel.training.task import Task
from automarkerlabel.training.trajectory import Trainer

# Of trajectory models: 60,000 windows at a rate that moves what is known little.
SETTINGS = TrainSettings(epochs=3, epoch_windows=20_000, learning_rate=5e-4, warmup_steps=20)
MATCHER_STEPS, MATCHER_MINUTES = 120, 1.2
_AUGMENTATIONS = frozenset(Augmentation.__dataclass_fields__)
_MOST_CASES = 6  # of the corrected trials, and of those kept, by which before and after are compared
_BROKEN = Corruption(cuts=20, swaps=0, seed=1)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Compared:
    """Mean share of the points labelled rightly in broken copies of some trials, by the old model and by the new; None:
    the old one has no labels of its own."""

    n_cases: int
    before: float | None
    after: float


@dataclass(frozen=True)
class Adapted:
    """What became of a model: `corrected` and `kept` compare the old one and the new on the corrected trials, which
    the new one has learnt from, and on excerpts of earlier ones, None where the model keeps none."""

    model: Path
    n_corrected: int
    n_kept: int
    corrected: Compared
    kept: Compared | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"model": str(self.model)}


def adapted_name(model: Path) -> Path:
    """Where an adapted model goes if nothing else is said.

    >>> print(adapted_name(Path("models/mine.ckpt")))
    models/mine_adapted.ckpt
    """
    return model.with_name(f"{model.stem}_adapted{model.suffix}")


def adapt(
    model: str, sources: Sequence[Source], out: Path, device: str = "cpu", overwrite: bool = False, seed: int = 0,
    tell: Tell = lambda line: None,
) -> Adapted:  # fmt: skip
    """Train a copy of a model, by file or name, on corrected trials, and write it to `out`, whole or not at all.

    Raises `ModelError` for a model that cannot be trained, `MarkerSetError` for trials without any of its labels,
    `OutputError` for an `out` that is there already.
    """
    path = load.find_matcher(model)
    base = find_model(model) if path is None else path
    check_output(out, [base, *(s.path for s in sources)], overwrite)
    kept = load.keepsakes(base)
    cases = [make_case(s.trial, _BROKEN) for s in _spread(sources)]
    earlier = [make_case(k.trial, replace(_BROKEN, cuts=5)) for k in _spread(kept)]
    before: list[float | None] = [None, None]
    if path is None or load.own_reference(path) is not None:
        tell("labelling broken copies with the model as it is")
        old = labeller_for(LabelRequest(model=model), device)
        before = [_accuracy(old, some) for some in (cases, earlier)]
    with TemporaryDirectory() as folder:
        trained = Path(folder) / "model.ckpt"
        teach = _matcher if path is not None else _trajectories
        notes = teach(base, sources, kept, trained, device, seed, tell)
        tell("labelling them with the new one")
        new = labeller_for(LabelRequest(model=str(trained)), device)
        after = [_accuracy(new, some) for some in (cases, earlier)]
        with atomic(out) as temporary:
            temporary.write_bytes(trained.read_bytes())
    if not kept:
        notes += ("the model keeps no excerpts of earlier trials: whether what was right stays right was not measured",)
    assert after[0] is not None
    was_kept = Compared(len(earlier), before[1], after[1]) if earlier and after[1] is not None else None
    return Adapted(out, len(sources), len(kept), Compared(len(cases), before[0], after[0]), was_kept, notes)


def _spread(some: Sequence[Any]) -> list[Any]:
    """A few of them, evenly over all."""
    return [some[n] for n in np.unique(np.linspace(0, len(some) - 1, min(len(some), _MOST_CASES)).astype(int))]


def _accuracy(method: Labeller, cases: Sequence[Case]) -> float | None:
    return float(np.mean([score_case(method, case).accuracy for case in cases])) if cases else None


def _matcher(
    base: Path, sources: Sequence[Source], kept: Sequence[Source], out: Path, device: str, seed: int, tell: Tell
) -> tuple[str, ...]:
    """Tune a matcher; its file keeps a reference of the corrected trials or of the earlier ones."""
    plan = teach_matcher.MatchPlan(
        out, str(base), device=device, steps=MATCHER_STEPS, minutes=MATCHER_MINUTES, seed=seed
    )
    trainer, lines = teach_matcher.prepare(plan, [*sources, *kept], kept=[*kept, *excerpts(sources)])
    for line in lines:
        tell(line)
    teach_matcher.run(trainer, plan, True, lambda log: tell(f"step {log.step} of {MATCHER_STEPS}, loss {log.loss:.3f}"))
    teach_matcher.finish(out)
    return ()


def _trajectories(
    base: Path, sources: Sequence[Source], kept: Sequence[Source], out: Path, device: str, seed: int, tell: Tell
) -> tuple[str, ...]:
    """Train a model of trajectories further; half of what it learns from are corrected trials."""
    old = store.load(base)
    if not old.windows:
        raise ModelError(f"{base}: expected a model written by aml train, found a converted checkpoint of the"
                         " predecessor; go on training it with aml train --training-values")  # fmt: skip
    worn = from_trials([s.trial for s in sources])
    strange = sorted(set(worn.labels) - set(old.marker_set.labels))
    if 2 * len(strange) >= len(worn.labels):
        raise MarkerSetError(
            f"expected trials with the labels of {base.name}, found {len(strange)} of {len(worn.labels)} that it does"
            f" not have: {', '.join(strange[:4])}, ...; train a model of this marker set with aml train"
        )
    times = max(1, round(len(kept) / len(sources)))
    trials = [*(s.trial for s in sources)] * times + [k.trial for k in kept]
    known = old.training.get("augmentation", {})
    task = Task(
        old.model_type, architecture(old.model_type).config(**old.config), WindowConfig(**old.windows), old.marker_set,
        trials, augmentation=Augmentation(**{k: v for k, v in known.items() if k in _AUGMENTATIONS}),
    )  # fmt: skip
    trainer = Trainer(task, replace(SETTINGS, seed=seed), out, device)
    trainer.start_from(old)
    for report in trainer.epochs():
        tell(f"epoch {report.epoch} of {report.epochs}, loss {report.loss:.3f}, {report.windows_per_s:.0f} windows/s")
    new = store.load(out)
    adapted = [*old.training.get("adapted", []), [s.path.name for s in sources]]
    store.save(
        replace(
            old, tensors=new.tensors, kept=[*kept, *excerpts(sources)],
            training=old.training | {"adapted": adapted},
        ),
        out,
    )  # fmt: skip
    if not strange:
        return ()
    return (f"labels that the model does not have, and that were not learnt: {', '.join(strange)}",)
