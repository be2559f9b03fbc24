"""How far off gaps are filled, by each method and by the one that is expected to be nearest.

    python docs/benchmarks/filling.py [--model FORECASTER.ckpt] simulated|TRIAL|FOLDER...

Labelled trials. In each, gaps of each length are made in every named marker, two a marker, at random, where it is seen;
one at a time, the rest of the trial as it is: of the marker alone, then of it and the two markers nearest to it. The
error of a gap is the mean distance over it. Prints mean, median and 95th percentile over the gaps in Markdown; after
those of `auto` come the mean of what was expected, and the share of gaps that the default limits leave open, with the
mean error of those that they do not. With a forecaster (`--model`) the same follows of its methods, and of `auto` that
chooses among all. Trials joined by commas share their rows. The word `simulated` makes 8 trials of 8 s, four motions of
two people. Seeded.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cases import trials_at

from automarkerlabel import Trial, io
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.filling.estimates import METHODS, MODEL_METHODS, Estimate, Fillers, Model
from automarkerlabel.filling.fill import FillOptions
from automarkerlabel.filling.forecaster import load
from automarkerlabel.filling.gaps import Gap
from automarkerlabel.simulate.dataset import NamedMotion, simulate, worn_set

LENGTHS_S = (0.1, 0.5, 1.0)
N_NEIGHBOURS = (0, 2)
A_MARKER = 2
BESIDE = 5  # frames that are seen on both sides of a made gap


@dataclass
class Errors:
    """Of each made gap the error of each method in mm, NaN where it has no answer; what was expected of the chosen."""

    methods: tuple[str, ...]
    of: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, found: dict[str, Estimate], truth: np.ndarray) -> None:
        off = {name: float(np.linalg.norm(x.points - truth, axis=1).mean()) for name, x in found.items()}
        chosen = min(found, key=lambda name: found[name].expected_mm) if found else None
        for name in self.methods:
            self.of[name].append(off.get(name, np.nan))
        self.of["auto"].append(off[chosen] if chosen else np.nan)
        self.of["expected"].append(found[chosen].expected_mm if chosen else np.nan)

    def cells(self) -> list[str]:
        """Of each method and of `auto`; then what was expected of it, the share left open, the error of the rest."""
        of = {k: np.array(v) for k, v in self.of.items()}
        closed = of["expected"] <= FillOptions().max_error_mm
        filled = f"{of['auto'][closed].mean():.1f}" if closed.any() else "-"
        expected = f"{np.nanmean(of['expected']):.1f}" if closed.any() else "-"
        return [*(cell(of[k]) for k in (*self.methods, "auto")), expected, f"{100 * (1 - closed.mean()):.0f} %", filled]


def simulated() -> list[Trial]:
    worn = worn_set("plug-in-gait")
    motions = [NamedMotion(name, name) for name in ("walk", "run", "jump", "squat")]
    return [simulate(worn, m, person, 8.0, 100.0, n) for person in (1, 2) for n, m in enumerate(motions)]


def measure(trial: Trial, seconds: float, n_neighbours: int, models: dict[Model | None, Errors]) -> None:
    named = np.array([column for _, column in labelled_columns(trial)])
    length, rng = max(1, round(seconds * trial.rate_hz)), np.random.default_rng(0)
    last = trial.n_frames - length - BESIDE
    for column in named.tolist():
        for start in rng.integers(BESIDE, max(last, BESIDE + 1), A_MARKER).tolist():
            stop = start + length
            if last <= BESIDE or not trial.visible[start - BESIDE : stop + BESIDE, column].all():
                continue
            apart = np.linalg.norm(trial.positions[start, named] - trial.positions[start, column], axis=1)
            gone = named[np.argsort(apart)[: 1 + n_neighbours]]  # itself first
            positions = trial.positions.copy()
            positions[start:stop, gone] = np.nan
            visible, truth = ~np.isnan(positions[..., 0]), trial.positions[start:stop, column]
            for model, errors in models.items():
                fillers = Fillers(positions, visible, named, trial.rate_hz, model, trial.labels)
                errors.add(fillers.estimates(Gap(column, start, stop)), truth)


def cell(values: np.ndarray) -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return "-"
    missing = f" ({len(known)})" if len(known) < len(values) else ""
    return f"{known.mean():.1f} / {np.median(known):.1f} / {np.percentile(known, 95):.1f}{missing}"


def rows(name: str, trials: list[Trial], model: Model | None) -> None:
    for n_neighbours in N_NEIGHBOURS:
        for seconds in LENGTHS_S:
            models: dict[Model | None, Errors] = {None: Errors(METHODS)}
            if model is not None:
                models[model] = Errors(MODEL_METHODS)
            for trial in trials:
                measure(trial, seconds, n_neighbours, models)
            n = len(models[None].of["auto"])
            if n:
                hidden = "alone" if n_neighbours == 0 else f"and {n_neighbours} more"
                cells = [name, hidden, f"{seconds:g} s", str(n)] + [c for e in models.values() for c in e.cells()]
                print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="+", help="labelled trials, folders of them, `simulated`; figures of each")
    parser.add_argument("--model", type=Path, help="a forecaster, of `aml train --task forecast`")
    args = parser.parse_args()
    model = load(args.model) if args.model else None
    head = ["trials", "hidden", "gap", "gaps"]
    for methods in (METHODS, MODEL_METHODS) if model else (METHODS,):
        head += [*methods, "auto", "expected of auto", "left open", "error of the filled"]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for place in args.trials:
        places = place.split(",")
        made = place == "simulated"
        trials = simulated() if made else [io.read(x) for x in trials_at(places, Path())]
        rows(", ".join(Path(x).stem for x in places), trials, model)


if __name__ == "__main__":
    main()
