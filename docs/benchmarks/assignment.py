"""How long the assignment takes, how much memory, how far it is from proven, and what continuity over gaps brings.

    python docs/benchmarks/assignment.py [--only NAME]

Simulated walking in a marker set of 62 labels, cut into tracklets (half of the cuts with a gap of up to 0.5 s, every
fifth tracklet a ghost). Evidence is made up: each label of a tracklet gets noise, half of it the same in all windows;
the true label, and weaker ones for its mirror image and three near labels, stand out by `strength`. Each case runs in
a fresh process with and without continuity; its memory is what the whole process had at most, the trial included, and
in brackets what it had before the assignment. Prints Markdown.
"""

import argparse
import resource
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np

from automarkerlabel.assignment.assign import assign, evidence
from automarkerlabel.assignment.continuity import NO_JOINS, find_joins
from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.tracklets import Tracklet, meeting_sets
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.simulate.dataset import find_motions, simulate, worn_set

SHORT, LONG = (1479 / 240, 150), (600.0, 2000)  # seconds, tracklets
CASES = {  # length, strength, noise
    "1,479 frames": (SHORT, 3.0, 1.0),
    "1,479 frames, thin": (SHORT, 2.0, 1.0),
    "1,479 frames, nearly flat": (SHORT, 0.3, 0.3),
    "10 minutes": (LONG, 3.0, 1.0),
    "10 minutes, thin": (LONG, 2.0, 1.0),
    "10 minutes, nearly flat": (LONG, 0.3, 0.3),
    "10 minutes, flatter": (LONG, 0.05, 0.1),
}
RATE_HZ = 240.0
GHOSTS = 0.2  # share of the tracklets
WINDOW = 48  # frames


def pieces(n_frames: int, n_markers: int, n_tracklets: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Start, stop and marker of tracklets, `-1 - marker` of ghosts near it."""
    n_ghosts = round(GHOSTS * n_tracklets)
    n_cuts = n_tracklets - n_ghosts - n_markers
    marker, frame = rng.integers(n_markers, size=n_cuts), rng.integers(10, n_frames - 10, size=n_cuts)
    gap = np.where(rng.random(n_cuts) < 0.5, 0, rng.integers(2, round(RATE_HZ / 2), size=n_cuts))
    found = []
    for m in range(n_markers):
        start = 0
        for f, g in sorted(zip(frame[marker == m].tolist(), gap[marker == m].tolist(), strict=True)):
            if f > start + 3:
                found.append((start, f, m))
                start = f + g
        if start < n_frames - 3:
            found.append((start, n_frames, m))
    for _ in range(n_ghosts):
        length = int(rng.integers(8, 60))
        start = int(rng.integers(n_frames - length))
        found.append((start, start + length, -1 - int(rng.integers(n_markers))))
    return sorted(found)


def make(length: tuple[float, int]) -> tuple[Trial, list[Tracklet], IntArray, FloatArray]:
    """A trial whose columns are used again, as a capture system does, its tracklets, their labels, and one pose."""
    seconds, n_tracklets = length
    rng = np.random.default_rng(0)
    whole = simulate(worn_set("clouthier2021"), find_motions(["walk"])[0], 0, seconds, RATE_HZ, 0)
    n_frames, n_markers = whole.positions.shape[:2]
    free_from: list[int] = []
    table = []
    for start, stop, marker in pieces(n_frames, n_markers, n_tracklets, rng):
        column = next((c for c, free in enumerate(free_from) if free + RATE_HZ < start), len(free_from))
        free_from[column : column + 1] = [stop]
        table.append((column, start, stop, marker))
    positions = np.full((n_frames, len(free_from), 3), np.nan, np.float32)
    for column, start, stop, marker in table:
        points = whole.positions[start:stop, max(marker, -1 - marker)]
        if marker < 0:
            drift = np.cumsum(rng.normal(0, 0.3, points.shape), axis=0)
            points = (points + points[0]) / 2 + rng.normal(0, 150, 3) + drift
        positions[start:stop, column] = points
    table.sort()
    trial = Trial(positions, [f"*{c}" for c in range(len(free_from))], RATE_HZ)
    label = np.array([max(m, -1) for *_, m in table], np.int64)
    return trial, [Tracklet(*t[:3]) for t in table], label, whole.positions[0]


def made_up(tracklets: list[Tracklet], label: IntArray, pose: FloatArray, strength: float, noise: float) -> LabelScores:
    rng = np.random.default_rng(1)
    n_labels = len(pose)
    labels = worn_set("clouthier2021").moving().labels
    mirror = [labels.index(flipped(x)) if flipped(x) in labels else k for k, x in enumerate(labels)]
    apart = np.linalg.norm(pose[:, None] - pose, axis=2)
    near = np.argsort(apart, axis=1)[:, 1:4]
    rows, owner, frames = [], [], []
    for n, (t, k) in enumerate(zip(tracklets, label, strict=True)):
        count = max(1, min(50, (t.stop - t.start) // WINDOW))
        lasting = rng.normal(0, noise * 0.7, n_labels + 1)
        if k >= 0:
            lasting[k] += strength
            lasting[mirror[k]] += 0.6 * strength
            lasting[near[k]] += 0.5 * strength
        else:
            lasting[-1] += strength
            lasting[rng.integers(n_labels)] += 0.7 * strength
        logits = lasting + rng.normal(0, noise, (count, n_labels + 1))
        rows.append(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
        owner += [n] * count
        edges = np.linspace(t.start, t.stop, count + 1).astype(int)
        frames += [(a, max(a + 1, b)) for a, b in pairwise(edges.tolist())]
    return LabelScores(
        labels, np.concatenate(rows).astype(np.float32), np.array(owner), np.array(frames), len(tracklets)
    )


def flipped(name: str) -> str:
    return {"L": "R", "R": "L"}.get(name[0], name[0]) + name[1:]


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(name: str, with_joins: bool) -> str:
    length, strength, noise = CASES[name]
    trial, tracklets, label, pose = make(length)
    scores = made_up(tracklets, label, pose, strength, noise)
    before = peak_gb()
    started, used = time.perf_counter(), time.process_time()
    sets = meeting_sets(trial, tracklets)
    joins = find_joins(trial, tracklets) if with_joins else NO_JOINS
    answer, gap = assign(evidence(scores), sets, joins=joins)
    took, used = time.perf_counter() - started, time.process_time() - used
    real, right = label >= 0, answer == label
    short = real & (np.array([t.stop - t.start for t in tracklets]) < WINDOW)
    shares = [f"{x.mean():.3f}" if len(x) else "-" for x in (right[real], right[short], right[~real])]
    row = [
        name,
        len(tracklets),
        "on" if with_joins else "off",
        f"{took:.1f} ({used:.1f})",
        f"{gap:.1e}" if gap else "0",
    ]
    return "| " + " | ".join(map(str, [*row, f"{peak_gb():.2f} ({before:.2f})", *shares])) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--here", choices=["on", "off"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(measure(given.only[0], given.here == "on"), flush=True)
        return
    columns = ("case", "tracklets", "continuity", "seconds (of a core)", "gap", "GB at most")
    print("| " + " | ".join([*columns, "right", "short ones right", "ghosts right"]) + " |")
    print("|---" * 9 + "|", flush=True)
    for name in given.only:
        for state in ("off", "on"):
            subprocess.run([sys.executable, __file__, "--only", name, "--here", state], check=True)


if __name__ == "__main__":
    main()
