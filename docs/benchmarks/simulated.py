"""Weights of the matcher side by side on simulated trials that neither learnt from.

    python docs/benchmarks/simulated.py WEIGHTS... [--numbers 10042 10168]

The trials are those of `calibrate_matcher.py` by number, the last left out: other people in 21 marker sets, labelled
by their own static, by another person's or by the set's template. Prints those whose accuracy differs by a hundredth
or is below 0.9, then each file's mean and how many are below 0.9. Labels below a confidence of 0.5 count as none.
"""

import argparse
from pathlib import Path

import numpy as np
from calibrate_matcher import case_of

from automarkerlabel.evaluation.metrics import compare, given_labels
from automarkerlabel.labellers.matcher.labeller import PoseMatcher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--numbers", type=int, nargs=2, default=[10042, 10168])
    args = parser.parse_args()
    labellers = [PoseMatcher.load(path) for path in args.weights]
    rows = []
    for number in range(*args.numbers):
        case, reference = case_of(number)
        labellings = [labeller.label(case.trial, reference)[0].above(0.5) for labeller in labellers]
        found = [compare(case, *given_labels(case.trial, x, case.labels)).accuracy for x in labellings]
        rows.append(found)
        if min(found) < 0.9 or max(found) - min(found) > 0.01:
            print(number, *(f"{x:.4f}" for x in found), flush=True)
    for path, accuracy in zip(args.weights, np.array(rows).T, strict=True):
        print(f"{path.name}: mean {accuracy.mean():.4f}, below 0.9: {(accuracy < 0.9).sum()} of {len(accuracy)}")


if __name__ == "__main__":
    main()
