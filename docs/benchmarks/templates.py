"""Which marker set is it, and what does it label: trials of every built-in set, labelled by `aml label TRIAL` alone.

    python docs/benchmarks/templates.py [--weights FILE] [--trials 4] [--seconds 8] [--swaps 0 [4]] [--cuts 50]
        [--motion walk ...] [--set NAME ...] [--real SET TRIAL...] [--foreign [TRIAL...]]

Simulated trials are of 100 Hz, each of another drawn body and motion, with the default corruption (50 cuts, 5 %
of the points occluded, 3 ghosts a frame, random heading) and `--swaps`. `--real` takes labelled trials of a set
instead, corrupted alike. `--foreign` takes what wears none of the sets: two people at once, one limb, an object, each
simulated set with its own template left out, and TRIALs as they are.
Prints tables in Markdown. Accuracy: points with the right label of all markers, first by the trial's own set, then by
the set found (0 if refused), where a label counts if it is spelt alike. Seconds are processor time of the choice.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import AutoMarkerLabelError, MarkerSetError
from automarkerlabel.evaluation.metrics import compare as compared
from automarkerlabel.evaluation.metrics import given_labels
from automarkerlabel.labellers import load
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.matcher.template_search import (
    Candidate,
    Template,
    compare,
    known_templates,
    refuse_unlikely,
)
from automarkerlabel.marker_sets.catalogue import built_in_names
from automarkerlabel.simulate.corrupt import Case, Corruption, make_case
from automarkerlabel.simulate.dataset import DEFAULT_MOTIONS, NamedMotion, simulate, worn_set

FIRST_SUBJECT = 90_000_000  # far from the seeds of any training
RATE_HZ, SECONDS = 100.0, 8.0
MOTIONS = ("static", *DEFAULT_MOTIONS)


@dataclass(frozen=True)
class Row:
    """One trial: accuracy by its own set, and what was found."""

    by_own: float
    found: float
    refused: bool
    candidates: tuple[Candidate, ...]
    seconds: float


def choice(matcher: PoseMatcher, trial: Trial, templates: Sequence[Template]) -> tuple[list[Candidate], Template]:
    fits = compare(matcher, trial, templates)
    return [candidate for candidate, _ in fits], fits[0][1]


def accuracy(matcher: PoseMatcher, case: Case, template: Template) -> float:
    labelling = matcher.label(case.trial, template.poses)[0].above(0.5)
    return compared(case, *given_labels(case.trial, labelling, case.labels)).accuracy or 0.0


def measured(matcher: PoseMatcher, case: Case, own: Template, templates: Sequence[Template]) -> Row:
    started = time.process_time()
    candidates, best = choice(matcher, case.trial, templates)
    seconds = time.process_time() - started
    by_own = accuracy(matcher, case, own)
    refused = not believed(candidates)
    found = 0.0 if refused else by_own if best.name == own.name else accuracy(matcher, case, best)
    return Row(by_own, found, refused, tuple(candidates), seconds)


def believed(candidates: Sequence[Candidate]) -> bool:
    try:
        refuse_unlikely(candidates)
    except MarkerSetError:
        return False
    return True


def simulated(name: str, number: int, motions: Sequence[str], seconds: float = SECONDS) -> Trial:
    motion = motions[number % len(motions)]
    return simulate(worn_set(name), NamedMotion(motion, motion), FIRST_SUBJECT + number, seconds, RATE_HZ, number)


def print_set(name: str, rows: Sequence[Row]) -> None:
    names = [r.candidates[0].name for r in rows if not r.refused]
    found = ", ".join(f"{x} {names.count(x)}" for x in sorted(set(names), key=lambda x: (x != name, x)))
    refused = sum(r.refused for r in rows)
    near = sorted({c.name for r in rows for c in r.candidates[1:] if c.fit > 0.9 * r.candidates[0].fit} - {name})
    fits = [r.candidates[0].fit for r in rows]
    print(
        f"| {name} | {len(rows)} | {found or '-'} | {refused} | {min(fits):.2f}-{max(fits):.2f} |"
        f" {np.mean([r.by_own for r in rows]):.4f} | {min(r.by_own for r in rows):.4f} |"
        f" {np.mean([r.found for r in rows]):.4f} | {', '.join(near) or '-'} | {max(r.seconds for r in rows):.1f} |",
        flush=True,
    )


def known(matcher: PoseMatcher, given: argparse.Namespace, templates: dict[str, Template]) -> None:
    """The table of trials whose set is known by name."""
    heads = ("set", "trials", "found", "refused", "fit", "accuracy by own set", "least", "by set found", "nearly", "s")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    every: list[Row] = []
    order = given.set or built_in_names()
    groups = given.real or [[name] for name in order]
    for n, (name, *paths) in enumerate(groups):
        trials = [io.read(Path(p)) for p in paths]
        # Numbers run on, so that sets share neither bodies nor motions.
        numbers = range(given.trials * n, given.trials * (n + 1))
        trials = trials or [simulated(name, number, given.motion, given.seconds) for number in numbers]
        rows = []
        for k, trial in enumerate(trials):
            for swaps in given.swaps:
                case = make_case(trial, Corruption(cuts=given.cuts, swaps=swaps, seed=given.trials * n + k))
                rows.append(measured(matcher, case, templates[name], list(templates.values())))
        print_set(name, rows)
        every += rows
    print_set("all", every)


def strangers(paths: Sequence[str], motions: Sequence[str]) -> Iterator[tuple[str, Trial, str]]:
    """Name, trial and the template to leave out of what wears none of the sets."""
    for path in paths:
        yield Path(path).stem, io.read(Path(path)), ""
    for n, name in enumerate(("plug-in-gait", "opencap")):
        one, two = (simulated(name, 2 * n + k, motions) for k in range(2))
        apart = two.positions + np.float32([1500, 600, 0])
        both = np.concatenate([one.positions, apart], 1)
        yield f"two people in {name}", broken(anonymous(both), n), ""
    for n, (name, segments) in enumerate(
        (("clouthier2021", ("upper_arm_l", "forearm_l", "radius_l", "hand_l")), ("oxford-foot", ("foot_r", "toes_r")))
    ):
        whole = simulated(name, 10 + n, motions)
        keep = [k for k, s in enumerate(worn_set(name).moving().segments) if s in segments]
        yield f"{segments[0]} alone", broken(anonymous(whole.positions[:, keep]), n), ""
    yield "an object", broken(thing(), 5), ""
    for n, name in enumerate(built_in_names()):
        yield f"{name}, left out", broken(simulated(name, 20 + n, motions), n), name


def broken(trial: Trial, seed: int) -> Trial:
    return make_case(trial, Corruption(swaps=0, seed=seed)).trial


def thing(n_points: int = 24) -> Trial:
    """A rigid thing of 1 m that is carried about."""
    rng = np.random.default_rng(1)
    time_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    turn = np.exp(1j * np.sin(time_s))
    shape = rng.uniform(-500, 500, (n_points, 3))
    flat = (shape[:, 0] + 1j * shape[:, 1]) * turn[:, None]
    points = np.stack([flat.real, flat.imag, np.broadcast_to(shape[:, 2] + 900, flat.shape)], -1)
    points[..., 0] += 700 * time_s[:, None]
    return anonymous(points)


def anonymous(points: np.ndarray) -> Trial:
    return Trial(points.astype(np.float32), [f"m{k}" for k in range(points.shape[1])], RATE_HZ)


def foreign(matcher: PoseMatcher, given: argparse.Namespace, templates: dict[str, Template]) -> None:
    """The table of trials that wear none of the sets."""
    print("| trial | answer | candidates |\n|---|---|---|")
    for name, trial, out in strangers(given.foreign, given.motion):
        try:
            candidates, best = choice(matcher, trial, [t for t in templates.values() if t.name != out])
        except AutoMarkerLabelError as error:
            print(f"| {name} | {error} | |", flush=True)
            continue
        answer = best.name if believed(candidates) else "refused"
        print(f"| {name} | {answer} | {', '.join(str(c) for c in candidates)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=load.find_matcher(None))
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--swaps", type=int, nargs="+", default=[0])
    parser.add_argument("--motion", nargs="+", default=MOTIONS)
    parser.add_argument("--set", nargs="+")
    parser.add_argument("--real", nargs="+", action="append", metavar="SET TRIAL")
    parser.add_argument("--foreign", nargs="*", metavar="TRIAL")
    given = parser.parse_args()
    matcher = PoseMatcher.load(given.weights)
    templates = {t.name: t for t in known_templates()}
    (known if given.foreign is None else foreign)(matcher, given, templates)


if __name__ == "__main__":
    main()
