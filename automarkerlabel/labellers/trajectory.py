"""The seam between the user's world (numpy, millimetres) and tensors: a model file in, labels out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.assignment.confidence import Calibration, calibrated
from automarkerlabel.assignment.pipeline import labelled
from automarkerlabel.assignment.swaps import Decide, Solved
from automarkerlabel.core import tracklets as pieces
from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.errors import ModelError
from automarkerlabel.io.hdf5.attention import Inside
from automarkerlabel.labellers.labeller import Labeller, LabelResult, refuse_heading
from automarkerlabel.models import MODELS, architecture
from automarkerlabel.models.checkpoints import find_model, load_model
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.device import set_for_labelling
from automarkerlabel.models.inputs import FEATURES, Windows, cut_windows, encode, gather, neighbour_features

if TYPE_CHECKING:
    from automarkerlabel.labellers.legacy.model import LegacyModel

_WINDOWS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class AttentionWeights:
    """Attention of some windows of a trial.

    tracklet    int `(n_windows,)`.
    frames      int `(n_windows, sample)`: what is sampled, -1 where there is no sample.
    neighbours  int `(n_windows, neighbour)`: their columns, -1 where there are fewer.
    weights     `(n_windows, layer, head, sample, sample)`; None for the sparse selection.
    importance  of that `(n_windows, sample, neighbour, feature)`, features as in `FEATURES`; else None.
    """

    tracklet: IntArray
    frames: IntArray
    neighbours: IntArray
    weights: FloatArray | None
    importance: FloatArray | None

    def arrays(self) -> dict[str, FloatArray | IntArray]:
        """By name, as they are dumped; the tracklets apart."""
        arrays: dict[str, FloatArray | IntArray] = {"frames": self.frames, "neighbours": self.neighbours}
        for name, found in (("attention", self.weights), ("importance", self.importance)):
            if found is not None:
                arrays[name] = found
        return arrays


class TrajectoryLabeller(Labeller):
    """By a model of trajectories, whose labels are its own; `name` is what the model is called."""

    def __init__(self, checkpoint: store.Checkpoint, device: str = "cpu", name: str = "") -> None:
        self.checkpoint = checkpoint
        self.name = name
        self.marker_set: MarkerSet = checkpoint.marker_set
        self.device = torch.device(device)
        self.calibration = Calibration.from_plain(checkpoint.confidence)
        self.legacy: LegacyModel | None = None
        if checkpoint.model_type == "legacy_lstm":
            from automarkerlabel.labellers.legacy import model  # and with it scipy.signal, only where it is needed

            self.legacy = model.LegacyModel(checkpoint.config, checkpoint.tensors, checkpoint.marker_set)
            return
        self.model = load_model(checkpoint).to(self.device).eval()
        self.windows = WindowConfig(**checkpoint.windows)
        self.scale = np.array(checkpoint.scale, np.float32)
        if self.device.type == "cpu":
            set_for_labelling(self.model)

    @classmethod
    def of_file(cls, model: str | Path, device: str = "cpu") -> Self:
        """From a model file, or the name of a model that ships with the package.

        Raises `ModelError` for a file that is no model.
        """
        return cls(store.load(find_model(model)), device, str(model))

    @property
    def has_attention(self) -> bool:
        """Whether the model has attention weights to look at."""
        return self.legacy is None and architecture(self.checkpoint.model_type).model.has_attention

    @property
    def mechanism(self) -> str:
        """What attends: of a hybrid its attention, else the model type."""
        config = architecture(self.checkpoint.model_type).config(**self.checkpoint.config)
        return str(getattr(config, "attention", self.checkpoint.model_type))

    def require_attention(self) -> None:
        """Raise `ModelError` for a model type without attention, naming those that have it."""
        if not self.has_attention:
            having = [name for name, kind in MODELS.items() if kind.model.has_attention]
            raise ModelError(
                f"attention: expected a model of type {' or '.join(having)}, found {self.checkpoint.model_type},"
                " which has no attention weights"
            )

    def label(
        self, trial: Trial, keep_labels: bool = False, heading_deg: float | None = None, swaps: bool = True
    ) -> LabelResult:
        """As `Labeller.label`; `swaps`: whether columns that carry two markers are looked for and cut."""
        if self.legacy is None:
            refuse_heading(heading_deg, f"a model of type {self.checkpoint.model_type}")
        heading = heading_deg or 0.0

        def solve(trial: Trial, tracklets: list[Tracklet], decide: Decide) -> Solved[None]:
            scores = self.scores(trial, heading, tracklets)[1]
            return Solved(scores, decide(trial, tracklets, scores), None)

        temperature = self.checkpoint.temperature
        labelling, _ = labelled(trial, solve, temperature, keep_labels, swaps, split=self.split)
        by = f"model {self.name or self.checkpoint.model_type}"
        return LabelResult.of(calibrated(labelling, self.calibration), by, trial, marker_set=self.marker_set)

    def require_inside(self) -> None:
        self.require_attention()

    def inside(self, trial: Trial) -> Inside:
        self.require_inside()
        tracklets, scores = self.scores(trial)
        parts = (part.arrays() for part in self.attention(trial))
        return Inside(self.mechanism, FEATURES, tracklets, scores, parts)

    def split(self, trial: Trial) -> list[Tracklet]:
        """The tracklets of a trial, as the model wants them."""
        return pieces.split(trial) if self.legacy is None else self.legacy.split(trial)

    def scores(
        self, trial: Trial, heading_deg: float = 0.0, tracklets: list[Tracklet] | None = None
    ) -> tuple[list[Tracklet], LabelScores]:
        """The trial's tracklets, its own unless given, and what the calibrated model says of each in its windows."""
        tracklets, scores = self.raw_scores(trial, heading_deg, tracklets)
        offset = self.checkpoint.no_label_offset
        return tracklets, scores.without_label_less_likely(offset) if offset else scores

    def raw_scores(
        self, trial: Trial, heading_deg: float = 0.0, tracklets: list[Tracklet] | None = None
    ) -> tuple[list[Tracklet], LabelScores]:
        """As `scores`, before calibration."""
        if tracklets is None:
            tracklets = self.split(trial)
        if self.legacy is not None:
            return self.legacy.scores(trial, heading_deg, tracklets)
        windows = self.cut(trial, tracklets)
        parts = [self._log_probs(x, mask) for x, mask, *_ in self._inputs(trial, windows)]
        log_probs = np.concatenate(parts) if parts else np.zeros((0, len(self.marker_set) + 1), np.float32)
        return tracklets, LabelScores(
            self.marker_set.labels, log_probs, windows.tracklet, windows.spans(), len(tracklets)
        )

    def attention(self, trial: Trial, tracklets: list[Tracklet] | None = None) -> Iterator[AttentionWeights]:
        """Attention weights of every window of the trial's tracklets, its own unless given, some hundred at a time.

        Raises `ModelError` for a model type without attention.
        """
        self.require_attention()
        windows = self.cut(trial, pieces.split(trial) if tracklets is None else tracklets)
        sparse = self.mechanism == "sparse"
        for x, mask, where, neighbours in self._inputs(trial, windows):
            _, layers = self._forward(x, mask, with_weights=True)
            found = layers[0] if sparse else torch.stack(layers, 1)
            weights = found.float().cpu().numpy()
            yield AttentionWeights(
                windows.tracklet[where], windows.frames[where], neighbours,
                None if sparse else weights, weights if sparse else None,
            )  # fmt: skip

    def cut(self, trial: Trial, tracklets: list[Tracklet]) -> Windows:
        """The windows of tracklets of a trial, as the model sees them."""
        return cut_windows(trial.visible, tracklets, trial.rate_hz, self.windows)

    def leaving_out(self, trial: Trial, windows: Windows) -> tuple[FloatArray, IntArray]:
        """What leaving out each neighbour in turn changes (occlusion: Zeiler and Fergus 2014).

        Returns log-probabilities `(n_windows, 1 + n_neighbours, n_labels + 1)`, first as the window is, then without
        each neighbour, which is taken for hidden; and the columns of the neighbours `(n_windows, n_neighbours)`, -1
        where there are fewer.
        """
        found = []
        features, neighbours = self._features(trial, windows)
        for seen, there in zip(features, windows.mask, strict=True):  # (n_samples, n_neighbours, N_FEATURES)
            without = np.repeat(seen[None], 1 + seen.shape[1], axis=0)
            without[1 + np.arange(seen.shape[1]), :, np.arange(seen.shape[1])] = 0
            x = torch.from_numpy(encode(without, self.scale)).to(self.device)
            found.append(self._log_probs(x, torch.from_numpy(there).to(self.device).expand(len(x), -1)))
        return np.stack(found), neighbours

    def _features(self, trial: Trial, windows: Windows) -> tuple[FloatArray, IntArray]:
        """As `neighbour_features`; computed points are no neighbours."""
        positions = trial.positions
        if trial.computed:
            positions = positions.copy()
            positions[:, list(trial.computed)] = np.nan
        rate_hz = trial.rate_hz / self.windows.step(trial.rate_hz)
        return neighbour_features(gather(positions, windows), windows.column, rate_hz, self.windows.n_neighbours)

    def _inputs(self, trial: Trial, windows: Windows) -> Iterator[tuple[Tensor, Tensor, slice, IntArray]]:
        """Windows as tensors, some hundred at a time, which they are, and the columns of their neighbours."""
        for start in range(0, len(windows.tracklet), _WINDOWS_AT_ONCE):
            where = slice(start, start + _WINDOWS_AT_ONCE)
            part = Windows(windows.tracklet[where], windows.column[where], windows.frames[where])
            features, neighbours = self._features(trial, part)
            x = torch.from_numpy(encode(features, self.scale)).to(self.device)
            yield x, torch.from_numpy(part.mask).to(self.device), where, neighbours

    def _log_probs(self, x: Tensor, mask: Tensor) -> FloatArray:
        return np.asarray(torch.log_softmax(self._forward(x, mask)[0], -1).cpu().numpy(), np.float32)

    @torch.inference_mode()
    def _forward(self, x: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, list[Tensor]]:
        scores, weights = self.model(x, mask, with_weights)
        return scores, weights


def facts(checkpoint: store.Checkpoint) -> dict[str, Any]:
    """What is in a model file, as plain values for a table or JSON."""
    return {
        "model_type": checkpoint.model_type,
        "version": checkpoint.version,
        "labels": list(checkpoint.marker_set.labels),
        "n_labels": len(checkpoint.marker_set),
        "parameters": int(sum(t.numel() for t in checkpoint.tensors.values())),
        "config": checkpoint.config,
        "windows": checkpoint.windows,
        "temperature": checkpoint.temperature,
        "no_label_offset": checkpoint.no_label_offset,
        "calibrated": bool(checkpoint.confidence),
        "training": checkpoint.training,
    }
