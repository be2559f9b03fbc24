"""How often gaps are cut that need not be, and wrong continuations kept, on labelled trials.

    python docs/benchmarks/gaps.py TRIAL...

Two gaps of each length are made in every column at random: a cut there is one too many. Then, 60 times, a marker
vanishes for as long and its column goes on as its nearest neighbour, which has gone from its own column: no cut there
is a wrong continuation kept. Seeded; prints shares in Markdown.
"""

import sys
from pathlib import Path

import numpy as np

from automarkerlabel import Trial, read
from automarkerlabel.core import tracklets
from automarkerlabel.core.trial import runs

GAPS_S = (0.02, 0.1, 0.3, 0.6)


def changed(trial: Trial, positions: np.ndarray) -> Trial:
    return Trial(positions, trial.labels, trial.rate_hz, computed=trial.computed)


def needless_cuts(trial: Trial, gap: int, rng: np.random.Generator) -> float:
    positions = trial.positions.copy()
    for column in trial.marker_columns:
        for start in rng.integers(10, max(11, trial.n_frames - gap - 10), 2):
            if trial.visible[start - 2 : start + gap + 2, column].all():
                positions[start : start + gap, column] = np.nan
    broken = changed(trial, positions)
    n_gaps = sum(max(0, len(runs(broken.visible[:, c])) - 1) for c in trial.marker_columns)
    n_seen = sum(bool(broken.visible[:, c].any()) for c in trial.marker_columns)
    return (len(tracklets.split(broken)) - n_seen) / max(1, n_gaps)


def wrong_kept(trial: Trial, gap: int, rng: np.random.Generator) -> float:
    kept = total = 0
    for _ in range(60):
        column, start = rng.choice(trial.marker_columns), int(rng.integers(10, max(11, trial.n_frames - gap - 10)))
        if not trial.visible[start - 2 : start + gap + 2, column].all():
            continue
        distance = np.linalg.norm(trial.positions[start] - trial.positions[start, column], axis=1)
        distance[[column, *trial.computed]] = np.inf
        other = int(np.nanargmin(distance))
        positions = trial.positions.copy()
        positions[start : start + gap, column] = np.nan
        positions[start + gap :, column] = trial.positions[start + gap :, other]
        positions[start:, other] = np.nan
        cuts = {t.start for t in tracklets.split(changed(trial, positions)) if t.column == column}
        total, kept = total + 1, kept + (start + gap not in cuts)
    return kept / max(1, total)


def main() -> None:
    print("| trial | " + " | ".join(f"cut, {s:g} s | kept, {s:g} s" for s in GAPS_S) + " |")
    print("|---" * (1 + 2 * len(GAPS_S)) + "|")
    for name in sys.argv[1:]:
        trial, rng = read(name), np.random.default_rng(0)
        cells = []
        for seconds in GAPS_S:
            gap = max(1, round(seconds * trial.rate_hz))
            cells += [f"{needless_cuts(trial, gap, rng):.2f}", f"{wrong_kept(trial, gap, rng):.2f}"]
        print(f"| {Path(name).stem} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
