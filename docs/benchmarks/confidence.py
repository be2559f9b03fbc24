"""Whether confidences can be trusted: calibration, and precision and coverage at thresholds, on broken real trials.

    python docs/benchmarks/confidence.py WEIGHTS MARKER_CASE.py WORK --case NAME REFERENCE TRIAL... [--case ...]

WEIGHTS is a matcher's file; cases as in `swaps.py`, with four swaps and with none. Prints two tables in Markdown: at
each threshold the precision and coverage over the points of all trials, and for each band of confidence the points in
it, their mean confidence and the share of them that is right; and the calibration error, the mean distance of these
two over ten equal bands, by points.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cases import trials_at
from swaps import load_case, pose_of

from automarkerlabel.evaluation.metrics import given_labels
from automarkerlabel.labellers.matcher.labeller import PoseMatcher

THRESHOLDS = (0.0, 0.5, 0.9, 0.99, 0.999)
BANDS = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--case", action="append", nargs="+", required=True, metavar="NAME REFERENCE TRIAL")
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    labeller = PoseMatcher.load(args.weights)
    confidences: list[npt.NDArray[np.float64]] = []  # of each point given a label
    rights: list[npt.NDArray[np.bool_]] = []
    n_real = 0
    for name, reference, *places in args.case:
        for trial in trials_at(places, Path(reference)):
            for planted, seed in [(4, n) for n in range(args.seeds)] + [(0, 0)]:
                at = args.work / f"{name}_swaps{planted}" / f"{trial.stem}_{seed}"
                case = load_case(args.marker_case, trial, at, seed, planted)
                labelling, _ = labeller.label(case.trial, pose_of(Path(reference)))
                given, confidence, _ = given_labels(case.trial, labelling, case.labels)
                labelled = given >= 0
                confidences.append(confidence[labelled].astype(np.float64))
                rights.append((given == case.truth)[labelled])
                n_real += int((case.truth[case.trial.visible] >= 0).sum())
    confidence, right = np.concatenate(confidences), np.concatenate(rights)
    print("| confidence at least | precision | coverage |\n|---|---|---|")
    for least in THRESHOLDS:
        kept = confidence >= least
        print(f"| {least} | {right[kept].mean():.5f} | {kept.sum() / n_real:.4f} |")
    print("\n| confidence | points | mean confidence | right |\n|---|---|---|---|")
    for low, high in pairwise(BANDS):
        some = (confidence >= low) & ((confidence < high) | (high == 1.0))
        if some.any():
            print(f"| {low} to {high} | {some.sum()} | {confidence[some].mean():.4f} | {right[some].mean():.4f} |")
    band = np.minimum((10 * confidence).astype(int), 9)
    n, total, hits = (np.bincount(band, x, 10) for x in (None, confidence, right))
    print(f"\ncalibration error by points: {np.abs(total - hits).sum() / n.sum():.4f} of {len(confidence)} points")


if __name__ == "__main__":
    main()
