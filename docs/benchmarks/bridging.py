"""Where a marker reappears after a gap, foretold from before it: by `assignment/continuity.py`, and by others.

    python docs/benchmarks/bridging.py --model FORECASTER.ckpt TRIAL|FOLDER...

Labelled trials. A marker and the four nearest to it vanish at once and reappear at once, as behind an arm; nothing is
learnt from the marker after the gap, since nobody knows yet that it is the same. Told are the median distance from
where it is foretold to where it reappears, and how often no other of the five reappears nearer to that place. *stiff*
carries it with its mates, *regression* as `aml fill` does, but from one edge alone; *forecast* rolls on from there.
*named* are those that know the labels, and so the poses of other trials, which nobody knows when tracklets are joined.
*now* is the one of the first three that is best in gaps of that length over all trials here. Seeded.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from cases import trials_at

from automarkerlabel import Trial, io
from automarkerlabel.assignment.continuity import _Edges
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.filling.estimates import Fillers
from automarkerlabel.filling.forecaster import Forecaster, load
from automarkerlabel.filling.gaps import Gap
from automarkerlabel.filling.regression import MOST_PREDICTORS, MOST_WITH_POSES, Foretold, foretold
from automarkerlabel.filling.rigid import MOST_MATES, weights_of

LENGTHS_S = (0.05, 0.1, 0.2, 0.35, 0.5)
NOW = ("still", "straight on", "as neighbours")
OTHERS = ("stiff", "regression", "forecast", "regression, named", "forecast, named")
A_MARKER = 1
LEAST_BEFORE_S = 0.3
N_HIDDEN = 5


def measure(trial: Trial, seconds: float, model: Forecaster, found: dict[str, list[tuple[float, bool]]]) -> None:
    """Distances, and whether the right one is nearest, of each way."""
    named = np.array([column for _, column in labelled_columns(trial)])
    length, least, rng = (
        max(1, round(seconds * trial.rate_hz)),
        round(LEAST_BEFORE_S * trial.rate_hz),
        np.random.default_rng(0),
    )
    for column in named.tolist():
        for start in rng.integers(least, max(trial.n_frames - length - 5, least + 1), A_MARKER).tolist():
            back = start + length
            if back + 5 > trial.n_frames or not trial.visible[start - least : back + 5, column].all():
                continue
            apart = np.linalg.norm(trial.positions[start, named] - trial.positions[start, column], axis=1)
            gone = named[np.argsort(apart)[:N_HIDDEN]]  # itself first
            if not trial.visible[start - 5 : back + 5, gone].all():
                continue
            places = foretold_places(trial, column, gone, start, back, model)
            if places is None:
                continue
            for name, off in (*now(trial, gone, start, back).items(), *distances(trial, gone, back, places).items()):
                found[name].append((float(off[0]), bool(off.argmin() == 0)))


def hidden(trial: Trial, gone: np.ndarray, start: int, back: int) -> np.ndarray:
    positions = trial.positions.copy()
    positions[start:back, gone] = np.nan
    return positions


def now(trial: Trial, gone: np.ndarray, start: int, back: int) -> dict[str, np.ndarray]:
    """Distances to each of the five, as continuity sees them."""
    seen = Trial(hidden(trial, gone, start, back), trial.labels, trial.rate_hz, computed=trial.computed)
    tracklets = [Tracklet(c, a, b) for c in gone.tolist() for a, b in ((0, start), (back, trial.n_frames))]
    last, after = np.full(len(gone), start - 1), np.full(len(gone), back)
    errors = _Edges(seen, tracklets).errors(last, after, np.full(len(gone), gone[0]), gone)
    return dict(zip(NOW, errors, strict=True))


def distances(trial: Trial, gone: np.ndarray, back: int, places: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.linalg.norm(trial.positions[back, gone] - place, axis=1) for name, place in places.items()}


def foretold_places(
    trial: Trial, column: int, gone: np.ndarray, start: int, back: int, model: Forecaster
) -> dict[str, np.ndarray] | None:
    """Where the marker should be in frame `back`; None where too few others are seen."""
    positions, rate = hidden(trial, gone, start, back), trial.rate_hz
    measured = ~np.isnan(positions[..., 0])
    measured[start:, gone] = False
    columns = np.array([c for _, c in labelled_columns(trial)])
    gap = Gap(column, start, back + 1)  # in whose last frame it is sought
    at, beside = np.array([start]), model.beside(rate)
    places = {}
    for names in ("", ", named"):
        fillers = Fillers(positions, measured, columns, rate, model if names else None, trial.labels)
        predictors = fillers.predictors(gap, MOST_WITH_POSES if names else MOST_PREDICTORS)
        if not len(predictors):
            return None
        mates = predictors[:MOST_MATES]
        loose = fillers.looseness(column)[mates]
        told = fillers.foretold(column, predictors, at, gap.n_frames, beside, bool(names))
        places["regression" + names] = last_of(told)
        places["forecast" + names] = model.ahead(told, rate, float(loose.mean()))[0]
        if not names:
            stiff = foretold(positions, column, at[:0], mates, weights_of(loose), mates, at, gap.n_frames, beside)
            places["stiff"] = last_of(stiff)
    return places


def last_of(told: Foretold) -> np.ndarray:
    """Where the marker is in the last hidden frame, if it goes on from the edge as it is told."""
    near = told.beside - 1
    last = near + told.n_hidden
    place = told.measured[0, near] + told.told[0, last] - told.told[0, near]
    return np.asarray(place @ told.turn[0, last] + told.centre[0, last])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="+", help="labelled trials, or folders of them")
    parser.add_argument("--model", type=Path, required=True, help="a forecaster, of `aml train --task forecast`")
    args = parser.parse_args()
    model, trials = load(args.model), [io.read(x) for x in trials_at(args.trials, Path())]
    print(f"| gap | gaps | {' | '.join((*NOW, 'now', *OTHERS))} |\n{'|---' * (len(NOW) + len(OTHERS) + 3)}|")
    for seconds in LENGTHS_S:
        found: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for trial in trials:
            measure(trial, seconds, model, found)
        of = {name: np.array(values) for name, values in found.items()}
        of["now"] = of[min(NOW, key=lambda name: float(np.median(of[name][:, 0])))]
        cells = [f"{np.median(of[x][:, 0]):.1f} mm, {100 * of[x][:, 1].mean():.1f} %" for x in (*NOW, "now", *OTHERS)]
        print(f"| {seconds:g} s | {len(of['now'])} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
