"""The method of Clouthier et al. 2021 beside this program's, on the same trials: accuracy, time and memory.

    OMP_NUM_THREADS=1 python docs/benchmarks/ancestor.py DATA MARKER_CASE.py WORK [--epochs 10 40] [--reference STATIC]

Trials to learn from, cases and options are those of few_trials.py. The ancestor's network, features, batches and
optimiser are ours of `automarkerlabel.training.legacy`, which gives its numbers; it learns anew from the labelled
trials, for 10 epochs, which is its default, and for more. To its favour it is told which way each case faces, by the
true shoulders as in its training, and its answers are put together by our exact assignment. Prints a table in
Markdown: processor seconds (with one thread what an idle machine would take) and peak memory of the whole process that
trains; accuracy, F1, ghosts left unlabelled and swaps repaired; and processor seconds and peak memory of a whole
process that labels the first case.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cases import summed_up
from few_trials import TEST, tested_and_learnt
from swaps import load_case

from automarkerlabel import io
from automarkerlabel.core.marker_set import MarkerSet, from_trials, in_label_order
from automarkerlabel.core.source import Source
from automarkerlabel.evaluation.evaluate import score_case
from automarkerlabel.evaluation.metrics import Figures, compare, given_labels
from automarkerlabel.labellers.labeller import Labeller
from automarkerlabel.labellers.legacy.inputs import N_FEATURES
from automarkerlabel.labellers.legacy.model import LegacyParts
from automarkerlabel.labellers.request import LabelRequest, labeller_for
from automarkerlabel.models.legacy_lstm import LegacyLstm, LegacyLstmConfig
from automarkerlabel.simulate.corrupt import Case, labelled
from automarkerlabel.training.legacy.trainer import LegacySettings, LegacyTrainer
from automarkerlabel.training.legacy.windows import facing_pairs

AML = [sys.executable, "-m", "automarkerlabel"]


def measured(*command: object) -> tuple[float, float]:
    """Seconds of a processor and peak memory in GB of a command as a whole process."""
    launcher = [sys.executable, "-m", "automarkerlabel.workflows.bench.launcher", *map(str, command)]
    told = json.loads(subprocess.run(launcher, check=True, capture_output=True, text=True).stdout)
    if told["code"]:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return told["processor_seconds"], (told["peak_bytes"] or math.nan) / 1e9


def scales(points: np.ndarray) -> list[float]:
    """Mean distance of markers, and the mean size of its change in a frame and of the change of that, mm."""
    means = []
    for _ in range(3):
        others = [np.linalg.norm(points - np.roll(points, n, axis=1), axis=2) for n in range(1, points.shape[1])]
        means.append(float(np.nanmean(others)))
        points = np.diff(points, axis=0)
    return means


def train_ancestor(trials: list[Path], out: Path, epochs: int) -> None:
    """Learn from labelled trials, from random weights."""
    sources = [Source(p, io.read(p), "") for p in trials]
    marker_set = from_trials([s.trial for s in sources])
    scale = np.mean([scales(in_label_order(s.trial, marker_set)) for s in sources], axis=0).tolist()
    config = LegacyLstmConfig(N_FEATURES * (len(marker_set) - 1), len(marker_set))
    plain = {f: getattr(config, f) for f in config.__dataclass_fields__} | {"scale": scale}
    parts = LegacyParts(LegacyLstm(config).state_dict(), plain, scale, tuple(marker_set.labels), marker_set)
    for epoch in LegacyTrainer(parts, sources, LegacySettings(epochs), out).epochs():
        print(f"epoch {epoch.epoch}: {epoch.accuracy:.4f} right, {epoch.seconds:.0f} s", file=sys.stderr)


def heading_deg(case: Case, marker_set: MarkerSet) -> float:
    """The turn about z by which a case faces +x, by its true left and right where both are first seen."""
    points = in_label_order(labelled(case), marker_set)
    index = {label: n for n, label in enumerate(marker_set.labels)}
    for left, right in facing_pairs(marker_set):
        across = points[:, index[left]] - points[:, index[right]]
        both = np.flatnonzero(np.isfinite(across[:, 0]))
        if len(both):
            return math.degrees(math.atan2(across[both[0], 0], across[both[0], 1]))
    raise SystemExit("expected a left and a right label in each case")


def by_ancestor(method: Labeller, marker_set: MarkerSet) -> Callable[[Case], Figures]:
    def score(case: Case) -> Figures:
        labelling = method.answer(case.trial, heading_deg=heading_deg(case, marker_set)).labelling
        return compare(case, *given_labels(case.trial, labelling.above(0.0), case.labels))

    return score


def print_row(
    name: str, training: str, cases: list[Case], score: Callable[[Case], Figures], first: list[object]
) -> None:
    whole, memory = measured(*AML, "label", *first, "--dry-run", "--min-confidence", 0)
    figures = " | ".join(summed_up([score(case) for case in cases]))
    print(f"| {name} | {training} | {figures} | {whole:.1f} s, {memory:.2f} GB |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--epochs", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--test", default=TEST)
    parser.add_argument("--reference", default="static1", help="the trial of the data whose pose the matcher is given")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--train-ancestor", type=Path, help=argparse.SUPPRESS)  # this script in a process of its own
    args = parser.parse_args()
    reference = next(p for p in args.data.iterdir() if p.stem == args.reference and p.suffix in (".trc", ".c3d"))
    test, learnt = tested_and_learnt(args.data, args.test, args.reference)
    if args.train_ancestor:
        train_ancestor(learnt, args.train_ancestor, args.epochs[0])
        return
    args.work.mkdir(parents=True, exist_ok=True)
    listed = args.work / "learnt.txt"
    listed.write_text("\n".join(str(p.resolve()) for p in learnt))
    cases = [load_case(args.marker_case, p, args.work / f"{p.stem}_{s}", s, 4) for p in test for s in range(args.seeds)]
    file = args.work / f"{test[0].stem}_0" / "unlabelled.c3d"
    marker_set = from_trials([io.read(p) for p in learnt])
    ancestors = {n: args.work / f"ancestor_{n}.ckpt" for n in args.epochs}
    hybrid = args.work / "hybrid.ckpt"
    commands: dict[Path, list[object]] = {hybrid: [*AML, "train", listed, "-o", hybrid, "--model-type", "hybrid"]}
    for n, model in ancestors.items():
        commands[model] = [sys.executable, *sys.argv, "--epochs", n, "--train-ancestor", model]
    trained = {}
    for model, command in commands.items():
        kept = model.with_suffix(".json")  # so that a second run does only what is left
        if not kept.exists():
            kept.write_text(json.dumps(measured(*command)))
        seconds, memory = json.loads(kept.read_text())
        trained[model] = f"{seconds:.0f} s, {memory:.2f} GB"
    print("| method | training | accuracy | F1 | ghosts left | swaps | labelling one trial |")
    print("|---|---|---|---|---|---|---|")
    turn = round(heading_deg(cases[0], marker_set), 1)
    for n, model in ancestors.items():
        score = by_ancestor(labeller_for(LabelRequest(model=str(model)), "cpu"), marker_set)
        print_row(f"ancestor's, {n} epochs", trained[model], cases, score, [file, "--model", model, "--heading", turn])
    for name, training, wanted, options in (
        ("hybrid", trained[hybrid], LabelRequest(model=str(hybrid)), ["--model", hybrid]),
        ("matcher, by the static alone", "none", LabelRequest(reference=reference), ["--reference", reference]),
    ):
        method = labeller_for(wanted, "cpu")
        print_row(name, training, cases, lambda case, m=method: score_case(m, case, 0.5), [file, *options])


if __name__ == "__main__":
    main()
