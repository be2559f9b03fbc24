"""How many planted mistakes `aml audit` finds, and how often it cries wolf.

    python docs/benchmarks/audit.py TRIAL[=REFERENCE] ... [--mistakes 100]

Each trial may have a labelled pose, a static trial mostly. Mistakes of each kind are planted at random places and
times, each alone in a copy of one of the trials. Prints found shares and all findings in the trials as they are.
"""

import argparse
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.sides import find_pairs
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.workflows.audit import audit_trial

WHOLE = ("wrong name, whole", "exchanged", "flip, whole", "distance", "distance, rigid")  # throughout: need a pose
KINDS = ("swap", "flip", "wrong name", "jump", *WHOLE)
WITHIN_S = 0.1


def span(rng, trial):
    """A stretch of at least 0.3 s and at most 0.4 of the trial, often to its end."""
    longest = max(0.31, 0.4 * trial.duration_s)
    length = int(min(trial.n_frames - 2, round(rng.uniform(0.3, longest) * trial.rate_hz)))
    start = int(rng.integers(1, trial.n_frames - length))
    return (trial.n_frames - length, trial.n_frames) if rng.random() < 0.3 else (start, start + length)


def neighbours(rng, trial, columns, start, stop):
    """A column and one of its three nearest (four times in five the nearest), both seen most of the stretch."""
    points = trial.positions[start:stop][:, columns]
    seen = (~np.isnan(points[..., 0])).mean(0) > 0.7
    points[:, ~seen] = 0.0  # no neighbours, whatever they are
    middle = np.nanmedian(points, axis=0)
    a = int(rng.choice(np.flatnonzero(seen)))
    apart = np.linalg.norm(middle - middle[a], axis=1)
    apart[~seen] = np.inf
    apart[a] = np.inf
    order = np.argsort(apart)
    b = int(order[0] if rng.random() < 0.8 else order[rng.integers(1, 3)])
    return columns[a], columns[b]


PARTS = {
    "foot": r"ank|anl|calc|heel|hee|toe|meta|mt5|foot|ft[bmf]$|f(cc|m\d|al)$|tam$",
    "shank": r"sh\d|shank|shin|shp|shd|kne|sk\d|f(ax|le|me)$|ttc$|tib$",
    "thigh": r"thi|thp|thd|th\d|ftc$",
    "forearm": r"wrist|forea|fa[pd]|rad$|uln|hand|[ru]sp$|hm\d$|wr[ab]$|fin$",
    "upper arm": r"elb|humer|bicep|uap|uad|h[lm]e$|upa$",
}
LIMBS = (
    ("foot",), ("foot", "shank"), ("foot", "shank", "thigh"), ("shank",), ("thigh",), ("forearm",),
    ("forearm", "upper arm"), ("foot", "shank", "thigh", "forearm", "upper arm"),
)  # fmt: skip


def limb(rng, trial, columns):
    """Columns of left and right of one limb or a part of it."""
    named = dict(labelled_columns(trial))
    while True:
        wanted = "|".join(PARTS[p] for p in LIMBS[rng.integers(len(LIMBS))])
        pairs = [(named[a], named[b]) for a, b in find_pairs(named) if re.search(wanted, a, re.I)]
        if len(pairs) > 1:
            return [p[0] for p in pairs], [p[1] for p in pairs]


def carried(trial, a, rng):
    """`(n_frames, 3)` mm: 40 to 80 mm along the line between two of the nearest columns, as if `a` had been put
    elsewhere on its segment."""
    middle = np.nanmedian(trial.positions, axis=0)
    apart = np.linalg.norm(middle - middle[a], axis=1)
    near = [c for c in np.argsort(apart) if c != a and np.isfinite(apart[c]) and c not in trial.computed]
    along = trial.positions[:, near[0]] - trial.positions[:, near[int(rng.integers(1, 3))]]
    return along / np.linalg.norm(along, axis=1, keepdims=True) * rng.uniform(40, 80)


def fixed(trial, a, rng):
    """`(n_frames, 3)` mm: 40 to 80 mm in any direction, fixed to the three columns whose distance to `a` changes least:
    a marker that was put elsewhere on its segment and does move with it."""
    columns = np.array([c for _, c in labelled_columns(trial)])
    apart = np.linalg.norm(trial.positions[:, columns] - trial.positions[:, [a]], axis=2)
    spread = np.nanquantile(apart, 0.9, axis=0) - np.nanquantile(apart, 0.1, axis=0)
    spread[np.isnan(apart).mean(0) > 0.3] = np.inf
    spread[columns == a] = np.inf
    one, two, three = (trial.positions[:, columns[n]].astype(np.float64) for n in np.argsort(spread)[:3])
    x = two - one
    z = np.cross(x, three - one)
    axes = np.stack([x, np.cross(z, x), z], 1)  # (n_frames, 3 axes, 3)
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    offset = rng.normal(size=3)
    offset *= rng.uniform(40, 80) / np.linalg.norm(offset)
    return (offset[None, :, None] * axes).sum(1)


def plant(kind, trial, rng):
    """(the trial with a mistake, its labels, its first and last-but-one frame)."""
    named = labelled_columns(trial)
    columns = [c for _, c in named]
    points = trial.positions.copy()
    start, stop = (0, trial.n_frames) if kind in WHOLE else span(rng, trial)
    labels = list(trial.labels)
    if kind.startswith("flip"):
        left, right = limb(rng, trial, columns)
        points[start:stop, left + right] = trial.positions[start:stop, right + left]
        who = left + right
    elif kind == "jump" or kind.startswith("distance"):
        a, _ = neighbours(rng, trial, columns, start, stop)
        offset = rng.normal(size=3)
        offset *= rng.uniform(60, 300) / np.linalg.norm(offset)
        if kind != "jump":
            offset = (fixed if kind == "distance, rigid" else carried)(trial, a, rng)
        points[start:stop, a] += offset
        who = [a]
    else:
        a, b = neighbours(rng, trial, columns, start, stop)
        if kind.startswith("wrong"):
            points[start:stop, b] = trial.positions[start:stop, a]
            points[start:stop, a] = np.nan
            who = [b]
        else:
            points[start:stop, [a, b]] = trial.positions[start:stop, [b, a]]
            who = [a, b]
    broken = replace(trial, positions=points, residuals=None, labels=labels)
    return broken, {trial.labels[c] for c in who}, start, stop


def judged(findings, kind, labels, trial, start, stop):
    """(found at all, with its kind and time)."""
    first, last = trial.first_frame + start, trial.first_frame + stop - 1
    near = WITHIN_S * trial.rate_hz + 1
    at_all = exact = False
    for f in findings:
        shared = labels & {*f.labels, *f.should}
        if not shared or (kind.startswith("flip") and len(shared) < 0.5 * len(labels)):
            continue
        at_all = True
        whole = kind.split(",")[0]
        names = shared == labels or (whole == "flip" and len(shared) > 0.7 * len(labels))
        exact |= f.kind == whole and names and abs(f.first_frame - first) <= near and abs(f.last_frame - last) <= near
    return at_all, exact


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("trials", nargs="+")
    options.add_argument("--mistakes", type=int, default=100)
    options.add_argument("--kinds", default=",".join(k.replace(",", ";") for k in KINDS))
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--segments-unknown", action="store_true", help="as for a marker set that nobody knows")
    options.add_argument("--verbose", action="store_true")
    given = options.parse_args()
    cases = []
    for text in given.trials:
        name, _, reference = text.partition("=")
        pose = reference_from_trial(io.read(Path(reference)), source=Path(reference).name) if reference else None
        if pose is not None and given.segments_unknown:
            alone = replace(pose.marker_set, segments=pose.labels)  # no two share one
            pose = replace(pose, marker_set=alone)
        cases.append((Path(name), io.read(Path(name)), pose))
    clean = {}
    for path, trial, pose in cases:
        began = time.perf_counter()
        found = audit_trial(trial, pose, name=path.name).findings
        clean[path] = {(f.kind, f.labels) for f in found}
        listed = "; ".join(f"{f.kind} {'/'.join(f.labels[:4])} {f.first_frame}-{f.last_frame}" for f in found)
        print(f"clean {path.stem}: {len(found)} in {time.perf_counter() - began:.2f} s  {listed}", flush=True)
    print(f"false alarms a clean trial: {np.mean([len(x) for x in clean.values()]):.2f}")
    print("| kind | planted | found | kind and time right |\n|---|---|---|---|")
    for kind in (k.replace(";", ",") for k in given.kinds.split(",")):
        rng = np.random.default_rng(given.seed)
        usable = [c for c in cases if c[2] is not None or kind not in WHOLE]
        results = []
        for n in range(given.mistakes if usable else 0):
            path, trial, pose = usable[n % len(usable)]
            broken, labels, start, stop = plant(kind, trial, rng)
            while kind.startswith("distance") and ("distance", (*labels,)) in clean[path]:
                broken, labels, start, stop = plant(kind, trial, rng)  # reported there already: nothing to be found
            found = [
                f for f in audit_trial(broken, pose, name=path.name).findings if (f.kind, f.labels) not in clean[path]
            ]
            results.append(judged(found, kind, labels, trial, start, stop))
            if given.verbose and not results[-1][1]:
                shown = [(f.kind, f.labels[:6], f.should[:4], f.first_frame, f.last_frame) for f in found]
                print("  missed", kind, path.stem, sorted(labels)[:8], start, stop, shown, file=sys.stderr, flush=True)
        if results:
            at_all, exact = np.mean(results, axis=0)
            print(f"| {kind} | {len(results)} | {at_all:.2f} | {exact:.2f} |", flush=True)


if __name__ == "__main__":
    main()
