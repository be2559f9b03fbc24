"""Who is who: which of several bodies in a recording belongs to which reference, told by lengths between markers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.assign import assign
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.labellers.matcher.evidence import labels_in
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.labellers.matcher.template_search import excerpt
from automarkerlabel.labellers.matcher.windows import cut_match_windows

Array = npt.NDArray[np.float64]
Poses = Sequence[Reference]

_QUICK = MatchOptions(self_references=0, rate_hz=2.5, calibrate=False, swaps=False)
_PAIRS = 4  # of each marker with its nearest in the reference
_MOST_MM = 100.0  # that one of them counts; a marker that is not found counts as much


@dataclass(frozen=True, eq=False)
class Whose:
    """Who is who.

    subject     of each body.
    differs_mm  by how much the lengths of each subject's body differ from his reference, on average; None where there
                was nothing to choose.
    clear_mm    by how much more they would, on average over two subjects, if the likeliest two were exchanged.
    """

    subject: IntArray
    differs_mm: tuple[float | None, ...]
    clear_mm: float


def whose(matcher: PoseMatcher, bodies: Sequence[Trial], poses: Sequence[Poses]) -> Whose:
    """Which subject each body is: those whose references differ least, in all, from what is measured.

    bodies  a trial for each that shows its points alone.
    poses   of each subject; those of the same poses are not told apart, and keep the order of the bodies.
    """
    n = len(poses)
    kinds = [next(m for m in range(n) if poses[m] is poses[k]) for k in range(n)]  # the first with the same poses
    if len(set(kinds)) == 1:
        return Whose(np.arange(n), (None,) * n, np.inf)
    differs = np.full((n, n), _MOST_MM)
    for k, alone in enumerate(bodies):
        part = excerpt(alone)
        places: dict[tuple[str, ...], Array] = {}  # poses of the same labels need one look
        for m in range(n) if part.visible.any() else ():
            labels = poses[m][0].labels
            if labels not in places:
                places[labels] = _labelled_places(matcher, part, poses[m])
            differs[k, m] = difference_mm(places[labels], poses[m][0].positions)
    subject, _ = assign(_MOST_MM - differs, np.ones((1, n), np.bool_), must=np.ones(n, np.bool_))
    body = np.argsort(subject)
    return Whose(subject, tuple(differs[body, np.arange(n)].tolist()), _clear_by(differs[body], kinds))


def only(trial: Trial, tracklets: Sequence[Tracklet]) -> Trial:
    """The trial with these tracklets alone."""
    positions = np.full_like(trial.positions, np.nan)
    for t in tracklets:
        positions[t.start : t.stop, t.column] = trial.positions[t.start : t.stop, t.column]
    return replace(trial, positions=positions)


def _labelled_places(matcher: PoseMatcher, trial: Trial, poses: Poses) -> Array:
    """`(n_windows, n_labels, 3)`: where labels are at some moments, NaN where they are not found."""
    labelling, _ = matcher.label(trial, poses, options=_QUICK)
    windows = cut_match_windows(trial, labelling.tracklets, _QUICK.rate_hz)
    places = np.full((len(windows), len(labelling.labels), 3), np.nan)
    label = labels_in(windows, labelling.assigned)
    which, slot = np.nonzero(label >= 0)
    places[which, label[which, slot]] = windows.now[which, slot]
    return places


def difference_mm(places: Array, pose: FloatArray) -> float:
    """How far lengths between neighbouring markers, by their medians over `places` `(n_moments, n_labels, 3)`, are from
    those in a pose `(n_labels, 3)`: the mean, each `_MOST_MM` at most and where a marker is not found."""
    a, b = _neighbours(np.asarray(pose, np.float64))
    expected = np.linalg.norm(pose[a] - pose[b], axis=1)
    apart = np.linalg.norm(places[:, a] - places[:, b], axis=2)  # (n_moments, n_pairs)
    known = ~np.isnan(apart).all(0)
    off = np.full(len(a), _MOST_MM)
    off[known] = np.minimum(np.abs(np.nanmedian(apart[:, known], axis=0) - expected[known]), _MOST_MM)
    return float(off.mean()) if len(off) else _MOST_MM


def _neighbours(pose: Array) -> tuple[IntArray, IntArray]:
    """Pairs of markers that are next to each other in a pose `(n_labels, 3)`."""
    apart = np.linalg.norm(pose[:, None] - pose, axis=2)
    np.fill_diagonal(apart, np.inf)
    apart[np.isnan(apart)] = np.inf
    nearest = np.argsort(apart, axis=1)[:, :_PAIRS]
    first = np.repeat(np.arange(len(pose)), nearest.shape[1])
    both = np.sort(np.column_stack([first, nearest.ravel()]), axis=1)
    both = np.unique(both[np.isfinite(apart[both[:, 0], both[:, 1]])], axis=0)
    return both[:, 0], both[:, 1]


def _clear_by(differs: Array, kinds: Sequence[int]) -> float:
    """`Whose.clear_mm`; `differs` `(n, n)` has the body of each subject in his row."""
    n = len(differs)
    pairs = [(a, b) for a in range(n) for b in range(a) if kinds[a] != kinds[b]]
    return min(float(differs[a, b] + differs[b, a] - differs[a, a] - differs[b, b]) / 2 for a, b in pairs)
