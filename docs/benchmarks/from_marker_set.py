"""No labelled trial, or one: label broken cases of labelled trials from their OpenSim marker set.

    python docs/benchmarks/from_marker_set.py MARKER_SET MARKER_CASE.py WORK TRIAL TRIAL... [--recipes matcher hybrid]

MARKER_CASE.py is the tool that makes cases (`make --rotate` with its default of four swaps; `--seeds` of each trial).
Recipes: `matcher` labels by the marker set alone, then by each of the other trials in turn; another model type is
trained on simulated people who wear the set, then goes on with each of the other trials beside them. Models and cases
are made once, in WORK. Prints a table in Markdown.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cases import call, summed_up
from swaps import load_case

from automarkerlabel.evaluation.evaluate import score_case
from automarkerlabel.labellers.labeller import Labeller
from automarkerlabel.labellers.request import LabelRequest, labeller_for
from automarkerlabel.simulate.corrupt import Case


def trained(model: Path, *options: object) -> Labeller:
    """The method of a model, which is trained unless it is there."""
    if not model.exists():
        started = time.perf_counter()
        call(sys.executable, "-m", "automarkerlabel", "train", "-o", model, *options)
        print(f"{model.name}: trained in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return labeller_for(LabelRequest(model=str(model)), "cpu")


def methods(
    recipe: str, marker_set: Path, work: Path, epochs: list[int]
) -> tuple[Callable[[], Labeller], Callable[[Path], Labeller]]:
    """What labels without a labelled trial, and what does with one."""
    if recipe == "matcher":
        return (
            lambda: labeller_for(LabelRequest(marker_set=str(marker_set)), "cpu"),
            lambda trial: labeller_for(LabelRequest(reference=trial), "cpu"),
        )
    simulated = work / f"{recipe}_simulated.ckpt"
    options: list[object] = ["--model-type", recipe, "--simulate", marker_set]

    def with_trial(trial: Path) -> Labeller:
        more = [trial, *options, "--from", simulated, "--val", trial, "--epochs", epochs[1]]
        return trained(work / f"{recipe}_with_{trial.stem}.ckpt", *more)

    return lambda: trained(simulated, *options, "--epochs", epochs[0]), with_trial


def print_row(recipe: str, known: str, trial: Path, method: Labeller, cases: list[Case]) -> None:
    started = time.perf_counter()
    found = [score_case(method, case, 0.5) for case in cases]
    seconds = (time.perf_counter() - started) / len(cases)
    accuracy, f1, ghosts, swaps = summed_up(found)
    least = min(f.accuracy for f in found)
    print(
        f"| {recipe} | {known} | {trial.stem} | {accuracy} | {least:.4f} | {f1} | {ghosts} | {swaps} | {seconds:.1f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("marker_set", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("trials", type=Path, nargs="+")
    parser.add_argument("--recipes", nargs="+", default=["matcher", "hybrid"])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, nargs=2, default=[100, 30], help="simulated alone, then with a trial")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    cases = {
        p: [load_case(args.marker_case, p, args.work / f"{p.stem}_{s}", s, 4) for s in range(args.seeds)]
        for p in args.trials
    }
    print("| recipe | known | labelled | accuracy | least | F1 | ghosts left | swaps repaired | seconds |")
    print("|---" * 9 + "|")
    for recipe in args.recipes:
        without, with_trial = methods(recipe, args.marker_set, args.work, args.epochs)
        for trial in args.trials:
            print_row(recipe, "marker set", trial, without(), cases[trial])
        for trial in args.trials:
            for other in args.trials:
                if other != trial:
                    print_row(recipe, f"marker set and {other.stem}", trial, with_trial(other), cases[trial])


if __name__ == "__main__":
    main()
