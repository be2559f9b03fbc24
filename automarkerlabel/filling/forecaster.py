"""A forecaster and its file: the network's weights and example poses, in a container that cannot carry code."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import FloatArray, IntArray
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.filling.forecaster_inputs import UNIT_MM, Rolls, frames_beside, rolls, to_frames
from automarkerlabel.filling.regression import Foretold
from automarkerlabel.io.safetensors import UNREADABLE, read_tensors, write_tensors
from automarkerlabel.models import require_sizes
from automarkerlabel.models.checkpoints.excerpts import PREFIX, pack, unpack
from automarkerlabel.models.checkpoints.forecaster import FACTS
from automarkerlabel.models.forecaster import ForecasterConfig, ForecasterModel
from automarkerlabel.version import __version__

FORMAT_VERSION = 1


class Forecaster:
    """Fills gaps of the labels that its example poses hold.

    network  rolls on from the edges of a gap.
    kept     poses of each trial that it was trained on.
    """

    def __init__(self, network: ForecasterModel, kept: Sequence[Source], training: dict[str, Any]) -> None:
        self.network, self.kept, self.training = network.eval(), kept, training

    def poses(self, labels: Sequence[str]) -> list[FloatArray]:
        """`(n_poses, n_labels, 3)` mm of each trial, NaN where it lacks a label."""
        found = []
        for trial in (source.trial for source in self.kept):
            columns = dict(labelled_columns(trial))
            points = np.full((trial.n_frames, len(labels), 3), np.nan, np.float32)
            for n, label in enumerate(labels):
                if label in columns:
                    points[:, n] = trial.positions[:, columns[label]]
            found.append(points)
        return found

    def beside(self, rate_hz: float) -> int:
        """How many frames beside a gap are looked at."""
        return frames_beside(rate_hz)

    def rolled(self, found: Foretold, rate_hz: float, looseness_mm: float) -> npt.NDArray[np.float64]:
        """`(n_gaps, n_hidden, 3)` mm in the mates' axes: what is to be added to `found.bridged()`."""
        sequence = rolls(found, rate_hz, looseness_mm)
        with torch.no_grad():
            answer = blend(run(self.network, sequence), sequence.frames)
        return np.asarray(answer.numpy(), np.float64) * UNIT_MM

    def ahead(self, found: Foretold, rate_hz: float, looseness_mm: float) -> npt.NDArray[np.float64]:
        """`(n_gaps, 3)` mm in space: where the marker will be in the last hidden frame, told without what follows."""
        sequence = rolls(found, rate_hz, looseness_mm, far_known=False)
        n = len(found.told)
        with torch.no_grad():
            answer = run(self.network, sequence)[:n, -1].numpy() * UNIT_MM  # (n_gaps, 3)
        near = found.beside - 1
        last = near + found.n_hidden
        there = found.measured[:, near] + found.told[:, last] - found.told[:, near] + answer
        return np.asarray(np.einsum("gj,gji->gi", there, found.turn[:, last]) + found.centre[:, last])

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises `OutputError`."""
        kept, kept_facts = pack(self.kept)
        facts = {
            "format_version": FORMAT_VERSION, "version": __version__, "config": asdict(self.network.config),
            "kept": kept_facts, "training": self.training,
        }  # fmt: skip
        write_tensors(path, self.network.state_dict() | kept, FACTS, facts)


def facts(path: Path) -> dict[str, Any]:
    """What is in a forecaster's file, as plain values for a table or JSON. Raises `ModelError`."""
    forecaster = load(path)
    labels = {label for source in forecaster.kept for label in source.trial.labels}
    return {
        "model_type": "forecaster",
        "parameters": sum(p.numel() for p in forecaster.network.parameters()),
        "labels": sorted(labels),
        "poses": sum(source.trial.n_frames for source in forecaster.kept),
        "training": forecaster.training,
    }


def load(path: Path) -> Forecaster:
    """Read a forecaster. Raises `InputError` where there is none, `ModelError` for another file or a newer format."""
    if not path.is_file():
        raise InputError(
            f"model: expected a forecaster's file, found none at {path}; aml train --task forecast makes one"
        )
    try:
        tensors, text = read_tensors(path, FACTS)
    except UNREADABLE as error:
        raise ModelError(f"{path}: expected a forecaster (aml train --task forecast), found something else") from error
    if text is None:
        raise ModelError(f"{path}: expected a forecaster (aml train --task forecast), found another model")
    try:
        facts = json.loads(text)
        if facts["format_version"] > FORMAT_VERSION:
            raise ModelError(f"{path}: expected format {FORMAT_VERSION} or older; update automarkerlabel")
        kept = unpack(tensors, facts["kept"])
        weights = {k: v for k, v in tensors.items() if not k.startswith(PREFIX)}
        config = ForecasterConfig(**facts["config"])
        require_sizes({"cells": config.cells, "n_facts": config.n_facts}, lambda: ForecasterModel(config), weights)
        network = ForecasterModel(config)
        network.load_state_dict(weights)
        return Forecaster(network, kept, dict(facts["training"]))
    except (ArithmeticError, AttributeError, KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: expected a forecaster of this package, found it damaged: {error}") from error


def run(network: ForecasterModel, sequence: Rolls) -> Tensor:
    """`(2 n_gaps, n_steps, 3)`, units: the miss less `base`, as the network rolls it."""
    facts, known = torch.from_numpy(sequence.facts), torch.from_numpy(sequence.known)
    answer: Tensor = network(facts, known, torch.from_numpy(sequence.motion), torch.from_numpy(sequence.guess))
    return answer


def blend(rolled: Tensor, frames: IntArray) -> Tensor:
    """`(n_gaps, n_hidden, 3)`: both rolls in each hidden frame, each counting less the farther it is from its edge."""
    everywhere = torch.einsum("fs,bsk->bfk", torch.from_numpy(to_frames(frames)), rolled)
    forward, backward = everywhere.chunk(2)
    n_hidden = everywhere.shape[1]
    share = torch.arange(1, n_hidden + 1)[:, None] / (n_hidden + 1)
    return (1 - share) * forward + share * backward.flip(1)
