"""How good a labelling is, compared with the truth, point by point."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial
from automarkerlabel.errors import TrialError

_SWAP_RIGHT = 0.9  # share of points that must be right before and after a swap in both columns
_N_BINS = 10  # of confidence, for the calibration error


class Truth(Protocol):
    """What a case knows: see `automarkerlabel.simulate.corrupt.Case`."""

    @property
    def trial(self) -> Trial: ...
    @property
    def truth(self) -> IntArray: ...
    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def swaps(self) -> IntArray: ...


@dataclass(frozen=True)
class MarkerFigures:
    """One marker: its visible points, those labelled rightly, those given any label, and points given its label."""

    label: str
    points: int
    correct: int
    covered: int
    given: int

    @property
    def accuracy(self) -> float | None:
        """Right over its points; None where it is never seen."""
        return _share(self.correct, self.points)

    @property
    def precision(self) -> float | None:
        """Right over the points that were given its label; None where none was."""
        return _share(self.correct, self.given)

    @property
    def coverage(self) -> float | None:
        """Its points that were given any label over its points; None where it is never seen."""
        return _share(self.covered, self.points)

    @property
    def f1(self) -> float | None:
        return _share(2 * self.correct, self.points + self.given)


@dataclass(frozen=True)
class Figures:
    """Labels given, compared with the truth. A label that stands twice in a frame counts as none there.

    accuracy           right / real points; a real point without a label is wrong.
    precision          right / points given a label; 0 where none was.
    coverage           real points given any label / real points.
    f1                 per frame the mean F1 over all classes in truth or answer, none being one; mean over frames.
    frame_accuracy     per frame right / all points, a ghost without a label being right; mean over frames (as in SOMA).
    ghosts             ghosts left without a label / ghosts; None where there are none.
    swaps_repaired     swaps before and after which both columns are right in more than 9 of 10 points.
    n_swaps            swaps there are.
    twice              frames in which a label stands twice.
    points             visible points.
    calibration_error  mean distance of confidence from share of right labels, over ten bins of confidence weighted
                       by points given a label; None without confidences or without labels.
    markers            by marker, in the order of the labels.
    confusions         (truth, given, points) of wrong labels, the most frequent first; truth "ghost" for a ghost.
    """

    accuracy: float
    precision: float
    coverage: float
    f1: float
    frame_accuracy: float
    ghosts: float | None
    swaps_repaired: int
    n_swaps: int
    twice: int
    points: int
    calibration_error: float | None
    markers: tuple[MarkerFigures, ...]
    confusions: tuple[tuple[str, str, int], ...]

    @property
    def swaps(self) -> str:
        """Repaired and all, as in "3/4"."""
        return f"{self.swaps_repaired}/{self.n_swaps}"

    def summary(self) -> dict[str, Any]:
        """The overall figures as plain values."""
        left_out = {"markers", "confusions", "swaps_repaired", "n_swaps"}
        return {**{k: v for k, v in asdict(self).items() if k not in left_out}, "swaps": self.swaps}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, fit for JSON."""
        shares = ("accuracy", "precision", "coverage", "f1")
        markers = [{**asdict(m), **{x: getattr(m, x) for x in shares}} for m in self.markers]
        return {**self.summary(), "markers": markers, "confusions": [list(c) for c in self.confusions]}


def given_labels(
    trial: Trial, labelling: Labelling, labels: Sequence[str]
) -> tuple[IntArray, FloatArray, tuple[str, ...]]:
    """What `labelling` says of each point, in the numbers of `labels`: the last arguments of `compare`.

    Returns `given` `(n_frames, n_columns)`, -1 for none and where hidden; `confidence`, of the same shape, NaN where
    no tracklet is; and the names of the numbers in `given`: `labels`, then whatever else `labelling` knows.
    """
    names = tuple(dict.fromkeys((*labels, *labelling.labels)))
    index = {name: n for n, name in enumerate(names)}
    number = np.array([*(index[x] for x in labelling.labels), -1], np.int64)
    given = np.full((trial.n_frames, trial.n_columns), -1, np.int64)
    confidence: FloatArray = np.full(given.shape, np.nan, np.float32)
    for n, t in enumerate(labelling.tracklets):
        given[t.start : t.stop, t.column] = number[labelling.assigned[n]]
        confidence[t.start : t.stop, t.column] = labelling.confidence[n]
    given[~trial.visible] = -1
    confidence[~trial.visible] = np.nan
    return given, confidence, names


def compare(
    case: Truth,
    given: IntArray,
    confidence: FloatArray | None = None,
    names: Sequence[str] | None = None,
    n_confusions: int = 20,
) -> Figures:
    """The figures of the labels in `given` `(n_frames, n_columns)`, -1 for none, compared with the truth of `case`.

    Numbers in `given` beyond the case's labels are labels that it does not have: always wrong. `names` names them;
    see `given_labels`, which also makes `confidence`.

    Raises `TrialError` where shapes differ, or nothing is visible that has a true label.
    """
    truth, visible, names = case.truth, case.trial.visible, tuple(names or case.labels)
    for what, array in (("given", given), ("confidence", confidence)):
        if array is not None and array.shape != truth.shape:
            raise TrialError(f"{what}: expected shape {truth.shape}, found {array.shape}")
    n_classes = max(len(names), len(case.labels), int(given.max(initial=-1)) + 1)
    names += tuple(f"label {n}" for n in range(len(names), n_classes))
    single, twice = _without_repeats(given, visible, n_classes)
    real, labelled = visible & (truth >= 0), single >= 0
    if not real.any():
        raise TrialError("case: expected visible points with a true label, found none")
    right = real & (single == truth)
    ghosts = visible & (truth < 0)
    by_frame = visible.any(1)
    agree = (visible & (single == truth)).sum(1)[by_frame] / visible.sum(1)[by_frame]
    return Figures(
        accuracy=float(right.sum() / real.sum()),
        precision=float(right.sum() / max(1, labelled.sum())),
        coverage=float(labelled[real].mean()),
        f1=_mean_f1(truth, single, visible, n_classes),
        frame_accuracy=float(agree.mean()),
        ghosts=float((~labelled)[ghosts].mean()) if ghosts.any() else None,
        swaps_repaired=sum(_repaired(right, real, *swap) for swap in case.swaps.tolist()),
        n_swaps=len(case.swaps),
        twice=twice,
        points=int(visible.sum()),
        calibration_error=None if confidence is None else _calibration_error(confidence[labelled], right[labelled]),
        markers=_markers(case.labels, truth, single, real, right),
        confusions=_confusions(names, truth[labelled & ~right], single[labelled & ~right], n_confusions),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _counts(mask: BoolArray, classes: IntArray, n_classes: int) -> IntArray:
    """`(n_frames, n_classes + 1)`: points of each class in each frame where `mask`; class -1 stands first."""
    frame, column = np.nonzero(mask)
    flat = frame * (n_classes + 1) + classes[frame, column] + 1
    return np.bincount(flat, minlength=len(mask) * (n_classes + 1)).reshape(len(mask), -1).astype(np.int64)


def _without_repeats(given: IntArray, visible: BoolArray, n_classes: int) -> tuple[IntArray, int]:
    """Labels with -1 where hidden or where the label stands twice in the frame, and how many frames hold such."""
    labelled = visible & (given >= 0)
    repeated = _counts(labelled, given, n_classes) > 1
    again = labelled & np.take_along_axis(repeated, np.where(labelled, given, -1) + 1, axis=1)
    return np.where(labelled & ~again, given, -1), int(repeated.any(1).sum())


def _mean_f1(truth: IntArray, given: IntArray, visible: BoolArray, n_classes: int) -> float:
    """F1 of each class, none among them, averaged over the classes of a frame, then over frames that show a point."""
    both = _counts(visible & (truth == given), truth, n_classes)
    either = _counts(visible, truth, n_classes) + _counts(visible, given, n_classes)
    present = either > 0
    shown = present.any(1)
    f1 = 2 * both / np.maximum(either, 1)  # 0 where the class is absent
    return float((f1.sum(1)[shown] / present.sum(1)[shown]).mean())


def _repaired(right: BoolArray, real: BoolArray, a: int, b: int, frame: int) -> bool:
    """Whether both columns are right before and after `frame`; a part without real points does not count."""
    parts = [(when, column) for when in (slice(None, frame), slice(frame, None)) for column in (a, b)]
    return all(right[part][real[part]].mean() > _SWAP_RIGHT for part in parts if real[part].any())


def _calibration_error(confidence: FloatArray, right: BoolArray) -> float | None:
    """Expected calibration error of `(n,)` labels in equal bins of confidence; None of none."""
    if not len(confidence):
        return None
    bins = np.clip((confidence * _N_BINS).astype(np.int64), 0, _N_BINS - 1)
    excess = np.bincount(bins, weights=confidence.astype(np.float64) - right, minlength=_N_BINS)
    return float(np.abs(excess).sum() / len(confidence))


def _markers(
    labels: Sequence[str], truth: IntArray, given: IntArray, real: BoolArray, right: BoolArray
) -> tuple[MarkerFigures, ...]:
    n = len(labels)
    known = (given >= 0) & (given < n)
    counts = (
        np.bincount(truth[mask], minlength=n).tolist() for mask in (real, right, real & (given >= 0))
    )  # points, correct, covered
    rows = zip(labels, *counts, np.bincount(given[known], minlength=n).tolist(), strict=True)
    return tuple(MarkerFigures(*row) for row in rows)


def _confusions(names: Sequence[str], truth: IntArray, given: IntArray, most: int) -> tuple[tuple[str, str, int], ...]:
    """The most frequent pairs of `(n,)` true classes and wrong labels."""
    pairs, counts = np.unique(np.stack([truth, given], 1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most].tolist()
    told = [(*pairs[n].tolist(), int(counts[n])) for n in order]
    return tuple((names[a] if a >= 0 else "ghost", names[b], n) for a, b, n in told)
