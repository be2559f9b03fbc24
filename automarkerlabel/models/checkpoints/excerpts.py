"""Excerpts of the trials that a model learnt from, kept in its file: `aml adapt` practises on them, and checks by them
that what was right stays right."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import ModelError, TrialError

PREFIX = "kept/"  # of their tensors in a model's file
RATE_HZ = 30.0
SECONDS = 2.0
EACH = 3  # excerpts of a trial, at most
MOST_BYTES = 2_000_000  # in a file
_UNIT_MM = 0.5  # of the stored whole numbers, which reach 16 m
_HIDDEN = -32768


def excerpts(sources: Sequence[Source], rate_hz: float = RATE_HZ, seconds: float = SECONDS) -> list[Source]:
    """Stretches of each trial, evenly over it, at `rate_hz` or a little more; of their paths the names.

    Fewer of each trial, and of fewer trials, where they would take more than `MOST_BYTES`.
    """
    found: list[list[Source]] = []
    for source in sources:
        trial = source.trial
        stride = max(1, int(trial.rate_hz / rate_hz))
        rate, columns = trial.rate_hz / stride, [c for _, c in labelled_columns(trial)]
        points = trial.positions[::stride, columns]
        length = min(len(points), max(1, round(seconds * rate)))
        starts = np.unique(np.linspace(0, len(points) - length, min(EACH, max(1, len(points) // length))).astype(int))
        labels = [x for x, _ in labelled_columns(trial)]
        parts = (_centred(points[s : s + length]) for s in starts)
        name = Path(source.path.name)
        found.append([Source(name, Trial(p, labels, rate), source.subject) for p in parts if np.isfinite(p).any()])
    in_turn = [k for n in range(EACH) for some in found for k in some[n : n + 1]]  # the first of each trial first
    size = np.cumsum([k.trial.positions.size * 2 for k in in_turn])
    return in_turn[: int(np.searchsorted(size, MOST_BYTES, side="right"))]


def _centred(points: FloatArray) -> FloatArray:
    """With their middle above the origin."""
    middle = np.nanmean(points.reshape(-1, 3), axis=0) if np.isfinite(points).any() else np.zeros(3)
    return np.asarray(points - np.array([middle[0], middle[1], 0.0], np.float32), np.float32)


def pack(kept: Sequence[Source]) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Tensors by name, int16, and plain facts, to be stored in a model's file."""
    tensors, facts = {}, []
    for n, k in enumerate(kept):
        whole = np.clip(np.round(k.trial.positions / _UNIT_MM), _HIDDEN + 1, -_HIDDEN - 1)
        stored = np.where(np.isnan(whole), _HIDDEN, whole).astype(np.int16)
        tensors[f"{PREFIX}{n}"] = torch.from_numpy(np.ascontiguousarray(stored))
        facts.append(
            {"labels": list(k.trial.labels), "rate_hz": k.trial.rate_hz, "source": k.path.name, "subject": k.subject}
        )
    return tensors, facts


def unpack(tensors: dict[str, Tensor], facts: Sequence[dict[str, Any]]) -> list[Source]:
    """What `pack` made, to half a millimetre. Raises `ModelError` where tensors and facts do not agree."""
    found = []
    try:
        for n, fact in enumerate(facts):
            stored = tensors[f"{PREFIX}{n}"].numpy()
            points = np.where(stored == _HIDDEN, np.nan, stored * _UNIT_MM).astype(np.float32)
            trial = Trial(points, fact["labels"], fact["rate_hz"])
            found.append(Source(Path(fact["source"]), trial, fact["subject"]))
    except (KeyError, TypeError, TrialError, ValueError) as error:
        raise ModelError(f"model: expected the excerpts that it keeps, found them damaged: {error}") from error
    return found
