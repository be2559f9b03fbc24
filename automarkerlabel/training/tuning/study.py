"""The study of `aml tune`: trials in a SQLite file that several processes share."""

import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automarkerlabel.errors import InputError, OutputError
from automarkerlabel.training.tuning.space import Search, customary

if TYPE_CHECKING:
    import optuna

FIRST_TRIALS = 5  # drawn at random, none of them pruned
_NAME = "aml tune"
_HEARTBEAT_S = 30
_LOCKED_S = 60  # how long a worker waits for the others' writing


@dataclass(frozen=True)
class Finished:
    """A finished trial: `state` complete, pruned or failed; `loss` the lowest validation loss, None if it had none;
    `settings` that make the same again."""

    number: int
    state: str
    loss: float | None
    accuracy: float | None
    seconds: float
    settings: dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """How a search stands. `per_minute`: trials finished in this run; `left_s`: None as long as it cannot be told."""

    trials: tuple[Finished, ...]
    per_minute: float
    left_s: float | None

    @property
    def best(self) -> Finished | None:
        """The complete trial of the lowest loss."""
        complete = [t for t in self.trials if t.state == "complete" and t.loss is not None]
        return min(complete, key=lambda t: t.loss or 0.0, default=None)


def require_optuna() -> None:
    """Raise `InputError`, which says what to install, where optuna is missing."""
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "aml tune: expected the package optuna, found none; pip install 'automarkerlabel[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_study(search: Search, worker: int = 0) -> "optuna.Study":
    """The study in the file, made where there is none. Raises `InputError` if the file holds something else."""
    require_optuna()
    import optuna

    if not search.study.parent.is_dir():
        raise OutputError(f"{search.study}: the folder {search.study.parent} does not exist; create it first")
    with quiet():
        study: optuna.Study = _patiently(search.study, lambda: optuna.create_study(
            storage=optuna.storages.RDBStorage(
                f"sqlite:///{search.study.resolve()}", {"connect_args": {"timeout": _LOCKED_S}},
                heartbeat_interval=_HEARTBEAT_S,
            ),
            study_name=_NAME, load_if_exists=True, pruner=_pruner(search.pruner),
        ))  # fmt: skip
        seed = int(search.fixed.get("seed", 0)) + 1000 * worker + len(study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=FIRST_TRIALS, seed=seed, constant_liar=True)
    _agree(search, study)
    return study


def _pruner(name: str) -> "optuna.pruners.BasePruner":
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if name == "median":
        return MedianPruner(n_startup_trials=FIRST_TRIALS, n_warmup_steps=1)
    return HyperbandPruner() if name == "hyperband" else NopPruner()


def _patiently(path: Path, make: Callable[[], Any]) -> Any:
    """Two processes may make the tables at once: who comes second finds them on another try."""
    for wait_s in (0.2, 0.5, 1.0, None):
        try:
            return make()
        except Exception as error:  # SQLite's and SQLAlchemy's own, whatever the file's bytes make them say
            if wait_s is None:
                reason = str(error).partition("\n")[0]
                raise InputError(f"{path}: expected a study of aml tune, found another file: {reason}") from error
            time.sleep(wait_s)


def _agree(search: Search, study: "optuna.Study") -> None:
    """Remember in a new study what it is about; raise `InputError` if this one is about something else."""
    ours = json.loads(json.dumps(search.facts()))
    theirs = study.user_attrs.get("search")
    if theirs is None:
        study.set_user_attr("search", ours)
        for kind in search.model_types:
            study.enqueue_trial(customary(search, kind), skip_if_exists=True)
        return
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise InputError(
                f"{search.study}: expected a study with {name} {value}, found {theirs.get(name)}; name another -o"
            )


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings that parts of optuna may yet change."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ExperimentalWarning)
        yield


def finished_trials(study: "optuna.Study") -> tuple[Finished, ...]:
    found = []
    for t in study.get_trials(deepcopy=False):
        if not t.state.is_finished():
            continue
        state = {"FAIL": "failed"}.get(t.state.name, t.state.name.lower())
        losses = [x for x in t.intermediate_values.values() if x == x]
        seconds = t.duration.total_seconds() if t.duration is not None else 0.0
        attrs = t.user_attrs
        found.append(Finished(
            t.number, state, min(losses, default=None), attrs.get("val_accuracy"), seconds, attrs.get("settings", {})
        ))  # fmt: skip
    return tuple(found)
