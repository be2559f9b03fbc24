"""What a trajectory model is trained for, what is told of each epoch, and when a training cannot go on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrainingError
from automarkerlabel.io.files import atomic, remove_leftovers
from automarkerlabel.models import Config
from automarkerlabel.training.settings import Augmentation

_BAD_STEPS_IN_A_ROW = 10


class TrialPools(Protocol):
    """Labelled trials without end: the pool of a number is always the same, `name` says what is in it."""

    @property
    def name(self) -> str: ...
    def pool(self, number: int) -> list[Trial]: ...
    def validation(self) -> list[Trial]: ...


@dataclass(frozen=True, eq=False)
class Task:
    """What is learnt: the model type and its config, the windows, the marker set, and the trials; with `endless` each
    epoch learns from a pool of its own, too."""

    model_type: str
    config: Config
    windows: WindowConfig
    marker_set: MarkerSet
    train: Sequence[Trial]
    validation: Sequence[Trial] = ()
    augmentation: Augmentation = field(default_factory=Augmentation)
    endless: TrialPools | None = None


@dataclass(frozen=True)
class Epoch:
    """Figures of one finished epoch; None: no step had a loss, there are no validation trials."""

    epoch: int
    epochs: int
    loss: float | None
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    windows_per_s: float
    seconds: float
    best: bool
    part: int
    skipped_steps: int
    val_forecast: float | None = None  # mean squared error over that of "it moves as its neighbours do"


Step = Callable[[int, int, float], None]


def log_epoch(run_dir: Path, report: Epoch) -> None:
    """Add an epoch's figures to the run's log, one line of JSON."""
    with (run_dir / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(report)) + "\n")


def trim_log(path: Path, count: str, last: int) -> None:
    """Leave only the lines of a log up to `last`, by their figure named `count`: a run that was killed may have told
    more than it saved, and the last line in part."""
    remove_leftovers(path)
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if _count(line, count) <= last]
    if kept != lines:
        with atomic(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")


def _count(line: str, name: str) -> float:
    """A figure of a line; infinite where it has none."""
    try:
        return float(json.loads(line)[name])
    except (ValueError, TypeError, KeyError):
        return float("inf")


def refuse_divergence(bad_in_a_row: int, learning_rate: float) -> None:
    """Raise `TrainingError` once too many steps in a row had a loss that is no number."""
    if bad_in_a_row >= _BAD_STEPS_IN_A_ROW:
        raise TrainingError(
            f"expected finite losses, found {bad_in_a_row} in a row that are not;"
            f" use a lower --learning-rate (now {learning_rate:g}) or a smaller --clip"
        )
