"""Any marker set from one labelled pose: label broken cases of trials by a reference, score by where points lie.

    python docs/benchmarks/matcher.py WEIGHTS MARKER_CASE.py WORK --case NAME REFERENCE TRIAL... [--case ...]

WEIGHTS is a matcher's file, MARKER_CASE.py the tool that makes and scores cases (`make` with `--swaps 0 --rotate`, all
else by default; TRC files lie with y up). REFERENCE is a labelled trial of which the fullest, stillest frame is taken,
TRIAL a labelled trial or a folder of them; the reference itself is left out. Cases are made once, in WORK. Prints a
table in Markdown: accuracy, precision, F1, ghosts left unlabelled, lost and twice labelled points, seconds; and means.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from cases import call, make_case, trials_at

from automarkerlabel import io
from automarkerlabel.core.labelling import output_columns
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial

SHARES = ("accuracy", "precision", "f1", "ghosts")


def run_case(labeller: PoseMatcher, reference: Path, case: Path, args: argparse.Namespace) -> dict[str, float]:
    """Label and score one case."""
    answer = case / "answer.c3d"
    options = MatchOptions(**json.loads(args.options))
    started = time.perf_counter()
    trial = io.read(case / "unlabelled.c3d")
    labelling, _ = labeller.label(trial, reference_from_trial(io.read(reference)), options=options)
    labelling = labelling.above(args.min_confidence)
    io.write_labelled(case / "unlabelled.c3d", answer, trial, output_columns(trial, labelling), overwrite=True)
    seconds = time.perf_counter() - started
    result: dict[str, float] = json.loads(call(sys.executable, args.marker_case, "score", case, answer, "--json"))
    return result | {"seconds": seconds}


def print_row(group: str, name: str, rows: list[dict[str, float]]) -> None:
    means = {x: sum(r[x] for r in rows if r[x] is not None) / len(rows) for x in (*SHARES, "seconds")}
    lost, twice = (sum(int(r[x]) for r in rows) for x in ("lost", "twice"))
    shares = " | ".join(f"{means[x]:.4f}" for x in SHARES)
    print(f"| {group} | {name} | {shares} | {lost} | {twice} | {means['seconds']:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--case", action="append", nargs="+", required=True, metavar="NAME REFERENCE TRIAL")
    parser.add_argument("--min-confidence", type=float, default=0.5)
    parser.add_argument("--options", default="{}", help="MatchOptions that differ from their defaults, as JSON")
    args = parser.parse_args()
    labeller = PoseMatcher.load(args.weights)
    print(
        f"| reference | case | {' | '.join(SHARES)} | lost | twice | seconds |\n|---|---|{'---|' * (len(SHARES) + 3)}"
    )
    for group, reference, *places in args.case:
        trials = trials_at(places, Path(reference))
        rows = []
        for trial in trials:
            case = args.work / group / trial.stem
            make_case(args.marker_case, trial, case, "--swaps", 0)
            rows.append(run_case(labeller, Path(reference), case, args))
            print_row(group, trial.stem, rows[-1:])
        if len(rows) > 1:
            print_row(f"**{group}**", f"**mean of {len(rows)}**", rows)


if __name__ == "__main__":
    main()
