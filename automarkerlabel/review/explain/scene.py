"""Where points are in one frame, as a stick figure: labels joined by lines, turned to face +x."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.heading import turned
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import FloatArray, Trial

_MOMENTS = 60  # of the trial, in which distances between labels are taken


@dataclass(frozen=True, eq=False)
class Places:
    """Where labels are: which column and from which frame to which, `(label, column, start, stop)`."""

    trial: Trial
    pieces: Sequence[tuple[int, int, int, int]]
    n_labels: int

    def at(self, frame: int) -> FloatArray:
        """`(n_labels, 3)` mm, NaN where a label is not seen."""
        found = np.full((self.n_labels, 3), np.nan, np.float32)
        for label, column, start, stop in self.pieces:
            if start <= frame < stop and self.trial.visible[frame, column]:
                found[label] = self.trial.positions[frame, column]
        return found


@dataclass(frozen=True, eq=False)
class Scene:
    """One frame, turned to face +x where that is known.

    labels   `(n_labels, 3)` mm, NaN where not seen; `others` `(n, 3)` are points without a label.
    own      `(3,)`: the point explained.
    columns  of each column its place `(n_columns, 3)`, NaN where not seen.
    sticks   pairs of labels, joined by lines.
    pose     the labelled pose that was matched to `(n_labels, 3)`, facing +x; None without one.
    faces    whether the way it faces is known.
    """

    names: Sequence[str]
    labels: FloatArray
    others: FloatArray
    own: FloatArray
    columns: FloatArray
    sticks: Sequence[tuple[int, int]]
    pose: FloatArray | None
    faces: bool


def places_of(trial: Trial, labelling: Labelling) -> Places:
    pieces = [
        (int(k), t.column, t.start, t.stop)
        for t, k in zip(labelling.tracklets, labelling.assigned, strict=True)
        if k >= 0
    ]
    return Places(trial, pieces, len(labelling.labels))


def scene_at(
    trial: Trial, labelling: Labelling, places: Places, frame: int, column: int, heading: float | None,
    pose: FloatArray | None,
) -> Scene:  # fmt: skip
    """The scene of a frame (from 0) about the point of a column; `heading` in radians, None where it is not known."""
    angle = _longest_way(trial.positions[frame]) if heading is None else heading
    labels = places.at(frame)
    columns = trial.positions[frame].copy()
    columns[list(trial.computed)] = np.nan
    has_label = {c for _, c, start, stop in places.pieces if start <= frame < stop}
    others = columns[[c for c in range(trial.n_columns) if c not in has_label and c != column]]
    some = np.unique(np.linspace(0, trial.n_frames - 1, _MOMENTS).astype(np.int64))
    joined = sticks(np.stack([*(places.at(int(f)) for f in some), labels]))
    return Scene(
        labelling.labels, turned(labels, -angle), turned(others[np.isfinite(others[:, 0])], -angle),
        turned(trial.positions[frame, column][None], -angle)[0], turned(columns, -angle), joined, pose,
        heading is not None,
    )  # fmt: skip


def sticks(places: FloatArray) -> list[tuple[int, int]]:
    """Pairs of labels that make a tree: the shortest one by the longest distance of each pair over all moments, so that
    a hand hangs on its arm, not on the hip it passes (Prim 1957).

    places  `(n_moments, n_labels, 3)`; labels that are not seen in the last moment are left out.
    """
    there = np.flatnonzero(np.isfinite(places[-1, :, 0]))
    if len(there) < 2:
        return []
    apart = _longest(places[:, there])
    inside, found = [0], []
    best, nearest = apart[0].copy(), np.zeros(len(there), np.int64)
    best[0] = np.inf
    for _ in range(len(there) - 1):
        new = int(best.argmin())
        found.append((int(there[nearest[new]]), int(there[new])))
        inside.append(new)
        closer = apart[new] < best
        nearest[closer], best[closer] = new, apart[new][closer]
        best[inside] = np.inf
    return found


def _longest(places: FloatArray) -> npt.NDArray[np.float64]:
    """`(n, n)`: the longest distance of each pair, infinite on the diagonal."""
    longest = np.zeros((places.shape[1], places.shape[1]))
    for moment in places.astype(np.float64):
        longest = np.fmax(longest, np.linalg.norm(moment[:, None] - moment, axis=2))
    np.fill_diagonal(longest, np.inf)
    return longest


def _longest_way(points: FloatArray) -> float:
    """An angle about the vertical at a right angle to the way in which points `(n, 3)` spread most."""
    flat = points[np.isfinite(points[:, 0]), :2].astype(np.float64)
    if len(flat) < 2:
        return 0.0
    flat -= flat.mean(0)
    _, vectors = np.linalg.eigh(flat.T @ flat)
    return float(np.arctan2(vectors[1, 1], vectors[0, 1]) - np.pi / 2)
