"""Every attention of the hybrid beside the other model types: accuracy, size and time after the same few steps.

    python docs/benchmarks/attention.py TRAIN WORK --test FILE,... [--held-out NAME,...] [--epochs 12]
        [--epoch-windows 10000] [--types lstm,hybrid:sparse,...] [--options "..."]

Trains each type on the labelled trials in the folder TRAIN but for those named by --held-out, with the preset light and
one seed, and labels broken copies of the test trials (--test files, or those held out) as `aml eval --swaps 0` does.
Everything is written into WORK; a model that is there is used. Prints a table in Markdown.

Times are those of one thread, the least of 20, since a machine may have other work: a step of 256 full windows
(forward, backward, AdamW; batches are prepared beside it), and the answer for as many.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
import torch.nn.functional as F

from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.models.checkpoints import load_model
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.inputs import FEATURES, INPUTS_PER_NEIGHBOUR, n_inputs
from automarkerlabel.training.settings import ATTENTION_TYPES

TYPES = ",".join(["lstm", "transformer", *(f"hybrid:{a}" for a in ATTENTION_TYPES)])
BATCH, RUNS = 256, 20


def aml(*arguments: object) -> str:
    command = [sys.executable, "-m", "automarkerlabel", *(str(x) for x in arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"aml {' '.join(command[3:])}: {done.stderr}")
    return done.stdout


def milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS + 2):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return min(times)


def measured(path: Path) -> tuple[int, float, float]:
    """Weights of a model, milliseconds of a training step, and of an answer."""
    checkpoint = store.load(path)
    model, windows = load_model(checkpoint), WindowConfig(**checkpoint.windows)
    x = torch.randn(BATCH, windows.n_samples, n_inputs(windows))
    x[..., FEATURES.index("seen") :: INPUTS_PER_NEIGHBOUR] = 1
    mask = torch.ones(BATCH, windows.n_samples, dtype=torch.bool)
    target = torch.arange(BATCH) % (len(checkpoint.marker_set) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x, mask)[0], target).backward()
        optimizer.step()

    of_step = milliseconds(step)
    model.eval()
    with torch.inference_mode():
        of_answer = milliseconds(lambda: model(x, mask))
    return sum(p.numel() for p in model.parameters()), of_step, of_answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--test", default="", help="labelled trials")
    parser.add_argument("--held-out", default="", help="names of trials in TRAIN that are tested on instead")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--epoch-windows", type=int, default=10_000)
    parser.add_argument("--types", default=TYPES)
    parser.add_argument("--options", default="", help="more options for aml train")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    held_out = args.held_out.split(",") if args.held_out else []
    trials = sorted(p.resolve() for p in args.train.iterdir() if p.suffix in (".trc", ".c3d"))
    (args.work / "train.txt").write_text("\n".join(str(p) for p in trials if p.stem not in held_out))
    test = [p for p in trials if p.stem in held_out] + [Path(x) for x in args.test.split(",") if x]
    print("| type | windows right | accuracy | F1 | weights | file | step | answer |", flush=True)
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for kind in args.types.split(","):
        model_type, _, attention = kind.partition(":")
        model = args.work / f"{model_type}_{attention}.ckpt"
        if not model.exists():
            budget = ["--epochs", args.epochs, "--epoch-windows", args.epoch_windows, *args.options.split()]
            chosen = ["--model-type", model_type, *(["--attention", attention] if attention else [])]
            aml("train", args.work / "train.txt", "-o", model, *chosen, *budget)
        log = [json.loads(x) for x in (model.with_name(model.name + ".run") / "log.jsonl").read_text().splitlines()]
        mean = json.loads(aml("eval", *test, "--model", model, "--swaps", 0, "--json"))["means"][0]
        weights, of_step, of_answer = measured(model)
        print(
            f"| {kind} | {max(x['val_accuracy'] or 0 for x in log):.3f} | {mean['accuracy']:.4f} | {mean['f1']:.4f}"
            f" | {weights:,} | {model.stat().st_size / 1e6:.1f} MB | {of_step:.0f} ms | {of_answer:.0f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
