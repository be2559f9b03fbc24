"""The journal of a review: every edit on disk before anything else is told of it.

A text file of JSON lines: the trial that it is of and the labels that editing began with, then a line an edit. What a
kill cut off in mid-line was never told, and is ignored.
"""

import json
import os
import sys
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from automarkerlabel.errors import FileFormatError, InputError, OutputError
from automarkerlabel.io.files import atomic, check_input

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

VERSION = 1
_FRESH = "use --fresh to set it aside and begin another"


class Journal:
    """A journal that is written on. `head` is its first line, `entries` those that were there when it was opened.

    Nobody else can write on it until it is closed.
    """

    def __init__(self, path: Path) -> None:
        """Open one to go on with. Raises `FileFormatError` for a file that is none, `InputError` while it is in use."""
        self.path = path
        self._file = _taken(path)
        try:
            data = self._file.read()
            whole = data[: data.rfind(b"\n") + 1]
            lines = [_parsed(path, n, line) for n, line in enumerate(whole.splitlines(), 1)]
            if not lines or lines[0].get("journal") != VERSION:
                raise FileFormatError(f"{path}: expected a journal of version {VERSION}, found none; {_FRESH}")
            self.head, self.entries = lines[0], lines[1:]
            self._cut(len(whole))
        except BaseException:
            self.close()
            raise

    @classmethod
    def begun(cls, path: Path, head: Mapping[str, Any]) -> "Journal":
        """A new journal, whole or not at all. Raises `OutputError` where it cannot be written."""
        with atomic(path) as temporary:
            temporary.write_bytes(_line({"journal": VERSION, **head}))
        return cls(path)

    def append(self, entry: Mapping[str, Any]) -> None:
        """One more line, on disk when this returns. Raises `OutputError` where it cannot be; all is as before then."""
        end = self._file.tell()
        rest = memoryview(_line(entry))
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._cut(end)
            raise OutputError(
                f"{self.path}: cannot be written ({error.strerror}); make room, then do it again"
            ) from error

    def close(self) -> None:
        """Let others have it."""
        self._file.close()

    def _cut(self, n_bytes: int) -> None:
        self._file.truncate(n_bytes)
        self._file.seek(n_bytes)


def set_aside(path: Path) -> Path:
    """Give the file another name that is free, and return that. Raises `InputError` while it is in use."""
    _taken(path).close()
    n = 1
    while (other := path.with_name(f"{path.stem}.{n}{path.suffix}")).exists():
        n += 1
    os.rename(path, other)
    return other


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: expected JSON in line {number}, found it damaged; {_FRESH}") from error
    if not isinstance(values, dict):
        raise FileFormatError(f"{path}: expected a journal of aml review, found other JSON; {_FRESH}")
    return values


def _taken(path: Path) -> FileIO:
    """The file, open for this process alone."""
    check_input(path)
    try:
        file = FileIO(path, "r+")
    except OSError as error:
        raise OutputError(f"{path}: expected a journal to write on, found none ({error.strerror})") from error
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InputError(
            f"{path}: expected nobody else at it, found another aml review of this trial; end it"
        ) from error
    return file
