"""Attention weights as HDF5.

Layout, for each trial a group named after it:

    /<trial>                      attributes: rate_hz, first_frame, n_frames, columns (names), labels (vocabulary)
    /<trial>/tracklets            int64 (n_tracklets, 3): column, first frame, one after the last, counted from 0
    /<trial>/windows/tracklet     int64 (n_windows,): index into tracklets
    /<trial>/windows/frames       int64 (n_windows, n_samples): sampled frames from 0; -1 where there is no sample
    /<trial>/windows/log_probs    float32 (n_windows, n_labels + 1): what the model says; the last class is no label
    /<trial>/windows/attention    float32 (n_windows, n_layers, n_heads, n_samples, n_samples):
                                  from query sample (fourth axis) to key sample (fifth); rows sum to 1;
                                  keys and queries without a sample are to be ignored
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from automarkerlabel.scores import LabelScores
from automarkerlabel.tracklets import Tracklet
from automarkerlabel.trial import FloatArray, IntArray, Trial


class WindowWeights(Protocol):
    """Some windows: `tracklet` `(n,)`, `frames` `(n, sample)`, `weights` `(n, layer, head, sample, sample)`."""

    @property
    def tracklet(self) -> IntArray: ...
    @property
    def frames(self) -> IntArray: ...
    @property
    def weights(self) -> FloatArray: ...


def write_attention(
    path: Path,
    name: str,
    trial: Trial,
    tracklets: Sequence[Tracklet],
    scores: LabelScores,
    parts: Iterable[WindowWeights],
) -> None:
    """Write one trial's group into a new file, part by part, so that memory stays small."""
    with h5py.File(path, "w") as file:
        group = file.create_group(name)
        group.attrs["rate_hz"] = trial.rate_hz
        group.attrs["first_frame"] = trial.first_frame
        group.attrs["n_frames"] = trial.n_frames
        group.attrs["columns"] = list(trial.labels)
        group.attrs["labels"] = list(scores.labels)
        group["tracklets"] = np.array([(t.column, t.start, t.stop) for t in tracklets], np.int64).reshape(-1, 3)
        windows = group.create_group("windows")
        windows["log_probs"] = scores.log_probs
        for part in parts:
            for key, value in (("tracklet", part.tracklet), ("frames", part.frames), ("attention", part.weights)):
                _append(windows, key, value)


def _append(group: "h5py.Group", key: str, value: FloatArray | IntArray) -> None:
    if key not in group:
        group.create_dataset(key, data=value, maxshape=(None, *value.shape[1:]), compression="gzip", compression_opts=1)
        return
    data = group[key]
    data.resize(len(data) + len(value), axis=0)
    data[-len(value) :] = value
