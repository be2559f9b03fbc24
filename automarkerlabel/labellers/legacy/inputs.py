"""What the predecessor's network is fed: trajectories cut, filled and filtered, windows, and their neighbours' motion.

All as the predecessor (Clouthier et al. 2021) does it, differences in speed aside, since its weights know nothing else.
Positions are mm, z up, with the person facing +x.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import butter, filtfilt
from torch import Tensor

from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial, runs
from automarkerlabel.errors import TrialError

WINDOW = 120  # frames
MIN_REST = 12  # a shorter rest of a run goes with the window before
MIN_WINDOW = 3  # an acceleration needs three frames
LONGEST_WINDOW = WINDOW + MIN_REST - 1
N_FEATURES = 5  # a neighbour: x, y, z, speed, acceleration
_MIN_SPAN = 3  # frames of a trajectory that is kept
_CUT_GAP = 60  # frames
_FILL_GAP = 4  # frames
_CUTOFF_HZ = 6.0
_CHUNK = 64  # trajectories, or windows, worked on at once: bounds the memory


def cut(trial: Trial) -> list[Tracklet]:
    """The measured columns cut into trajectories, ordered by column and frame; also those too short for the network.

    A column is cut at a gap of 60 frames or more, and where it reappears farther from where it vanished than the
    nearest other point was, one frame after it had vanished.
    """
    pieces = []
    for column in trial.marker_columns:
        seen = runs(trial.visible[:, column])
        if not len(seen):
            continue
        stops, starts = seen[:-1, 1], seen[1:, 0]  # of the gaps: first hidden frame, first visible one again
        vanished = trial.positions[stops - 1, column]
        jump = np.linalg.norm(trial.positions[starts, column] - vanished, axis=1)
        away = np.linalg.norm(trial.positions[stops] - vanished[:, None], axis=2)  # (n_gaps, n_columns)
        away[:, [column, *trial.computed]] = np.inf
        nearest = np.nan_to_num(away, nan=np.inf).min(1)
        at = np.flatnonzero((jump > nearest) | (starts - stops >= _CUT_GAP))
        begins = [int(seen[0, 0]), *starts[at].tolist()]
        ends = [*stops[at].tolist(), int(seen[-1, 1])]
        pieces += [Tracklet(column, b, e) for b, e in zip(begins, ends, strict=True)]
    return pieces


def long_enough(piece: Tracklet) -> bool:
    """Whether the network is asked about a trajectory, and takes it as a neighbour."""
    return piece.stop - piece.start >= _MIN_SPAN


def trajectories(trial: Trial, pieces: Sequence[Tracklet], heading_deg: float = 0.0) -> FloatArray:
    """`(n_frames, n_pieces, 3)`: each piece in a column of its own, turned about z by `heading_deg`."""
    out = np.full((trial.n_frames, len(pieces), 3), np.nan, np.float32)
    for n, piece in enumerate(pieces):
        out[piece.start : piece.stop, n] = trial.positions[piece.start : piece.stop, piece.column]
    c, s = np.cos(np.deg2rad(heading_deg)), np.sin(np.deg2rad(heading_deg))
    turned: FloatArray = out @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32) if heading_deg else out
    return turned


def smooth(positions: FloatArray, rate_hz: float) -> FloatArray:
    """Trajectories `(n_frames, n_trajectories, 3)` with gaps begun to be filled, and low-pass filtered at 6 Hz.

    The first 4 frames of each gap inside a trajectory are filled linearly: so a longer one is not left as it was.

    Raises `TrialError` if the rate is too low for the filter.
    """
    if rate_hz <= 2 * _CUTOFF_HZ:
        raise TrialError(
            f"rate: expected more than {2 * _CUTOFF_HZ:g} frames a second for this model, found {rate_hz:g}"
        )
    n_frames = len(positions)
    out = np.full(positions.shape, np.nan, np.float32)
    b, a = butter(2, _CUTOFF_HZ / (rate_hz / 2))
    pad = min(3 * len(b), n_frames - 1)
    for first in range(0, positions.shape[1], _CHUNK):
        part = positions[:, first : first + _CHUNK]
        visible = ~np.isnan(part[..., 0])
        some = visible.any(0)
        filled = _filled(part[:, some], visible[:, some])
        filtered = filtfilt(b, a, filled, axis=0, padlen=pad)
        filtered[~_begun(visible[:, some])] = np.nan
        out[:, first : first + _CHUNK][:, some] = filtered
    return out


def _filled(positions: FloatArray, visible: BoolArray) -> npt.NDArray[np.float64]:
    """Every gap filled linearly, both ends held."""
    frames = np.arange(len(positions))
    out = np.empty(positions.shape)
    for n in range(positions.shape[1]):
        seen = np.flatnonzero(visible[:, n])
        for axis in range(3):
            out[:, n, axis] = np.interp(frames, seen, positions[seen, n, axis])
    return out


def _begun(visible: BoolArray) -> BoolArray:
    """Where a trajectory is seen, or hidden for no more than 4 frames after it was seen, before it is seen again."""
    frames = np.arange(len(visible))[:, None]
    before = np.maximum.accumulate(np.where(visible, frames, -1), axis=0)
    after = np.logical_or.accumulate(visible[::-1], axis=0)[::-1]
    begun: BoolArray = visible | ((before >= 0) & after & (frames - before <= _FILL_GAP))
    return begun


def cut_windows(visible: BoolArray) -> IntArray:
    """Windows `(n_windows, 3)` trajectory, start and stop, over the visible runs of `(n_frames, n_trajectories)`.

    Windows of fewer than 3 frames, and those in which no other trajectory is seen, are left out.
    """
    windows = []
    for n in range(visible.shape[1]):
        for start, stop in runs(visible[:, n]).tolist():
            n_windows = max(1, (stop - start + WINDOW - MIN_REST) // WINDOW)
            begins = [start + WINDOW * k for k in range(n_windows)]
            windows += [(n, b, e) for b, e in zip(begins, [*begins[1:], stop], strict=True) if e - b >= MIN_WINDOW]
    found = np.array(windows, np.int64).reshape(-1, 3)
    total = np.concatenate([[0], visible.sum(1).cumsum()])
    own = found[:, 2] - found[:, 1]
    kept: IntArray = found[total[found[:, 2]] - total[found[:, 1]] > own]
    return kept


def choose_neighbours(points: Tensor, windows: IntArray, n_neighbours: int) -> Tensor:
    """The trajectories `(n_windows, n_neighbours)` that enter each window's input, in no particular order.

    Where more than n_neighbours + 1 others are seen in every frame, the nearest of those, by their mean distance; else
    those seen in most frames. `points` is `(n_frames, n_trajectories, 3)` with more than n_neighbours trajectories.
    """
    visible = ~torch.isnan(points[..., 0])
    total = torch.cat([torch.zeros(1, visible.shape[1], dtype=torch.int64), visible.cumsum(0)])
    chosen = torch.empty(len(windows), n_neighbours, dtype=torch.int64)
    if not len(windows):
        return chosen
    spans, group = np.unique(windows[:, 1:], axis=0, return_inverse=True)
    members = np.split(np.argsort(group.ravel(), kind="stable"), np.cumsum(np.bincount(group.ravel()))[:-1])
    for (start, stop), rows in zip(spans.tolist(), members, strict=True):
        count = total[stop] - total[start]
        throughout = torch.nonzero(count == stop - start)[:, 0]
        own = torch.from_numpy(windows[rows, 0])
        if len(throughout) - 1 > n_neighbours + 1:
            chosen[rows] = throughout[_nearest(points[start:stop, throughout], throughout, own, n_neighbours)]
            continue
        for row, trajectory in zip(rows.tolist(), own.tolist(), strict=True):
            others = torch.cat([torch.arange(trajectory), torch.arange(trajectory + 1, len(count))])
            # Not stable: among equals this sort's own order decides, and its choice is the predecessor's.
            chosen[row] = others[torch.sort(count[others], descending=True)[1][:n_neighbours]]
    return chosen


def _nearest(points: Tensor, columns: Tensor, own: Tensor, n: int) -> Tensor:
    """For each of `own` the indices into `columns` of the `n` nearest others by mean distance over `points`."""
    me = torch.searchsorted(columns, own)
    distance = torch.empty(len(own), len(columns))
    for first in range(0, len(own), _CHUNK):
        mine = points[:, me[first : first + _CHUNK]]  # (n_frames, n_own, 3)
        distance[first : first + _CHUNK] = torch.cdist(mine, points, compute_mode="donot_use_mm_for_euclid_dist").mean(
            0
        )
    distance[torch.arange(len(own)), me] = torch.inf
    return distance.argsort(1)[:, :n]


def n_frames_used(points: Tensor, window: Sequence[int], neighbours: Tensor) -> Tensor:
    """The frames of a window in which any of its neighbours is seen: the others are dropped."""
    _, start, stop = window
    seen = ~torch.isnan(points[start:stop, neighbours, 0]).all(1)
    return start + torch.nonzero(seen)[:, 0]


def network_input(planes: Tensor, own: Tensor, frames: Tensor, neighbours: Tensor, scale: Sequence[float]) -> Tensor:
    """The input `(n_frames, n_windows, n_neighbours * 5)` of windows of one length.

    planes      `(3, n_frames_of_trial, n_trajectories)`: x, y and z of all trajectories, NaN where hidden.
    own         `(n_windows,)` trajectory of each window.
    frames      `(n_windows, n_frames)` in each of which one of the neighbours, at least, is seen.
    neighbours  `(n_windows, n_neighbours)`; they enter sorted by their mean position relative to `own`.
    scale       by which positions, speeds and accelerations are divided.
    """
    n_windows, n_neighbours = neighbours.shape
    relative = planes[:, frames[:, :, None], neighbours[:, None, :]]  # (3, n_windows, n_frames, n_neighbours)
    hidden = torch.isnan(relative)
    if hidden.any():
        # A hidden neighbour stands at the mean of those seen.
        relative = torch.where(hidden, relative.nanmean(3, keepdim=True), relative)
    relative -= planes[:, frames, own[:, None]][..., None]
    order = relative.mean(2).square().sum(0).sqrt().argsort(dim=1, stable=True)
    relative = relative.gather(3, order[None, :, None, :].expand(relative.shape))
    out = relative.new_empty(frames.shape[1], n_windows, n_neighbours, N_FEATURES)
    out[..., :3] = relative.permute(2, 1, 3, 0) / scale[0]
    step = relative.diff(dim=2)
    bend = step.diff(dim=2)
    out[1:, ..., 3] = (step.square().sum(0).sqrt() / scale[1]).transpose(0, 1)
    out[2:, ..., 4] = (bend.square().sum(0).sqrt() / scale[2]).transpose(0, 1)
    # What the first frames have no past for is taken from the first that has.
    out[0, ..., 3] = out[1, ..., 3]
    out[:2, ..., 4] = out[2, ..., 4]
    return out.flatten(2)
