"""What `aml tune` searches, and what it was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.source import Source
from automarkerlabel.errors import InputError
from automarkerlabel.models import architecture, make_config
from automarkerlabel.training import trajectory_plan
from automarkerlabel.training.settings import PRESETS, TRAJECTORY_TYPES, TrainSettings

PRUNERS = ("median", "hyperband", "none")
DEFAULTS: dict[str, Any] = {"epochs": 12, "epoch_windows": 20_000}  # of a trial; options and --config win


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; whole ones in steps of `step` if that is given, even in the logarithm if `log`."""

    low: float
    high: float
    log: bool = False
    step: int | None = None


@dataclass(frozen=True)
class Choice:
    values: tuple[Any, ...]


# What is searched, by the names of `settings.py`. A model type is searched over the network settings that it has.
# Augmentation and the span of a window are not: they make the question easier or harder, and so the loss by which
# settings are compared.
SPACE: dict[str, Range | Choice] = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "weight_decay": Range(1e-3, 1e-1, log=True),
    "batch_size": Choice((128, 256, 512)),
    "n_neighbours": Range(12, 48, step=4),
    "cells": Choice((64, 96, 128, 192, 256)),
    "width": Choice((64, 96, 128, 192, 256)),
    "layers": Range(1, 3, step=1),
    "heads": Choice((2, 4, 8)),
    "feed_forward": Choice((128, 256, 512)),
    "projection": Choice((0, 64, 128, 192)),
    "attention_dropout": Range(0.0, 0.3),
    "head_width": Choice((64, 128, 256)),
    "head_dropout": Range(0.0, 0.4),
}


def searched(model_type: str, fixed: Mapping[str, Any]) -> dict[str, Range | Choice]:
    """The part of `SPACE` that a model type has, without what is held fixed."""
    own = {f.name for cls in (TrainSettings, WindowConfig, architecture(model_type).config) for f in fields(cls)}
    return {name: where for name, where in SPACE.items() if name in own and name not in fixed}


@dataclass(frozen=True, eq=False)
class Search:
    """What `aml tune` was asked for.

    study      the SQLite file; gone on with where it exists.
    best       where the best settings go, as TOML for `aml train --config`.
    fixed      settings that are not searched, by name.
    validation trials to compare by; None: `val_share` of the sources, by `val_by`.
    minutes    stop after this time, the trial under way after its epoch, unless none is finished yet.
    trials     stop when the study holds so many finished ones.
    jobs       processes, of one thread each.

    Raises `InputError` for what cannot be.
    """

    study: Path
    best: Path
    sources: Sequence[Source]
    model_types: tuple[str, ...] = ("hybrid",)
    preset: str = "light"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    validation: Sequence[Source] | None = None
    val_share: float = 0.08
    val_by: str = "trial"
    marker_set: Path | None = None
    minutes: float | None = None
    trials: int | None = None
    jobs: int = 1
    pruner: str = "median"
    device: str = "cpu"

    def __post_init__(self) -> None:
        for kind in self.model_types:
            if kind not in TRAJECTORY_TYPES:
                raise InputError(f"model_type: expected some of {', '.join(TRAJECTORY_TYPES)}, found {kind!r}")
        for name, least in (("jobs", 1), ("minutes", 0), ("trials", 0)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise InputError(f"--{name}: expected {least} or more, found {value}")
        if self.pruner not in PRUNERS:
            raise InputError(f"pruner: expected one of {', '.join(PRUNERS)}, found {self.pruner!r}")
        if self.minutes is None and self.trials is None:
            raise InputError("expected --minutes or --trials, found neither")
        if self.validation is None and not self.val_share > 0:
            raise InputError("val_share: expected more than 0, since settings are compared by validation, found 0")

    def plan(self, model_type: str, chosen: Mapping[str, Any], out: Path) -> trajectory_plan.Plan:
        """What one trial trains."""
        changed = {**DEFAULTS, **self.fixed, **chosen}
        return trajectory_plan.plan_of(model_type, self.preset, changed, out=out, device=self.device)

    def facts(self) -> dict[str, Any]:
        """What all trials of a study have in common."""
        return {
            "model types": list(self.model_types),
            "preset": self.preset,
            "held settings": {**DEFAULTS, **self.fixed},
            "trials": _names(self.sources),
            "validation": [self.val_share, self.val_by] if self.validation is None else _names(self.validation),
            "marker set": None if self.marker_set is None else self.marker_set.name,
            "ranges": {
                name: str(where) for kind in self.model_types for name, where in searched(kind, self.fixed).items()
            },
        }


def _names(sources: Sequence[Source]) -> list[str]:
    return sorted(f"{s.path.name}, {s.trial.n_frames} frames" for s in sources)


def customary(search: Search, model_type: str) -> dict[str, Any]:
    """The settings of the preset, where they lie in the ranges: the first trial, so that the best is no worse."""
    config = make_config(model_type, search.preset)
    preset = PRESETS[search.preset]
    usual: dict[str, Any] = {}
    for settings in (TrainSettings(**preset["training"]), WindowConfig(**preset["windows"]), config):  # type: ignore[arg-type]
        usual |= {f.name: getattr(settings, f.name) for f in fields(settings)}
    found = {
        name: usual[name] for name, where in searched(model_type, search.fixed).items() if _inside(usual[name], where)
    }
    return found | ({"model_type": model_type} if len(search.model_types) > 1 else {})


def _inside(value: Any, where: Range | Choice) -> bool:
    if isinstance(where, Choice):
        return value in where.values
    return bool(where.low <= value <= where.high and (where.step is None or (value - where.low) % where.step == 0))
