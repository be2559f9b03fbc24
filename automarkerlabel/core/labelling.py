"""What is probable (`LabelScores`), what was decided (`Labelling`), and which columns follow (`OutputColumn`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Self

import numpy as np

from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.core.tracklets import Tracklet, n_samples
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial
from automarkerlabel.errors import TrialError


@dataclass(frozen=True, eq=False)
class LabelScores:
    """Log-probabilities of every label for every tracklet in short windows.

    labels     the vocabulary.
    log_probs  float32 `(n_windows, n_labels + 1)`; each row's exponentials sum to 1; the last class is *no label*.
    tracklet   int `(n_windows,)`: the index of the tracklet that a window speaks of, ascending.
    frames     int `(n_windows, 2)`: first frame and the one after the last that the window speaks for.
    n_tracklets  how many there are; one without a window has no evidence and gets no label.
    """

    labels: Sequence[str]
    log_probs: FloatArray
    tracklet: IntArray
    frames: IntArray
    n_tracklets: int

    def __post_init__(self) -> None:
        n = len(self.tracklet)
        if self.log_probs.shape != (n, len(self.labels) + 1) or self.frames.shape != (n, 2):
            raise TrialError(
                f"scores: expected log_probs ({n}, {len(self.labels) + 1}) and frames ({n}, 2),"
                f" found {self.log_probs.shape} and {self.frames.shape}"
            )
        if n and (np.any(np.diff(self.tracklet) < 0) or self.tracklet[0] < 0 or self.tracklet[-1] >= self.n_tracklets):
            raise TrialError(f"scores: expected ascending tracklets from 0 to {self.n_tracklets - 1}")
        object.__setattr__(self, "labels", tuple(self.labels))

    def without_label_less_likely(self, offset: float) -> "LabelScores":
        """The scores with `offset` taken from each log-probability of *no label*, normalised anew."""
        shifted = self.log_probs.astype(np.float64)
        shifted[:, -1] -= offset
        shifted -= np.logaddexp.reduce(shifted, axis=1, keepdims=True)
        return replace(self, log_probs=shifted.astype(np.float32))

    def n_windows(self) -> IntArray:
        """`(n_tracklets,)`: windows that speak of each tracklet."""
        return np.bincount(self.tracklet, minlength=self.n_tracklets).astype(np.int64)

    def mean(self) -> FloatArray:
        """`(n_tracklets, n_labels + 1)`: mean log-probability over each tracklet's windows; *no label* is
        certain where there is none."""
        total = np.zeros((self.n_tracklets, len(self.labels) + 1))
        count = self.n_windows()
        owners = np.flatnonzero(count)
        if len(owners):
            starts = np.searchsorted(self.tracklet, owners)
            total[owners] = np.add.reduceat(self.log_probs, starts, axis=0, dtype=np.float64)
        total[count == 0, :-1] = -np.inf
        return (total / np.maximum(count, 1)[:, None]).astype(np.float32)


@dataclass(frozen=True)
class Cut:
    """Where a column was split because its identity changed: `column`, its first `frame` after that, why, in words, and
    the labels before and after, None for none."""

    column: int
    frame: int
    why: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, eq=False)
class Signs:
    """What tells how far each label of a labelling is to be trusted; see `decide.confidence`.

    of_tracklet  float32 `(n_tracklets, n_signs)`, the larger the better.
    courses      of each tracklet a moment `(n_moments,)` in frames, ascending, for each window that speaks of it, and
                 `(n_moments,)` how much the windows about that moment agree with its label, in nats.
    held         bool `(n_tracklets,)`: the label was not decided but given.
    """

    of_tracklet: FloatArray
    courses: Sequence[tuple[FloatArray, FloatArray]]
    held: BoolArray

    def of(self, which: IntArray) -> "Signs":
        """The signs of some tracklets, or of pieces of them."""
        return Signs(self.of_tracklet[which], tuple(self.courses[n] for n in which.tolist()), self.held[which])


@dataclass(frozen=True, eq=False)
class Labelling:
    """The decision for one trial.

    labels      the vocabulary.
    tracklets   all tracklets of the trial.
    assigned    int `(n_tracklets,)`: index into `labels`, -1 for none.
    confidence  float32 `(n_tracklets,)`: probability that `assigned` is right (of none, where it is none).
    second      int `(n_tracklets,)`: the next best class, -1 for none.
    cuts        where columns were split.
    gap         share by which the summed evidence could at most be larger; 0: proven the largest.
    signs       what confidence is made of, None where it is not known.
    courses     of each tracklet moments `(n_moments,)` in frames, ascending, and the confidence then `(n_moments,)`;
                empty where it is not known. See `decide.confidence.frame_confidence`.
    """

    labels: Sequence[str]
    tracklets: Sequence[Tracklet]
    assigned: IntArray
    confidence: FloatArray
    second: IntArray
    cuts: Sequence[Cut] = ()
    gap: float = 0.0
    signs: Signs | None = None
    courses: Sequence[tuple[FloatArray, FloatArray]] = ()

    def __post_init__(self) -> None:
        n = len(self.tracklets)
        for name in ("assigned", "confidence", "second"):
            if getattr(self, name).shape != (n,):
                raise TrialError(f"labelling: expected {n} values of {name}, found {getattr(self, name).shape}")
        if n and not (self.assigned.min() >= -1 and self.assigned.max() < len(self.labels)):
            raise TrialError(f"labelling: expected labels from -1 to {len(self.labels) - 1}")
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "tracklets", tuple(self.tracklets))
        object.__setattr__(self, "cuts", tuple(self.cuts))

    @property
    def found(self) -> tuple[str, ...]:
        """The labels that some tracklet has, in the order of `labels`."""
        has = set(self.assigned.tolist())
        return tuple(x for k, x in enumerate(self.labels) if k in has)

    @property
    def missing(self) -> tuple[str, ...]:
        """The labels that no tracklet has, in the order of `labels`."""
        has = set(self.assigned.tolist())
        return tuple(x for k, x in enumerate(self.labels) if k not in has)

    def above(self, min_confidence: float) -> Self:
        """The same without labels whose confidence is below `min_confidence`, 0 to 1; they become the second best.

        >>> three = [Tracklet(0, 0, 9), Tracklet(1, 0, 9), Tracklet(2, 0, 9)]
        >>> sure = np.array([0.99, 0.4, 0.8], np.float32)
        >>> labelling = Labelling(("A", "B"), three, np.array([0, 1, -1]), sure, np.array([1, -1, 1]))
        >>> labelling.above(0.5).found, labelling.above(0.5).missing
        (('A',), ('B',))
        """
        doubtful = (self.assigned >= 0) & (self.confidence < min_confidence)
        return replace(
            self,
            assigned=np.where(doubtful, -1, self.assigned),
            confidence=np.where(doubtful, 1 - self.confidence, self.confidence).astype(np.float32),
            second=np.where(doubtful, self.assigned, self.second),
            signs=None,
            courses=(),
        )

    def mean_confidence(self, trial: Trial) -> float:
        """Over the labelled points of the trial, each with the confidence of its tracklet; 0 where none has a label."""
        weight = n_samples(trial, self.tracklets) * (self.assigned >= 0)
        return float((weight * self.confidence).sum() / max(1, weight.sum()))

    def label_of(self, tracklet: int) -> str | None:
        """The label of a tracklet by its index, or None."""
        k = int(self.assigned[tracklet])
        return self.labels[k] if k >= 0 else None


@dataclass(frozen=True)
class OutputColumn:
    """One column of a labelled file: a name, and the visible samples of `pieces` `(column, start, stop)` of the source.

    Pieces of one output column never show two samples in one frame. A whole source column is one piece.
    """

    label: str
    pieces: tuple[tuple[int, int, int], ...]


def output_columns(
    trial: Trial, labelling: Labelling, all_labels: bool = False, keep_labels: bool = False
) -> list[OutputColumn]:
    """The columns of the labelled file: every visible sample of `trial` stands in exactly one of them.

    Labels in marker-set order, tracklets of one label joined; labels that are absent are left out unless
    `all_labels`; then what has no label, one column for each source column that has any left, named
    `*0, *1, ...`, or as it was if `keep_labels`; then computed columns under their own names.

    Raises `TrialError` if a label would stand twice in a frame.
    """
    pieces: dict[int, list[tuple[int, int, int]]] = {k: [] for k in range(len(labelling.labels))}
    rest: dict[int, list[tuple[int, int, int]]] = {}
    for t, k in zip(labelling.tracklets, labelling.assigned, strict=True):
        place = pieces[int(k)] if k >= 0 else rest.setdefault(t.column, [])
        place.append((t.column, t.start, t.stop))
    columns = []
    for k, label in enumerate(labelling.labels):
        if pieces[k] or all_labels:
            _refuse_twice(trial, label, pieces[k])
            columns.append(OutputColumn(label, tuple(sorted(pieces[k], key=lambda p: p[1]))))
    number = count()
    for c in sorted(rest):
        own = keep_labels and not is_unlabelled(trial.labels[c])
        columns.append(OutputColumn(trial.labels[c] if own else f"*{next(number)}", tuple(rest[c])))
    for c in sorted(trial.computed):
        name = trial.labels[c]
        columns.append(OutputColumn(name if not is_unlabelled(name) else f"computed_{c}", ((c, 0, trial.n_frames),)))
    return columns


def _refuse_twice(trial: Trial, label: str, pieces: list[tuple[int, int, int]]) -> None:
    times = np.zeros(trial.n_frames, np.int64)
    for column, start, stop in pieces:
        times[start:stop] += trial.visible[start:stop, column]
    if (times > 1).any():
        raise TrialError(f"label {label} would stand twice in frame {trial.first_frame + int((times > 1).argmax())}")


def apply(trial: Trial, columns: Sequence[OutputColumn]) -> Trial:
    """The trial with its samples in `columns`; positions and residuals are copied as they are."""
    positions = np.full((trial.n_frames, len(columns), 3), np.nan, np.float32)
    residuals = np.full((trial.n_frames, len(columns)), np.nan, np.float32)
    for n, out in enumerate(columns):
        for column, start, stop in out.pieces:
            seen = start + np.flatnonzero(trial.visible[start:stop, column])
            positions[seen, n] = trial.positions[seen, column]
            residuals[seen, n] = trial.residuals[seen, column]
    computed = {n for n, out in enumerate(columns) if out.pieces and out.pieces[0][0] in trial.computed}
    return Trial(
        positions, [c.label for c in columns], trial.rate_hz, residuals, trial.first_frame, trial.axes,
        computed=frozenset(computed), notes=trial.notes,
    )  # fmt: skip
