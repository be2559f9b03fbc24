"""A lab's own marker set from few trials: train on some, label broken cases of held-out ones, score where points lie.

    python docs/benchmarks/few_trials.py DATA MARKER_CASE.py WORK [--counts 2 5 10 15] [--recipes hybrid matcher]

DATA is a folder of labelled trials, MARKER_CASE.py the tool that makes cases (`make --rotate` with its default of four
swaps; `--seeds` of each trial). A recipe is a model type, or `matcher:STEPS` for that many steps of tuning. Trials to
learn from are drawn once from those that are not tested; more hold the fewer. Models and cases are made once, in WORK.
Prints a table in Markdown: training time, mean and least accuracy, F1, ghosts left unlabelled, swaps repaired and
seconds a case.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from cases import call, summed_up
from swaps import load_case

from automarkerlabel.evaluation.evaluate import score_case
from automarkerlabel.labellers.request import LabelRequest, labeller_for

TEST = "DJ3,DJAsym3,STSAsym1,squatsAsym1,walking4,walkingTI3,walkingTO3,walkingTS3"


def train(trials: list[Path], recipe: str, out: Path, options: list[str]) -> None:
    kind, _, steps = recipe.partition(":")
    listed = out.with_suffix(".txt")
    listed.write_text("\n".join(str(p.resolve()) for p in trials))
    command = [sys.executable, "-m", "automarkerlabel", "train", listed, "-o", out, "--model-type", kind]
    command += [*(["--steps", steps] if steps else []), *options]
    call(*command)


def tested_and_learnt(data: Path, test: str, leave_out: str) -> tuple[list[Path], list[Path]]:
    """The trials of a folder that are tested, and the others in the order in which they are learnt from; names with
    commas between. Those that are left out are neither."""
    trials = sorted(p for p in data.iterdir() if p.suffix in (".trc", ".c3d"))
    tested = [p for p in trials if p.stem in test.split(",")]
    others = [p for p in trials if p not in tested and p.stem not in leave_out.split(",")]
    return tested, [others[n] for n in np.random.default_rng(0).permutation(len(others))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[2, 5, 10, 15])
    parser.add_argument("--recipes", nargs="+", default=["hybrid", "matcher"])
    parser.add_argument("--test", default=TEST)
    parser.add_argument("--leave-out", default="static1", help="trials that are not learnt from")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--options", default="", help="more options for aml train")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    test, learnt = tested_and_learnt(args.data, args.test, args.leave_out)
    cases = [load_case(args.marker_case, p, args.work / f"{p.stem}_{s}", s, 4) for p in test for s in range(args.seeds)]
    print("| recipe | trials | training | accuracy | least | F1 | ghosts left | swaps | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for recipe in args.recipes:
        for count in args.counts:
            model = args.work / f"{recipe.replace(':', '_')}_{count}.ckpt"
            started = time.perf_counter()
            if not model.exists():
                train(learnt[:count], recipe, model, args.options.split())
            trained, started = time.perf_counter() - started, time.perf_counter()
            method = labeller_for(LabelRequest(model=str(model)), "cpu")
            found = [score_case(method, case, 0.5) for case in cases]
            seconds = (time.perf_counter() - started) / len(cases)
            accuracy, f1, ghosts, swaps = summed_up(found)
            least = min(f.accuracy for f in found)
            print(
                f"| {recipe} | {count} | {trained:.0f} s | {accuracy} | {least:.4f} | {f1} | {ghosts} | {swaps} |"
                f" {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
