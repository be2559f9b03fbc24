"""What a labelling looked at, as HDF5.

Layout, for each trial a group named after it:

    /<trial>                      attributes: rate_hz, first_frame, n_frames, columns (names), labels (vocabulary),
                                  mechanism (that of a hybrid, transformer, or matcher), features (names)
    /<trial>/tracklets            int64 (n_tracklets, 3): column, first frame, one after the last, counted from 0
    /<trial>/windows/tracklet     int64 (n_windows,): index into tracklets
    /<trial>/windows/span         int64 (n_windows, 2): first frame, one after the last that the window speaks for
    /<trial>/windows/log_probs    float32 (n_windows, n_labels + 1): what the model says; the last class is no label.
                                  Of the matcher: how each point and moment fits each point of the reference

of a model of trajectories, too:

    /<trial>/windows/frames       int64 (n_windows, n_samples): sampled frames from 0; -1 where there is no sample
    /<trial>/windows/neighbours   int64 (n_windows, n_neighbours): columns, the nearest first; -1 where there are fewer
    /<trial>/windows/attention    float32 (n_windows, n_layers, n_heads, n_samples, n_samples):
                                  from query sample (fourth axis) to key sample (fifth); rows sum to 1;
                                  keys and queries without a sample are to be ignored.
                                  hierarchical: the heads of the short sequence, then those of the long one
    /<trial>/windows/importance   sparse, instead: float32 (n_windows, n_samples, n_neighbours, n_features), of a sample
                                  they sum to 1 over neighbours and features; 0 where there is no sample or neighbour
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import FloatArray, IntArray, Trial


@dataclass(frozen=True, eq=False)
class Inside:
    """What a labelling looked at.

    mechanism  by which, in a word.
    features   names of the last axis of importance.
    tracklets, scores  what each window says of which tracklet.
    parts      arrays by name for some windows each, in order.
    """

    mechanism: str
    features: Sequence[str]
    tracklets: Sequence[Tracklet]
    scores: LabelScores
    parts: Iterable[Mapping[str, FloatArray | IntArray]]


def write_attention(path: Path, name: str, trial: Trial, inside: Inside) -> None:
    """Write one trial's group into a new file, part by part, so that memory stays small."""
    tracklets, scores = inside.tracklets, inside.scores
    with h5py.File(path, "w") as file:
        group = file.create_group(name)
        group.attrs["rate_hz"] = trial.rate_hz
        group.attrs["first_frame"] = trial.first_frame
        group.attrs["n_frames"] = trial.n_frames
        group.attrs["columns"] = list(trial.labels)
        group.attrs["labels"] = list(scores.labels)
        group.attrs["mechanism"] = inside.mechanism
        group.attrs["features"] = list(inside.features)
        group["tracklets"] = np.array([(t.column, t.start, t.stop) for t in tracklets], np.int64).reshape(-1, 3)
        windows = group.create_group("windows")
        for key, value in (("tracklet", scores.tracklet), ("span", scores.frames), ("log_probs", scores.log_probs)):
            windows[key] = value
        for part in inside.parts:
            for key, value in part.items():
                _append(windows, key, value)


def _append(group: "h5py.Group", key: str, value: FloatArray | IntArray) -> None:
    if key not in group:
        group.create_dataset(key, data=value, maxshape=(None, *value.shape[1:]), compression="gzip", compression_opts=1)
        return
    data = group[key]
    data.resize(len(data) + len(value), axis=0)
    data[-len(value) :] = value
