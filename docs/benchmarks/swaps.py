"""Exchanges between columns: how many are repaired, how many cuts are false, and what looking for them costs.

    python docs/benchmarks/swaps.py WEIGHTS MARKER_CASE.py WORK [--seeds 4] --case NAME REFERENCE TRIAL... [--case ...]

WEIGHTS is a matcher's file, MARKER_CASE.py the tool that makes cases (`make --rotate` with its default of four swaps,
and with none; TRC files lie with y up). REFERENCE is a labelled trial, TRIAL a labelled trial or a folder of them. Each
case is labelled with repair on and off. Cases are made once, in WORK. Prints a table in Markdown, summed over seeds: a
false cut is one where the truth of its column does not change.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from cases import make_case, trials_at

from automarkerlabel import io
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import Trial
from automarkerlabel.evaluation.metrics import compare, given_labels
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.simulate.corrupt import Case


def load_case(marker_case: Path, trial: Path, case: Path, seed: int, swaps: int) -> Case:
    make_case(marker_case, trial, case, "--seed", seed, "--swaps", swaps)
    with np.load(case / "truth.npz") as known:
        return Case(
            io.read(case / "unlabelled.c3d"), known["truth"].astype(np.int64), tuple(known["names"].tolist()),
            known["swaps"].astype(np.int64),
        )  # fmt: skip


def false_cuts(case: Case, cuts: Iterable[tuple[int, int]]) -> int:
    seen = case.trial.visible
    last = [(column, frame, np.flatnonzero(seen[:frame, column])[-1]) for column, frame in cuts]
    return sum(bool(case.truth[frame, column] == case.truth[before, column]) for column, frame, before in last)


def figures(labeller: PoseMatcher, case: Case, reference: Reference, on: bool) -> np.ndarray:
    """Accuracy, ghosts left, swaps repaired, swaps, false cuts, points, frames with a label twice, seconds."""
    started = time.perf_counter()
    labelling, _ = labeller.label(case.trial, reference, options=MatchOptions(swaps=on))
    seconds = time.perf_counter() - started
    kept = labelling.above(0.5)
    f = compare(case, *given_labels(case.trial, kept, case.labels))
    false = false_cuts(case, [(c.column, c.frame) for c in labelling.cuts])
    ghosts = 1.0 if f.ghosts is None else f.ghosts
    return np.array([f.accuracy, ghosts, f.swaps_repaired, f.n_swaps, false, f.points, f.twice, seconds])


def print_row(name: str, what: str, rows: list[np.ndarray]) -> None:
    mean, total = np.mean(rows, axis=0), np.sum(rows, axis=0)
    repaired = f"{total[2]:.0f}/{total[3]:.0f}"
    print(
        f"| {name} | {what} | {mean[0]:.4f} | {mean[1]:.4f} | {repaired} | {total[4]:.0f} | {total[5]:.0f} |"
        f" {total[6]:.0f} | {mean[7]:.2f} |",
        flush=True,
    )


def pose_of(path: Path) -> Reference:
    trial: Trial = io.read(path)
    return reference_from_trial(trial)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--case", action="append", nargs="+", required=True, metavar="NAME REFERENCE TRIAL")
    parser.add_argument("--seeds", type=int, default=4)
    args = parser.parse_args()
    labeller = PoseMatcher.load(args.weights)
    print("| trials | repair | accuracy | ghosts | swaps repaired | false cuts | points | twice | seconds |")
    print("|---" * 9 + "|")
    for planted in (4, 0):
        total: dict[str, list[np.ndarray]] = {"off": [], "on": []}
        for name, reference, *places in args.case:
            rows: dict[str, list[np.ndarray]] = {"off": [], "on": []}
            for trial in trials_at(places, Path(reference)):
                for seed in range(args.seeds if planted else 1):
                    at = args.work / f"{name}_swaps{planted}" / f"{trial.stem}_{seed}"
                    case = load_case(args.marker_case, trial, at, seed, planted)
                    for what, found in rows.items():
                        found.append(figures(labeller, case, pose_of(Path(reference)), what == "on"))
            for what, found in rows.items():
                print_row(f"{name}, {planted} planted", what, found)
                total[what] += found
        for what, found in total.items():
            print_row(f"**all, {planted} planted**", what, found)


if __name__ == "__main__":
    main()
