"""Many files: those that are left, done where the user wants, each outcome noted before it is told."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from automarkerlabel.errors import InputError
from automarkerlabel.workflows.batch.json_values import plain
from automarkerlabel.workflows.batch.manifest import Manifest
from automarkerlabel.workflows.batch.pool import pooled
from automarkerlabel.workflows.batch.serial import in_this_process
from automarkerlabel.workflows.batch.task import Outcome, Task, Tell, Work


@dataclass(frozen=True)
class Where:
    """Where work is done: in so many worker processes, on a cluster at an address, or, with neither, in this process.
    `key` stands for the work, see `on_cluster`."""

    jobs: int | None = None
    cluster: str | None = None
    key: str = ""

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"jobs: expected 1 or more, found {self.jobs}")
        if self.jobs is not None and self.cluster is not None:
            raise InputError("cluster: expected no --jobs beside it, found both; the cluster has workers of its own")


def outcomes(
    work: Work, tasks: Sequence[Task], where: Where, manifest: Manifest | None, tell: Tell
) -> Generator[Outcome, None, None]:
    """Do what is left of the tasks; outcomes as they come, of those that were done before first.

    Raises what `prepare` raises; of a task alone, what it raises; `OutputError` where the manifest cannot be written.
    """
    left = list(tasks)
    if manifest is not None:
        before = [manifest.is_done(task) for task in tasks]
        left = [task for task, done in zip(tasks, before, strict=True) if not done]
        _refuse_other_ways(manifest, left)
        yield from (Outcome(task, before=True) for task, done in zip(tasks, before, strict=True) if done)
    begun = _begun(left, manifest, again=where.jobs is not None or where.cluster is not None)
    with closing(_spread(work, begun, len(left), where, tell)) as found:
        for outcome in found:
            if manifest is not None:
                _note(manifest, outcome)
            if outcome.error is not None and len(tasks) == 1:
                raise outcome.error
            yield outcome


def _spread(
    work: Work, tasks: Iterator[Task], n_tasks: int, where: Where, tell: Tell
) -> Generator[Outcome, None, None]:
    if n_tasks == 0:
        return
    if where.cluster is not None:
        from automarkerlabel.workflows.batch.cluster import on_cluster

        yield from on_cluster(work, where.key, tasks, where.cluster, tell)
    elif where.jobs is not None:
        yield from pooled(work, tasks, min(where.jobs, n_tasks), tell)
    else:
        yield from in_this_process(work, tasks, tell)


def _begun(tasks: Sequence[Task], manifest: Manifest | None, again: bool) -> Iterator[Task]:
    """The tasks as they are to be done. `again`: one whose process dies is tried again, and may write over what it
    wrote itself, where nothing was before."""
    for task in tasks:
        task = task if manifest is None else manifest.begin(task)
        free = again and not any(os.path.lexists(path) for path in task.written)
        yield replace(task, overwrite=True) if free else task


def _note(manifest: Manifest, outcome: Outcome) -> None:
    if outcome.error is None:
        manifest.done(outcome.task, plain(outcome.value))
    else:
        manifest.failed(outcome.task, outcome.why)


def _refuse_other_ways(manifest: Manifest, tasks: Sequence[Task]) -> None:
    """Raise `InputError` where outputs of another model or other options stand, and are to stay."""
    n = sum(manifest.in_another_way(task) for task in tasks)
    if n:
        raise InputError(
            f"{manifest.path}: expected the model and the options of the run before, found others, and outputs of {n}"
            " trials done with those; --overwrite does them anew, another --manifest and -o keep both"
        )
