"""Going on with the predecessor's own training: its network, its preparation, its optimiser, its training checkpoint.

One epoch draws its random numbers in the order in which the predecessor's code draws them, from the state that a
training checkpoint holds, so that either can go on with what the other left.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from automarkerlabel.core.source import Source
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.io.files import atomic, make_folder
from automarkerlabel.labellers.legacy.inputs import LONGEST_WINDOW
from automarkerlabel.labellers.legacy.model import LegacyParts, is_training_checkpoint
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.device import choose_for_training, keep_or_choose
from automarkerlabel.models.legacy_lstm import LegacyLstm, LegacyLstmConfig
from automarkerlabel.training.legacy import state as legacy_state
from automarkerlabel.training.legacy.state import STATE, TrainingState, run_dir, saved_state
from automarkerlabel.training.legacy.windows import TrainingWindows, facing_pairs
from automarkerlabel.training.memory import BackOff, bytes_per_window, free_bytes, windows_that_fit
from automarkerlabel.training.task import Epoch, log_epoch, refuse_divergence

LEARNING_RATE, MOMENTUM = 0.078, 0.65
_MEASURED_FRAMES = 12

Step = Callable[[int, int, float], None]


@dataclass(frozen=True)
class LegacySettings:
    """How training goes on.

    epochs                    in all, those of a training checkpoint included.
    learning_rate, momentum   of SGD; None: as in the training checkpoint, or else as the predecessor has them.
    clip                      greatest norm of the gradient; 0: any.
    seed                      of the order of windows and of dropout, where no training checkpoint holds their state.

    Raises `InputError` for values that cannot be.
    """

    epochs: int = 10
    batch_size: int = 100
    learning_rate: float | None = None
    momentum: float | None = None
    clip: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        rate, momentum = self.learning_rate, self.momentum
        for name, fine, wanted in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 2, "at least 2 (this network normalises over the batch)"),
            ("learning_rate", rate is None or 0 < rate < float("inf"), "more than 0"),
            ("momentum", momentum is None or 0 <= momentum < 1, "0 or more and below 1"),
            ("clip", self.clip >= 0, "0 or more"),
        ):
            if not fine:
                raise InputError(f"{name}: expected {wanted}, found {getattr(self, name)}")


class LegacyTrainer:
    """Goes on training the predecessor's network on labelled trials.

    out       the model file, of type "legacy_lstm": written after every epoch.
    run_dir   `training.ckpt`, the predecessor's training checkpoint after the last epoch, from which its code can go on
              too; what must not change (`run.json`); a log of one JSON line an epoch.

    The network normalises over a batch. Where memory holds only a part of one, it does so over the part. A single
    window that is left at the end of an epoch is not learnt from.
    """

    def __init__(
        self, parts: LegacyParts, sources: Sequence[Source], settings: LegacySettings, out: Path, device: str = "cpu"
    ) -> None:
        self.parts, self.settings, self.out = parts, settings, out
        self.run_dir = run_dir(out)
        self.device = torch.device(device)
        self.windows = TrainingWindows(sources, parts.marker_set, parts.scale)
        self.n_trials = len(sources)
        config = LegacyLstmConfig(**{k: v for k, v in parts.config.items() if k != "scale"})
        self.model = LegacyLstm(config).to(self.device)
        self.model.load_state_dict(parts.tensors)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=LEARNING_RATE if settings.learning_rate is None else settings.learning_rate,
            momentum=MOMENTUM if settings.momentum is None else settings.momentum,
        )
        with _one_thread():  # several that wait for each other can take ten times as long
            per_window = bytes_per_window(_Measured(self.model), LONGEST_WINDOW, config.n_features)
        self.back_off = BackOff(
            settings.batch_size,
            windows_that_fit(settings.batch_size, per_window, free_bytes(self.device)),
            least=2,  # batch norm needs two
        )
        self.epoch = 0
        self.running_loss: list[float] = []  # of every step, as the predecessor keeps it
        self.rng_state = torch.Generator().manual_seed(settings.seed).get_state()
        self.bad_in_a_row = 0
        self.seconds = 0.0
        self.threads = 0

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.windows) // self.settings.batch_size)

    def describe(self) -> str:
        """What is about to be learnt, in a line or two."""
        weights = sum(p.numel() for p in self.model.parameters())
        pairs = facing_pairs(self.parts.marker_set)
        facing = f"turned to face +x by {' and '.join(pairs[0])}" if pairs else "taken to face +x: no left and right"
        lines = [
            f"legacy_lstm of {weights:,} weights for {len(self.parts.labels)} labels; {self.n_trials} trials, {facing};"
            f" {self.steps_per_epoch} steps of {self.settings.batch_size} windows an epoch on {self.device};"
            f" epoch {self.epoch} of {self.settings.epochs} is done"
        ]
        if self.back_off.part < self.settings.batch_size:
            lines.append(f"memory: steps are taken in parts of {self.back_off.part} windows")
        return "\n".join(lines)

    def epochs(self, on_step: Step | None = None) -> Iterator[Epoch]:
        """Train, one finished and saved epoch at a time, until the last.

        `on_step(step, steps, loss)` hears of every step. Raises `TrainingError` when it cannot go on.
        """
        make_folder(self.run_dir)
        if self.device.type == "cpu":
            self.threads = keep_or_choose(self.threads, self._choose_threads)
        while self.epoch < self.settings.epochs:
            report = self._one_epoch(on_step)
            self.save_model(report)
            self.save_state()
            log_epoch(self.run_dir, report)
            yield report

    def _choose_threads(self) -> int:
        """Measured on the first frames of a batch, since a whole one takes seconds; no weight changes."""
        inputs = torch.ones(self.back_off.part, _MEASURED_FRAMES, self.model.config.n_features)
        lengths = torch.full((len(inputs),), _MEASURED_FRAMES)
        self.model.eval()  # batch statistics stay as they are

        def step() -> None:
            self.model(inputs, lengths).sum().backward()

        threads = choose_for_training(step)
        self.optimizer.zero_grad(set_to_none=True)
        return threads

    def _one_epoch(self, on_step: Step | None) -> Epoch:
        started = time.perf_counter()
        torch.set_rng_state(self.rng_state)
        if self.device.type == "cuda":  # whose state the predecessor's checkpoint does not hold
            torch.cuda.manual_seed_all(int(hashlib.sha256(self.rng_state.numpy().tobytes()).hexdigest()[:15], 16))
        self.model.train()
        losses, right, seen, bad = [], 0, 0, 0
        for step, (inputs, lengths, labels) in enumerate(self._batches()):
            if len(labels) < 2:
                continue
            loss, correct = self._step(inputs, lengths, labels)
            if np.isfinite(loss):
                self.bad_in_a_row = 0
                losses.append(loss)
            else:
                bad, self.bad_in_a_row = bad + 1, self.bad_in_a_row + 1
                refuse_divergence(self.bad_in_a_row, self.learning_rate)
            right, seen = right + correct, seen + len(labels)
            if on_step:
                on_step(step + 1, self.steps_per_epoch, loss)
        self.rng_state = torch.get_rng_state()
        self.running_loss += losses
        self.epoch += 1
        seconds = time.perf_counter() - started
        self.seconds += seconds
        return Epoch(
            self.epoch, self.settings.epochs, float(np.mean(losses)) if losses else None, right / seen, None, None,
            self.learning_rate, seen / seconds, seconds, False, self.back_off.part, bad,
        )  # fmt: skip

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Batches of an epoch, as drawn by the loader that the predecessor uses."""
        rows = range(len(self.windows))
        return iter(
            DataLoader(rows, self.settings.batch_size, shuffle=True, collate_fn=self.windows.batch)  # type: ignore[arg-type]
        )

    def _step(self, inputs: Tensor, lengths: Tensor, labels: Tensor) -> tuple[float, int]:
        """One optimiser step on a batch, in parts that fit; (mean loss, windows that were right). A batch whose loss
        or gradient is not finite changes nothing."""
        inputs, labels = inputs.to(self.device), labels.to(self.device)
        before = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        size = len(labels)
        total, correct = 0.0, 0

        @torch.no_grad()
        def restart() -> None:
            nonlocal total, correct
            total, correct = 0.0, 0
            self.optimizer.zero_grad(set_to_none=True)
            for buffer, value in before:
                buffer.copy_(value)

        def part(where: slice) -> None:
            nonlocal total, correct
            logits = self.model(inputs[where], lengths[where])
            loss = F.cross_entropy(logits, labels[where], reduction="sum") / size
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            correct += int((logits.argmax(1) == labels[where]).sum())

        self.back_off.run(part, restart, size)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip or float("inf"))
        if not (np.isfinite(total) and bool(torch.isfinite(norm))):
            restart()
            return float("nan"), correct
        self.optimizer.step()
        return total, correct

    # --- files ----------------------------------------------------------------------------------------------------

    def save_model(self, report: Epoch) -> None:
        """Write the model file with how it came about."""
        training = {
            "settings": asdict(self.settings) | {"learning_rate": self.learning_rate, "momentum": self._momentum},
            "n_trials": self.n_trials,
            "n_windows": len(self.windows),
            "seconds": round(self.seconds, 1),
            "figures": asdict(report),
        }
        tensors = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
        store.save(
            store.Checkpoint(
                "legacy_lstm", self.parts.config, {}, self.parts.marker_set, list(self.parts.scale), tensors,
                training=training,
            ),
            self.out,
        )  # fmt: skip

    @property
    def _momentum(self) -> float:
        return float(self.optimizer.param_groups[0]["momentum"])

    def save_state(self) -> None:
        """Write what `resume` needs: the predecessor's training checkpoint, and beside it what must stay the same."""
        facts = self._fingerprint() | {"threads": self.threads, "seconds": self.seconds}
        with atomic(self.run_dir / "run.json") as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
        state = TrainingState(self.epoch, self.rng_state, self.running_loss)
        legacy_state.write(self.run_dir / STATE, self.model, self.optimizer, state)

    def forget(self) -> None:
        """Remove the state and the log of an earlier run."""
        for name in (STATE, "run.json", "log.jsonl"):
            (self.run_dir / name).unlink(missing_ok=True)

    def resume(self) -> None:
        """Go on after the last finished epoch of an earlier run with the same trials and settings.

        Raises `ModelError` where there is none, or where it learnt something else; `InputError` if it is at its end.
        """
        path = self.run_dir / "run.json"
        try:
            theirs = dict(json.loads(path.read_text(encoding="utf-8")))
            self.threads, self.seconds = int(theirs["threads"]), float(theirs["seconds"])
            if self.threads < 0:
                raise ValueError("threads below 0")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{path}: expected facts of an earlier run, found none; train without --resume") from error
        for name, ours in self._fingerprint().items():
            if theirs.get(name) != ours:
                raise ModelError(f"{path}: expected a run with {name} {ours}, found {theirs.get(name)}")
        self._restore(saved_state(self.out))

    def start_from(self, path: Path) -> None:
        """Go on where a training checkpoint of the predecessor stopped; from weights alone begin at epoch 0.

        Raises `ModelError` if its optimiser or its random state is another; `InputError` if no epoch is left.
        """
        if is_training_checkpoint(path):
            self._restore(path)

    def _restore(self, path: Path) -> None:
        state = legacy_state.restore(path, self.model, self.optimizer)
        if state.epoch >= self.settings.epochs:
            raise InputError(
                f"epochs: expected more than the {state.epoch} finished epochs of {path}, found"
                f" {self.settings.epochs}; epochs are counted from the first of that training"
            )
        self.epoch, self.rng_state, self.running_loss = state.epoch, state.rng_state, state.running_loss
        given = {"lr": self.settings.learning_rate, "momentum": self.settings.momentum}
        self.optimizer.param_groups[0] |= {name: value for name, value in given.items() if value is not None}

    def _fingerprint(self) -> dict[str, Any]:
        return {
            "labels": list(self.parts.labels),
            "scale": list(self.parts.scale),
            "batch_size": self.settings.batch_size,
            "clip": self.settings.clip,
            "n_windows": len(self.windows),
        }


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Measured(nn.Module):
    """The network as `memory.bytes_per_window` calls models."""

    def __init__(self, network: LegacyLstm) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        return self.network(x, mask.sum(1)), None
