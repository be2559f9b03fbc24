"""HDF5 files are read in a process of its own first: damaged bytes can make HDF5's library take all memory, go on for
ever, or end its process.

`guarded` makes a reader that is called there before it is called here; what it raises there it raises here, at once.
The process is started when it is first needed, and again after it ended. It takes calls as JSON lines on stdin, and
answers each with a line on stdout.
"""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from importlib import import_module
from pathlib import Path
from threading import Lock, Timer
from typing import Any, TypeVar, cast

from automarkerlabel.errors import AutoMarkerLabelError, FileFormatError, InputError
from automarkerlabel.io.c3d.guard import limit_memory
from automarkerlabel.io.files import check_input

_START_S, _TIME_S, _BYTES_PER_S = 120.0, 5.0, 2e6
_MEMORY_BYTES, _MEMORY_PER_BYTE, _MOST_BYTES = 200 << 20, 4000, 8 << 30  # beyond what it has when it is started

_ERRORS = {kind.__name__: kind for kind in (InputError, FileFormatError)}
Reading = TypeVar("Reading", bound=Callable[..., Any])


def guarded(read: Reading) -> Reading:
    """A reader that is called in the process of its own first, with the same path and arguments, which are plain.

    Raises `FileFormatError` where that process does not come to an end within limits of memory and time that grow with
    the file.
    """

    @wraps(read)
    def careful(path: Path, *args: Any, **named: Any) -> Any:
        check_input(path)
        if _guard is not None:
            what = {"module": read.__module__, "name": read.__name__, "path": str(path), "args": args, "named": named}
            _guard.call(what, path)
        return read(path, *args, **named)

    return cast(Reading, careful)


class _Guard:
    """The process, as it is seen from here."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0

    def call(self, what: dict[str, Any], path: Path) -> None:
        size = path.stat().st_size
        memory = min(_MEMORY_BYTES + _MEMORY_PER_BYTE * size, _MOST_BYTES)
        with self._lock:
            if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
                self._end(self._process, self._owner)
                self._process = None
            if self._process is None:
                self._start()
            if self._process is None:
                raise InputError(f"{path}: expected a process of its own to read HDF5 in, found none that starts")
            answer = self._answer(json.dumps({**what, "memory": memory}, default=list), _TIME_S + size / _BYTES_PER_S)
        if not answer:
            raise FileFormatError(
                f"{path}: expected an HDF5 file, found one so damaged that reading it took too long or too much memory;"
                " copy or export it again"
            )
        kind, _, said = answer.partition(" ")
        if kind != "done":
            raise _ERRORS.get(kind, FileFormatError)(said)

    def _start(self) -> None:
        environment = {
            **os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
            "PYTHONIOENCODING": "utf-8:backslashreplace",
        }  # fmt: skip
        # -P keeps the working folder, which may be anybody's, off the module path.
        start = f"import sys; sys.path[:] = {[x for x in sys.path if x]!r}; from {__package__} import guard"
        command = [sys.executable, "-P", "-c", f"{start}; guard.main()"]
        self._process = subprocess.Popen(
            command, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True, encoding="utf-8", env=environment
        )
        self._owner = os.getpid()
        atexit.register(self._end, self._process, self._owner)
        self._answer("", _START_S)

    def _answer(self, line: str, seconds: float) -> str:
        """What it says to a line; nothing if it ended, or was ended after so many seconds, before that was whole."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        timer = Timer(seconds, process.kill)
        timer.start()
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            said = process.stdout.readline()
            answer = said.strip() if said.endswith("\n") else ""
        except OSError:
            answer = ""
        finally:
            timer.cancel()
        if not answer:
            self._end(process, self._owner)
            atexit.unregister(self._end)
            self._process = None
        return answer

    @staticmethod
    def _end(process: "subprocess.Popen[str]", owner: int) -> None:
        if owner != os.getpid():  # a fork, whose parent's it is
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # of a pipe that nobody reads any more
                if pipe is not None:
                    pipe.close()
        process.wait()


_guard: _Guard | None = _Guard()


def main() -> None:
    """Call what is asked for, and say whether it came to an end, or which error it raised."""
    global _guard
    _guard = None
    import_module("h5py")  # before time counts
    begun = _address_space()
    for line in sys.stdin:
        if line.strip():
            asked = json.loads(line)
            limit_memory(begun + asked["memory"])
            read = getattr(import_module(asked["module"]), asked["name"])
            try:
                read(Path(asked["path"]), *asked["args"], **asked["named"])
            except AutoMarkerLabelError as error:
                print(type(error).__name__, " ".join(str(error).split()), flush=True)
                continue
        print("done", flush=True)


def _address_space() -> int:
    """Bytes that this process has reserved; 1 GB where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 1 << 30
