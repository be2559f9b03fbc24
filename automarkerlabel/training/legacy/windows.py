"""Training windows of the predecessor's network: its own preparation, a batch at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.core.marker_set import MarkerSet, in_label_order, labelled_columns
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import FloatArray, IntArray
from automarkerlabel.errors import TrialError
from automarkerlabel.labellers.legacy.inputs import (
    MIN_WINDOW,
    N_FEATURES,
    choose_neighbours,
    cut_windows,
    n_frames_used,
    network_input,
    smooth,
)

_SIDE = re.compile(r"left|right|^[lr]|[lr]$")
_SHOULDER = re.compile(r"acrom|should|^(ac|sh|sho)$")


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A trial's columns as planes `(3, n_frames, n_columns)`, those of the labels first; its windows and neighbours."""

    planes: Tensor
    windows: IntArray
    neighbours: Tensor


class TrainingWindows:
    """The windows of labelled trials, prepared as the predecessor prepares them for training.

    Each trial is turned about z so that the person faces +x: so that the left of a pair of labels is straight left of
    the right in the first frame with both. The pair is that of the shoulders, by name (AC, ACR, SHO, acromion,
    shoulder), else the first pair of the set of which a trial has such a frame. A set without pairs leaves
    trials as they are. Other than for labelling, no gap is filled. Windows of fewer than 3 frames are left out.

    Raises `TrialError` for a trial without the set's labels, without a pair to turn it by, or at 12 Hz or less, and if
    there are fewer than two windows.
    """

    def __init__(self, sources: Sequence[Source], marker_set: MarkerSet, scale: Sequence[float]) -> None:
        self.scale = list(scale)
        self.n_features = N_FEATURES * (len(marker_set) - 1)
        self.trials = [_prepare(source, marker_set) for source in sources]
        self.index = [(t, row) for t, trial in enumerate(self.trials) for row in range(len(trial.windows))]
        if len(self.index) < 2:
            raise TrialError(
                f"trials: expected at least two windows of {MIN_WINDOW} or more frames, found {len(self.index)}"
            )

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs `(n, n_frames of the longest, n_features)`, zero after a window's end; lengths `(n,)`; labels `(n,)`.

        Windows of one trial and length are made together.
        """
        frames, groups, labels = [], dict[tuple[int, int], list[int]](), []
        for place, row in enumerate(rows):
            t, n = self.index[row]
            trial = self.trials[t]
            window = trial.windows[n].tolist()
            frames.append(n_frames_used(trial.planes.permute(1, 2, 0), window, trial.neighbours[n]))
            groups.setdefault((t, len(frames[-1])), []).append(place)
            labels.append(window[0])
        inputs = torch.zeros(len(rows), max(map(len, frames)), self.n_features)
        for (t, length), places in groups.items():
            trial = self.trials[t]
            neighbours = trial.neighbours[[self.index[rows[p]][1] for p in places]]
            own = torch.tensor([labels[p] for p in places])
            made = network_input(trial.planes, own, torch.stack([frames[p] for p in places]), neighbours, self.scale)
            inputs[places, :length] = made.transpose(0, 1)
        return inputs, torch.tensor([len(x) for x in frames]), torch.tensor(labels)


def _prepare(source: Source, marker_set: MarkerSet) -> _Prepared:
    points = _columns(source, marker_set)
    seen = np.flatnonzero(~np.isnan(points[..., 0]).all(1))
    points = points[: seen[-1] + 1]  # the filter holds a trajectory's end up to the last frame with any
    filtered = smooth(_facing_x(points, source, marker_set), source.trial.rate_hz)
    filtered[np.isnan(points)] = np.nan
    tensor = torch.from_numpy(filtered)
    windows = cut_windows(~np.isnan(filtered[..., 0]))
    windows = windows[windows[:, 0] < len(marker_set)]
    neighbours = choose_neighbours(tensor, windows, len(marker_set) - 1)
    used = [len(n_frames_used(tensor, w, n)) for w, n in zip(windows.tolist(), neighbours, strict=True)]
    kept = np.array(used, np.int64) >= MIN_WINDOW
    return _Prepared(tensor.permute(2, 0, 1).contiguous(), windows[kept], neighbours[torch.from_numpy(kept)])


def _columns(source: Source, marker_set: MarkerSet) -> FloatArray:
    """`(n_frames, n_columns, 3)`: the labels in the set's order, then every other measured point."""
    trial = source.trial
    labels = set(marker_set.labels)
    named = {column for label, column in labelled_columns(trial) if label in labels}
    points = in_label_order(trial, marker_set)
    if np.isnan(points).all():
        own = ", ".join([label for label, _ in labelled_columns(trial)][:4]) or "none"
        raise TrialError(
            f"{source.path}: expected points with labels of marker set {marker_set.name}"
            f" ({', '.join(marker_set.labels[:4])}, ...), found others ({own}, ...)"
        )
    others = [column for column in trial.marker_columns if column not in named]
    return np.concatenate([points, trial.positions[:, others]], 1)


def _facing_x(points: FloatArray, source: Source, marker_set: MarkerSet) -> FloatArray:
    pairs = facing_pairs(marker_set)
    index = {label: n for n, label in enumerate(marker_set.labels)}
    for left, right in pairs:
        across = points[:, index[left]] - points[:, index[right]]
        both = np.flatnonzero(~np.isnan(across[:, 0]))
        if len(both):
            x, y, _ = across[both[0]].astype(np.float64)
            angle = np.arctan2(x, y)
            c, s = np.cos(angle), np.sin(angle)
            turned: FloatArray = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
            return turned
    if pairs:
        raise TrialError(
            f"{source.path}: expected a frame with a left and a right label of marker set {marker_set.name}"
            f" ({', '.join(pairs[0])}, ...), which tell where the person faces, found none"
        )
    return points


def facing_pairs(marker_set: MarkerSet) -> list[tuple[str, str]]:
    """The (left, right) labels that tell where the person faces, in order of preference: shoulders first."""
    return sorted(marker_set.pairs or (), key=lambda pair: not _is_shoulder(pair[0]))


def _is_shoulder(left: str) -> bool:
    return _SHOULDER.search(_SIDE.sub("", left.casefold()).strip(" ._-")) is not None
