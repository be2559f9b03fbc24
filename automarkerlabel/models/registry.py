"""The networks by name, and how each is made.

Every model is made by `build`, and answers `model(x, mask, with_weights=False)` with class scores and a list of
attention weights: x `(batch, time, n_features)`, mask `(batch, time)` True where there is a sample, samples first;
scores `(batch, n_labels + 1)`, the last class being *no label*.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from automarkerlabel.errors import ModelError
from automarkerlabel.models.hybrid import HybridConfig, HybridModel
from automarkerlabel.models.lstm import LSTMConfig, LSTMModel
from automarkerlabel.models.transformer import TransformerConfig, TransformerModel

Config = LSTMConfig | TransformerConfig | HybridConfig


class Architecture(NamedTuple):
    """A model type: its network, its config, and the config of the paper preset."""

    model: type[LSTMModel] | type[TransformerModel] | type[HybridModel]
    config: type[LSTMConfig] | type[TransformerConfig] | type[HybridConfig]
    presets: dict[str, dict[str, Any]]


_PAPER_HEAD = {"head_width": 128, "pooling": "flatten", "norm": "batch", "head_dropout": 0.0}

MODELS: dict[str, Architecture] = {
    "lstm": Architecture(
        LSTMModel,
        LSTMConfig,
        {
            "light": {"projection": 128},
            "full": {"projection": 192, "cells": 192},
            "paper": {"cells": 256, "layers": 3, "dropout": 0.17, "projection": 0, **_PAPER_HEAD},
        },
    ),
    "transformer": Architecture(
        TransformerModel,
        TransformerConfig,
        {
            "light": {},
            "full": {"width": 192, "heads": 6, "layers": 3, "feed_forward": 384},
            "paper": {
                "width": 256, "heads": 8, "layers": 3, "feed_forward": 512, "attention_dropout": 0.1, **_PAPER_HEAD,
            },
        },
    ),
    "hybrid": Architecture(
        HybridModel,
        HybridConfig,
        {
            "light": {},
            "full": {"cells": 192, "layers": 2},
            "paper": {
                "cells": 256, "layers": 3, "dropout": 0.17, "heads": 8, "attention_dropout": 0.1, **_PAPER_HEAD,
            },
        },
    ),
}  # fmt: skip


def architecture(name: str) -> Architecture:
    """The model type of that name; `ModelError` names the known ones otherwise."""
    if name not in MODELS:
        raise ModelError(f"model type: expected one of {', '.join(MODELS)}, found {name!r}")
    return MODELS[name]


def make_config(name: str, preset: str = "light", **changes: Any) -> Config:
    """The config of a model type in a preset, with changes."""
    kind = architecture(name)
    if preset not in kind.presets:
        raise ModelError(f"preset: expected one of {', '.join(kind.presets)}, found {preset!r}")
    known = kind.config.__dataclass_fields__
    strange = sorted(set(changes) - set(known))
    if strange:
        raise ModelError(f"{strange[0]}: expected none with {name}, which has {', '.join(known)}")
    return kind.config(**{**kind.presets[preset], **changes})


def build(name: str, config: Config, n_features: int, n_samples: int, n_classes: int) -> nn.Module:
    """A network of that type with fresh weights. `n_features` numbers a sample, `n_classes` = labels + 1."""
    kind = architecture(name)
    if not isinstance(config, kind.config):
        raise ModelError(f"model type {name}: expected a {kind.config.__name__}, found a {type(config).__name__}")
    try:
        return kind.model(config, n_features, n_samples, n_classes)  # type: ignore[arg-type]
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"model type {name}: {error}") from error


def require_sizes(settings: Mapping[str, Any], make: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` unless the network that `make` makes of these settings is as large as its weights.

    A file may ask for any size, and a network takes its memory before weights are put into it.
    """
    n_weights = sum(x.numel() for x in weights.values())
    for name, value in settings.items():
        most = len(weights) if name.endswith(("layers", "recycles")) else n_weights
        if isinstance(value, int) and abs(value) > most:
            raise ValueError(f"{name} of {value}")
    try:
        with torch.device("meta"):  # shapes alone, without memory
            own = {k: v.shape for k, v in make().state_dict().items()}
    except (AttributeError, ArithmeticError, IndexError, RuntimeError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    wrong = sorted(k for k in own.keys() | weights.keys() if k not in own or k not in weights)
    wrong = wrong or sorted(k for k in own if own[k] != weights[k].shape)
    if wrong:
        raise ValueError(f"{wrong[0]!r} missing, new or resized")


def config_dict(config: Config) -> dict[str, Any]:
    """A config as plain values, for a checkpoint."""
    return asdict(config)
