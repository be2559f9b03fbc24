"""In this process, one after the other."""

from collections.abc import Iterator

from automarkerlabel.workflows.batch.task import Outcome, Ready, Task, Tell, Work, attempted


def in_this_process(work: Work, tasks: Iterator[Task], tell: Tell) -> Iterator[Outcome]:
    """Do the tasks. Raises what `prepare` raises."""
    ready: Ready | None = None
    for task in tasks:
        if ready is None:
            ready = work.prepare()
            for note in ready.notes:
                tell(f"note: {note}")
        yield attempted(ready, task)
