"""Workers of a Dask cluster that is there already; files lie where all of them see them."""

import gc
import logging
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

from automarkerlabel.errors import AutoMarkerLabelError, InputError, ProcessingError
from automarkerlabel.io.files import remove_leftovers
from automarkerlabel.version import __version__
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

if TYPE_CHECKING:
    from distributed import Client, Future

_LEAST = 64  # tasks that wait at the scheduler, so that a cluster that grows with its work does grow
_MOST_LOST = 3  # tasks given up before any was done: then it is no task's fault
_PATIENCE_S = 10

Answer = tuple[tuple[str, ...], Outcome]  # notes, and what came of a task


def on_cluster(work: Work, key: str, tasks: Iterator[Task], address: str, tell: Tell) -> Generator[Outcome, None, None]:
    """Do the tasks on the workers of the scheduler at `address`; outcomes as they come.

    key  stands for the work and all that it loads: a worker that has loaded it keeps it.

    A task whose worker dies is tried again elsewhere, as often as the scheduler's `allowed-failures` says. Tasks that
    waited at the same worker are blamed, too: one that is given up begins anew, once, alone after all others. Raises
    `InputError` where no scheduler answers, what `prepare` raises where it fails before anything was done, and
    `ProcessingError` where the scheduler goes away, or workers die before anything was done.
    """
    with _client(address) as client:
        yield from _Cluster(client, work, key, tasks, tell).outcomes()


class _Cluster:
    def __init__(self, client: "Client", work: Work, key: str, tasks: Iterator[Task], tell: Tell) -> None:
        from distributed import as_completed

        self.client, self.work, self.key, self.tasks, self.tell = client, work, key, tasks, tell
        self.waiting: dict[str, tuple[Future[Answer], Task]] = {}
        self.completed = as_completed(loop=client.loop)
        self.suspects: deque[Task] = deque()  # tasks that the scheduler gave up once
        self.tried: set[Path] = set()  # their sources
        self.begun = False  # whether a worker could begin
        self.written: list[Path] = []

    def outcomes(self) -> Generator[Outcome, None, None]:
        try:
            self._hand_out()
            for future in self.completed:
                task = self.waiting.pop(str(future.key))[1]
                outcome = self._outcome(future, task)
                self._hand_out()
                if outcome is not None:
                    self.written += task.written
                    yield outcome
            with suppress(OSError):
                remove_leftovers(*self.written)  # of workers that died; the scheduler does not say of which
        finally:
            self.client.cancel([future for future, _ in self.waiting.values()], force=True)

    def _hand_out(self) -> None:
        most = max(_LEAST, 2 * sum(self.client.nthreads().values()))
        while len(self.waiting) < most and (task := next(self.tasks, None)) is not None:
            self._submit(task)
        if not self.waiting and self.suspects:
            self._submit(self.suspects.popleft())

    def _submit(self, task: Task) -> None:
        future = self.client.submit(attempt_on_worker, self.work, self.key, task, __version__, pure=False)
        self.waiting[str(future.key)] = future, task
        self.completed.add(future)

    def _outcome(self, future: "Future[Answer]", task: Task) -> Outcome | None:
        """What came of a task; None for one that is tried again."""
        from distributed import KilledWorker

        try:
            notes, outcome = future.result()
        except CancelledError as error:
            raise ProcessingError(
                "cluster: expected the scheduler to stay, found it gone; start one and run the command again"
            ) from error
        except KilledWorker as error:
            if task.source not in self.tried:
                self.tried.add(task.source)
                self.suspects.append(task)
                if not self.begun and len(self.tried) >= _MOST_LOST:
                    raise ProcessingError(
                        "cluster: expected workers that live to do a trial, found that they die before the first one"
                        " is done; if memory was short, give each more"
                    ) from error
                return None
            why = f"{task.source}: the workers that had it died, time and again, as when memory runs out"
            return Outcome(task, error=ProcessingError(why))
        except Exception as error:
            known = isinstance(error, AutoMarkerLabelError)
            why = f"cluster: expected workers with automarkerlabel {__version__}, found {error!r}"
            trouble = error if known else ProcessingError(why)
            if not self.begun:
                raise trouble from error
            return Outcome(task, error=trouble)  # of one worker among others that can begin
        if not self.begun:
            self.begun = True
            for note in notes:
                self.tell(f"note: {note}")
        return outcome


def _client(address: str) -> "Client":
    """A connection to a scheduler, by its address or the file that it wrote. Raises `InputError`."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is told by its outcome
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "cluster: expected the package distributed, found none; pip install 'automarkerlabel[cluster]'"
        ) from error
    where = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    try:
        return Client(**where, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError, ImportError) as error:
        clear_frames(error.__traceback__)
    gc.collect()  # the half-made client goes now: collected while another is made, it would wait for that one for ever
    raise InputError(
        f"cluster: expected the address of a Dask scheduler that runs, such as tcp://host:8786, found none at"
        f" {address!r}"
    )


_loaded: dict[str, Ready] = {}  # in a worker: the work that it did last
_one_at_a_time = threading.Lock()  # whatever number of threads a worker has


def attempt_on_worker(work: Work, key: str, task: Task, version: str) -> Answer:
    """In a worker: do a task. Raises what `prepare` raises, and `ProcessingError` for a worker of another version."""
    if version != __version__:
        raise ProcessingError(
            f"cluster: expected workers with automarkerlabel {version}, found {__version__} on {socket.gethostname()}"
        )
    with _one_at_a_time:
        if key not in _loaded:
            _loaded.clear()
            _use_one_thread()
            try:
                _loaded[key] = work.prepare()
            except Exception as error:
                raise portable(error) from None
        ready = _loaded[key]
        outcome = portable_outcome(attempted(ready, task))
    if outcome.error is not None and not task.source.exists():
        why = f"{task.source}: expected a file that all workers see, found none on {socket.gethostname()}"
        outcome = Outcome(task, error=InputError(why))
    return ready.notes, outcome


def _use_one_thread() -> None:
    os.environ.update(ONE_THREAD)
    torch: Any = sys.modules.get("torch")
    if torch is not None:  # a worker that others use, too
        torch.set_num_threads(1)
