"""Training windows drawn without end from labelled trials, each scene corrupted and turned anew.

A *scene* is one window of time of one trial with every point in it. All its trajectories become training windows,
so that the points are gathered, turned and corrupted once for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from automarkerlabel.core.marker_set import MarkerSet, in_label_order
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.models.inputs import neighbour_features, next_step
from automarkerlabel.training.settings import Augmentation

_SCENES_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows to learn from: features `(n, n_samples, n_neighbours, N_FEATURES)` in mm and seconds, mask
    `(n, n_samples)`, target `(n,)` with the number of labels for *no label*; and `(n, 3)` mm/s where each marker goes
    next, see `features.next_step`, NaN where that is not seen or is a ghost's; `(n, 0)` unless it is learnt."""

    features: FloatArray
    mask: BoolArray
    target: IntArray
    ahead: FloatArray

    def __len__(self) -> int:
        return len(self.target)

    def take(self, which: IntArray) -> "Batch":
        """Those windows alone."""
        return Batch(self.features[which], self.mask[which], self.target[which], self.ahead[which])


def mirrors(trials: Sequence[FloatArray], marker_set: MarkerSet, tolerance: float = 0.2) -> bool:
    """Whether the set, worn as in these trials, is nearly its own mirror image.

    Compares the mean distances between labels with those between their mirror images: the mean difference, over
    labels less than half a metre apart, may be `tolerance` of the mean distance. Needs left and right pairs.
    """
    order = np.array(marker_set.mirror_order())
    if not marker_set.pairs:
        return False
    frames = _some_frames(trials)
    distance = np.linalg.norm(frames[:, :, None] - frames[:, None], axis=3)
    seen = ~np.isnan(distance)
    mean = np.where(seen, distance, 0).sum(0) / np.maximum(seen.sum(0), 1)
    mean[seen.sum(0) == 0] = np.nan
    image = mean[order][:, order]
    near = (mean < 500) & (mean > 0) & ~np.isnan(image) & (order != np.arange(len(order)))[:, None]
    if not near.any():
        return False
    return bool(np.abs(mean - image)[near].sum() < tolerance * mean[near].sum())


class SceneSampler:
    """Draws scenes from trials; the same seed draws the same. With `forecast` a scene has a sample more, which windows
    do not see.

    Raises `TrialError` where the trials hold no frame with two labelled points.
    """

    def __init__(
        self, trials: Sequence[Trial], marker_set: MarkerSet, windows: WindowConfig, augmentation: Augmentation,
        forecast: bool = False,
    ) -> None:  # fmt: skip
        self.forecast = forecast
        self.marker_set = marker_set
        self.windows = windows
        self.augmentation = augmentation
        self.points: list[FloatArray] = []
        self.steps: list[float] = []  # frames of the file between two samples
        self.rates: list[float] = []  # samples a second
        self.starts: list[IntArray] = []
        for trial in trials:
            points = in_label_order(trial, marker_set)
            usable = np.flatnonzero((~np.isnan(points[..., 0])).sum(1) >= 2)
            if len(usable):
                self.points.append(points)
                self.steps.append(windows.step(trial.rate_hz))
                self.rates.append(trial.rate_hz / self.steps[-1])
                self.starts.append(usable)
        if not self.points:
            raise TrialError("expected trials with labelled points of the marker set, found no frame with two of them")
        seconds = [len(s) / (w * r) for s, w, r in zip(self.starts, self.steps, self.rates, strict=True)]
        # By the root of their lengths: short trials hold rarer movements than their share of the time says.
        self.weights = np.sqrt(seconds) / np.sqrt(seconds).sum()
        self.mirror_order = np.array(marker_set.mirror_order())
        self.mirrored = augmentation.mirror > 0 and mirrors(self.points, marker_set)
        # A label without a mirror image is left out of mirrored scenes unless it sits in the middle.
        self.one_sided = self._one_sided()

    def natural_size(self) -> int:
        """Windows in the trials when each is cut once from end to end."""
        total = 0.0
        for points, step in zip(self.points, self.steps, strict=True):
            total += float((~np.isnan(points[..., 0])).sum()) / (step * self.windows.n_samples)
        return max(1, round(total))

    def batches(self, size: int, count: int, rng: np.random.Generator) -> Iterator[Batch]:
        """`count` batches of `size` windows, mixed from many scenes."""
        pool: list[Batch] = []
        ready = 0
        for _ in range(count):
            while ready < size:
                pool.append(self.draw(max(1, min(_SCENES_AT_ONCE, 1 + size // 8)), rng))
                ready += len(pool[-1])
            merged = Batch(*(np.concatenate([getattr(b, f.name) for b in pool]) for f in fields(Batch)))
            order = rng.permutation(len(merged))
            yield merged.take(order[:size])
            pool = [merged.take(order[size:])]
            ready = len(pool[0])

    def draw(self, n_scenes: int, rng: np.random.Generator) -> Batch:
        """All windows of `n_scenes` scenes."""
        points, labels, rates = self._scenes(n_scenes, rng)
        points = self._varied(points, rng)
        points, labels = self._corrupted(points, labels, rng)
        pair = points[:, self.windows.n_samples - 1 :]  # (scene, 2, column, 3) with a forecast
        points = points[:, : self.windows.n_samples]
        seen = ~np.isnan(points[..., 0])  # (scene, sample, column)
        scene, column = np.nonzero(seen.any(1))
        mask = seen[scene, :, column]  # (n, n_samples)
        order = np.argsort(~mask, axis=1, kind="stable")
        mask = np.take_along_axis(mask, order, 1)
        gathered = points[scene[:, None], order]  # (n, n_samples, n_columns, 3)
        gathered[~mask] = np.nan
        features, neighbours = neighbour_features(gathered, column, rates[scene], self.windows.n_neighbours)
        target = labels[scene, column]
        ahead = np.empty((len(target), 0), np.float32)
        if self.forecast:
            ahead = next_step(gathered, pair[scene], column, neighbours, rates[scene])
            ahead[target == len(self.marker_set)] = np.nan
        return Batch(features, mask, target, ahead)

    def _scenes(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray, FloatArray]:
        """Points `(n, n_samples, n_labels, 3)`, the label of each column, and samples a second of each scene."""
        n_labels, n_samples = len(self.marker_set), self.windows.n_samples + self.forecast
        points = np.full((n, n_samples, n_labels, 3), np.nan, np.float32)
        which = rng.choice(len(self.points), n, p=self.weights)
        for s, k in enumerate(which):
            trial, step = self.points[k], self.steps[k]
            span = int(n_samples * step)
            middle = int(rng.choice(self.starts[k]))
            start = min(max(0, middle - int(rng.integers(0, span + 1))), max(0, len(trial) - span))
            frames = start + np.floor(np.arange(n_samples) * step).astype(np.int64)
            frames = frames[frames < len(trial)]
            points[s, : len(frames)] = trial[frames]
        labels = np.broadcast_to(np.arange(n_labels), (n, n_labels)).copy()
        return points, labels, np.array(self.rates, np.float32)[which]

    def _varied(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Mirrored and scaled. Features depend neither on place nor on heading, so none is drawn."""
        a, n = self.augmentation, len(points)
        if self.mirrored:
            which = rng.random(n) < a.mirror
            image = points[which][:, :, self.mirror_order] * np.array([1, -1, 1], np.float32)
            image[:, :, self.one_sided] = np.nan
            points[which] = image
        if a.scale:
            points = points * np.exp(rng.normal(0, a.scale, (n, 1, 1, 1))).astype(np.float32)
        return points

    def _corrupted(self, points: FloatArray, labels: IntArray, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        """With noise, missing, occluded and cut markers, and ghosts in columns of their own behind the rest."""
        a = self.augmentation
        n, n_samples, n_labels, _ = points.shape
        if a.placement_mm:
            points = points + rng.normal(0, a.placement_mm, (n, 1, n_labels, 3)).astype(np.float32)
        if a.noise_mm:
            points = points + rng.normal(0, a.noise_mm, points.shape).astype(np.float32)
        ghosts = self._ghosts(points, rng)
        time = np.arange(n_samples)[None, :, None]
        if a.hidden:
            gone = rng.random((n, n_labels)) < rng.uniform(0, a.hidden, (n, 1))
            points[np.broadcast_to(gone[:, None], points.shape[:3])] = np.nan
        if a.occluded:
            first, length = rng.integers(-n_samples // 2, n_samples, (2, n, 1, n_labels))
            hidden = (rng.random((n, 1, n_labels)) < a.occluded) & (time >= first) & (time < first + np.abs(length))
            points[hidden] = np.nan
        n_cuts = round(a.cut * n_labels)
        if n_cuts:
            which = rng.random((n, n_labels)).argpartition(n_cuts - 1, 1)[:, :n_cuts]
            tails = np.take_along_axis(points, which[:, None, :, None], 2)
            after = time >= rng.integers(1, n_samples + 1, (n, 1, n_cuts))
            np.put_along_axis(points, which[:, None, :, None], np.where(after[..., None], np.nan, tails), 2)
            points = np.concatenate([points, np.where(after[..., None], tails, np.nan)], 2)
            labels = np.concatenate([labels, np.take_along_axis(labels, which, 1)], 1)
        if a.ghosts:
            points = np.concatenate([points, ghosts], 2)
            labels = np.concatenate([labels, np.full((n, a.ghosts), n_labels)], 1)
        return np.ascontiguousarray(points, np.float32), labels

    def _ghosts(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        """`(scene, sample, ghosts, 3)`: points near a marker that follow it by halves, drift, and last for a while."""
        n, n_samples, n_labels, _ = points.shape
        count = self.augmentation.ghosts
        host = points[np.arange(n)[:, None], :, rng.integers(0, n_labels, (n, count))].swapaxes(1, 2)
        first = host[:, :1]
        offset = rng.normal(0, 1, (n, 1, count, 3)) * rng.choice([40, 150, 150, 500], (n, 1, count, 1))
        drift = np.cumsum(rng.normal(0, 0.6, (n, n_samples, count, 3)), 1)
        follow = rng.choice([0.0, 0.5, 0.5, 1.0], (n, 1, count, 1))
        ghost = first + offset + drift + follow * (host - first)
        time = np.arange(n_samples)[None, :, None]
        start = rng.integers(-n_samples, n_samples, (n, 1, count))
        length = rng.integers(1, 2 * n_samples, (n, 1, count))
        there = (time >= start) & (time < start + length) & (rng.random((n, 1, count)) < 0.6)
        return np.asarray(np.where(there[..., None], ghost, np.nan), np.float32)

    def _one_sided(self) -> BoolArray:
        """`(n_labels,)`: labels without a mirror image that do not sit in the middle.

        Where a label is from right (-1) over the middle (0) to left (1), seen from each left and right pair in each
        of some frames; it is one-sided if its mean is more than half way out.
        """
        unpaired = self.mirror_order == np.arange(len(self.marker_set))
        if not self.mirrored or not unpaired.any():
            return np.zeros(len(self.marker_set), np.bool_)
        index = {x: i for i, x in enumerate(self.marker_set.labels)}
        pairs = np.array([(index[a], index[b]) for a, b in self.marker_set.pairs or ()])
        frames = _some_frames(self.points)
        left, right = frames[:, pairs[:, 0]], frames[:, pairs[:, 1]]  # (n_frames, n_pairs, 3)
        half = (left - right) / 2
        from_middle = frames[:, :, None] - ((left + right) / 2)[:, None]  # (n_frames, n_labels, n_pairs, 3)
        side = np.einsum("flpd,fpd->flp", from_middle, half) / np.einsum("fpd,fpd->fp", half, half)[:, None]
        seen = np.isfinite(side)
        mean = np.where(seen, side, 0).sum((0, 2)) / np.maximum(seen.sum((0, 2)), 1)
        one_sided: BoolArray = unpaired & (np.abs(mean) > 0.5)
        return one_sided


def _some_frames(trials: Sequence[FloatArray], each: int = 20) -> FloatArray:
    """Up to `each` frames of every trial, evenly over it: `(n, n_labels, 3)`."""
    return np.concatenate([t[np.linspace(0, len(t) - 1, min(len(t), each)).astype(int)] for t in trials])
