"""What is done with each file of many, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from automarkerlabel.errors import AutoMarkerLabelError, ProcessingError


@dataclass(frozen=True)
class Task:
    """One file. `outputs` are what is written, in an order that the work knows, None for what is not wanted;
    `overwrite`: they may replace what is there."""

    source: Path
    outputs: tuple[Path | None, ...] = ()
    overwrite: bool = False

    @property
    def written(self) -> tuple[Path, ...]:
        return tuple(x for x in self.outputs if x is not None)

    def anywhere(self) -> "Task":
        """The same with full paths, for processes in other folders."""
        outputs = tuple(None if x is None else x.absolute() for x in self.outputs)
        return replace(self, source=self.source.absolute(), outputs=outputs)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a task: a value, or an error. `before` says that an earlier run did it; its value is not known."""

    task: Task
    value: Any = None
    error: Exception | None = None
    before: bool = False

    @property
    def why(self) -> str:
        """The error in words, with the file's name."""
        known = isinstance(self.error, AutoMarkerLabelError)
        text = str(self.error) if known else f"unexpected {self.error!r}"
        return text if str(self.task.source) in text else f"{self.task.source}: {text}"


@dataclass(frozen=True, eq=False)
class Ready:
    """Work that can begin: what to do with a task, and what to tell before."""

    do: Callable[[Task], Any]
    notes: tuple[str, ...] = ()


class Work(Protocol):
    """What is done with each file. It travels to other processes, so that it is small and can be pickled."""

    def prepare(self) -> Ready:
        """Load what every task needs; called once in each process."""


Tell = Callable[[str], None]
# One thread for all that a process computes. Libraries read these when they are loaded.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def attempted(ready: Ready, task: Task) -> Outcome:
    """Do a task; whatever is raised, by us or by a library that met a file gone mad, fails this task alone."""
    try:
        return Outcome(task, ready.do(task))
    except Exception as error:
        return Outcome(task, error=error)


def portable(error: Exception) -> AutoMarkerLabelError:
    """The error itself, or in words where other processes may not know what it is made of."""
    return error if isinstance(error, AutoMarkerLabelError) else ProcessingError(f"unexpected {error!r}")


def portable_outcome(outcome: Outcome) -> Outcome:
    """The outcome with an error that can be sent to another process."""
    return outcome if outcome.error is None else Outcome(outcome.task, error=portable(outcome.error))
