"""What a capture system exports before labelling, made of a labelled trial, with the truth beside it.

Two protocols: the project's own (`make_case`: gaps that last, ghosts that persist, swaps, whole markers missing)
and the one by which SOMA was measured (`make_soma_case`: every frame by itself).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.trial import FloatArray, IntArray, Trial, runs
from automarkerlabel.errors import TrialError

# (occlusions, ghosts, broken trajectories) of SOMA's five measurements.
SOMA_SETTINGS: tuple[tuple[int, int, int], ...] = ((0, 0, 0), (5, 0, 0), (0, 3, 0), (5, 3, 0), (5, 3, 50))

_OCCLUSION_S = (0.05, 0.5)  # shortest and longest stretch that one occlusion hides
_CUT_MARGIN = 3  # frames that a cut leaves at either end of a visible run
_GHOST_FRAMES = (8, 60)  # shortest life of a ghost, and one more than its longest
_GHOST_MEAN_FRAMES = 30  # by which a number of ghosts a frame becomes a number of lives
_GHOST_SPREAD_MM = 150.0  # from the marker that the ghost appears near
_GHOST_DRIFT_MM = 0.3  # a frame
_GHOST_FOLLOWS = 0.5  # share of that marker's movement that the ghost makes too
_SWAP_TOGETHER = 40  # frames that two columns must be seen together to be swapped
_SWAP_MARGIN = 15  # of those, frames left at either end
_SWAP_WITHIN_MM = 200.0
_SOMA_GHOST_SEEN = 0.7  # chance that one of SOMA's ghost slots is filled: 2.1 of 3 a frame

_Piece = tuple[int, int, int]  # source, start, stop: frames of a marker, or of a ghost


@dataclass(frozen=True)
class Corruption:
    """How much is done to a trial.

    cuts            places where a column ends and another begins without a gap (fewer where they fall into gaps).
    occlude         share of the visible points that is hidden, in stretches of 0.05 to 0.5 s.
    ghosts          points a frame, about, that are no marker; each lives 8 to 59 frames.
    swaps           pairs of columns that exchange identity without a gap (fewer if fewer come within 200 mm).
    rotate          turned about the vertical by a random angle.
    hidden_markers  markers that are missing in the whole trial.
    seed            the same seed makes the same case.

    Raises `TrialError` for counts below 0 and for an `occlude` outside 0 to 0.9.
    """

    cuts: int = 50
    occlude: float = 0.05
    ghosts: float = 3.0
    swaps: int = 4
    rotate: bool = True
    hidden_markers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("cuts", "ghosts", "swaps", "hidden_markers", "seed"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise TrialError(f"corruption: expected {name} of 0 or more, found {getattr(self, name)}")
        if not 0 <= self.occlude <= 0.9:
            raise TrialError(f"corruption: expected a share occlude from 0 to 0.9, found {self.occlude}")


@dataclass(frozen=True, eq=False)
class Case:
    """An unlabelled trial and its truth.

    trial   columns in random order, named `*0, *1, ...`.
    truth   int64 `(n_frames, n_columns)`: index into `labels`; -1 for ghosts and wherever nothing is seen.
    labels  the names that the truth speaks of; some may be missing in the trial.
    swaps   int64 `(n_swaps, 3)`: column, column, first frame in which they carry each other's marker.
    """

    trial: Trial
    truth: IntArray
    labels: Sequence[str]
    swaps: IntArray = field(default_factory=lambda: np.zeros((0, 3), np.int64))

    def __post_init__(self) -> None:
        if self.truth.shape != self.trial.positions.shape[:2] or self.swaps.shape[1:] != (3,):
            raise TrialError(
                f"case: expected truth {self.trial.positions.shape[:2]} and swaps (n, 3),"
                f" found {self.truth.shape} and {self.swaps.shape}"
            )
        if self.truth.size and not (self.truth.min() >= -1 and self.truth.max() < len(self.labels)):
            raise TrialError(f"case: expected truth from -1 to {len(self.labels) - 1}")
        object.__setattr__(self, "labels", tuple(self.labels))


def make_case(trial: Trial, corruption: Corruption | None = None, labels: Sequence[str] | None = None) -> Case:
    """A case made of the named, measured columns of `trial` by `corruption` (None: the defaults).

    `labels` chooses and orders what the truth speaks of, e.g. a model's vocabulary: columns of other names are left
    out of the case. None or empty: every label of the trial.

    Raises `TrialError` where the trial shows none of the labels, or not enough for `hidden_markers`.
    """
    how = corruption or Corruption()
    rng = np.random.default_rng(how.seed)
    labels, sources, label_of = _labelled_points(trial, labels)
    if how.hidden_markers >= len(label_of):
        raise TrialError(
            f"hidden markers: expected fewer than the {len(label_of)} labelled ones, found {how.hidden_markers}"
        )
    missing = rng.choice(len(label_of), how.hidden_markers, replace=False)
    sources[:, missing] = np.nan
    if how.rotate:
        sources = _turned(sources, rng.uniform(0, 2 * np.pi))
    _occlude(sources, how.occlude, trial.rate_hz, rng)
    columns = _pieces(sources, how.cuts, rng)
    swaps = _swap(sources, columns, how.swaps)
    ghosts = _ghosts(sources, how.ghosts, rng)
    columns += [[(sources.shape[1] + n, *run)] for n, ghost in enumerate(ghosts) for run in _runs(ghost)]
    sources = np.concatenate([sources, *(g[:, None] for g in ghosts)], axis=1)
    label_of = np.concatenate([label_of, np.full(len(ghosts), -1)])
    order = rng.permutation(len(columns))
    place = np.argsort(order)
    moved = np.array([(place[a], place[b], k) for a, b, k in swaps], np.int64).reshape(-1, 3)
    return _assembled(trial, sources, label_of, [columns[c] for c in order], labels, moved)


def make_soma_case(
    trial: Trial, occlusions: int, ghosts: int, broken: int, seed: int = 0, labels: Sequence[str] | None = None
) -> Case:
    """A case by SOMA's protocol, each frame by itself; see `make_case` for `labels`.

    occlusions  in each frame 0 to `occlusions - 1` markers, any number alike, are hidden.
    ghosts      columns of points drawn about the frame's median with the frame's standard deviation,
                each filled in 7 of 10 frames.
    broken      at up to this many different frames one visible marker goes on in a new column.

    Raises `TrialError` where the trial shows none of the labels, and for counts below 0.
    """
    if min(occlusions, ghosts, broken, seed) < 0:
        raise TrialError(f"SOMA's protocol: expected counts of 0 or more, found {occlusions}, {ghosts}, {broken}")
    rng = np.random.default_rng(seed)
    labels, sources, label_of = _labelled_points(trial, labels)
    n_frames, n_markers = sources.shape[:2]
    if occlusions:
        n_hidden = np.minimum(rng.integers(occlusions, size=n_frames), n_markers)
        rank = rng.random((n_frames, n_markers)).argsort(1).argsort(1)
        sources[rank < n_hidden[:, None]] = np.nan
    columns = _broken(sources, broken, rng)
    columns += [[(n_markers + n, 0, n_frames)] for n in range(ghosts)]
    sources = np.concatenate([sources, _soma_ghosts(sources, ghosts, rng)], axis=1)
    label_of = np.concatenate([label_of, np.full(ghosts, -1)])
    chosen = [columns[c] for c in rng.permutation(len(columns))]
    return _assembled(trial, sources, label_of, chosen, labels, np.zeros((0, 3), np.int64))


def labelled(case: Case) -> Trial:
    """The same points under their true labels, in the case's order, then the columns that hold ghosts, `*0, *1, ...`.

    Labels that are not seen are left out.
    """
    frame, column = np.nonzero(case.truth >= 0)
    label = case.truth[frame, column]
    seen = np.unique(label)
    ghosts = np.flatnonzero((case.trial.visible & (case.truth < 0)).any(0))
    positions: FloatArray = np.full((case.trial.n_frames, len(seen) + len(ghosts), 3), np.nan, np.float32)
    positions[frame, np.searchsorted(seen, label)] = case.trial.positions[frame, column]
    positions[:, len(seen) :] = np.where(case.truth[:, ghosts, None] < 0, case.trial.positions[:, ghosts], np.nan)
    names = [*(case.labels[k] for k in seen), *(f"*{n}" for n in range(len(ghosts)))]
    return Trial(positions, names, case.trial.rate_hz, first_frame=case.trial.first_frame, axes=case.trial.axes)


def _labelled_points(
    trial: Trial, labels: Sequence[str] | None
) -> tuple[tuple[str, ...], npt.NDArray[np.float64], IntArray]:
    """The labels, positions `(n_frames, n_markers, 3)` (a copy) and the label's index of each marker."""
    trial.require_points()
    found = labelled_columns(trial)
    names = tuple(labels or (label for label, _ in found))
    index = {label: n for n, label in enumerate(names)}
    used = [(index[label], column) for label, column in found if label in index]
    if not used:
        raise TrialError(f"labelled trial: expected columns named by the labels, found {', '.join(trial.labels[:5])}")
    label_of, columns = (list(x) for x in zip(*used, strict=True))
    if not trial.visible[:, columns].any():
        raise TrialError("labelled trial: expected visible points under its labels, found every one hidden")
    return names, trial.positions[:, columns].astype(np.float64), np.array(label_of, np.int64)


def _turned(points: npt.NDArray[np.float64], angle: float) -> npt.NDArray[np.float64]:
    """Points turned about the vertical axis by `angle` in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], -1)


def _occlude(points: npt.NDArray[np.float64], share: float, rate_hz: float, rng: np.random.Generator) -> None:
    """Hide (in place) stretches of single markers until `share` of the visible points is hidden."""
    n_frames, n_markers = points.shape[:2]
    left = share * int((~np.isnan(points[..., 0])).sum())
    while left > 0:
        marker = int(rng.integers(n_markers))
        length = max(2, int(rng.uniform(*_OCCLUSION_S) * rate_hz))
        start = int(rng.integers(-(length // 2), n_frames))
        stretch = points[max(0, start) : start + length, marker]
        left -= int((~np.isnan(stretch[:, 0])).sum())
        stretch[:] = np.nan


def _runs(points: npt.NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Start and stop of each visible run of one point `(n_frames, 3)`."""
    for start, stop in runs(~np.isnan(points[:, 0])):
        yield int(start), int(stop)


def _pieces(sources: npt.NDArray[np.float64], cuts: int, rng: np.random.Generator) -> list[list[_Piece]]:
    """A column for each visible run of each marker; of the runs that a cut falls into, one for each part."""
    n_frames, n_markers = sources.shape[:2]
    cut_marker = rng.integers(n_markers, size=cuts)
    cut_frame = rng.integers(5, max(6, n_frames - 5), size=cuts)
    columns: list[list[_Piece]] = []
    for marker in range(n_markers):
        mine = sorted({int(f) for f in cut_frame[cut_marker == marker]})
        for start, stop in _runs(sources[:, marker]):
            edges = [start, *(f for f in mine if start + _CUT_MARGIN < f < stop - _CUT_MARGIN), stop]
            columns += [[(marker, a, b)] for a, b in pairwise(edges)]
    return columns


def _swap(sources: npt.NDArray[np.float64], columns: list[list[_Piece]], n_swaps: int) -> list[tuple[int, int, int]]:
    """Let up to `n_swaps` pairs of columns exchange (in place) what follows the frame where they are closest.

    The nearest pairs come first, no column is swapped twice. Returns column, column, frame of each.
    """
    if n_swaps == 0:
        return []
    near = sorted(x for a in range(len(columns)) for x in _approaches(sources, columns, a))
    swaps: list[tuple[int, int, int]] = []
    used: set[int] = set()
    for _, a, b, frame in near:
        if len(swaps) < n_swaps and not {a, b} & used:
            (source_a, start_a, stop_a), (source_b, start_b, stop_b) = columns[a][0], columns[b][0]
            columns[a] = [(source_a, start_a, frame), (source_b, frame, stop_b)]
            columns[b] = [(source_b, start_b, frame), (source_a, frame, stop_a)]
            swaps.append((a, b, frame))
            used |= {a, b}
    return swaps


def _approaches(
    sources: npt.NDArray[np.float64], columns: list[list[_Piece]], a: int
) -> Iterator[tuple[float, int, int, int]]:
    """Distance, a, b and frame of the closest approach of column `a` to each earlier column that comes near enough."""
    (source, start, stop) = columns[a][0]
    if stop - start < _SWAP_TOGETHER:
        return
    for b in range(a):
        (other, other_start, other_stop) = columns[b][0]
        first, last = max(start, other_start), min(stop, other_stop)
        if last - first >= _SWAP_TOGETHER:
            inner = slice(first + _SWAP_MARGIN, last - _SWAP_MARGIN)
            apart = np.square(sources[inner, source] - sources[inner, other]).sum(1)
            closest = int(apart.argmin())
            if apart[closest] < _SWAP_WITHIN_MM**2:
                yield float(apart[closest]), a, b, inner.start + closest


def _ghosts(points: npt.NDArray[np.float64], a_frame: float, rng: np.random.Generator) -> list[npt.NDArray[np.float64]]:
    """Short-lived points `(n_frames, 3)`, NaN but for their life, each near a marker that is seen all that while."""
    n_frames, n_markers = points.shape[:2]
    ghosts = []
    for _ in range(round(a_frame * n_frames / _GHOST_MEAN_FRAMES)):
        length = min(n_frames, int(rng.integers(*_GHOST_FRAMES)))
        start = int(rng.integers(n_frames - length + 1))
        near = points[start : start + length, int(rng.integers(n_markers))]
        if np.isnan(near).any():
            continue
        ghost = np.full((n_frames, 3), np.nan)
        drift = np.cumsum(rng.normal(0, _GHOST_DRIFT_MM, (length, 3)), axis=0)
        offset = rng.normal(0, _GHOST_SPREAD_MM, 3)
        ghost[start : start + length] = near[0] + offset + drift + _GHOST_FOLLOWS * (near - near[0])
        ghosts.append(ghost)
    return ghosts


def _soma_ghosts(points: npt.NDArray[np.float64], n_ghosts: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """`(n_frames, n_ghosts, 3)`, hidden in frames without any marker."""
    seen = ~np.isnan(points[..., 0]).all(1)
    ghosts = np.full((len(points), n_ghosts, 3), np.nan)
    middle, spread = np.nanmedian(points[seen], 1), np.nanstd(points[seen], 1)
    ghosts[seen] = middle[:, None] + spread[:, None] * rng.normal(size=(int(seen.sum()), n_ghosts, 3))
    ghosts[rng.random(ghosts.shape[:2]) >= _SOMA_GHOST_SEEN] = np.nan
    return ghosts


def _broken(sources: npt.NDArray[np.float64], n_breaks: int, rng: np.random.Generator) -> list[list[_Piece]]:
    """A column for each marker, gaps and all; at `n_breaks` frames one that is seen there goes on in a new column."""
    n_frames, n_markers = sources.shape[:2]
    columns: list[list[_Piece]] = [[(marker, 0, n_frames)] for marker in range(n_markers)]
    current = np.arange(n_markers)  # the column that each marker is in
    inner = np.arange(2, n_frames - 1)
    for frame in sorted(int(f) for f in rng.choice(inner, min(n_breaks, len(inner)), replace=False)):
        seen = np.flatnonzero(~np.isnan(sources[frame, :, 0]))
        if len(seen):
            marker = int(rng.choice(seen))
            _, start, stop = columns[current[marker]][0]
            columns[current[marker]] = [(marker, start, frame)]
            current[marker] = len(columns)
            columns.append([(marker, frame, stop)])
    return columns


def _assembled(
    trial: Trial,
    sources: npt.NDArray[np.float64],
    label_of: IntArray,
    columns: list[list[_Piece]],
    labels: Sequence[str],
    swaps: IntArray,
) -> Case:
    """The case whose columns are made of these pieces of these sources."""
    positions: FloatArray = np.full((len(sources), len(columns), 3), np.nan, np.float32)
    truth = np.full(positions.shape[:2], -1, np.int64)
    for n, pieces in enumerate(columns):
        for source, start, stop in pieces:
            positions[start:stop, n] = sources[start:stop, source]
            truth[start:stop, n] = label_of[source]
    truth[np.isnan(positions[..., 0])] = -1
    names = [f"*{n}" for n in range(len(columns))]
    unlabelled = Trial(positions, names, trial.rate_hz, first_frame=trial.first_frame, axes=trial.axes)
    return Case(unlabelled, truth, labels, swaps)
