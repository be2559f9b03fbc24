"""How many frames a second each model labels, start-up aside."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from automarkerlabel.core.marker_set import from_trials
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.load import find_matcher
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.models import make_config
from automarkerlabel.training.settings import Augmentation, TrainSettings
from automarkerlabel.training.task import Task
from automarkerlabel.training.trajectory import Trainer
from automarkerlabel.workflows.bench import made
from automarkerlabel.workflows.bench.racers import BASELINE, MATCHER, predecessor

# Enough for 19 in 20 windows of one trial: how long decisions take depends on how sure the network is.
_LEARNING = TrainSettings(epochs=6, epoch_windows=5120, learning_rate=4e-3, warmup_steps=20)
_GENTLE = Augmentation(scale=0, placement_mm=0, noise_mm=0, hidden=0.1, occluded=0.05, ghosts=4)


@dataclass(frozen=True, eq=False)
class Labelled:
    """A way to label a trial: `label` does it whole, `score` features and network alone; each gives frames a second.

    `label` is None for the baseline, which has learnt nothing; `score` for the matcher, which goes through its network
    more than once for a trial.
    """

    name: str
    label: Callable[[], float] | None
    score: Callable[[], float] | None


def learnt(name: str, trial: Trial, folder: Path, threads: int) -> Path:
    """The file of a model of that type which knows one trial, learnt by heart."""
    task = Task(name, make_config(name), WindowConfig(), from_trials([trial]), [trial], augmentation=_GENTLE)
    trainer = Trainer(task, _LEARNING, folder / f"labels_{name}.ckpt")
    trainer.threads = threads
    for _ in trainer.epochs():
        pass
    return trainer.out


def ways(models: Mapping[str, Path], trial: Trial, folder: Path, threads: int) -> list[Labelled]:
    """The baseline, `models` by name, and the packaged matcher with a standing pose of the same subject."""
    baseline = predecessor(folder, threads, 1)
    baseline.train()
    timed = partial(partial, _frames_per_s, trial.n_frames, threads)
    found = [Labelled(BASELINE, None, timed(partial(TrajectoryLabeller.of_file(baseline.model).raw_scores, trial)))]
    for name, path in models.items():
        labeller = TrajectoryLabeller.of_file(path)
        found.append(Labelled(name, timed(partial(labeller.label, trial)), timed(partial(labeller.raw_scores, trial))))
    torch.set_num_threads(threads)
    matcher = PoseMatcher.load(str(find_matcher(None)))
    reference = reference_from_trial(made.labelled(2.0, "stand"))
    return [*found, Labelled(MATCHER, timed(partial(matcher.label, trial, reference)), None)]


def _frames_per_s(n_frames: int, threads: int, work: Callable[[], object]) -> float:
    torch.set_num_threads(threads)
    started = time.perf_counter()
    work()
    return n_frames / (time.perf_counter() - started)
