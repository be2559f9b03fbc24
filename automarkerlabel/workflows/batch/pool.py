"""Worker processes of this machine, each with one task at a time, so that one that dies takes one task with it."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any

from automarkerlabel.errors import AutoMarkerLabelError, ProcessingError
from automarkerlabel.io.files import remove_leftovers
from automarkerlabel.workflows.batch.task import (
    ONE_THREAD,
    Outcome,
    Ready,
    Task,
    Tell,
    Work,
    attempted,
    portable,
    portable_outcome,
)

_GRACE_S = 5.0  # for a process to clean up after itself


def pooled(work: Work, tasks: Iterator[Task], n_workers: int, tell: Tell) -> Iterator[Outcome]:
    """Do the tasks in `n_workers` processes of one thread each; outcomes as they come.

    A task whose process dies is tried once more, after all others, in another process. When the caller stops, so do the
    processes; they leave no half-written file. Raises what `prepare` raises where no process can begin, and
    `ProcessingError` where all die before they do.
    """
    pool = _Pool(work, tasks, tell)
    try:
        for _ in range(n_workers):
            pool.add()
        yield from pool.outcomes()
    finally:
        pool.stop()


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    task: Task | None = None
    ready: bool = False


class _Pool:
    def __init__(self, work: Work, tasks: Iterator[Task], tell: Tell) -> None:
        self.work, self.tasks, self.tell = work, tasks, tell
        self.workers: list[_Worker] = []
        self.again: deque[Task] = deque()  # tasks whose worker died once
        self.tried: set[Path] = set()  # their sources
        self.no_more = False
        self.told = False
        self.trouble: AutoMarkerLabelError | None = None  # why workers could not begin

    def add(self) -> None:
        """Start one more process."""
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
        with _inherited():
            process.start()
        there.close()  # or its end would not be seen here
        self.workers.append(_Worker(process, here))
        with suppress(OSError):  # dead already: found out when it is listened to
            here.send(self.work)

    def outcomes(self) -> Iterator[Outcome]:
        while any(w.task for w in self.workers) or (self.workers and self._more()):
            for pipe in connection.wait([w.pipe for w in self.workers]):
                worker = next(w for w in self.workers if w.pipe is pipe)
                outcome = self._heard(worker)
                for idle in [w for w in self.workers if w.ready and w.task is None]:
                    self._give(idle)
                if outcome is not None:
                    yield outcome
        if self._more() and self.trouble is not None:
            raise self.trouble

    def _more(self) -> bool:
        """Whether there may be tasks that nobody is at."""
        return bool(self.again) or not self.no_more

    def _give(self, worker: _Worker) -> None:
        task = None if self.no_more else next(self.tasks, None)
        if task is None:
            self.no_more = True
            if not self.again:
                return
            task = self.again.popleft()
        worker.task = task
        with suppress(OSError):
            worker.pipe.send(task)

    def _heard(self, worker: _Worker) -> Outcome | None:
        """What a worker says, or that it is no more."""
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            return self._died(worker)
        if isinstance(said, Outcome):
            worker.task = None
            return said
        if isinstance(said, AutoMarkerLabelError):
            self._let_go(worker, said)
            return None
        worker.ready = True
        if not self.told:
            self.told = True
            for note in said:
                self.tell(f"note: {note}")
        return None

    def _died(self, worker: _Worker) -> Outcome | None:
        self._end(worker)
        how = _ending(worker.process.exitcode)
        if not worker.ready:
            why = f"a process died while it loaded the model ({how}); if memory was short, use fewer --jobs"
            self._let_go(worker, ProcessingError(why))
            return None
        self.workers.remove(worker)
        task, outcome = worker.task, None
        if task is not None and task.source in self.tried:
            why = f"{task.source}: the process that worked on it died, twice ({how})"
            outcome = Outcome(task, error=ProcessingError(why))
        elif task is not None:
            self.tried.add(task.source)
            self.again.append(task)
            self.tell(f"{task.source}: the process that worked on it died ({how}); it is tried again at the end")
        if self._more() and not any(w.ready and w.task is None for w in self.workers):
            self.add()
        return outcome

    def _let_go(self, worker: _Worker, why: AutoMarkerLabelError) -> None:
        """Go on without a worker that cannot begin."""
        self.workers.remove(worker)
        self._end(worker)
        self.trouble = self.trouble or why
        if self.workers:
            self.tell(f"aml: {why}; going on with {len(self.workers)} processes")

    def _end(self, worker: _Worker) -> None:
        """Wait for the end of a process, and clear up what it left half-written."""
        worker.pipe.close()
        worker.process.join(_GRACE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        if worker.task is not None:
            with suppress(OSError):
                remove_leftovers(*worker.task.written)

    def stop(self) -> None:
        """End all processes: idle ones go by themselves when nobody listens, others are told to."""
        for worker in self.workers:
            if worker.task is not None or not worker.ready:
                worker.process.terminate()
            worker.pipe.close()
        while self.workers:
            self._end(self.workers.pop())


def _ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    return f"{name}, as when memory runs out" if name == "SIGKILL" else name


@contextmanager
def _inherited() -> Iterator[None]:
    """What a process that is started within inherits: one thread, and deafness to Ctrl-C, with which we deal."""
    main = threading.current_thread() is threading.main_thread()  # no other may set signals
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, interrupt)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection) -> None:
    """A worker process: the work comes first, then tasks, until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    with suppress(EOFError, OSError):  # whoever started this process is gone
        ready = _prepared(pipe)
        while ready is not None:
            pipe.send(portable_outcome(attempted(ready, pipe.recv())))


def _prepared(pipe: Connection) -> Ready | None:
    work: Work = pipe.recv()
    answer: Any
    try:
        ready = work.prepare()
        answer = ready.notes
    except Exception as error:
        ready, answer = None, portable(error)
    pipe.send(answer)
    return ready


def _leave(number: int, frame: FrameType | None) -> None:
    """Leave as if by an error, so that what is half-written is removed on the way."""
    raise SystemExit(0)
