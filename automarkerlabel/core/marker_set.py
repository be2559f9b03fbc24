"""Which labels there are, on which body segment each sits, and which are left and right of one another."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from automarkerlabel.core.mirror import sides_in
from automarkerlabel.core.sides import find_pairs
from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import MarkerSetError


@dataclass(frozen=True, eq=False)
class MarkerSet:
    """The labels of a marker set, validated when made.

    labels        names, unique, in the order in which output columns stand.
    segments      body segment of each label, "" where unknown; empty for a set without segments.
    pairs         (left, right) labels that mirror each other; found from the names if None. Where they come from a pose
                  alone, those of one side come first, be it left or right.
    local_mm      float32 `(n_labels, 3)`, position in the segment's own frame in mm; None if unknown.
    name          of the set, for messages.

    Raises `MarkerSetError` for an empty set, empty or repeated labels, and sizes that do not fit.
    """

    labels: Sequence[str]
    segments: Sequence[str] = ()
    pairs: Sequence[tuple[str, str]] | None = None
    local_mm: FloatArray | None = None
    name: str = "unnamed"

    def __post_init__(self) -> None:
        labels = tuple(self.labels)
        if not labels:
            raise MarkerSetError(f"marker set {self.name}: expected at least one label, found none")
        twice = sorted({x for x in labels if labels.count(x) > 1})
        if twice or "" in labels:
            raise MarkerSetError(f"marker set {self.name}: expected distinct names, found {twice or 'an empty one'}")
        if self.segments and len(self.segments) != len(labels):
            raise MarkerSetError(
                f"marker set {self.name}: expected a segment for each of {len(labels)} labels,"
                f" found {len(self.segments)}"
            )
        if self.local_mm is not None and np.shape(self.local_mm) != (len(labels), 3):
            raise MarkerSetError(
                f"marker set {self.name}: expected coordinates ({len(labels)}, 3), found {np.shape(self.local_mm)}"
            )
        pairs = find_pairs(labels) if self.pairs is None else tuple((a, b) for a, b in self.pairs)
        stray = sorted({x for pair in pairs for x in pair} - set(labels))
        if stray:
            raise MarkerSetError(f"marker set {self.name}: pairs name labels that it does not have: {', '.join(stray)}")
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "segments", tuple(self.segments) or ("",) * len(labels))
        object.__setattr__(self, "pairs", pairs)

    def __len__(self) -> int:
        return len(self.labels)

    def mirror_order(self) -> list[int]:
        """For each label the index of its mirror image: its pair, or itself."""
        index = {x: i for i, x in enumerate(self.labels)}
        order = list(range(len(self.labels)))
        for left, right in self.pairs or ():
            order[index[left]], order[index[right]] = index[right], index[left]
        return order


def from_trials(trials: Iterable[Trial], name: str = "from trials") -> MarkerSet:
    """The marker set of labelled trials: every label that names a measured point of theirs, in order of first sight.

    Its pairs are those that the names tell, or the trial with most labels. Raises `MarkerSetError` if there is none.
    """
    labels: dict[str, None] = {}
    fullest, most = np.zeros((0, 0, 3), np.float32), dict[str, int]()
    for trial in trials:
        columns = dict(labelled_columns(trial))
        labels.update(dict.fromkeys(columns))
        if len(columns) > len(most):
            fullest, most = trial.positions[:, list(columns.values())], columns
    if not labels:
        raise MarkerSetError("expected labelled trials, found no named marker in any of them")
    told, _ = sides_in(tuple(most), fullest)
    named = find_pairs(labels)
    return MarkerSet(tuple(labels), pairs=max(named, told, key=len), name=name)


def labelled_columns(trial: Trial) -> list[tuple[str, int]]:
    """(label, column) of each named measured column; of a repeated name the first column counts."""
    found: dict[str, int] = {}
    for column in trial.marker_columns:
        label = trial.labels[column]
        if not is_unlabelled(label):
            found.setdefault(label, column)
    return list(found.items())


def is_unlabelled(label: str) -> bool:
    """Whether a column's name is a placeholder: empty, `*12`, `U_12`, `C_12`, `M012`, `Unlabeled 12`, a bare number.

    >>> [x for x in ("*3", "U_104", "LASI", "M001", "C7", "unlabeled_7", "12") if is_unlabelled(x)]
    ['*3', 'U_104', 'M001', 'unlabeled_7', '12']
    """
    return (
        re.match(r"^(\*.*|\d*|[CUM]_\d+|[CUM]\d{3,}|un(labell?ed|named|identified)\W*_*\d*)$", label.strip(), re.I)
        is not None
    )


def in_label_order(trial: Trial, marker_set: MarkerSet) -> FloatArray:
    """`(n_frames, n_labels, 3)`: the trial's points in the set's order, NaN where it lacks a label."""
    points = np.full((trial.n_frames, len(marker_set), 3), np.nan, np.float32)
    index = {x: i for i, x in enumerate(marker_set.labels)}
    for label, column in labelled_columns(trial):
        if label in index:
            points[:, index[label]] = trial.positions[:, column]
    return points
