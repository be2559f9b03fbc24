"""What the matcher learns from labelled trials: a window of one against a pose of another, broken as simulated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.core.heading import turned
from automarkerlabel.core.marker_set import MarkerSet, from_trials, in_label_order, labelled_columns
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.sides import find_pairs
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.marker_sets.pose_from_trial import pose_heading, reference_from_trial
from automarkerlabel.models.matcher.batch import MIDDLE, WINDOW, MatchBatch
from automarkerlabel.simulate.disturb import disturbed, mixed, some
from automarkerlabel.simulate.poses import Chance
from automarkerlabel.simulate.samples import SampleSettings

_POSES_HZ = 10.0  # moments of a trial that are drawn from
_LEAST_POINTS = 6
_DT_S = (0.07, 0.13)
_STILL_SHARE = 0.5  # of the references: the pose in which a trial stands stillest, as users choose them
_OTHER_SUBJECT_SHARE = 0.25
_WALKS_MM_S, _FEWEST_STEPS, _FORWARDS = 500.0, 2, 0.3  # speed, half seconds of it, mean cosine to the way one faces
_MOVED_MM = 10.0  # placement of the markers, at most


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A labelled trial: `positions` `(n_frames, n_labels, 3)` in mm; the frames `(k,)` whose heading `(k,)` in radians
    is known; and its stillest full pose, facing +x, `(n_labels, 3)`."""

    positions: FloatArray
    rate_hz: float
    subject: str
    frames: IntArray
    heading: FloatArray
    still: FloatArray


class TrialSampler:
    """Endless batches from labelled trials, each by its number: the same number gives the same batch.

    `left_out` names the trials that are of no use, with the reason; `notes` say where labels may be wrong. Raises
    `TrialError` if no trial is of use: there must be labels on the left and the right of the body that tell which way
    it faces.
    """

    def __init__(self, sources: Sequence[Source], settings: SampleSettings | None = None, seed: int = 0) -> None:
        self.settings, self.seed = settings or SampleSettings(), seed
        trials = [s.trial for s in sources]
        worn = from_trials(trials, "fine-tuning")
        self.marker_set = forwards(worn, trials)
        self.left_out: list[str] = []
        self.notes: list[str] = []
        self._trials: list[_Recorded] = []
        references: list[tuple[tuple[int, float], Reference]] = []
        for source in sources:
            recorded, reference = _recorded(source, self.marker_set)
            self.notes += reference.notes if reference is not None else ()
            if recorded is None or reference is None:
                self.left_out.append(source.path.name)
                continue
            self._trials.append(recorded)
            references.append((_worth(source.trial, reference), reference))
        if not self._trials:
            raise TrialError(
                "fine-tuning: expected labels on both sides of the body, named alike but for left and right, or"
                f" somebody who walks, to tell which way it faces, found none in {len(sources)} trials;"
                " train with --model-type hybrid"
            )
        self.reference = max(references, key=lambda x: x[0])[1]

    def batch(self, number: int) -> MatchBatch:
        """The batch of that number, from 0."""
        rng = np.random.default_rng((self.seed, number))
        chance = Chance(torch.Generator().manual_seed(int(rng.integers(2**62))))
        count = max(4, self.settings.points_per_batch // len(self.marker_set))
        drawn = [self._draw(rng) for _ in range(count)]
        points = torch.from_numpy(np.stack([d[0] for d in drawn]))  # (B, W, L, 3)
        dt_s = torch.tensor([d[1] for d in drawn], dtype=torch.float32)
        reference = torch.from_numpy(np.stack([d[2] for d in drawn]))  # (B, L, 3)
        return self._broken(points, dt_s, reference, chance)

    def _draw(self, rng: np.random.Generator) -> tuple[FloatArray, float, FloatArray]:
        """A window facing about +x, the seconds between its frames, and a pose of another trial, if there is one."""
        trial = self._trials[rng.integers(len(self._trials))]
        pick = rng.integers(len(trial.frames))
        step = max(1, round(rng.uniform(*_DT_S) * trial.rate_hz))
        frames = trial.frames[pick] + step * (np.arange(WINDOW) - MIDDLE)
        window = trial.positions[np.clip(frames, 0, len(trial.positions) - 1)]
        window = np.where(((frames >= 0) & (frames < len(trial.positions)))[:, None, None], window, np.nan)
        heading = trial.heading[pick] + self._off(rng)
        return turned(window, np.full(WINDOW, -heading)), step / trial.rate_hz, self._pose(trial, rng)

    def _pose(self, trial: _Recorded, rng: np.random.Generator) -> FloatArray:
        """A pose of another trial of the subject, now and then of somebody else, or of the same where there is none."""
        others = [t for t in self._trials if t is not trial and t.subject == trial.subject]
        strangers = [t for t in self._trials if t.subject != trial.subject]
        if strangers and (not others or rng.random() < _OTHER_SUBJECT_SHARE):
            others = strangers
        other = others[rng.integers(len(others))] if others else trial
        if rng.random() < _STILL_SHARE:
            return turned(other.still, -self._off(rng))
        pick = rng.integers(len(other.frames))
        return turned(other.positions[other.frames[pick]], -(other.heading[pick] + self._off(rng)))

    def _off(self, rng: np.random.Generator) -> float:
        """By how much a heading is wrong, in radians."""
        return float(np.deg2rad(rng.normal(0, self.settings.heading_deg)))

    def _broken(self, points: Tensor, dt_s: Tensor, reference: Tensor, chance: Chance) -> MatchBatch:
        """Bodies of other sizes, markers moved, half of them mirrored; then what goes wrong in a trial."""
        count, _, n, _ = points.shape
        middle = points[:, MIDDLE].nanmedian(1).values  # (B, 3)
        size = (chance.normal(count, 1, 1) * 0.04).exp()
        points = (points - middle[:, None, None]) * size[:, None]
        reference = (reference - reference.nanmedian(1, keepdim=True).values) * size
        moved = chance.normal(count, 1, n, 3) * chance.uniform(0, _MOVED_MM, count, 1, 1, 1) / 3**0.5
        points = points + moved + chance.normal(*points.shape) * chance.uniform(0.1, 1, count, 1, 1, 1)
        mirror = torch.where(chance.happens(0.5, count), -1.0, 1.0)
        flip = torch.stack([torch.ones(count), mirror, torch.ones(count)], -1)
        points, reference = points * flip[:, None, None], reference * flip[:, None]
        seen = points[:, MIDDLE].isfinite().all(-1)
        in_query = seen & ~some(count, n, 0.25, 0.3, chance)
        shown = reference.isfinite().all(-1)
        in_reference = shown & ~some(count, n, 0.35, 0.15, chance)
        query, match = disturbed(points, in_query, self.settings.hidden, self.settings.n_ghosts, chance)
        match = torch.where((match >= 0) & in_reference.gather(1, match.clamp_min(0)), match, -1)
        reference = torch.where(in_reference[..., None], reference, torch.nan)
        return mixed(MatchBatch(query, dt_s, reference, match), chance)


def alternating(first: Callable[[int], MatchBatch], second: Callable[[int], MatchBatch]) -> Callable[[int], MatchBatch]:
    """Batches of both in turn."""
    return lambda number: (first if number % 2 == 0 else second)(number // 2)


def forwards(marker_set: MarkerSet, trials: Sequence[Trial]) -> MarkerSet:
    """The set with left and right as the names tell; otherwise so that who walks in the trials walks forwards, and
    without pairs if nobody does."""
    if marker_set.pairs == find_pairs(marker_set.labels):
        return marker_set
    agree, n_steps = 0.0, 0
    for trial in trials:
        positions = in_label_order(trial, marker_set)
        step = max(1, round(trial.rate_hz / 2))
        for before, after in zip(positions[::step], positions[step::step], strict=False):
            heading = pose_heading(marker_set, before)
            moved = (after - before)[np.isfinite((after - before)[:, 0])]
            if heading is None or not len(moved):
                continue
            x, y, _ = np.median(moved, axis=0)
            if np.hypot(x, y) * trial.rate_hz / step > _WALKS_MM_S:
                agree, n_steps = agree + float(np.cos(np.arctan2(y, x) - heading)), n_steps + 1
    if n_steps < _FEWEST_STEPS or abs(agree) < _FORWARDS * n_steps:
        return replace(marker_set, pairs=())
    pairs = tuple(marker_set.pairs or ())
    return replace(marker_set, pairs=pairs if agree > 0 else tuple((b, a) for a, b in pairs))


def _recorded(source: Source, marker_set: MarkerSet) -> tuple[_Recorded | None, Reference | None]:
    """A trial prepared to be drawn from, and its best pose; None where no frame tells which way the body faces."""
    trial = source.trial
    if not labelled_columns(trial) or not trial.visible.any():
        return None, None
    positions = in_label_order(trial, marker_set)
    frames = np.unique(np.linspace(0, trial.n_frames - 1, max(1, round(trial.duration_s * _POSES_HZ))).astype(np.int64))
    frames = frames[np.isfinite(positions[frames, :, 0]).sum(1) >= _LEAST_POINTS]
    headings = [pose_heading(marker_set, positions[f]) for f in frames]
    known = np.array([h is not None for h in headings], np.bool_)
    reference = reference_from_trial(trial, marker_set=marker_set, source=source.path.name)
    if not known.any() or reference.heading_rad is None:
        return None, None
    still = np.full((len(marker_set), 3), np.nan, np.float32)
    still[[marker_set.labels.index(x) for x in reference.labels]] = reference.facing_x()
    heading = np.array([h for h in headings if h is not None], np.float32)
    return _Recorded(positions, trial.rate_hz, source.subject, frames[known], heading, still), reference


def _worth(trial: Trial, reference: Reference) -> tuple[int, float]:
    """How good a reference is: the labels it shows, and how little its trial moves."""
    columns = [c for x, c in labelled_columns(trial) if x in set(reference.labels)]
    seen = trial.positions[:: max(1, round(trial.rate_hz / _POSES_HZ)), columns]
    steps = np.linalg.norm(np.diff(seen, axis=0), axis=2)
    moved = float(np.nanmedian(steps)) if np.isfinite(steps).any() else 0.0
    return len(reference.labels), -moved
