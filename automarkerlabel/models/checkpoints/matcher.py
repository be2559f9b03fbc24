"""The matcher's file: weights and config in one safetensors file that cannot carry code.

A training state has, beside the weights, their moving average and the optimiser's moments; loading takes the average.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from automarkerlabel.errors import ModelError
from automarkerlabel.io.safetensors import UNREADABLE, has_facts, read_tensors, write_tensors
from automarkerlabel.models import require_sizes
from automarkerlabel.models.matcher import Matcher, MatcherConfig
from automarkerlabel.version import __version__

FORMAT = "automarkerlabel matcher"
FORMAT_VERSION = 1
_FACTS = "automarkerlabel_matcher"  # not the key of the trajectory models
SHIPPED = "shipped/"  # the weights to label with: in a training state, their moving average as a change from `weights/`
WEIGHTS = "weights/"


def write(path: Path, config: MatcherConfig, tensors: dict[str, Tensor], training: dict[str, Any]) -> None:
    """Write a file, whole or not at all. `training` is the provenance: plain values. Raises `OutputError`."""
    facts = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "version": __version__,
        "config": asdict(config), "training": training,
    }  # fmt: skip
    write_tensors(path, tensors, _FACTS, facts)


def is_matcher(path: Path) -> bool:
    """Whether a file is a matcher's, whatever its suffix."""
    return has_facts(path, _FACTS)


def read(path: Path) -> tuple[MatcherConfig, dict[str, Tensor], dict[str, Any]]:
    """Config, tensors and provenance. Raises `ModelError` for a file that is no matcher, or of a newer format."""
    try:
        tensors, text = read_tensors(path, _FACTS)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: expected a matcher's file, found none") from error
    except UNREADABLE as error:
        raise ModelError(f"{path}: expected a matcher's file, found something else") from error
    try:
        facts = json.loads(text or "null")
        if facts["format_version"] > FORMAT_VERSION:
            raise ModelError(
                f"{path}: expected matcher format {FORMAT_VERSION}, found {facts['format_version']};"
                " update automarkerlabel"
            )
        return MatcherConfig(**facts["config"]), tensors, dict(facts["training"])
    except (AttributeError, ArithmeticError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: expected a matcher of this package, found one without {error}") from error


def load_matcher(path: Path) -> tuple[Matcher, dict[str, Any]]:
    """The network to label with, from a shipped file or a training state, and its provenance. Raises `ModelError`."""
    config, tensors, training = read(path)
    weights = with_prefix(tensors, WEIGHTS)
    change = with_prefix(tensors, SHIPPED)
    try:
        if change:
            weights = average(weights, change)
        require_sizes(asdict(config), lambda: Matcher(config), weights)
        matcher = Matcher(config)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: expected the weights of its own config, found others: {error}") from error
    take_weights(matcher, weights, path)
    return matcher.eval(), training


def save_matcher(path: Path, matcher: Matcher, training: dict[str, Any]) -> None:
    """Write the weights alone, as they are shipped."""
    write(path, matcher.config, {WEIGHTS + k: v for k, v in matcher.state_dict().items()}, training)


def take_weights(matcher: Matcher, weights: dict[str, Tensor], path: Path) -> None:
    """Put weights into a network. Raises `ModelError` unless names and shapes are the network's own."""
    own = matcher.state_dict()
    wrong = sorted(k for k in own.keys() | weights.keys() if k not in own or k not in weights)
    wrong = wrong or sorted(k for k in own if own[k].shape != weights[k].shape)
    if wrong:
        raise ModelError(f"{path}: expected the weights of its own config, found {wrong[0]!r} missing, new or resized")
    matcher.load_state_dict({k: v.float() for k, v in weights.items()})


def average(weights: dict[str, Tensor], change: dict[str, Tensor]) -> dict[str, Tensor]:
    """The moving average, stored as its change from the weights."""
    return {k: w + change[k].to(w.dtype) for k, w in weights.items() if k in change}


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those of a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def half(tensor: Tensor) -> Tensor:
    """bfloat16: the range of float32 in half its size."""
    return tensor.to(torch.bfloat16)
