"""Many files before a person: a bar, a line for each that failed, and at the end what came of all."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from automarkerlabel.cli import console

if TYPE_CHECKING:
    from automarkerlabel.workflows.batch.batch import Where
    from automarkerlabel.workflows.batch.manifest import Manifest
    from automarkerlabel.workflows.batch.task import Outcome, Task, Work

_MOST_NAMED = 10  # files that failed; each was told when it did


@dataclass
class Results:
    """What came of the tasks so far, by their place: values, where they were to be kept, errors in words, and those
    that an earlier run did."""

    n_tasks: int
    n_done: int = 0
    values: dict[int, Any] = field(default_factory=dict)
    errors: dict[int, tuple[str, str]] = field(default_factory=dict)
    before: list[int] = field(default_factory=list)

    @property
    def begun(self) -> bool:
        """Whether there is anything to tell of."""
        return bool(self.n_done or self.errors or self.before)

    def in_order(self) -> list[Any]:
        return [self.values[n] for n in sorted(self.values)]

    def failures(self) -> list[tuple[str, str]]:
        """File and error of each that failed."""
        return [self.errors[n] for n in sorted(self.errors)]

    def as_json(self, shown: Sequence[Any]) -> Any:
        """`shown` and the failures for a script; of one file alone, what it is."""
        if self.n_tasks == 1:
            return shown[0]
        return {"trials": shown, "failed": [{"trial": trial, "error": error} for trial, error in self.failures()]}

    def leave(self) -> None:
        """Leave with exit code 3 where some failed, 1 where all did."""
        if self.errors:
            raise typer.Exit(3 if self.n_done or self.before else 1)


def run(
    what: str, work: "Work", tasks: "Sequence[Task]", results: Results, show: Callable[[Any], None],
    where: "Where | None" = None, manifest: "Manifest | None" = None, quiet: bool = False, keep: bool = True,
) -> None:  # fmt: skip
    """Do the tasks and show each value; `results` are there also for who stops it half-way.

    A task alone raises what fails it. `keep`: whether values are kept in `results`.
    """
    from automarkerlabel.workflows.batch.batch import Where, outcomes

    place = {task.source: n for n, task in enumerate(tasks)}
    with (
        console.progress(what, len(tasks), quiet) as bar,
        closing(outcomes(work, tasks, where or Where(), manifest, console.say)) as found,
    ):
        try:
            for outcome in found:
                _take(outcome, place[outcome.task.source], results, show, keep)
                console.advance(bar, counts=not outcome.before)
        except KeyboardInterrupt:
            if manifest is not None:
                console.say(f"{results.n_done} done; the same command goes on from there")
            raise
    _tell(results)


def _take(outcome: "Outcome", n: int, results: Results, show: Callable[[Any], None], keep: bool) -> None:
    if outcome.before:
        results.before.append(n)
    elif outcome.error is not None:
        results.errors[n] = str(outcome.task.source), outcome.why
        console.say(f"aml: {outcome.why}")
    else:
        results.n_done += 1
        if keep:
            results.values[n] = outcome.value
        show(outcome.value)


def _tell(results: Results) -> None:
    """How many were done, and which were not."""
    if not results.before and (not results.errors or results.n_tasks == 1):
        return
    before = f"{len(results.before)} done before, " if results.before else ""
    console.say(f"{results.n_tasks} trials: {before}{results.n_done} done, {len(results.errors)} failed")
    if len(results.errors) > 1:
        names = [name for name, _ in results.failures()]
        more = ", ..." if len(names) > _MOST_NAMED else ""
        console.say(f"failed: {', '.join(names[:_MOST_NAMED])}{more}")
