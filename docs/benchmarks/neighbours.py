"""Neighbours that the network takes for one another throughout, planted: what comes out, by distances or without them.

    python docs/benchmarks/neighbours.py WEIGHTS [--numbers 10080 10168]

The cases of `calibrate_matcher.py` by number. In each a marker and one to four of its nearest in the pose are called,
by the network, what the one before it in the ring is called, in every window. Prints accuracy at a confidence of 0.5
with that planted, without and with `MatchOptions.permuted`, and the same where nothing is planted; then means by what
the trials are labelled from.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from calibrate_matcher import case_of

from automarkerlabel.audit.distances import apart
from automarkerlabel.core.reference import Reference
from automarkerlabel.evaluation.metrics import compare, given_labels
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.marker_sets.catalogue import every

FROM = ("own static", "another's static", "template")


class Mistaken(PoseMatcher):
    """A matcher that takes labels for one another: `order[k]` is what it calls the points of label k."""

    order: npt.NDArray[np.int64] | None = None

    def _log_probs(self, windows, heading, references, options):  # type: ignore[no-untyped-def]
        found, spread_mm = super()._log_probs(windows, heading, references, options)
        mistaken = self.order is not None and references[0].source != "the trial itself"
        return found[..., self.order] if mistaken else found, spread_mm


def ring_of(reference: Reference, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A label and one to four of its nearest."""
    distance = np.nan_to_num(apart(reference.positions), nan=np.inf)
    return np.argsort(distance[rng.integers(len(distance))], kind="stable")[: rng.integers(2, 6)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--numbers", type=int, nargs=2, default=[10080, 10168])
    args = parser.parse_args()
    labeller, rows = Mistaken.load(args.weights), []
    for number in range(*args.numbers):
        case, reference = case_of(number)
        ring = ring_of(reference, np.random.default_rng(number))
        order = np.arange(len(reference.labels) + 1)
        order[ring] = np.roll(ring, 1)
        found = []
        for planted in (order, None):
            labeller.order = planted
            for on in (False, True):
                labelling, _ = labeller.label(case.trial, reference, options=MatchOptions(permuted=on))
                given = given_labels(case.trial, labelling.above(0.5), case.labels)
                found.append(compare(case, *given).accuracy)
        rows.append((number // len(every()) % 3, *found))
        print(number, *(reference.labels[n] for n in ring), *(f"{x:.4f}" for x in found), flush=True)
    for kind, words in enumerate(FROM):
        of_kind = np.array([r[1:] for r in rows if r[0] == kind])
        if len(of_kind):
            print(f"{words}: {len(of_kind)} trials, means", *(f"{x:.4f}" for x in of_kind.mean(0)))


if __name__ == "__main__":
    main()
