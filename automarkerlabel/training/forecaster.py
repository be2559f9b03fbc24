"""The forecaster learns from gaps made in labelled trials: from what the poses of the other trials leave open."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.filling.estimates import Fillers, room_for
from automarkerlabel.filling.forecaster import Forecaster, blend, run
from automarkerlabel.filling.forecaster_inputs import N_FACTS, UNIT_MM, Rolls, frames_beside, rolls
from automarkerlabel.filling.gaps import Gap, estimated
from automarkerlabel.filling.regression import MOST_WITH_POSES, Foretold
from automarkerlabel.filling.rigid import MOST_MATES
from automarkerlabel.models.forecaster import ForecasterConfig, ForecasterModel
from automarkerlabel.training.task import refuse_divergence

_LENGTHS_S = np.geomspace(0.04, 1.2, 14)
_MOST_SHARE = 0.7  # of a trial, that a gap is long
_TOGETHER = 4  # gaps of one marker at once
_AHEAD = 0.25  # share of the windows in which the far edge is unknown
_SHORT_S = 1.2  # the shortest piece of a trial that is drawn
_MOST_NEIGHBOURS = 4  # that are hidden with the marker
_MOST_POSES, _EACH = 3000, 60  # in the file, and of a trial
_EACH_ROLL = 0.1  # what the two rolls count each for themselves, beside the blend of both
_NOISE_MM = 0.5  # errors below it need not be halved
_IN_VAIN = 1000


@dataclass(frozen=True)
class ForecastSettings:
    """How a forecaster is trained. Raises `InputError` for values that make no sense."""

    windows: int = 8000
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 4e-3
    cells: int = 48
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (value > 0 or (name == "seed" and value == 0)):
                raise InputError(f"{name}: expected more than 0, found {value}")


@dataclass(frozen=True)
class ForecastEpoch:
    """Mean error in mm over the training gaps, and that of the poses alone."""

    epoch: int
    epochs: int
    error_mm: float
    poses_mm: float


@dataclass(frozen=True, eq=False)
class Sample:
    """Sequences of gaps, and `(n_gaps, n_hidden, 3)` units what is missing in them to `Foretold.bridged`."""

    sequence: Rolls
    missing: FloatArray
    far_known: bool


def train(
    sources: Sequence[Source], settings: ForecastSettings, on_draw: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[ForecastEpoch, Forecaster]]:
    """A forecaster after each epoch. `on_draw(n)` hears of so many windows drawn.

    Raises `TrialError` for trials without long unbroken markers, `TrainingError` where the loss is no number.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    kept = example_poses(sources)
    batches = _batches(list(_drawn(sources, kept, settings.windows, rng, on_draw)), settings.batch_size)
    network = ForecasterModel(ForecasterConfig(N_FACTS, settings.cells))
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    n_steps, bad = settings.epochs * len(batches), 0
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, n_steps, pct_start=0.1)
    facts = {**asdict(settings), "trials": len(sources)}
    for epoch in range(settings.epochs):
        network.train()
        errors = []
        for n in rng.permutation(len(batches)):
            loss, error = _loss(network, batches[n])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            good = bool(torch.isfinite(loss) and torch.isfinite(norm))
            bad = 0 if good else bad + 1
            refuse_divergence(bad, settings.learning_rate)
            if good:
                optimizer.step()
            schedule.step()
            if batches[n].far_known and good:
                errors.append((error, float(np.linalg.norm(batches[n].missing, axis=2).mean()) * UNIT_MM))
        own, poses = np.mean(errors, axis=0).tolist() if errors else (0.0, 0.0)
        report = ForecastEpoch(epoch + 1, settings.epochs, own, poses)
        yield report, Forecaster(network, kept, {**facts, **asdict(report)})


def example_poses(sources: Sequence[Source]) -> list[Source]:
    """Poses evenly over each trial, fewer of each, and of trials evenly over all, where there are many."""
    most = _MOST_POSES // 10
    chosen = [sources[n] for n in np.unique(np.linspace(0, len(sources) - 1, min(len(sources), most)).astype(int))]
    each = min(_EACH, _MOST_POSES // max(1, len(chosen)))
    found = []
    for source in chosen:
        trial = source.trial
        frames = np.unique(np.linspace(0, trial.n_frames - 1, min(each, trial.n_frames)).astype(int))
        named = labelled_columns(trial)
        points = np.where(estimated(trial)[..., None], np.float32(np.nan), trial.positions)
        poses = points[frames][:, [c for _, c in named]]
        middle = np.nanmean(poses.reshape(-1, 3), axis=0) if np.isfinite(poses).any() else np.zeros(3)
        poses = np.asarray(poses - middle, np.float32)
        found.append(replace(source, trial=Trial(poses, [label for label, _ in named], trial.rate_hz)))
    return found


def _drawn(
    sources: Sequence[Source], kept: Sequence[Source], count: int, rng: np.random.Generator,
    on_draw: Callable[[int], None],
) -> Iterator[Sample]:  # fmt: skip
    """Windows of random gaps; of each the poses of its own trial are left out."""
    usable = [n for n, s in enumerate(sources) if s.trial.duration_s >= _SHORT_S / 2 and labelled_columns(s.trial)]
    if not usable:
        raise TrialError("expected labelled trials of a second or more, found none")
    chance = np.sqrt([sources[n].trial.duration_s for n in usable])
    ready, in_vain = 0, 0
    while ready < count:
        source = sources[usable[rng.choice(len(usable), p=chance / chance.sum())]]
        others = [k for k in kept if k.path != source.path]
        sample = _sample(source.trial, Forecaster(_UNTRAINED, others, {}), rng)
        in_vain = in_vain + 1 if sample is None else 0
        if in_vain > _IN_VAIN:
            raise TrialError("expected markers that are seen for a while beside three others, found none")
        if sample is not None:
            ready += len(sample.missing)
            on_draw(len(sample.missing))
            yield sample


_UNTRAINED = ForecasterModel(ForecasterConfig(N_FACTS, 1))


def _sample(trial: Trial, others: Forecaster, rng: np.random.Generator) -> Sample | None:
    """Gaps of one length in one marker of a piece of a trial, sometimes with the markers around it hidden."""
    rate = trial.rate_hz
    first, last = _piece(trial, rng)
    points = trial.positions[first:last]
    measured = (trial.visible & ~estimated(trial))[first:last]
    named = np.array([c for _, c in labelled_columns(trial)])
    column, n_hidden = int(rng.choice(named)), max(1, round(float(rng.choice(_LENGTHS_S)) * rate))
    if n_hidden > _MOST_SHARE * len(points):
        return None
    starts = np.flatnonzero(room_for(measured[:, column], n_hidden, 1, 1))
    if not len(starts):
        return None
    start = int(rng.choice(starts))
    fillers = Fillers(points, measured, named, rate, others, trial.labels)
    n_gone = int(rng.choice([0, 0, *range(1, _MOST_NEIGHBOURS + 1)]))
    fillers.carriers[_around(points[start], named, column, n_gone)] = False
    predictors = fillers.predictors(Gap(column, start, start + n_hidden), MOST_WITH_POSES)
    if not len(predictors):
        return None
    together = room_for(np.asarray(measured[:, predictors].all(axis=1)), n_hidden, 1, 1)[starts]
    starts = rng.choice(starts[together], min(_TOGETHER, int(together.sum())), replace=False)
    found = fillers.foretold(column, predictors, starts, n_hidden, frames_beside(rate), with_poses=True)
    return _as_sample(found, rate, float(fillers.looseness(column)[predictors[:MOST_MATES]].mean()), rng)


def _piece(trial: Trial, rng: np.random.Generator) -> tuple[int, int]:
    """Every other time the whole trial, else a piece of it."""
    shortest = int(_SHORT_S * trial.rate_hz)
    if rng.random() < 0.5 or trial.n_frames <= shortest:
        return 0, trial.n_frames
    length = int(np.exp(rng.uniform(np.log(shortest), np.log(trial.n_frames))))
    first = int(rng.integers(0, trial.n_frames - length + 1))
    return first, first + length


def _around(pose: FloatArray, named: np.ndarray, column: int, count: int) -> np.ndarray:
    """The nearest markers of a pose."""
    apart = np.linalg.norm(pose[named] - pose[column], axis=1)
    return np.asarray(named[np.argsort(apart)[1 : 1 + count]])


def _as_sample(found: Foretold, rate_hz: float, looseness_mm: float, rng: np.random.Generator) -> Sample | None:
    far_known = bool(rng.random() >= _AHEAD)
    sequence = rolls(found, rate_hz, looseness_mm, far_known)
    inner = slice(found.beside, found.beside + found.n_hidden)
    missing = np.asarray((found.measured[:, inner] - found.bridged()) / UNIT_MM, np.float32)
    good = np.isfinite(missing).all() and np.isfinite(sequence.motion).all() and np.isfinite(sequence.truth).all()
    return Sample(sequence, missing, far_known) if good else None


def _batches(samples: Sequence[Sample], size: int) -> list[Sample]:
    """Samples of one length side by side."""
    alike: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        alike.setdefault((sample.far_known, *sample.sequence.frames.tolist()), []).append(sample)
    found = []
    for group in alike.values():
        each = max(1, size // _TOGETHER)
        found += [_joined(group[n : n + each]) for n in range(0, len(group), each)]
    return found


def _joined(samples: Sequence[Sample]) -> Sample:
    """Forward rolls of all first, then the backward ones."""

    def both(name: str) -> FloatArray:
        halves = [np.split(getattr(s.sequence, name), 2) for s in samples]
        return np.concatenate([half for side in zip(*halves, strict=True) for half in side])

    sequence = Rolls(
        both("facts"),
        both("known"),
        both("motion"),
        both("base"),
        both("guess"),
        both("truth"),
        samples[0].sequence.frames,
    )
    return Sample(sequence, np.concatenate([s.missing for s in samples]), samples[0].far_known)


def _loss(network: ForecasterModel, batch: Sample) -> tuple[Tensor, float]:
    """The error against that of the poses alone, the mean over gaps; and the error in mm where both edges are known."""
    noise = _NOISE_MM / UNIT_MM
    truth, missing = torch.from_numpy(batch.sequence.truth), torch.from_numpy(batch.missing)
    rolled = run(network, batch.sequence)
    each = _distance(rolled, truth)  # (2 n_gaps,)
    if not batch.far_known:
        return (each / (noise + _distance(truth, torch.zeros_like(truth)))).mean(), float("nan")
    error = _distance(blend(rolled, batch.sequence.frames), missing)  # (n_gaps,)
    alone = noise + _distance(missing, torch.zeros_like(missing))
    return ((error + _EACH_ROLL * each.view(2, -1).mean(0)) / alone).mean(), float(error.detach().mean()) * UNIT_MM


def _distance(found: Tensor, truth: Tensor) -> Tensor:
    """`(n,)`: mean over frames of the distance between `(n, n_frames, 3)`; its gradient is finite at 0, too."""
    return (torch.square(found - truth).sum(2) + 1e-6).sqrt().mean(1)
