"""Several people in one recording: labelled trials put side by side, broken as a capture system exports them, labelled
as `aml label --subject NAME=REFERENCE ...` does, and compared with the truth.

    python docs/benchmarks/subjects.py [--data FOLDER] [--only WORD ...] [--seed 1]

People of the simulator need nothing else. `--data` is a folder with `opencap_subject4`, `pairs`, `clouthier2021` and
`c3d_suite`; of the one OpenCap subject a second and a third person are made by another size. Each scene is labelled as
it is (no cuts, nothing hidden, no ghosts), broken (for each person 50 cuts, 5 % of the points occluded, 3 ghosts a
frame), and broken with 4 exchanges of columns for each person; `across`: with 4 exchanges between two people instead.
Prints a table in Markdown. Accuracy: points with the right label and the right prefix of all markers of that person;
where people share a reference, by the names that fit best. Seconds are processor time.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from automarkerlabel import io
from automarkerlabel.core.heading import turned
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.trial import Trial
from automarkerlabel.evaluation.metrics import Figures, compare, given_labels
from automarkerlabel.io.names import with_full_names
from automarkerlabel.labellers import load
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.matcher.template_search import Template
from automarkerlabel.labellers.subjects.labeller import Subject, label_subjects
from automarkerlabel.labellers.subjects.options import subjects_in
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.simulate.corrupt import Case, Corruption, make_case
from automarkerlabel.simulate.dataset import NamedMotion, simulate, worn_set

RATE_HZ = 100.0
CLEAN = Corruption(cuts=0, occlude=0, ghosts=0, swaps=0)
NEAR_MM = 400.0  # two markers of different people that are exchanged


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody in a scene: what he does, where he stands in the middle, which way he faces or walks; his static."""

    name: str
    trial: Trial
    static: Trial
    place: tuple[float, float] = (0.0, 0.0)
    turn_deg: float = 0.0
    size: float = 1.0

    def subject(self) -> Subject:
        still = replace(self.static, positions=self.static.positions * np.float32(self.size))
        return Subject(self.name, Template(self.name, (reference_from_trial(still, source=self.name),)))

    def points(self, seconds: float) -> tuple[list[str], npt.NDArray[np.float32]]:
        """Labels, and `(n_frames, n_labels, 3)` at 100 Hz, in place."""
        named = labelled_columns(self.trial)
        points = self.trial.positions[:, [c for _, c in named]].astype(np.float64) * self.size
        at = np.minimum(np.arange(round(seconds * RATE_HZ)) / RATE_HZ * self.trial.rate_hz, len(points) - 1.001)
        before, share = at.astype(np.int64), (at % 1)[:, None, None]
        points = points[before] * (1 - share) + points[before + 1] * share
        centre = np.nanmedian(points, axis=1)
        path = centre[-1] - centre[0]
        facing = np.arctan2(path[1], path[0]) if np.hypot(*path[:2]) > 1000 else 0.0
        points = turned(points - centre[len(centre) // 2] * (1, 1, 0), np.deg2rad(self.turn_deg) - facing)
        return [f"{self.name}:{x}" for x, _ in named], points + np.float32([*self.place, 0])


@dataclass(frozen=True, eq=False)
class Scene:
    """A labelled trial of several people, and whom the labeller is told of."""

    name: str
    trial: Trial
    subjects: Sequence[Subject]
    shared: bool = False


def scene(name: str, people: Sequence[Person], seconds: float, shared: bool = False) -> Scene:
    """`shared`: all are labelled by the reference of the first."""
    parts = [p.points(seconds) for p in people]
    trial = Trial(np.concatenate([x for _, x in parts], axis=1), [x for own, _ in parts for x in own], RATE_HZ)
    subjects = [p.subject() for p in people]
    if shared:
        subjects = [Subject(s.name, subjects[0].template) for s in subjects]
    return Scene(name, trial, subjects, shared)


def simulated_scenes() -> Iterator[Scene]:
    """Drawn bodies in Plug-in Gait."""
    worn = worn_set("plug-in-gait")

    def drawn(seed: int, motion: str, place: tuple[float, float], turn_deg: float) -> Person:
        trials = [simulate(worn, NamedMotion(x, x), 91_000_000 + seed, 4.0, RATE_HZ, seed) for x in (motion, "static")]
        return Person("abc"[seed], trials[0], trials[1], place, turn_deg)

    walks = [drawn(0, "walk", (0, 0), 0), drawn(1, "walk", (0, 600), 180)]
    yield scene("2 simulated, pass at 0.6 m", walks, 4.0)
    still = [drawn(0, "squat", (0, 0), 0), drawn(1, "reach", (0, 800), 180), drawn(2, "sit", (700, 400), 90)]
    yield scene("3 simulated, 0.8 m apart", still, 4.0)


def recorded_scenes(data: Path) -> Iterator[Scene]:
    """People of files."""
    own, pairs = data / "opencap_subject4", data / "pairs"

    def read(path: Path) -> Trial:
        return io.read(path, exclude="_HJC")

    def opencap(name: str, trial: str, *where: object, **more: float) -> Person:
        return Person(name, read(own / f"{trial}.trc"), read(own / "static1.trc"), *where, **more)

    def gait(place: tuple[float, float]) -> Person:
        folder = pairs / "gait2392"
        return Person("g", read(folder / "subject01_walk1.trc"), read(folder / "subject01_static.trc"), place, 180)

    def rajagopal(place: tuple[float, float]) -> Person:
        folder = pairs / "rajagopal_walk"
        return Person("r", read(folder / "motion_capture_walk.trc"), read(folder / "static_walk_1.trc"), place, 180)

    small = {"size": 0.9}
    yield scene(
        "2 OpenCap, 1.2 m apart", [opencap("a", "squatsAsym1"), opencap("b", "STSAsym1", (0, 1200), 90, **small)], 6.0
    )
    yield scene(
        "2 OpenCap, face to face at 0.4 m", [opencap("a", "squats1"), opencap("b", "STS1", (400, 0), 180, **small)], 6.0
    )
    step = [opencap("a", "squats1"), opencap("b", "squats1", (200, 0), 180, **small)]
    yield scene("2 OpenCap, face to face at 0.2 m, in step", step, 5.0)
    for metres in (0.6, 0.3):
        walks = [opencap("a", "walking4"), opencap("b", "walking1", (0, 1000 * metres), 180, **small)]
        yield scene(f"2 OpenCap, pass at {metres} m", walks, 1.3)
    walks = [opencap("a", "walking4"), opencap("b", "walking1", (0, 600), 180)]
    yield scene("the same at 0.6 m, one reference", walks, 1.3, shared=True)
    yield scene("OpenCap and gait2392, pass at 0.6 m", [opencap("a", "walking4"), gait((0, 600))], 1.3)
    yield scene("OpenCap, gait2392, Rajagopal", [opencap("a", "walking4"), gait((0, 700)), rajagopal((0, -700))], 1.3)
    seated = [opencap("a", "squatsAsym1"), opencap("b", "STSAsym1", (0, 800), 115, **small)]
    yield scene("3 OpenCap, 0.8 m apart", [*seated, opencap("c", "squats1", (700, 400), 230, size=1.06)], 6.0)
    prone = read(data / "clouthier2021" / "KneeltoProne01.c3d")
    yield scene("one lies down, one squats", [Person("k", prone, prone), opencap("a", "squats1", (0, 900))], 6.0)
    path = data / "c3d_suite" / "others" / "markers_analogs.c3d"
    yield Scene("a real file: person and box", with_full_names(io.read(path)), subjects_in(path, 100))


def across(case: Case, n: int = 4) -> Case:
    """The case with columns of different people exchanged, where they come nearest in a frame that both are seen in."""
    points, truth, swaps = case.trial.positions.copy(), case.truth.copy(), []
    whose = [x.partition(":")[0] for x in case.labels]
    seen = case.trial.visible & (truth >= 0)
    used: set[int] = set()
    columns = np.flatnonzero(seen.sum(0) >= 60)
    found = []
    for a in columns.tolist():
        for b in columns[columns < a].tolist():
            both = np.flatnonzero(seen[:, a] & seen[:, b])
            if len(both) < 50 or whose[truth[both[0], a]] == whose[truth[both[0], b]]:
                continue
            inner = both[20:-20]
            apart = np.linalg.norm(points[inner, a] - points[inner, b], axis=1)
            found.append((float(apart.min()), a, b, int(inner[apart.argmin()])))
    for distance, a, b, frame in sorted(found):
        if len(swaps) < n and distance < NEAR_MM and not used & {a, b}:
            for array in (points, truth):
                array[frame:, [a, b]] = array[frame:, [b, a]]
            swaps.append((a, b, frame))
            used |= {a, b}
    return Case(replace(case.trial, positions=points), truth, case.labels, np.array(swaps, np.int64).reshape(-1, 3))


def cases(made: Scene, seed: int) -> Iterator[tuple[str, Case]]:
    """How a scene is broken, and the case."""
    n = len(made.subjects)
    broken = Corruption(cuts=50 * n, ghosts=3.0 * n, swaps=0, seed=seed)
    yield "as it is", make_case(made.trial, replace(CLEAN, seed=seed))
    yield "broken", make_case(made.trial, broken)
    yield "broken, swaps", make_case(made.trial, replace(broken, swaps=4 * n))
    if "pass" in made.name:
        yield "broken, swaps across", across(make_case(made.trial, broken))


def figures(matcher: PoseMatcher, case: Case, made: Scene) -> tuple[Figures, float]:
    """By the names that fit best where a reference is shared; and processor time."""
    started = time.process_time()
    labelling = label_subjects(matcher, case.trial, made.subjects).labelling
    seconds = time.process_time() - started
    names = [s.name for s in made.subjects]
    tried = []
    for order in permutations(names) if made.shared else [names]:
        other = dict(zip(names, order, strict=True))
        labels = [f"{other[x.partition(':')[0]]}:{x.partition(':')[2]}" for x in labelling.labels]
        tried.append(compare(case, *given_labels(case.trial, replace(labelling, labels=labels), case.labels)))
    return max(tried, key=lambda f: f.accuracy), seconds


def row(matcher: PoseMatcher, made: Scene, how: str, case: Case) -> str:
    found, seconds = figures(matcher, case, made)
    by_person = []
    for subject in made.subjects:
        mine = [m for m in found.markers if m.label.startswith(f"{subject.name}:")]
        by_person.append(f"{sum(m.correct for m in mine) / max(1, sum(m.points for m in mine)):.4f}")
    ghosts = "–" if found.ghosts is None else f"{found.ghosts:.4f}"
    each = ", ".join(by_person)
    return (
        f"| {made.name} | {how} | {each} | {found.precision:.4f} | {ghosts} | {found.swaps} | {found.twice}"
        f" | {seconds:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="scenes whose name holds one of these words")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    path = load.find_matcher(None)
    assert path is not None
    matcher = PoseMatcher.load(path)
    print("| scene | trial | accuracy of each | precision | ghosts left | swaps put right | twice | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for made in [*simulated_scenes(), *(recorded_scenes(asked.data) if asked.data else ())]:
        if asked.only and not any(word in made.name for word in asked.only):
            continue
        for how, case in cases(made, asked.seed):
            print(row(matcher, made, how, case), flush=True)


if __name__ == "__main__":
    main()
