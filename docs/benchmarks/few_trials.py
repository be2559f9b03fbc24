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
from cases import call
from swaps import load_case

from automarkerlabel.evaluate import score_case
from automarkerlabel.methods import Wanted, method_for

TEST = "DJ3,DJAsym3,STSAsym1,squatsAsym1,walking4,walkingTI3,walkingTO3,walkingTS3"


def train(trials: list[Path], recipe: str, out: Path, options: list[str]) -> None:
    kind, _, steps = recipe.partition(":")
    listed = out.with_suffix(".txt")
    listed.write_text("\n".join(str(p.resolve()) for p in trials))
    command = [sys.executable, "-m", "automarkerlabel", "train", listed, "-o", out, "--model-type", kind]
    command += [*(["--steps", steps] if steps else []), *options]
    call(*command)


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
    trials = sorted(p for p in args.data.iterdir() if p.suffix in (".trc", ".c3d"))
    test = [p for p in trials if p.stem in args.test.split(",")]
    others = [p for p in trials if p not in test and p.stem not in args.leave_out.split(",")]
    order = np.random.default_rng(0).permutation(len(others))
    cases = [load_case(args.marker_case, p, args.work / f"{p.stem}_{s}", s, 4) for p in test for s in range(args.seeds)]
    print("| recipe | trials | training | accuracy | least | F1 | ghosts left | swaps | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for recipe in args.recipes:
        for count in args.counts:
            model = args.work / f"{recipe.replace(':', '_')}_{count}.ckpt"
            started = time.perf_counter()
            if not model.exists():
                train([others[n] for n in order[:count]], recipe, model, args.options.split())
            trained, started = time.perf_counter() - started, time.perf_counter()
            method = method_for(Wanted(model=str(model)), "cpu")
            found = [score_case(method, case, 0.5) for case in cases]
            seconds = (time.perf_counter() - started) / len(cases)
            accuracy = np.array([f.accuracy for f in found])
            ghosts = np.mean([f.ghosts for f in found if f.ghosts is not None])
            repaired, planted = sum(f.swaps_repaired for f in found), sum(f.n_swaps for f in found)
            print(
                f"| {recipe} | {count} | {trained:.0f} s | {accuracy.mean():.4f} | {accuracy.min():.4f} |"
                f" {np.mean([f.f1 for f in found]):.4f} | {ghosts:.4f} | {repaired}/{planted} | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
