"""A text file of JSON lines that grows: one process writes on it, every line is on disk before anything relies on it,
and what a kill cut off in mid-line was never there."""

import errno
import json
import os
import sys
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from automarkerlabel.errors import InputError, OutputError
from automarkerlabel.io.files import check_input

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # what systems say of a lock that another process holds


class JsonLines:
    """A file of JSON lines that nobody else can write on until it is closed."""

    def __init__(self, path: Path, other: str) -> None:
        """Open one that is there; `other` says who may have it open, such as "another aml review of this trial".

        Raises `InputError` where it is missing or in use, `OutputError` where it cannot be written or locked.
        """
        self.path = path
        check_input(path)
        try:
            self._file = FileIO(path, "r+")
        except OSError as error:
            raise OutputError(f"{path}: expected a file to write on, found none ({error.strerror})") from error
        try:
            if sys.platform == "win32":
                msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            if error.errno not in _TAKEN:
                raise OutputError(
                    f"{path}: expected a file that can be locked, found a file system that cannot ({error.strerror});"
                    " put it on another one, such as a local disk"
                ) from error
            raise InputError(f"{path}: expected nobody else at it, found {other}; end it") from error

    def whole(self) -> bytes:
        """All lines that are whole."""
        self._file.seek(0)
        data = self._file.read()
        return data[: data.rfind(b"\n") + 1]

    def part(self, start: int, stop: int) -> bytes:
        """Bytes from `start` to `stop`."""
        self._file.seek(start)
        data = self._file.read(stop - start)
        self._file.seek(0, os.SEEK_END)
        return data

    def cut(self, n_bytes: int) -> None:
        """Let the file end there, and go on from there."""
        self._file.truncate(n_bytes)
        self._file.seek(n_bytes)

    def append(self, values: Mapping[str, Any], sync: bool = True) -> tuple[int, int]:
        """One more line, on disk when this returns; without `sync` it outlives this process, but no loss of power.

        Returns where it starts and ends. Raises `OutputError` where it cannot be written; all is as before then.
        """
        data = line(values)
        start = self._file.tell()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            self.cut(start)
            raise OutputError(
                f"{self.path}: cannot be written ({error.strerror}); make room, then do it again"
            ) from error
        return start, start + len(data)

    def close(self) -> None:
        """Let others have it."""
        self._file.close()


def line(values: Mapping[str, Any]) -> bytes:
    """A line of JSON."""
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode() + b"\n"
