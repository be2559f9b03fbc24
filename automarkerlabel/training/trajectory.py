"""Training of the trajectory models: epochs, validation, schedule, checkpoints, resuming."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.io.files import make_folder, remove_leftovers
from automarkerlabel.io.safetensors import write_state
from automarkerlabel.models import build, config_dict
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.device import choose_for_training, keep_or_choose
from automarkerlabel.models.inputs import SPEED, encode, feature_scale, n_inputs
from automarkerlabel.training.distributed import ALONE, Group
from automarkerlabel.training.memory import BackOff, bytes_per_window, free_bytes, windows_that_fit
from automarkerlabel.training.scenes import Batch, SceneSampler
from automarkerlabel.training.settings import TrainSettings
from automarkerlabel.training.task import Epoch, Step, Task, log_epoch, refuse_divergence, trim_log


def squared_error(forecast: Tensor, ahead: Tensor) -> Tensor:
    """Squared error, the mean of three coordinates, summed over windows whose next sample is seen.

    forecast, ahead  `(n, 3)` in one unit; ahead is NaN where the next sample is not seen.
    """
    seen = ahead.isfinite().all(1)
    return F.mse_loss(forecast.float()[seen], ahead[seen], reduction="sum") / 3


_STATE, _LOG = "state.pt", "log.jsonl"
_SCALE_SCENES = 64
_EPOCH_RANGE = (20_000, 60_000)  # windows


class Trainer:
    """Trains one task into one model file.

    out       the model file: the best state so far, written when an epoch is better than all before.
    run_dir   the state after the last epoch, to go on from, and a log of one JSON line an epoch.
    group     the processes that train it together; the first alone writes.
    """

    def __init__(
        self, task: Task, settings: TrainSettings, out: Path, device: str = "cpu", group: Group = ALONE
    ) -> None:
        if settings.batch_size < group.size:
            raise InputError(f"batch_size: expected a window for each of {group.size} processes or more")
        torch.manual_seed(settings.seed)
        self.task, self.settings, self.out, self.group = task, settings, out, group
        self.run_dir = out.with_name(out.name + ".run")
        self.device = torch.device(device if group.size == 1 else group.device)
        if (settings.forecast > 0) != getattr(task.config, "forecast", False):
            raise InputError("forecast: expected a weight and a network that forecasts, or neither, found one of them")
        self.also = {"with_forecast": True} if settings.forecast else {}  # what the network is asked for
        self.sampler = self._sampler(0)
        self.val_sampler = self._sampler_of(task.validation) if task.validation else None
        first = self.sampler.draw(_SCALE_SCENES, np.random.default_rng((settings.seed, 0)))
        self.scale = feature_scale(first.features)
        n_features = n_inputs(task.windows)
        self.model = build(
            task.model_type, task.config, n_features, task.windows.n_samples, len(task.marker_set) + 1
        ).to(self.device)
        self.optimizer = self._make_optimizer()
        per_window = bytes_per_window(self.model, task.windows.n_samples, n_features)
        share = -(-settings.batch_size // group.size)
        fits = group.least(windows_that_fit(share, per_window, free_bytes(self.device)))
        if settings.batch_size < 2 and any(isinstance(m, nn.BatchNorm1d) for m in self.model.modules()):
            raise InputError("batch_size: expected at least 2 for a model with batch norm, found 1")
        normalises = any(isinstance(m, nn.BatchNorm1d) for m in self.model.modules())
        self.back_off = BackOff(share, fits, least=2 if normalises else 1, agree=group.any)
        self.steps_per_epoch = max(1, round(self.epoch_windows / settings.batch_size))
        self.epoch = 0
        self.best: float | None = None
        self.val_forecast: float | None = None
        self.stale = 0
        self.plateau_scale = 1.0
        self.plateau_stale = 0
        self.bad_in_a_row = 0
        self.seconds = 0.0
        self.threads = 0
        # For the person who watches: trials held out, labels that are not learnt, tensors not taken from `start_from`.
        self.held_out: list[str] = []
        self.ignored: list[str] = []
        self.fresh: list[str] = []
        self.kept: Sequence[Source] = ()  # what the model's file shall keep of the trials

    @property
    def epoch_windows(self) -> int:
        return self.settings.epoch_windows or int(np.clip(self.sampler.natural_size(), *_EPOCH_RANGE))

    def _sampler(self, epoch: int) -> SceneSampler:
        return self._sampler_of([*self.task.train, *(self.task.endless.pool(epoch) if self.task.endless else ())])

    def _sampler_of(self, trials: Sequence[Trial]) -> SceneSampler:
        task = self.task
        return SceneSampler(trials, task.marker_set, task.windows, task.augmentation, self.settings.forecast > 0)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        s = self.settings
        if s.optimizer == "sgd":
            return torch.optim.SGD(self.model.parameters(), lr=s.learning_rate, momentum=s.momentum)
        return torch.optim.AdamW(self.model.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)

    def epochs(self, on_step: Step | None = None) -> Iterator[Epoch]:
        """Train, one finished and saved epoch at a time, until the last or until nothing gets better.

        `on_step(step, steps, loss)` hears of every step. Raises `TrainingError` when it cannot go on.
        """
        if self.group.leads:
            self._make_room()
        if self.device.type == "cpu":
            self.threads = keep_or_choose(self.threads, self._choose_threads)
        if self.group.leads and not self.epoch:
            self.save_state()  # so that a run that is killed in its first epoch can be resumed, too
        while self.epoch < self.settings.epochs and not self._stopped():
            report = self._one_epoch(on_step)
            if self.group.leads:
                # In this order: whatever a killed run did after its last state, the resumed one does again.
                if report.best:
                    self.save_model(report)
                log_epoch(self.run_dir, report)
                self.save_state()
            yield report

    def _make_room(self) -> None:
        """Make the folder, and remove what a run that was killed may have left behind."""
        make_folder(self.run_dir)
        for path in (self.out, self.run_dir / _STATE):
            remove_leftovers(path)
        trim_log(self.run_dir / _LOG, "epoch", self.epoch)

    def _choose_threads(self) -> int:
        """Measured on gradients alone; no weight changes."""
        batch = next(self.sampler.batches(self.settings.batch_size, 1, np.random.default_rng((self.settings.seed, 3))))
        x, mask, target = self._tensors(batch)
        x, mask, target = x[: self.back_off.part], mask[: self.back_off.part], target[: self.back_off.part]
        self.model.eval()  # batch statistics stay as they are

        def step() -> None:
            F.cross_entropy(self.model(x, mask)[0], target).backward()  # type: ignore[no-untyped-call]

        threads = choose_for_training(step)
        self.optimizer.zero_grad(set_to_none=True)
        return threads

    def _stopped(self) -> bool:
        return 0 < self.settings.patience <= self.stale

    def _one_epoch(self, on_step: Step | None) -> Epoch:
        started = time.perf_counter()
        # Random numbers follow from seed and epoch alone, so that a resumed run draws what an unbroken one draws.
        rng = np.random.default_rng((self.settings.seed, 1, self.epoch))
        # Processes draw dropout of their own.
        own = () if self.group.leads else (self.group.rank,)
        torch.manual_seed(hash((self.settings.seed, self.epoch, *own)) & 0x7FFFFFFF)
        if self.task.endless and self.epoch:
            self.sampler = self._sampler(self.epoch)
        self.model.train()
        losses, right, seen, bad = [], 0, 0, 0
        for step, batch in enumerate(self._prefetched(rng)):
            rate = self._learning_rate(step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss, correct = self._step(batch)
            if np.isfinite(loss):
                self.bad_in_a_row = 0
                losses.append(loss)
            else:
                bad, self.bad_in_a_row = bad + 1, self.bad_in_a_row + 1
                refuse_divergence(self.bad_in_a_row, self.settings.learning_rate)
            right, seen = right + correct, seen + len(batch)
            if on_step:
                on_step(step + 1, self.steps_per_epoch, loss)
        trained_s = time.perf_counter() - started
        val_loss, val_accuracy = self.group.of_leader(self.validate() if self.group.leads else (None, None))
        self.epoch += 1
        mean_loss = float(np.mean(losses)) if losses else None
        best = self._remember(val_loss if losses and val_loss is not None else mean_loss)
        seconds = time.perf_counter() - started
        self.seconds += seconds
        return Epoch(
            self.epoch, self.settings.epochs, mean_loss, right / max(1, seen), val_loss, val_accuracy, rate,
            seen / trained_s, seconds, best, self.back_off.part, bad, self.val_forecast,
        )  # fmt: skip

    def _prefetched(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Batches of an epoch, the next one prepared by a thread while the last is learnt from."""
        batches = self.sampler.batches(self.settings.batch_size, self.steps_per_epoch, rng)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = pool.submit(next, batches, None)
                yield batch

    def _learning_rate(self, step: int) -> float:
        s = self.settings
        done = self.epoch * self.steps_per_epoch + step
        rate = s.learning_rate * min(1.0, (done + 1) / max(1, s.warmup_steps)) * self.plateau_scale
        if s.schedule == "cosine":
            rate *= 0.5 + 0.5 * np.cos(np.pi * done / (s.epochs * self.steps_per_epoch))
        return float(rate)

    def _tensors(self, batch: Batch, part: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.from_numpy(encode(batch.features[part], self.scale))
        arrays = (x, torch.from_numpy(batch.mask[part]), torch.from_numpy(batch.target[part]))
        return arrays[0].to(self.device), arrays[1].to(self.device), arrays[2].to(self.device)

    def _ahead(self, batch: Batch, part: slice = slice(None)) -> Tensor:
        """What is forecast, `(n, 3)` in units of the usual speed against neighbours; NaN where it is not seen."""
        return torch.from_numpy(batch.ahead[part] / self.scale[SPEED]).to(self.device)

    def _autocast(self) -> torch.autocast:
        native = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.mixed_precision and native)

    def _step(self, batch: Batch) -> tuple[float, int]:
        """One optimiser step on a batch, in parts that fit; (mean loss, windows that were right). A batch whose loss
        or gradient is not finite changes nothing."""
        own = self.group.part_of(len(batch))
        x, mask, target = self._tensors(batch, own)
        ahead, n_ahead = self._ahead(batch, own), max(1, int(np.isfinite(batch.ahead).all(1).sum()))
        total, correct = 0.0, 0

        def restart() -> None:
            nonlocal total, correct
            total, correct = 0.0, 0
            self.optimizer.zero_grad(set_to_none=True)

        def part(where: slice) -> None:
            nonlocal total, correct
            with self._autocast():
                scores, others = self.model(x[where], mask[where], **self.also)
            loss = F.cross_entropy(scores.float(), target[where], reduction="sum") / len(batch)
            if others:
                loss = loss + self.settings.forecast * squared_error(others[0], ahead[where]) / n_ahead
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            correct += int((scores.argmax(1) == target[where]).sum())

        self.back_off.run(part, restart, len(target))
        self.group.sum_gradients(self.model)
        total, n_right = self.group.sums(total, correct)
        correct = int(n_right)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip or float("inf"))
        if not (np.isfinite(total) and bool(torch.isfinite(norm))):
            self.optimizer.zero_grad(set_to_none=True)
            return float("nan"), correct
        self.optimizer.step()
        return total, correct

    @torch.no_grad()
    def validate(self) -> tuple[float | None, float | None]:
        """(loss, accuracy) on scenes of the validation trials, the same scenes every time."""
        if self.val_sampler is None:
            return None, None
        self.model.eval()
        loss, right, n, missed, moved = 0.0, 0, 0, 0.0, 0.0
        count = min(16, max(4, self.steps_per_epoch // 4))
        for batch in self.val_sampler.batches(256, count, np.random.default_rng((self.settings.seed, 2))):
            x, mask, target = self._tensors(batch)
            scores, others = self.model(x, mask, **self.also)
            if others:
                ahead = self._ahead(batch)
                missed += float(squared_error(others[0], ahead))
                moved += float(squared_error(torch.zeros_like(ahead), ahead))
            loss += float(F.cross_entropy(scores, target, reduction="sum"))
            right += int((scores.argmax(1) == target).sum())
            n += len(batch)
        self.val_forecast = missed / moved if moved else None
        return loss / n, right / n

    def _remember(self, loss: float | None) -> bool:
        """Note whether this epoch is the best, and lower the learning rate on a plateau."""
        if loss is not None and np.isfinite(loss) and (self.best is None or loss < self.best):
            self.best, self.stale, self.plateau_stale = loss, 0, 0
            return True
        self.stale += 1
        self.plateau_stale += 1
        if self.settings.schedule == "plateau" and self.plateau_stale > self.settings.plateau_patience:
            self.plateau_scale *= self.settings.plateau_factor
            self.plateau_stale = 0
        return False

    # --- files -------------------------------------------------------------------------------------------------

    def as_checkpoint(self, training: dict[str, Any]) -> store.Checkpoint:
        """The model as it is now, not yet calibrated."""
        tensors = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
        return store.Checkpoint(
            self.task.model_type, config_dict(self.task.config), asdict(self.task.windows), self.task.marker_set,
            self.scale.tolist(), tensors, training=training, kept=self.kept,
        )  # fmt: skip

    def save_model(self, report: Epoch) -> None:
        """Write the model file with how it came about."""
        training = {
            "settings": asdict(self.settings),
            "augmentation": asdict(self.task.augmentation),
            "n_trials": len(self.task.train),
            "simulated": self.task.endless.name if self.task.endless else None,
            "n_validation_trials": len(self.task.validation),
            "seconds": round(self.seconds, 1),
            "figures": asdict(report),
        }
        store.save(self.as_checkpoint(training), self.out)

    def save_state(self) -> None:
        """Write what `resume` needs."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scale": torch.from_numpy(self.scale),
            "numbers": json.dumps({x: getattr(self, x) for x in _NUMBERS} | {"part": self.back_off.part}),
            "task": json.dumps(self._fingerprint()),
        }
        write_state(self.run_dir / _STATE, state)

    def forget(self) -> None:
        """Remove the state and the log of an earlier run."""
        if not self.group.leads:
            return
        for name in (_STATE, _LOG):
            (self.run_dir / name).unlink(missing_ok=True)

    def resume(self) -> None:
        """Go on after the last finished epoch of an earlier run with the same task and settings.

        Raises `ModelError` where there is none, or where it learnt something else.
        """
        path = self.run_dir / _STATE
        if not path.is_file():
            raise ModelError(f"{path}: expected the state of an earlier run, found none; train without --resume")
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            theirs = self._with_what_is_new(json.loads(state["task"]))
        except Exception as error:  # torch raises what its unpickler and the archive happen to raise
            raise ModelError(f"{path}: expected the state of a training run, found a damaged file") from error
        ours = json.loads(json.dumps(self._fingerprint()))
        for name in ours:
            if theirs.get(name) != ours[name] and name != "epochs":
                raise ModelError(f"{path}: expected a run with {name} {ours[name]}, found {theirs.get(name)}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scale = state["scale"].cpu().numpy()
        numbers = json.loads(state["numbers"])
        self.back_off.part = numbers.pop("part", self.back_off.part)  # gradients of other parts add up otherwise
        for name, value in numbers.items():
            setattr(self, name, value)

    def start_from(self, base: store.Checkpoint) -> None:
        """Take the weights of another model where names and shapes agree; the labels' own rows by label.

        `fresh` then names the tensors that found nothing to take. Raises `ModelError` for another type or windows.
        """
        if base.model_type != self.task.model_type:
            raise ModelError(f"base: expected a {self.task.model_type} model, found a {base.model_type} model")
        if base.windows != asdict(self.task.windows):
            raise ModelError(f"base: expected windows {asdict(self.task.windows)}, found {base.windows}")
        own = self.model.state_dict()
        index = {x: i for i, x in enumerate(base.marker_set.labels)}
        rows = [index.get(x, -1) for x in self.task.marker_set.labels] + [len(base.marker_set)]
        known = torch.tensor([r >= 0 for r in rows])
        fresh = []
        for name, tensor in own.items():
            other = base.tensors.get(name)
            if other is None or other.shape[1:] != tensor.shape[1:]:
                fresh.append(name)
            elif name in _LABEL_TENSORS:
                tensor[known] = other[torch.tensor(rows)[known]].to(tensor.device)
            elif other.shape == tensor.shape:
                tensor.copy_(other)
            else:
                fresh.append(name)
        self.scale = np.array(base.scale, np.float32)
        self.fresh = fresh

    def _with_what_is_new(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """The fingerprint of a run of an earlier version, which had what settings are new by default."""
        config = {**config_dict(type(self.task.config)()), **theirs["config"]}
        return {**asdict(TrainSettings()), **theirs, "config": config}

    def _fingerprint(self) -> dict[str, Any]:
        return {
            "model_type": self.task.model_type,
            "config": config_dict(self.task.config),
            "windows": asdict(self.task.windows),
            "labels": list(self.task.marker_set.labels),
            "augmentation": asdict(self.task.augmentation),
            "n_trials": [len(self.task.train), len(self.task.validation)],
            **({"simulated": self.task.endless.name} if self.task.endless else {}),
            **asdict(self.settings),
        }


_NUMBERS = ("epoch", "best", "stale", "plateau_scale", "plateau_stale", "seconds", "threads")
_LABEL_TENSORS = ("head.layers.4.weight", "head.layers.4.bias")
