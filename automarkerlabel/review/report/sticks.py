"""Which labels a picture joins by lines, so that a cloud of points becomes a figure."""

from collections.abc import Sequence

import numpy as np

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial
from automarkerlabel.io.names import split_prefix

_MOST_MOMENTS = 200
_FEWEST_TOGETHER = 3  # moments in which two labels have to be seen together
_CONSTANT = 4.0  # what a millimetre of change counts, beside one of distance
_LOOSEST_MM = 150.0  # labels whose distance varies more are of two bodies


def sticks_of(trial: Trial, labelling: Labelling, segments: Sequence[str | None]) -> list[tuple[int, int]]:
    """Pairs of labels, by index, that make a figure: a spanning tree of the labels of each segment, then of segments.

    Labels are joined that are near and keep their distance, and none of different subjects. Where segments are not
    known, all labels of a subject are one.
    """
    cost = _costs(places_of(trial, labelling))
    group = np.arange(len(labelling.labels))  # which labels are joined already
    found: list[tuple[int, int]] = []
    subject = np.array([split_prefix(x)[0] for x in labelling.labels])
    of_one: BoolArray = subject[:, None] == subject
    same = np.array([[a is not None and a == b for b in segments] for a in segments], bool).reshape(cost.shape)
    for allowed in (same & of_one, of_one):
        a, b = np.nonzero(np.triu(allowed & np.isfinite(cost), 1))
        for n in np.argsort(cost[a, b], kind="stable").tolist():
            one, other = int(a[n]), int(b[n])
            if group[one] != group[other]:
                group[group == group[other]] = group[one]
                found.append((one, other))
    return sorted(found)


def places_of(trial: Trial, labelling: Labelling) -> FloatArray:
    """`(n_moments, n_labels, 3)`: where each label is, NaN where it is not seen."""
    frames: IntArray = np.unique(np.linspace(0, trial.n_frames - 1, _MOST_MOMENTS).astype(np.int64))
    places: FloatArray = np.full((len(frames), len(labelling.labels), 3), np.nan, np.float32)
    for t, k in zip(labelling.tracklets, labelling.assigned.tolist(), strict=True):
        if k >= 0:
            first, last = np.searchsorted(frames, (t.start, t.stop))
            seen = first + np.flatnonzero(trial.visible[frames[first:last], t.column])
            places[seen, k] = trial.positions[frames[seen], t.column]
    return places


def _costs(places: FloatArray) -> FloatArray:
    """`(n_labels, n_labels)`: mean distance and its spread, weighed; infinite where two cannot be joined."""
    n = places.shape[1]
    cost: FloatArray = np.full((n, n), np.inf, np.float32)
    for k in range(n):
        apart = np.linalg.norm(places - places[:, k : k + 1], axis=2)  # (n_moments, n_labels)
        together = np.isfinite(apart).sum(0) >= min(_FEWEST_TOGETHER, len(places))
        if together.any():
            mean, spread = np.nanmean(apart[:, together], axis=0), np.nanstd(apart[:, together], axis=0)
            cost[k, together] = np.where(spread <= _LOOSEST_MM, mean + _CONSTANT * spread, np.inf)
    return cost
