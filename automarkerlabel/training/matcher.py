"""Training of the matcher: as long as there is time, resumable, saving often.

The step number alone decides what a step sees, so that a resumed run goes on with the data of an unbroken one. What
is saved is rounded to fit into a small file; the run that saves goes on from what it saved.
"""

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from automarkerlabel.errors import ModelError
from automarkerlabel.io.files import remove_leftovers
from automarkerlabel.models.checkpoints import matcher as store
from automarkerlabel.models.checkpoints.matcher import SHIPPED, WEIGHTS
from automarkerlabel.models.matcher import Matcher, MatcherConfig
from automarkerlabel.models.matcher.batch import MatchBatch
from automarkerlabel.models.matcher.loss import Figures, loss
from automarkerlabel.training.task import refuse_divergence, trim_log

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class MatchSettings:
    """How the matcher is trained.

    learning_rate    of AdamW, after `warmup_steps`; constant until the cool-down.
    weight_decay     on matrices alone.
    clip             largest norm of the gradient.
    averaging        share of the old weights that the moving average keeps at a step.
    most_recycles    each step recycles once to this many times, drawn anew.
    mixed_precision  matrices in bfloat16: twice as fast on processors that have it.
    save_steps       how often; 0: every `save_minutes`. What is saved is rounded: only runs that save at the same steps
                     are the same. With `save_steps` one that was killed and resumed is the unbroken one.
    log_steps        how often.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 500
    clip: float = 1.0
    averaging: float = 0.999
    most_recycles: int = 2
    mixed_precision: bool = True
    save_steps: int = 0
    save_minutes: float = 10.0
    log_steps: int = 20
    seed: int = 0


@dataclass(frozen=True)
class MatchLog:
    """Means over the steps since the last report. `minutes` counts all the training so far."""

    step: int
    loss: float
    accuracy_first: float
    accuracy: float
    ghosts: float
    rigidity: float
    samples_per_s: float
    learning_rate: float
    skipped_steps: int
    minutes: float


class MatchTrainer:
    """Trains a matcher on endless batches: `batches(step)` gives the batch of a step.

    path      the state file; it is gone on from where it exists.
    settings  for this run; they may differ from those before.
    note      provenance to keep in the file, plain values.
    """

    def __init__(
        self,
        batches: Callable[[int], MatchBatch],
        path: Path,
        config: MatcherConfig | None = None,
        settings: MatchSettings | None = None,
        device: str = "cpu",
        note: dict[str, Any] | None = None,
    ) -> None:
        self.batches, self.path, self.device = batches, path, device
        self.settings = settings or MatchSettings()
        self.step, self.seconds, self.samples, self.bad_in_a_row = 0, 0.0, 0, 0
        self.note = note or {}
        self.beside: dict[str, Tensor] = {}  # stored with the weights
        stored = store.read(path) if path.exists() else None
        if stored and config and config != stored[0]:
            raise ModelError(f"{path}: expected a state of {config}, found {stored[0]}; name another file")
        torch.manual_seed(self.settings.seed)
        self.matcher = Matcher(stored[0] if stored else config or MatcherConfig()).to(device)
        self.average = {k: v.detach().clone() for k, v in self.matcher.state_dict().items()}
        self.optimizer = self._make_optimizer()
        self.stop = False
        if stored:
            self._resume(*stored[1:])

    def _make_optimizer(self) -> torch.optim.Optimizer:
        matrices = [p for p in self.matcher.parameters() if p.ndim > 1]
        others = [p for p in self.matcher.parameters() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.settings.learning_rate, betas=(0.9, 0.98), fused=True)

    def start_from(self, matcher: Matcher) -> None:
        """Take over the weights of another matcher of the same config, before the first step."""
        self.matcher.load_state_dict(matcher.state_dict())
        self.average = {k: v.detach().clone() for k, v in self.matcher.state_dict().items()}

    def train(
        self,
        until_step: int | None = None,
        minutes: float | None = None,
        cool_down: int = 0,
        on_log: Callable[[MatchLog], None] | None = None,
    ) -> None:
        """Train until a step, or for some minutes, or until asked to stop (`stop`, Ctrl-C, SIGTERM); save at the end.

        Over the last `cool_down` steps before `until_step` the learning rate goes down to 0. Raises `TrainingError`
        when losses are no numbers, `OutputError` when the state cannot be written.
        """
        started = saved = time.monotonic()
        remove_leftovers(self.path)
        trim_log(log_path(self.path), "step", self.step)
        if not self.step:
            self.save()  # so that a run that is killed soon can be resumed, too
        log = _Log(self)
        with self._stopping_at_signals():
            while not self.stop and (until_step is None or self.step < until_step):
                if minutes is not None and time.monotonic() - started > 60 * minutes:
                    break
                log.add(*self._one_step(self._learning_rate(until_step, cool_down)))
                if self.step % self.settings.log_steps == 0:
                    log.report(on_log)
                if self._is_due(saved):
                    self.save()
                    saved = time.monotonic()
            self.save()

    def _is_due(self, saved: float) -> bool:
        if self.settings.save_steps:
            return self.step % self.settings.save_steps == 0
        return time.monotonic() - saved > 60 * self.settings.save_minutes

    def _learning_rate(self, until_step: int | None, cool_down: int) -> float:
        rate = self.settings.learning_rate * min(1.0, (self.step + 1) / max(1, self.settings.warmup_steps))
        if until_step is not None and cool_down:
            rate *= min(1.0, (until_step - self.step) / cool_down)
        return rate

    def _one_step(self, rate: float) -> tuple[Figures, int, float, bool]:
        """(figures, samples, learning rate, whether it was learnt from): a batch whose loss or gradient is not finite
        changes nothing."""
        started = time.perf_counter()
        batch = self.batches(self.step).to(self.device)
        rng = np.random.default_rng((self.settings.seed, self.step))
        recycles = int(rng.integers(1, self.settings.most_recycles + 1))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.matcher.train()
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.settings.mixed_precision):
            output = self.matcher(batch.query, batch.dt_s, batch.reference, recycles)
        total, figures = loss(output, batch)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.matcher.parameters(), self.settings.clip)
        good = math.isfinite(figures.loss) and bool(norm.isfinite())
        if good:
            self.optimizer.step()
            self._average()
        self.bad_in_a_row = 0 if good else self.bad_in_a_row + 1
        refuse_divergence(self.bad_in_a_row, self.settings.learning_rate)
        self.step += 1
        self.samples += len(batch)
        self.seconds += time.perf_counter() - started
        return figures, len(batch), rate, good

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.settings.averaging, (1 + self.step) / (10 + self.step))
        now = self.matcher.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [now[k] for k in self.average], 1 - keep)

    def save(self) -> None:
        """Write the state, and go on from what was written."""
        tensors: dict[str, Tensor] = {}
        with torch.no_grad():
            for name, weight in self.matcher.state_dict().items():
                tensors[WEIGHTS + name] = weight
                tensors[SHIPPED + name] = store.half(self.average[name] - weight)
                self.average[name].copy_(weight + tensors[SHIPPED + name].to(weight.dtype))
            for name, parameter in self.matcher.named_parameters():
                for moment in _MOMENTS:
                    if moment in (kept := self.optimizer.state.get(parameter, {})):
                        tensors[f"{moment}/{name}"] = store.half(kept[moment])
                        kept[moment].copy_(tensors[f"{moment}/{name}"])
        store.write(self.path, self.matcher.config, tensors | self.beside, self.provenance())

    def provenance(self) -> dict[str, Any]:
        """Steps, samples, time and settings of the training so far, and the note."""
        return {
            "step": self.step, "samples": self.samples, "hours": round(self.seconds / 3600, 4),
            "optimizer_steps": self._optimizer_steps(), "settings": asdict(self.settings), "note": self.note,
        }  # fmt: skip

    def _optimizer_steps(self) -> int:
        return max((int(kept["step"]) for kept in self.optimizer.state.values()), default=0)

    def _resume(self, tensors: dict[str, Tensor], training: dict[str, Any]) -> None:
        weights = store.with_prefix(tensors, WEIGHTS)
        store.take_weights(self.matcher, weights, self.path)
        change = store.with_prefix(tensors, SHIPPED)
        self.average = {k: v.to(self.device) for k, v in (store.average(weights, change) or weights).items()}
        self.step, self.samples = int(training["step"]), int(training["samples"])
        self.seconds = 3600 * float(training["hours"])
        self.note = dict(training["note"]) | self.note
        for name, parameter in self.matcher.named_parameters():
            if f"{_MOMENTS[0]}/{name}" in tensors:
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(training["optimizer_steps"]), device=self.device),
                    **{m: tensors[f"{m}/{name}"].to(self.device, parameter.dtype) for m in _MOMENTS},
                }

    def averaged(self) -> Matcher:
        """A copy of the network with the averaged weights: what is shipped."""
        matcher = Matcher(self.matcher.config).to(self.device)
        matcher.load_state_dict(self.average)
        return matcher.eval()

    @contextmanager
    def _stopping_at_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end the training after the step, with its state saved."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self.stop = True

        before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def log_path(path: Path) -> Path:
    return path.with_name(path.name + ".log.jsonl")


@dataclass
class _Log:
    """Collects figures of steps; writes a line of JSON beside the state and tells who listens."""

    trainer: MatchTrainer
    figures: list[Figures] = field(default_factory=list)
    samples: int = 0
    skipped: int = 0
    rate: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def add(self, figures: Figures, samples: int, rate: float, good: bool) -> None:
        self.samples, self.rate = self.samples + samples, rate
        if good:
            self.figures.append(figures)
        else:
            self.skipped += 1

    def report(self, on_log: Callable[[MatchLog], None] | None) -> None:
        means = {
            name: round(_mean([getattr(f, name) for f in self.figures]), 5)
            for name in ("loss", "accuracy_first", "accuracy", "ghosts", "rigidity")
        }
        now = time.monotonic()
        speed = round(self.samples / max(1e-9, now - self.since), 2)
        minutes = round(self.trainer.seconds / 60, 2)
        line = MatchLog(
            step=self.trainer.step, **means, samples_per_s=speed, learning_rate=self.rate,
            skipped_steps=self.skipped, minutes=minutes,
        )  # fmt: skip
        with log_path(self.trainer.path).open("a", encoding="utf-8") as log:
            text = {k: v if v == v else None for k, v in asdict(line).items()}
            log.write(json.dumps(text, allow_nan=False) + "\n")
        if on_log:
            on_log(line)
        self.figures, self.samples, self.skipped, self.since = [], 0, 0, now


def _mean(values: list[float]) -> float:
    known = [v for v in values if math.isfinite(v)]
    return sum(known) / len(known) if known else math.nan
