"""Whose training is timed: the model types, and the predecessor's method as a baseline of our own writing.

That is its network (a packed LSTM over windows of 120 frames at the file's rate), its features, its batch of 100 and
its optimiser, as `legacy` has them. Its own code makes the inputs one window after the other; ours, which is timed
here, makes those of a batch together, so the baseline is not slower than the original for its preparation.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automarkerlabel.core.marker_set import from_trials
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.legacy.inputs import N_FEATURES, WINDOW
from automarkerlabel.labellers.legacy.model import LegacyParts
from automarkerlabel.models import MODELS, Config, make_config
from automarkerlabel.models.device import has_bfloat16
from automarkerlabel.models.inputs import encode
from automarkerlabel.models.legacy_lstm import LegacyLstm, LegacyLstmConfig
from automarkerlabel.models.matcher.batch import MIDDLE
from automarkerlabel.models.matcher.loss import loss as matcher_loss
from automarkerlabel.simulate.samples import MatchSampler
from automarkerlabel.training.legacy.trainer import LegacySettings, LegacyTrainer
from automarkerlabel.training.matcher import MatchSettings, MatchTrainer
from automarkerlabel.training.settings import TrainSettings
from automarkerlabel.training.task import Task
from automarkerlabel.training.trajectory import Trainer
from automarkerlabel.workflows.bench import made
from automarkerlabel.workflows.bench.floor import Work, work_of

BASELINE = "predecessor"
SAME_NETWORK = "same network"
MATCHER = "matcher"
_ENDLESS = 1_000_000  # epochs
_LEGACY_BATCH = 100
_LEGACY_SCALE = (300.0, 1.0, 0.1)  # mm, mm a frame, and the change of that: as large as they are in such trials


@dataclass(frozen=True, eq=False)
class Racer:
    """Training that can be timed, a round of some steps at a time.

    train    a round as `aml train` does it: windows a second.
    network  as many steps on one ready batch: windows a second.
    batches  drawing as many batches and nothing else: windows a second.
    work     of one window; `kind` of number in which it multiplies.
    model    the file with what it has learnt so far, once it has trained.
    """

    name: str
    about: str
    n_weights: int
    model: Path
    work: Work
    kind: str
    train: Callable[[], float]
    network: Callable[[], float]
    batches: Callable[[], float]


def racers(folder: Path, threads: int, n_steps: int) -> list[Racer]:
    """All of them, the baseline first; `n_steps` in a round, fewer of those that take long."""
    trials = [made.labelled(6.0, motion, seed) for seed, motion in enumerate(("run", "walk", "squat"))]
    found = [predecessor(folder, threads, max(1, n_steps // 10))]
    same = make_config("lstm", "paper")
    found.append(_trajectory(SAME_NETWORK, "lstm", same, trials, folder, threads, n_steps))
    for name in MODELS:
        config = make_config(name, "light")
        found.append(_trajectory(name, name, config, trials, folder, threads, n_steps))
    found.append(_matcher(folder, max(1, n_steps // 5)))
    return found


def _trajectory(
    name: str, model_type: str, config: Config, trials: Sequence[Trial], folder: Path, threads: int, n_steps: int
) -> Racer:
    """One of the model types, with the defaults of `aml train` but for its config."""
    size, windows = TrainSettings().batch_size, WindowConfig()
    settings = TrainSettings(epochs=_ENDLESS, epoch_windows=n_steps * size)
    trainer = Trainer(Task(model_type, config, windows, from_trials(trials), trials), settings, folder / f"{name}.ckpt")
    trainer.threads = threads
    epochs = trainer.epochs()

    def draw(count: int) -> list[object]:
        drawn = trainer.sampler.batches(size, count, np.random.default_rng(0))
        return [encode(batch.features, trainer.scale) for batch in drawn]

    ready = next(trainer.sampler.batches(size, 1, np.random.default_rng(0)))
    x, mask = torch.from_numpy(encode(ready.features, trainer.scale)), torch.from_numpy(ready.mask)
    target = torch.from_numpy(ready.target)
    return _racer(
        name, f"{windows.n_samples} samples at {windows.rate_hz:g} Hz, batch {size}", trainer.model, trainer.out,
        trainer.optimizer, lambda: F.cross_entropy(trainer.model(x, mask)[0], target), draw, (size, n_steps),
        lambda: next(epochs).windows_per_s,
    )  # fmt: skip


def predecessor(folder: Path, threads: int, n_steps: int) -> Racer:
    """The baseline."""
    size = _LEGACY_BATCH
    trial = made.labelled(WINDOW * (1 + n_steps * size // 60) / made.RATE_HZ)
    marker_set = from_trials([trial])
    config = LegacyLstmConfig(N_FEATURES * (len(marker_set) - 1), len(marker_set))
    torch.manual_seed(0)
    plain = asdict(config) | {"scale": list(_LEGACY_SCALE)}
    parts = LegacyParts(
        LegacyLstm(config).state_dict(), plain, list(_LEGACY_SCALE), tuple(marker_set.labels), marker_set
    )
    source = Source(Path("made"), trial, "")
    trainer = LegacyTrainer(parts, [source], LegacySettings(_ENDLESS, size), folder / "predecessor.ckpt")
    del trainer.windows.index[n_steps * size :]  # whole batches only
    trainer.threads = threads
    epochs = trainer.epochs()
    x, lengths, labels = trainer.windows.batch(range(size))
    return _racer(
        BASELINE, f"{WINDOW} frames at {made.RATE_HZ:g} Hz, batch {size}", trainer.model, trainer.out,
        trainer.optimizer, lambda: F.cross_entropy(trainer.model(x, lengths), labels),
        lambda count: [trainer.windows.batch(range(size)) for _ in range(count)], (size, n_steps),
        lambda: next(epochs).windows_per_s,
    )  # fmt: skip


def _matcher(folder: Path, n_steps: int) -> Racer:
    """The matcher learns whole frames: a window is here one point of one sample, as for the others."""
    sampler = MatchSampler()
    settings = MatchSettings(mixed_precision=has_bfloat16("cpu"))
    trainer = MatchTrainer(sampler.batch, folder / "matcher.safetensors", settings=settings)
    batch = sampler.batch(0)
    n_points = int(batch.query[:, MIDDLE].isfinite().all(-1).sum())

    def forward() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.mixed_precision):
            output = trainer.matcher(batch.query, batch.dt_s, batch.reference, 1)
        return matcher_loss(output, batch)[0]

    def train() -> float:
        before = trainer.seconds  # of training, without saving
        trainer.train(trainer.step + n_steps)
        if trainer.stop:  # Ctrl-C, which it takes as the wish to save
            raise KeyboardInterrupt
        # Batches have about as many points each, whatever the samples that they make.
        return n_points * n_steps / (trainer.seconds - before)

    return _racer(
        MATCHER, f"{batch.query.shape[1]} frames, batch of {n_points} points", trainer.matcher, trainer.path,
        trainer.optimizer, forward, lambda count: [sampler.batch(n) for n in range(count)], (n_points, n_steps), train,
        "bfloat16" if settings.mixed_precision else "float32",
    )  # fmt: skip


def _racer(
    name: str, about: str, model: nn.Module, path: Path, optimizer: torch.optim.Optimizer,
    forward: Callable[[], Tensor], draw: Callable[[int], object], sizes: tuple[int, int], train: Callable[[], float],
    kind: str = "float32",
) -> Racer:  # fmt: skip
    """`forward` gives the loss of one ready batch, `draw(n)` makes n new ones; `sizes`: windows a batch, steps."""
    size, n_steps = sizes
    n_windows = size * n_steps

    def steps() -> None:
        for _ in range(n_steps):
            optimizer.zero_grad(set_to_none=True)
            forward().backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    work = work_of(forward, model, size, type(optimizer).__name__.lower())
    return Racer(
        name, about, sum(p.numel() for p in model.parameters()), path, work, kind, train,
        partial(_rate, n_windows, steps), partial(_rate, n_windows, partial(draw, n_steps)),
    )  # fmt: skip


def _rate(n_windows: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return n_windows / (time.perf_counter() - started)
