"""What `torch.compile` is worth when the ordinary model is trained: windows a second with and without, compile time.

    python docs/benchmarks/compiled.py [lstm] [--steps 100] [--rounds 5] [--device cpu]

Two trainers of the light hybrid learn from the same batches (prepared beforehand, as a thread does in training): one
plain, one compiled as `torch.compile` does by itself, which leaves the LSTM as it is, or with `lstm` the LSTM, too
(`allow_rnn`). They take turns, so that other work on the machine slows both alike; on a CPU the time is that of this
process on one thread. Random numbers are those of plain PyTorch (`fallback_random`). Figures: the median over rounds
of steps, the first steps together less what they take later (compile time, on the wall: the compiler is a process of
its own), and the greatest difference of a loss from that of the plain one.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch._dynamo
import torch._inductor.config

from automarkerlabel.core.marker_set import from_trials
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.io import collect
from automarkerlabel.models import make_config
from automarkerlabel.training.scenes import Batch
from automarkerlabel.training.settings import Augmentation, TrainSettings
from automarkerlabel.training.task import Task
from automarkerlabel.training.trajectory import Trainer

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data" / "train"
_WARM_UP = 5  # steps


def trainer_of(task: Task, device: str, compiled: bool) -> Trainer:
    """A trainer whose network is compiled in place, or not."""
    trainer = Trainer(task, TrainSettings(), Path(tempfile.mkdtemp()) / "m.ckpt", device)
    trainer.model.train()
    for group in trainer.optimizer.param_groups:
        group["lr"] = 1e-3
    if compiled:
        trainer.model.compile()
    return trainer


def steps(trainer: Trainer, batches: list[Batch], seed: int) -> tuple[float, list[float]]:
    """Seconds that a step on each batch takes all together, and the losses."""
    torch.manual_seed(seed)  # the same dropout for all
    on_gpu = trainer.device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    started = clock()
    losses = [trainer._step(batch)[0] for batch in batches]
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - started, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("also", nargs="?", choices=["lstm"])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch._dynamo.config.allow_rnn = given.also == "lstm"
    torch._inductor.config.fallback_random = True
    trials = [s.trial for s in collect.read_labelled(collect.find_trials([SAMPLES]))]
    task = Task(
        "hybrid", make_config("hybrid", "light"), WindowConfig(), from_trials(trials), trials, (), Augmentation()
    )
    trainers = {name: trainer_of(task, given.device, name != "plain") for name in ("plain", "compiled")}
    batches = list(trainers["plain"].sampler.batches(256, given.steps, np.random.default_rng(0)))
    first, each = dict.fromkeys(trainers, 0.0), {name: [] for name in trainers}
    apart = dict.fromkeys(trainers, 0.0)
    for n in range(-1, given.rounds):  # the first one warms up
        some = batches[:_WARM_UP] if n < 0 else batches
        told = {}
        for name, trainer in trainers.items():
            began = time.perf_counter()
            seconds, told[name] = steps(trainer, some, n + 1)
            apart[name] = max(apart[name], float(np.abs(np.subtract(told[name], told["plain"])).max()))
            if n < 0:
                first[name] = time.perf_counter() - began
            else:
                each[name].append(seconds / len(some))
    plain = statistics.median(each["plain"])
    for name, seconds in each.items():
        median = statistics.median(seconds)
        print(
            f"{name:8s} {256 / median:8,.0f} windows/s ({min(256 / s for s in seconds):,.0f} to"
            f" {max(256 / s for s in seconds):,.0f}), {plain / median:.2f} of plain; compile"
            f" {max(0.0, first[name] - _WARM_UP * median):.0f} s; losses differ by {apart[name]:.1e}"
        )


if __name__ == "__main__":
    main()
