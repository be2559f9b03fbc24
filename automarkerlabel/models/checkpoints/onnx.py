"""Trajectory models as ONNX files, which run without PyTorch: any number of windows, of any number of samples.

The graph takes the features of windows as `features.neighbour_features` makes them, in mm and seconds, and gives
log-probabilities. What else is needed to use it stands in its metadata as JSON: labels, settings of windows,
calibration. Before the file is written, onnxruntime must give with it what PyTorch gives.
"""

import importlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.trial import BoolArray, FloatArray
from automarkerlabel.errors import InputError, ModelError, VerificationError
from automarkerlabel.io import files
from automarkerlabel.models import MODELS
from automarkerlabel.models.attention import sparse
from automarkerlabel.models.checkpoints import find_model, load_model
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.checkpoints.matcher import is_matcher
from automarkerlabel.models.inputs import FEATURES, N_FEATURES, WAVES_PER_MM, encode
from automarkerlabel.version import __version__

_OPSET = 17
_LARGEST_DIFFERENCE = 1e-4  # of log-probabilities
_BATCHES = (1, 5, 32)  # windows, in which the graph is checked
_SUFFIXES = (".onnx",)


@dataclass(frozen=True)
class Check:
    """The largest difference from PyTorch in log-probabilities, of `batch` windows of `time` samples."""

    batch: int
    time: int
    difference: float


@dataclass(frozen=True)
class OnnxReport:
    """What was written, and how it was checked."""

    model_type: str
    n_labels: int
    opset: int
    checks: tuple[Check, ...]


class _Whole(nn.Module):
    """A network with all before and after it that needs no choice: encoding and normalisation."""

    def __init__(self, network: nn.Module, scale: FloatArray) -> None:
        super().__init__()
        self.network = network
        self.scale = torch.from_numpy(scale)
        self.waves = torch.from_numpy(WAVES_PER_MM)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features `(batch, time, neighbour, N_FEATURES)`, mask `(batch, time)` -> `(batch, n_labels + 1)`.

        The same as `features.encode`, on tensors.
        """
        phase = features[..., 3:4] * self.waves
        seen = features[..., -1:]
        encoded = torch.cat([features / self.scale, torch.sin(phase) * seen, torch.cos(phase) * seen], -1)
        return torch.log_softmax(self.network(encoded.flatten(2), mask)[0], -1)


def export_onnx(model: str | Path, path: Path, overwrite: bool = False) -> OnnxReport:
    """Write a model, by file or by name, as an ONNX file.

    Raises `ModelError` for a model that is none of trajectories, `InputError` if onnx and onnxruntime are not
    installed, `OutputError` if the file cannot be written, `VerificationError` if onnxruntime and PyTorch differ by
    more than 1e-4 in a log-probability.
    """
    source = find_model(model)
    files.check_output(path, [source], overwrite, _SUFFIXES)
    if is_matcher(source):
        raise ModelError(
            f"{source}: expected a model of type {', '.join(MODELS)}, found a matcher, which is not written as ONNX: it"
            " uses operations that ONNX lacks"
        )
    checkpoint = store.load(source)
    if checkpoint.model_type not in MODELS:
        raise ModelError(
            f"{source}: expected a model of type {', '.join(MODELS)}, found {checkpoint.model_type}, which is not"
            " written as ONNX"
        )
    onnx, _ = _library("onnx"), _library("onnxruntime")
    whole = _Whole(load_model(checkpoint), np.array(checkpoint.scale, np.float32)).eval()
    windows = WindowConfig(**checkpoint.windows)
    any_length = checkpoint.config.get("pooling") != "flatten"
    with files.atomic(path) as temporary:
        _record(whole, windows, any_length, temporary)
        graph = onnx.load(str(temporary))
        onnx.helper.set_model_props(graph, _about(checkpoint, source, any_length))
        onnx.checker.check_model(graph)
        data = graph.SerializeToString()
        checks = _checked(data, whole, checkpoint, windows, any_length, path)
        temporary.write_bytes(data)
    return OnnxReport(checkpoint.model_type, len(checkpoint.marker_set), _OPSET, checks)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"ONNX: expected {name}, found none; install it: pip install 'automarkerlabel[onnx]'"
        ) from error


def _about(checkpoint: store.Checkpoint, source: Path, any_length: bool) -> dict[str, str]:
    """Metadata: plain texts, JSON where they hold more than a word."""
    calibration = {name: getattr(checkpoint, name) for name in ("temperature", "no_label_offset", "confidence")}
    return {
        "format": "automarkerlabel onnx",
        "version": __version__,
        "source": source.name,
        "model_type": checkpoint.model_type,
        "config": json.dumps(checkpoint.config),
        "labels": json.dumps(list(checkpoint.marker_set.labels)),
        "segments": json.dumps(list(checkpoint.marker_set.segments)),
        "features": json.dumps(FEATURES),
        "windows": json.dumps(checkpoint.windows),
        "any_length": json.dumps(any_length),
        "calibration": json.dumps(calibration),
    }


def _record(whole: _Whole, windows: WindowConfig, any_length: bool, path: Path) -> None:
    """Write the graph. It does not depend on the example that it is recorded with, see `_checked`."""
    features, mask = _example(3, windows.n_samples, windows.n_neighbours, whole.scale.numpy())
    axes = {0: "batch", 1: "time"} if any_length else {0: "batch"}
    with warnings.catch_warnings(), _without_loops():
        # The recorder of torch.export keeps the example's length of an LSTM's window (PyTorch 2.13); this one does not,
        # and says on every use that the other is recommended.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole, (torch.from_numpy(features), torch.from_numpy(mask)), str(path), dynamo=False, opset_version=_OPSET,
            input_names=["features", "mask"], output_names=["log_probs"],
            dynamic_axes={"features": axes, "mask": axes, "log_probs": {0: "batch"}},
        )  # fmt: skip


@contextmanager
def _without_loops() -> Iterator[None]:
    """Sparsemax in its form without a loop, which a graph that is recorded once can hold."""
    usual = sparse.sparsemax
    sparse.sparsemax = sparse.sorted_sparsemax
    try:
        yield
    finally:
        sparse.sparsemax = usual


def _example(
    batch: int, time: int, n_neighbours: int, scale: FloatArray, seed: int = 0
) -> tuple[FloatArray, BoolArray]:
    """Windows drawn at random, some of their samples and neighbours missing."""
    rng = np.random.default_rng(seed)
    features: FloatArray = rng.normal(0, 1, (batch, time, n_neighbours, N_FEATURES)).astype(np.float32) * scale
    features[..., 3:6] = np.abs(features[..., 3:6])
    features[..., 6] = 1
    features[rng.random((batch, time, n_neighbours)) < 0.2] = 0
    mask: BoolArray = np.arange(time) < rng.integers(1, time + 1, batch)[:, None]
    features[~mask] = 0
    return features, mask


def _checked(
    data: bytes, whole: _Whole, checkpoint: store.Checkpoint, windows: WindowConfig, any_length: bool, path: Path
) -> tuple[Check, ...]:
    """Three sizes, with onnxruntime and with PyTorch after `features.encode`."""
    runtime = _library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    scale = np.array(checkpoint.scale, np.float32)
    lengths = (windows.n_samples, max(1, windows.n_samples // 2), 1) if any_length else (windows.n_samples,) * 3
    checks = []
    for n, (batch, time) in enumerate(zip(_BATCHES, lengths, strict=True)):
        features, mask = _example(batch, time, windows.n_neighbours, scale, seed=n + 1)
        with torch.inference_mode():
            x = torch.from_numpy(encode(features, scale))
            expected = torch.log_softmax(whole.network(x, torch.from_numpy(mask))[0], -1).numpy()
        found = session.run(None, {"features": features, "mask": mask})[0]
        difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
        if not difference <= _LARGEST_DIFFERENCE:
            raise VerificationError(
                f"{path}: expected what PyTorch gives, found log-probabilities that differ by {difference:.2g} for"
                f" {batch} windows of {time} samples; nothing was written"
            )
        checks.append(Check(batch, time, difference))
    return tuple(checks)
