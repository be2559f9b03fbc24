"""What each stage of the matcher's decisions contributes, and what it costs: each turned off alone, and all together.

    python docs/benchmarks/stages.py WEIGHTS MARKER_CASE.py WORK [--simulated 42] --case NAME REFERENCE TRIAL...

WEIGHTS is a matcher's file, MARKER_CASE.py the tool that makes cases (`make --rotate` with its default of four swaps).
The simulated trials are those of `calibrate_matcher.py`, of other people: 21 marker sets in turn, from a static of the
person, of somebody else, or from a template; every second one with swaps. Accuracy counts each label that is given,
however doubtful. Prints a table in Markdown.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from calibrate_matcher import case_of
from swaps import load_case

from automarkerlabel import io
from automarkerlabel.core.reference import Reference
from automarkerlabel.evaluation.metrics import compare, given_labels
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.simulate.corrupt import Case

ALL = MatchOptions()
STAGES = {
    "all": ALL,
    "no search for swaps": replace(ALL, swaps=False),
    "no continuity over gaps": replace(ALL, continuity=False),
    "no distances": replace(ALL, distances=0.0),
    "no second pass": replace(ALL, self_references=0),
    "no bar for rare labels": replace(ALL, unworn=0.0),
    "none of these": replace(ALL, swaps=False, continuity=False, distances=0.0, self_references=0, unworn=0.0),
}
_FIRST_SIMULATED = 10_000  # none that confidences were fitted to


def figures(matcher: PoseMatcher, cases: list[tuple[Case, Reference]], options: MatchOptions) -> str:
    found, started = [], time.process_time()
    for case, reference in cases:
        labelling, _ = matcher.label(case.trial, reference, options=options)
        found.append(compare(case, *given_labels(case.trial, labelling, case.labels)))
    seconds = (time.process_time() - started) / len(cases)
    accuracy = np.array([f.accuracy for f in found])
    ghosts = np.mean([f.ghosts for f in found if f.ghosts is not None])
    repaired, planted = sum(f.swaps_repaired for f in found), sum(f.n_swaps for f in found)
    return f"{accuracy.mean():.4f} | {accuracy.min():.4f} | {ghosts:.4f} | {repaired}/{planted} | {seconds:.2f}"


def real_cases(args: argparse.Namespace) -> list[tuple[Case, Reference]]:
    cases = []
    for name, place, *trials in args.case:
        reference = reference_from_trial(io.read(Path(place)))
        for trial in map(Path, trials):
            cases.append((load_case(args.marker_case, trial, args.work / f"{name}_{trial.stem}", 0, 4), reference))
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--simulated", type=int, default=42)
    parser.add_argument("--case", action="append", nargs="+", default=[], metavar="NAME REFERENCE TRIAL")
    args = parser.parse_args()
    matcher = PoseMatcher.load(args.weights)
    groups: dict[str, Callable[[], list[tuple[Case, Reference]]]] = {
        "real": lambda: real_cases(args),
        "simulated": lambda: [case_of(_FIRST_SIMULATED + n) for n in range(args.simulated)],
    }
    print("| cases | stages | accuracy | least | ghosts left | swaps | seconds of one core |")
    print(f"|{'---|' * 7}")
    for group, make in groups.items():
        cases = make()
        if cases:
            matcher.label(cases[0][0].trial, cases[0][1])  # warms up
        for stage, options in STAGES.items() if cases else ():
            print(f"| {group} | {stage} | {figures(matcher, cases, options)} |", flush=True)


if __name__ == "__main__":
    main()
