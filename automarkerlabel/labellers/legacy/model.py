"""Checkpoints of the predecessor (Clouthier et al. 2021): read without running any code of theirs, converted, used.

It left three files: a state dict or training checkpoint (`.ckpt`), training values (`.pickle`) and an OpenSim marker
set (`.xml`, see `io.opensim`). `convert` makes one model of them.
"""

import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.errors import FileFormatError, ModelError
from automarkerlabel.io.files import check_input, read_bytes
from automarkerlabel.io.unpickle import unpickle
from automarkerlabel.labellers.legacy.inputs import (
    LONGEST_WINDOW,
    MIN_WINDOW,
    N_FEATURES,
    choose_neighbours,
    cut,
    cut_windows,
    long_enough,
    n_frames_used,
    network_input,
    smooth,
    trajectories,
)
from automarkerlabel.models.legacy_lstm import LegacyLstm, LegacyLstmConfig, config_of

_MAX_BYTES = 2 << 30
_CHUNK = 64, 256  # fewest and most windows that advance through the network together
_INPUT_CHUNK = 64  # windows whose input is made at once: what they need stays in the cache
_TRAINING_KEYS = ("epoch", "model_state_dict", "optimizer_state_dict", "rng_state")


@dataclass(frozen=True, eq=False)
class LegacyParts:
    """The predecessor's three files as parts of one model: `LegacyModel(config, tensors, marker_set)` uses them."""

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    scale: list[float]
    labels: tuple[str, ...]
    marker_set: MarkerSet


@dataclass(frozen=True, eq=False)
class ResumeParts:
    """The predecessor's training checkpoint: finished epochs, weights, SGD's state, torch's random state, and the loss
    of every step so far."""

    epoch: int
    tensors: dict[str, Tensor]
    optimizer_state: dict[str, Any]
    rng_state: Tensor
    running_loss: list[float]


@dataclass(frozen=True, eq=False)
class TrainingValues:
    """What the predecessor measured on its training data.

    scale          mean distance, speed (mm a frame) and acceleration: its inputs are divided by them.
    max_len        frames to which the network's outputs are padded.
    segment_means  distances between the markers of each body segment, one matrix a segment, in mm.
    segment_stds   their standard deviations.
    """

    scale: tuple[float, float, float]
    max_len: int
    segment_means: list[FloatArray]
    segment_stds: list[FloatArray]


def load_checkpoint(path: Path) -> tuple[LegacyLstmConfig, dict[str, Tensor]]:
    """The network's config, told by the shapes, and its weights, from a state dict or a training checkpoint.

    Raises `InputError` if the file cannot be read, `ModelError` if it is another file or another network.
    """
    return _network(path, _load(path))


def resume_parts(path: Path) -> ResumeParts:
    """What training goes on from, of a training checkpoint of the predecessor.

    Raises `InputError` if the file cannot be read, `ModelError` if it is another file or holds weights alone.
    """
    content = _load(path)
    missing = [key for key in _TRAINING_KEYS if key not in content]
    if missing:
        raise ModelError(
            f"{path}: expected a training checkpoint with {', '.join(_TRAINING_KEYS)}, found none with {missing[0]};"
            " weights alone can be trained further with --from"
        )
    epoch, optimizer, rng = content["epoch"], content["optimizer_state_dict"], content["rng_state"]
    if not (isinstance(epoch, int) and isinstance(optimizer, dict) and isinstance(rng, Tensor)):
        raise ModelError(
            f"{path}: expected a training checkpoint, found epoch, optimizer or random state of another type"
        )
    losses = content.get("running_loss")
    running = [x for x in losses if isinstance(x, float)] if isinstance(losses, list) else []
    return ResumeParts(epoch, _network(path, content)[1], optimizer, rng.cpu(), running)


def is_training_checkpoint(path: Path) -> bool:
    """Whether a checkpoint of the predecessor holds more than weights.

    Raises `InputError` if the file cannot be read, `ModelError` if it is another file.
    """
    return "model_state_dict" in _load(path)


def _load(path: Path) -> dict[str, Any]:
    check_input(path)
    _refuse_packed(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler and the archive happen to raise
        raise ModelError(
            f"{path}: expected a checkpoint of the predecessor (a state dict of tensors), found a file that holds none"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ModelError(
            f"{path}: expected a checkpoint of the predecessor, found a file with a {type(content).__name__}"
        )
    return content


def _refuse_packed(path: Path) -> None:
    """Raise `ModelError` for an archive that unpacks to more than it is: torch's own are not packed."""
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(max(x.file_size, x.compress_size) for x in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):  # an older checkpoint, or torch will say
        return
    if n_bytes > path.stat().st_size:
        raise ModelError(f"{path}: expected a checkpoint of the predecessor, found an archive of {n_bytes:,} bytes")


def _network(path: Path, content: Mapping[str, Any]) -> tuple[LegacyLstmConfig, dict[str, Tensor]]:
    state = content.get("model_state_dict", content)
    if not isinstance(state, Mapping) or not all(isinstance(x, Tensor) for x in state.values()):
        odd = ", ".join(list(content)[:4]) or "nothing"
        raise ModelError(f"{path}: expected a state dict of the predecessor (lstm.*, fc.*), found a file with {odd}")
    # Tensors may claim more than the file holds, by strides of 0.
    if sum(x.numel() * x.element_size() for x in state.values()) > path.stat().st_size + 4096:
        raise ModelError(f"{path}: expected a state dict of the predecessor, found tensors larger than the file")
    try:
        return config_of(state), {name: x.detach().clone().contiguous() for name, x in state.items()}
    except ValueError as error:
        raise ModelError(
            f"{path}: expected the predecessor's network (lstm.*, fc.0, fc.1, fc.3), found {error}"
        ) from error


def load_training_values(path: Path) -> TrainingValues:
    """The predecessor's training values. Its pickle can hold arrays and tensors, and nothing that runs.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it holds anything else.
    """
    content = unpickle(path, read_bytes(path, _MAX_BYTES))
    try:
        scale = np.asarray(content["scaleVals"], np.float64).ravel()[:3]
        distances = content["segdists"]
        with np.errstate(over="ignore"):
            means, stds = ([np.asarray(x, np.float32) for x in distances[key]] for key in ("mean", "std"))
        max_len = int(content["max_len"])
    except (TypeError, KeyError, ValueError, IndexError, OverflowError, RuntimeError) as error:
        raise FileFormatError(
            f"{path}: expected training values of the predecessor with scaleVals, segdists and max_len, found others"
        ) from error
    if len(scale) != 3 or not (np.isfinite(scale) & (scale > 0)).all():
        raise FileFormatError(f"{path}: expected three finite scaleVals above 0, found {scale.tolist()}")
    return TrainingValues((float(scale[0]), float(scale[1]), float(scale[2])), max_len, means, stds)


def convert(checkpoint_path: Path, training_values_path: Path, marker_set: MarkerSet) -> LegacyParts:
    """The predecessor's three files as one model.

    Raises `InputError` if a file cannot be read; `FileFormatError` or `ModelError` if one is not what it should be;
    `ModelError` if they do not fit together.
    """
    config, tensors = load_checkpoint(checkpoint_path)
    values = load_training_values(training_values_path)
    if config.n_labels != len(marker_set):
        raise ModelError(
            f"{checkpoint_path}: expected a network for the {len(marker_set)} labels of marker set {marker_set.name},"
            f" found one for {config.n_labels}"
        )
    if values.max_len != config.max_len:
        raise ModelError(
            f"{training_values_path}: expected training values with max_len {config.max_len} as in {checkpoint_path},"
            f" found {values.max_len}"
        )
    segments = {segment for segment in marker_set.segments if segment}
    if segments and len(values.segment_means) != len(segments):
        raise ModelError(
            f"{training_values_path}: expected distances in the {len(segments)} segments of marker set"
            f" {marker_set.name}, found {len(values.segment_means)}"
        )
    parts = asdict(config) | {"scale": list(values.scale)}
    LegacyModel(parts, tensors, marker_set)  # refuses what it could not use
    return LegacyParts(tensors, parts, list(values.scale), tuple(marker_set.labels), marker_set)


class LegacyModel:
    """The predecessor's network with its own preparation.

    config      the fields of `LegacyLstmConfig`, and `scale`, three numbers.
    tensors     its state dict.

    Raises `ModelError` if they do not fit together.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor], marker_set: MarkerSet) -> None:
        try:
            settings = LegacyLstmConfig(**{f.name: config[f.name] for f in fields(LegacyLstmConfig)})
            self.scale = [float(x) for x in config["scale"]]
            if asdict(config_of(tensors)) | {"dropout": settings.dropout} != asdict(settings):
                raise ValueError("weights of another size than its config")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"model: expected the predecessor's network, found {error}") from error
        n_features = N_FEATURES * (settings.n_labels - 1)
        for what, wanted, found in (
            ("labels", len(marker_set), settings.n_labels),
            ("numbers a frame", n_features, settings.n_features),
            ("scales", 3, len(self.scale)),
        ):
            if wanted != found:
                raise ModelError(f"model: expected a network of {wanted} {what} for {marker_set.name}, found {found}")
        if settings.max_len < LONGEST_WINDOW:
            raise ModelError(f"model: expected max_len of at least {LONGEST_WINDOW} frames, found {settings.max_len}")
        self.labels = tuple(marker_set.labels)
        self.network = LegacyLstm(settings).eval()
        self.network.load_state_dict(dict(tensors))

    def split(self, trial: Trial) -> list[Tracklet]:
        """The tracklets of a trial, as the predecessor cuts them."""
        return cut(trial)

    def scores(
        self, trial: Trial, heading_deg: float = 0.0, tracklets: list[Tracklet] | None = None
    ) -> tuple[list[Tracklet], LabelScores]:
        """The trial's tracklets, as the predecessor cuts them unless given, and their label probabilities in windows.

        `heading_deg` turns the trial about z (x towards y) so that the person faces +x, as in training.

        The network has no class for *no label*. It gets the probability of a uniform guess, 1 / (n_labels + 1), and
        all are divided by their sum: a window in which no label is likelier than that speaks for no label.

        Raises `TrialError` if the trial's rate is 12 Hz or less.
        """
        pieces = cut(trial) if tracklets is None else tracklets
        kept = np.flatnonzero([long_enough(piece) for piece in pieces])
        filtered = smooth(trajectories(trial, [pieces[n] for n in kept], heading_deg), trial.rate_hz)
        windows, log_probs = self.score_windows(filtered)
        guess = 1 / (len(self.labels) + 1)
        with_none = np.full((len(windows), len(self.labels) + 1), np.log(guess), np.float32)
        with_none[:, :-1] = log_probs
        with_none -= np.float32(np.log1p(guess))
        return pieces, LabelScores(
            self.labels, with_none, kept[windows[:, 0]].astype(np.int64), windows[:, 1:], len(pieces)
        )

    @torch.inference_mode()
    def score_windows(self, filtered: FloatArray) -> tuple[IntArray, FloatArray]:
        """Windows `(n, 3)` trajectory, start, stop, and their log-probabilities float32 `(n, n_labels)`.

        `filtered` is `(n_frames, n_trajectories, 3)`, prepared as by `preparation.smooth`.
        """
        windows = cut_windows(~np.isnan(filtered[..., 0]))
        n_labels = len(self.labels)
        points = torch.from_numpy(np.ascontiguousarray(filtered, np.float32))
        if points.shape[1] < n_labels:
            empty = points.new_full((len(points), n_labels - points.shape[1], 3), torch.nan)
            points = torch.cat([points, empty], 1)
        neighbours = choose_neighbours(points, windows, n_labels - 1)
        frames = [n_frames_used(points, w, n) for w, n in zip(windows.tolist(), neighbours, strict=True)]
        lengths = np.array([len(x) for x in frames], np.int64)
        order = np.argsort(-lengths, kind="stable")[: int((lengths >= MIN_WINDOW).sum())]
        planes = points.permute(2, 0, 1).contiguous()
        log_probs = np.zeros((len(windows), n_labels), np.float32)

        @torch.inference_mode()
        def score(chunk: IntArray) -> None:
            own = torch.from_numpy(windows[chunk, 0])
            inputs = self._inputs(planes, own, [frames[n] for n in chunk], neighbours[chunk])
            log_probs[chunk] = self.network.predict(inputs, torch.from_numpy(lengths[chunk])).numpy()

        _in_parallel(score, order)
        used = np.sort(order)
        return windows[used], log_probs[used]

    def _inputs(self, planes: Tensor, own: Tensor, frames: list[Tensor], neighbours: Tensor) -> Tensor:
        """`(n_frames, n_windows, n_features)` of windows sorted by length, longest first; zero after a window's end."""
        lengths = np.array([len(x) for x in frames])
        out = planes.new_zeros(int(lengths[0]), len(frames), self.network.config.n_features)
        starts = np.flatnonzero(np.diff(lengths, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(frames)], strict=True):
            for a in range(start, stop, _INPUT_CHUNK):
                b = min(stop, a + _INPUT_CHUNK)
                together = torch.stack(frames[a:b])
                out[: lengths[a], a:b] = network_input(planes, own[a:b], together, neighbours[a:b], self.scale)
        return out


def _in_parallel(score: Callable[[IntArray], None], windows: IntArray) -> None:
    """Score windows in chunks, as many at a time as torch would use threads, each with one thread of its own.

    Threads that share every small operation wait for each other: where another program holds one of the cores, tens of
    times as long as they work.
    """
    n_threads = torch.get_num_threads()
    size = int(np.clip(-(-len(windows) // n_threads), *_CHUNK))
    chunks = [windows[n : n + size] for n in range(0, len(windows), size)]
    try:
        with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(score, chunks))
    finally:
        torch.set_num_threads(n_threads)
