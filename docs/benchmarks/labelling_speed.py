"""How long labelling one trial takes after start-up, stage by stage, and the floor of the network.

    python docs/benchmarks/labelling_speed.py TRIAL MODEL [--runs 5]

The floor is the network's multiplications and additions, counted layer by layer, over the rate of a large matrix
product measured in the same run on as many threads. Prints medians of the runs.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from automarkerlabel import Labeller, read
from automarkerlabel.assignment.assign import decide
from automarkerlabel.core import tracklets as pieces
from automarkerlabel.models.checkpoints import load_model
from automarkerlabel.models.inputs import cut_windows, n_inputs


def operations_per_sample(model: torch.nn.Module) -> int:
    """Multiplications and additions of linear and LSTM layers for one sample; attention scores are left out."""
    total = 0
    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.LSTM):
            total += sum(2 * p.numel() for p in module.parameters() if p.dim() == 2)
    return total


def product_rate(n: int = 1024, runs: int = 10) -> float:
    """Floating-point operations a second of an n by n matrix product."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    return 2 * n**3 / min(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("trial", type=Path)
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    labeller, trial = Labeller.load(args.model), read(args.trial)
    stages: dict[str, list[float]] = {}
    for _ in range(args.runs + 1):
        t0 = time.perf_counter()
        tracklets = pieces.split(trial)
        t1 = time.perf_counter()
        tracklets, scores = labeller.scores(trial)
        t2 = time.perf_counter()
        decide(scores, tracklets, pieces.meeting_sets(trial, tracklets), labeller.checkpoint.temperature)
        t3 = time.perf_counter()
        # `scores` splits as well: its time is taken off, so that the stages add up to one `label`.
        for name, seconds in (("split", t1 - t0), ("features and network", t2 - t1 - (t1 - t0)), ("decide", t3 - t2)):
            stages.setdefault(name, []).append(seconds)
        stages.setdefault("label", []).append(t3 - t1)
    for name, times in stages.items():
        print(f"{name}: {statistics.median(times[1:]):.3f} s (first {times[0]:.3f} s)")
    windows = cut_windows(trial.visible, tracklets, trial.rate_hz, labeller.windows)
    operations = operations_per_sample(load_model(labeller.checkpoint)) * windows.frames.size
    rate = product_rate()
    x = torch.randn(len(windows.tracklet), labeller.windows.n_samples, n_inputs(labeller.windows))
    mask = torch.from_numpy(windows.mask)
    times = []
    for _ in range(args.runs + 1):
        started = time.perf_counter()
        with torch.inference_mode():
            labeller.model(x, mask)
        times.append(time.perf_counter() - started)
    network = statistics.median(times[1:])
    print(f"{trial.n_frames} frames, {len(tracklets)} tracklets, {len(windows.tracklet)} windows")
    print(f"network alone: {network:.3f} s; {operations / 1e9:.1f} GFLOP at {rate / 1e9:.0f} GFLOP/s")
    share = 100 * operations / rate / network
    print(f"floor {operations / rate:.3f} s, {share:.0f} % of the network's time, on {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
