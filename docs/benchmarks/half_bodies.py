"""Half bodies, seated mostly: how often somebody is taken to face the other way, and how sure of it the labels are.

    python docs/benchmarks/half_bodies.py WEIGHTS [--numbers 0 1000] [--cuts 100]

Simulated people in the marker sets that cover more than legs or trunk, each cut down to the labels above the legs, with
and without the pelvis, or to those of the legs; labelled by their own static, by another person's or by the template.
Every case is labelled without and with the rival that faces the other way (`MatchOptions.turned`), at half the moments
and in one pass. Prints cases in which more labels are on the other side than on the right one, without or with it; then
of both the share of points right and on the other side, how many people were turned, and the mean confidence of those.
"""

import argparse
from pathlib import Path

import numpy as np

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.reference import Reference
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.marker_sets.catalogue import every, references_of
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.simulate.actions import STATIC
from automarkerlabel.simulate.corrupt import Case, Corruption, make_case
from automarkerlabel.simulate.dataset import DEFAULT_MOTIONS, NamedMotion, simulate, worn_set

FIRST_SUBJECT, RATE_HZ, SECONDS = 91_000_000, 100.0, (4.0, 9.0)
SEATED, SEATED_SHARE = ("sit", "reach"), 0.7
LEGS = {"thigh", "shank", "foot", "toes"}
PARTIAL = {  # sets that are parts of a body already
    "bts-davis", "cast", "cgm2", "ior-lower", "motive-rizzoli", "oxford-foot", "plug-in-gait-lower", "rizzoli-trunk",
}  # fmt: skip
OPTIONS = {"swaps": False, "self_references": 0, "rate_hz": 2.5}


def case_of(number: int, cuts: int) -> tuple[Case, Reference, str]:
    """The half body of that number, what it is labelled from, and what it is in words."""
    rng = np.random.default_rng([number, FIRST_SUBJECT])
    definitions = [d for d in every(own=False) if d.name not in PARTIAL]
    definition = definitions[number % len(definitions)]
    worn, subject = worn_set(definition.name), FIRST_SUBJECT + 2 * number
    kind, upper = (number // len(definitions)) % 3, (number // 3) % 3 < 2
    part = {
        x: s.removesuffix("_l").removesuffix("_r")
        for x, s in zip(worn.marker_set.labels, worn.marker_set.segments, strict=True)
    }
    kept = [x for x in worn.moving().labels if (part[x] in LEGS) != upper]
    if upper and rng.random() < 0.5:
        kept = [x for x in kept if part[x] != "pelvis"]
    motion = str(rng.choice(SEATED if rng.random() < SEATED_SHARE else DEFAULT_MOTIONS))
    trial = simulate(worn, NamedMotion(motion, motion), subject, float(rng.uniform(*SECONDS)), RATE_HZ, number)
    case = make_case(trial, Corruption(cuts=cuts, swaps=0, occlude=0.1, ghosts=6.0, seed=number), kept)
    if kind == 2:
        whole = references_of(definition)[0]
    else:
        whole = reference_from_trial(simulate(worn, NamedMotion(STATIC, STATIC), subject + kind, 1.0, RATE_HZ, number))
    which = [n for n, x in enumerate(whole.labels) if x in kept]
    labels = [whole.labels[n] for n in which]
    reference = Reference(MarkerSet(labels), whole.positions[which], whole.heading_rad, whole.source)
    by = ("own static", "another's static", "template")[kind]
    return case, reference, f"{definition.name}, {'upper' if upper else 'lower'}, {motion}, {by}, {len(kept)} labels"


def shares(case: Case, labelling: Labelling) -> tuple[float, float]:
    """Of the points of markers those with their label, and those with the label of the other side."""
    index = {x: n for n, x in enumerate(case.labels)}
    mirror = np.array(MarkerSet(case.labels).mirror_order())
    given = np.full(case.truth.shape, -1)
    for n, t in enumerate(labelling.tracklets):
        label = labelling.label_of(n)
        if label in index:
            given[t.start : t.stop, t.column] = index[label]
    marker = case.truth >= 0
    truth, given = case.truth[marker], given[marker]
    return float((given == truth).mean()), float(((given == mirror[truth]) & (given != truth)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--numbers", type=int, nargs=2, default=[0, 1000])
    parser.add_argument("--cuts", type=int, default=100)
    args = parser.parse_args()
    labeller = PoseMatcher.load(args.weights)
    rows = []
    for number in range(*args.numbers):
        case, reference, words = case_of(number, args.cuts)
        found = []
        for turned in (False, True):
            labelling, facts = labeller.label(case.trial, reference, options=MatchOptions(**OPTIONS, turned=turned))
            found.append((*shares(case, labelling), facts.mean_confidence))
        rows.append(found)
        if any(other > right for right, other, _ in found):
            print(number, words, *(f"right {a:.2f}, other side {b:.2f}, sure {c:.2f}" for a, b, c in found), sep=" | ")
    for n, way in enumerate(("without", "with")):
        right, other, sure = np.array(rows)[:, n].T
        turned = other > right
        surely = (sure[x].mean() if x.any() else 0.0 for x in (turned, ~turned))
        print(
            f"{way}: right {right.mean():.4f}, other side {other.mean():.4f}, turned {turned.sum()} of {len(rows)},"
            " their confidence {:.2f}, of the others {:.2f}".format(*surely)
        )


if __name__ == "__main__":
    main()
