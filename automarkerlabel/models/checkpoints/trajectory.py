"""One file that rebuilds a model: weights and everything needed to use them, in a container that cannot carry code.

A safetensors file, whatever its suffix, with one JSON text in its metadata.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.source import Source
from automarkerlabel.errors import ModelError
from automarkerlabel.io.safetensors import UNREADABLE, has_facts, read_tensors, write_tensors
from automarkerlabel.models.checkpoints.excerpts import PREFIX, pack, unpack

FORMAT = "automarkerlabel model"
FORMAT_VERSION = 1
_PLAIN = ("model_type", "config", "windows", "scale", "temperature", "no_label_offset", "confidence", "training")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model as it is stored.

    model_type   a key of `MODELS`, or "legacy_lstm" for a converted checkpoint of the predecessor.
    config       the network's settings, plain values.
    windows      the settings of `WindowConfig`; empty for a converted checkpoint.
    marker_set   whose labels the classes are.
    scale        feature scaling, one number a feature.
    tensors      the weights by name.
    temperature, no_label_offset  calibration, see `evaluate.calibrate`.
    confidence   what confidences are made of, see `decide.confidence.Calibration`; empty: the temperature alone.
    training     provenance: data, steps, settings, figures; plain values.
    kept         excerpts of what it learnt from, see `keepsakes`.
    """

    model_type: str
    config: dict[str, Any]
    windows: dict[str, Any]
    marker_set: MarkerSet
    scale: list[float]
    tensors: dict[str, Tensor]
    temperature: float = 1.0
    no_label_offset: float = 0.0
    training: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    confidence: dict[str, Any] = field(default_factory=dict)
    kept: Sequence[Source] = ()


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write the model file, whole or not at all. Raises `OutputError`."""
    from automarkerlabel.version import __version__

    facts: dict[str, Any] = {x: getattr(checkpoint, x) for x in _PLAIN}
    marker_set = asdict(checkpoint.marker_set)
    if checkpoint.marker_set.local_mm is not None:
        marker_set["local_mm"] = checkpoint.marker_set.local_mm.tolist()
    facts |= {"format": FORMAT, "format_version": FORMAT_VERSION, "version": __version__, "marker_set": marker_set}
    kept, facts["kept"] = pack(checkpoint.kept)
    write_tensors(path, checkpoint.tensors | kept, "automarkerlabel", facts)


def is_checkpoint(path: Path) -> bool:
    """Whether a file is a model of ours, whatever its suffix."""
    return has_facts(path, "automarkerlabel")


def load(path: Path) -> Checkpoint:
    """Read a model file. Raises `ModelError` for a file that is none or of a newer format."""
    try:
        tensors, text = read_tensors(path, "automarkerlabel")
    except FileNotFoundError as error:
        raise ModelError(f"{path}: expected a model file, found none") from error
    except UNREADABLE as error:
        raise ModelError(
            f"{path}: expected a model file written by `aml train` or `aml models convert`, found something else"
        ) from error
    try:
        facts = json.loads(text or "null")
        if facts["format"] != FORMAT or facts["format_version"] > FORMAT_VERSION:
            raise ModelError(
                f"{path}: expected model format {FORMAT_VERSION}, found {facts['format_version']};"
                " update automarkerlabel"
            )
        stored = facts["marker_set"]
        local = stored["local_mm"]
        marker_set = MarkerSet(
            stored["labels"],
            stored["segments"],
            [(a, b) for a, b in stored["pairs"]],
            None if local is None else torch.tensor(local, dtype=torch.float32).numpy(),
            stored["name"],
        )
        kept = unpack(tensors, facts.get("kept", []))
        tensors = {k: v for k, v in tensors.items() if not k.startswith(PREFIX)}
        return Checkpoint(
            str(facts["model_type"]), dict(facts["config"]), dict(facts["windows"]), marker_set,
            [float(x) for x in facts["scale"]], tensors, float(facts["temperature"]),
            float(facts["no_label_offset"]), dict(facts["training"]), str(facts["version"]),
            dict(facts.get("confidence", {})), kept,
        )  # fmt: skip
    except (ArithmeticError, AttributeError, KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: expected a model of this package, found one without {error}") from error
