"""What can be seen inside a way to label, of one tracklet of a labelled trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.labellers.labeller import Labeller, LabelResult
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.matcher.occlusion import leaving_out
from automarkerlabel.labellers.matcher.windows import MatchWindows, cut_match_windows
from automarkerlabel.labellers.methods import AnyMarkerSetLabeller, ReferenceLabeller
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.marker_sets.pose_from_trial import pose_heading
from automarkerlabel.models.inputs import Windows

Array = npt.NDArray[np.float64]

_MOST_WINDOWS = 24  # of a tracklet in which neighbours are left out, evenly


@dataclass(frozen=True, eq=False)
class Course:
    """What each window says of a tracklet: log-probabilities `(n_windows, n_labels + 1)`, and the frame of the trial
    `(n_windows,)` in its middle and those it speaks for `(n_windows, 2)`, counted from 0."""

    log_probs: FloatArray
    middle: IntArray
    spans: IntArray


@dataclass(frozen=True, eq=False)
class Left:
    """What leaving out neighbours changes: their columns `(n,)`, by how much the label is then less far ahead of the
    class it is compared with `(n,)` nats, and the mean over the windows looked at `(n,)`, None where one was."""

    columns: IntArray
    change: Array
    mean: Array | None


NOTHING_LEFT = Left(np.zeros(0, np.int64), np.zeros(0), None)


class Look(Protocol):
    """One tracklet, looked at by its number."""

    mechanism: str
    note: str

    def course(self, n: int) -> Course:
        """What its windows say."""

    def left(self, n: int, row: int, label: int, other: int) -> Left:
        """What the neighbours in window `row` do for class `label` against class `other`."""

    def samples(self, n: int) -> tuple[IntArray, FloatArray] | None:
        """The frames `(n_windows, n_samples)` that windows sample, -1 for none, and the share of attention that each
        gets; None where nothing attends to samples."""

    def importance(self, n: int, row: int) -> tuple[IntArray, FloatArray] | None:
        """Of a window the columns of neighbours `(n,)` and the share of attention of each and of each feature
        `(n, feature)`; None unless that is known."""

    def pose(self, n: int, row: int) -> FloatArray | None:
        """The labelled pose `(n_labels, 3)` mm that a window was compared with, facing +x; None without one."""

    def heading(self, n: int, row: int, places: FloatArray) -> float | None:
        """Which way the body faces in a window; `places` `(n_labels, 3)` mm are those of the labels."""


def look_into(method: Labeller, trial: Trial, heading_deg: float | None = None) -> tuple[LabelResult, Look]:
    """The labelling of a trial, and what to look at. Raises as `Labeller.answer`."""
    if isinstance(method, TrajectoryLabeller):
        answer = method.label(trial, heading_deg=heading_deg)
        return answer, LookByModel(method, trial, answer.tracklets, heading_deg or 0.0)
    if isinstance(method, AnyMarkerSetLabeller):
        method = method.settled(trial)
    assert isinstance(method, ReferenceLabeller)
    answer = method.label(trial)
    return answer, LookByPose(method.matcher, trial, list(answer.tracklets), method.template.poses)


class LookByModel:
    """Inside a model of trajectories."""

    def __init__(
        self, labeller: TrajectoryLabeller, trial: Trial, tracklets: Sequence[Tracklet], heading_deg: float
    ) -> None:
        self.labeller, self.trial, self.tracklets, self.heading_deg = labeller, trial, tracklets, heading_deg
        kind = labeller.checkpoint.model_type
        self.mechanism = kind if labeller.legacy is not None else f"{kind}, {labeller.mechanism}"
        if labeller.legacy is None and labeller.mechanism == kind:
            self.mechanism = kind
        self.note = ""
        if labeller.legacy is not None:
            self.note = f"of a model of type {kind} only the course of its evidence can be shown"
        elif not labeller.has_attention:
            self.note = f"a model of type {kind} has no attention weights: what it does without each neighbour is shown"

    def course(self, n: int) -> Course:
        if self.labeller.legacy is not None:
            scores = _of_one(self._all_scores, n)
            return _course(scores, (scores.frames.sum(1) - 1) // 2)
        scores = self.labeller.scores(self.trial, self.heading_deg, [self.tracklets[n]])[1]
        frames = self._windows(n).frames
        there = (frames >= 0).sum(1)
        return _course(scores, frames[np.arange(len(frames)), there // 2])

    def left(self, n: int, row: int, label: int, other: int) -> Left:
        if self.labeller.legacy is not None:
            return NOTHING_LEFT
        windows = self._windows(n)
        some = np.unique(np.linspace(0, len(windows.tracklet) - 1, _MOST_WINDOWS).astype(np.int64))
        rows = np.append(some, row)
        chosen = Windows(windows.tracklet[rows], windows.column[rows], windows.frames[rows])
        log_probs, neighbours = self.labeller.leaving_out(self.trial, chosen)
        ahead = log_probs[..., label].astype(np.float64) - log_probs[..., other]  # (n_rows, 1 + n_neighbours)
        change = ahead[:, :1] - ahead[:, 1:]
        columns = neighbours[-1][neighbours[-1] >= 0]
        total = np.zeros(self.trial.n_columns)
        there = neighbours[:-1] >= 0
        np.add.at(total, neighbours[:-1][there], change[:-1][there])
        return Left(columns, change[-1, : len(columns)], total[columns] / len(some))

    def samples(self, n: int) -> tuple[IntArray, FloatArray] | None:
        if not self.labeller.has_attention:
            return None
        frames, shares = [], []
        for part in self.labeller.attention(self.trial, [self.tracklets[n]]):
            if part.weights is None:
                return None
            there = part.frames >= 0
            between = there[:, None, None, :, None] & there[:, None, None, None, :]
            taken = np.where(between, part.weights, 0).sum((1, 2, 3))  # (n_windows, key sample)
            frames.append(part.frames)
            shares.append(taken / np.maximum(taken.sum(1, keepdims=True), 1e-9))
        return np.concatenate(frames), np.concatenate(shares)

    def importance(self, n: int, row: int) -> tuple[IntArray, FloatArray] | None:
        if not self.labeller.has_attention or self.labeller.mechanism != "sparse":
            return None
        parts = list(self.labeller.attention(self.trial, [self.tracklets[n]]))
        importance = np.concatenate([p.importance for p in parts if p.importance is not None])[row]
        columns = np.concatenate([p.neighbours for p in parts])[row]
        there = np.concatenate([p.frames for p in parts])[row] >= 0
        mean = importance[there].mean(0)  # (neighbour, feature)
        return columns[columns >= 0], mean[: int((columns >= 0).sum())]

    def pose(self, n: int, row: int) -> FloatArray | None:
        return None

    def heading(self, n: int, row: int, places: FloatArray) -> float | None:
        return pose_heading(self.labeller.marker_set, places)

    @cached_property
    def _all_scores(self) -> LabelScores:
        """Of all tracklets: to the predecessor's network tracklets are neighbours of each other."""
        return self.labeller.scores(self.trial, self.heading_deg, list(self.tracklets))[1]

    def _windows(self, n: int) -> Windows:
        return self.labeller.cut(self.trial, [self.tracklets[n]])


class LookByPose:
    """Inside the matcher."""

    mechanism = "matcher"
    note = ""

    def __init__(
        self, matcher: PoseMatcher, trial: Trial, tracklets: list[Tracklet], references: Sequence[Reference]
    ) -> None:
        self.matcher, self.trial, self.tracklets = matcher, trial, tracklets
        self.scores, self.search = matcher.looked(trial, tracklets, references)
        self.windows: MatchWindows = cut_match_windows(trial, tracklets)
        self.poses = [r.facing_x() for r in (self.search.reference, *references[1:])]

    def course(self, n: int) -> Course:
        return _course(_of_one(self.scores, n), self.windows.frame[self._of(n)])

    def left(self, n: int, row: int, label: int, other: int) -> Left:
        window = int(self._of(n)[row])
        pose = self.poses[window % len(self.poses)]
        found = leaving_out(self.matcher.network, self.windows, window, float(self.search.heading[window]), pose)
        owner = self.windows.tracklet[window, : found.shape[1]]
        own = int(np.flatnonzero(owner == n)[0])
        with np.errstate(invalid="ignore"):  # of a label that this pose does not show
            ahead = found[:, own, label] - found[:, own, other]
        others = np.flatnonzero(owner != n)
        columns = np.array([self.tracklets[t].column for t in owner[others]], np.int64)
        with np.errstate(invalid="ignore"):
            change = ahead[0] - ahead[1 + others]
        return Left(columns, np.where(np.isfinite(change), change, 0), None)

    def samples(self, n: int) -> tuple[IntArray, FloatArray] | None:
        return None

    def importance(self, n: int, row: int) -> tuple[IntArray, FloatArray] | None:
        return None

    def pose(self, n: int, row: int) -> FloatArray | None:
        return self.poses[int(self._of(n)[row]) % len(self.poses)]

    def heading(self, n: int, row: int, places: FloatArray) -> float | None:
        return float(self.search.heading[self._of(n)[row]])

    def _of(self, n: int) -> IntArray:
        """The windows in which a tracklet is seen, in the order of its scores."""
        return np.flatnonzero((self.windows.tracklet == n).any(1))


def _of_one(scores: LabelScores, n: int) -> LabelScores:
    """The scores of one tracklet alone."""
    mine = scores.tracklet == n
    return LabelScores(
        scores.labels, scores.log_probs[mine], np.zeros(int(mine.sum()), np.int64), scores.frames[mine], 1
    )


def _course(scores: LabelScores, middle: IntArray) -> Course:
    return Course(scores.log_probs, np.asarray(middle, np.int64), scores.frames)
