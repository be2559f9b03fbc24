"""Calibrate the matcher's confidences on simulated people, and store that in a copy of its file.

Known marker sets in turn, each on another person in another motion; a third of them labelled from the person's own
static trial, a third from another person's, a third from the set's template. Every second case has swaps. None of the
trials of the benchmarks is used.

    python docs/benchmarks/calibrate_matcher.py MATCHER OUT [--cases 150]
"""

import argparse
import json
from pathlib import Path

import numpy as np

from automarkerlabel.assignment.confidence_fit import Observed
from automarkerlabel.core.reference import Reference
from automarkerlabel.evaluation.calibration import fit_confidence, observed_in, store_in
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.marker_sets.catalogue import every, references_of
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.simulate.actions import STATIC
from automarkerlabel.simulate.corrupt import Case, Corruption, make_case
from automarkerlabel.simulate.dataset import DEFAULT_MOTIONS, NamedMotion, WornSet, simulate, worn_set

FIRST_SUBJECT = 70_000_000  # far from the seeds of any training
RATE_HZ = 100.0
SECONDS = (4.0, 9.0)


def observe(matcher: PoseMatcher, number: int) -> Observed:
    """One simulated case as the matcher labels it."""
    case, reference = case_of(number)
    return observed_in(matcher.label(case.trial, reference)[0], case)


def case_of(number: int) -> tuple[Case, Reference]:
    """The simulated case of that number, and what it is labelled from."""
    rng = np.random.default_rng([number, FIRST_SUBJECT])
    definitions = every()
    definition = definitions[number % len(definitions)]
    worn, subject = worn_set(definition.name), FIRST_SUBJECT + 2 * number
    name = DEFAULT_MOTIONS[int(rng.integers(len(DEFAULT_MOTIONS)))]
    trial = simulate(worn, NamedMotion(name, name), subject, float(rng.uniform(*SECONDS)), RATE_HZ, number)
    kind = (number // len(definitions)) % 3
    reference = references_of(definition)[0] if kind == 2 else static_of(worn, subject + kind, number)
    return make_case(trial, Corruption(swaps=4 * (number % 2), hidden_markers=number % 3, seed=number)), reference


def static_of(worn: WornSet, subject: int, seed: int) -> Reference:
    return reference_from_trial(simulate(worn, NamedMotion(STATIC, STATIC), subject, 1.0, RATE_HZ, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("matcher", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=150)
    given = parser.parse_args()
    matcher = PoseMatcher.load(given.matcher)
    observed = []
    for number in range(given.cases):
        observed.append(observe(matcher, number))
        if number % 10 == 9:
            print(f"{number + 1} of {given.cases}", flush=True)
    fitted = fit_confidence(observed)
    store_in(given.matcher, given.out, fitted, matcher.temperature, matcher.no_label_offset)
    print(json.dumps(fitted.to_dict(), indent=1))


if __name__ == "__main__":
    main()
