"""The journal of a review: every edit on disk before anything else is told of it.

A text file of JSON lines: the trial that it is of and the labels that editing began with, then a line an edit. What a
kill cut off in mid-line was never told, and is ignored.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.files import atomic
from automarkerlabel.io.json_lines import JsonLines, line

VERSION = 1
_OTHER = "another aml review of this trial"
_FRESH = "use --fresh to set it aside and begin another"


class Journal:
    """A journal that is written on. `head` is its first line, `entries` those that were there when it was opened.

    Nobody else can write on it until it is closed.
    """

    def __init__(self, path: Path) -> None:
        """Open one to go on with. Raises `FileFormatError` for a file that is none, `InputError` while it is in use."""
        self.path = path
        self._file = JsonLines(path, _OTHER)
        try:
            whole = self._file.whole()
            lines = [_parsed(path, n, text) for n, text in enumerate(whole.splitlines(), 1)]
            if not lines or lines[0].get("journal") != VERSION:
                raise FileFormatError(f"{path}: expected a journal of version {VERSION}, found none; {_FRESH}")
            self.head, self.entries = lines[0], lines[1:]
            self._file.cut(len(whole))
        except BaseException:
            self.close()
            raise

    @classmethod
    def begun(cls, path: Path, head: Mapping[str, Any]) -> "Journal":
        """A new journal, whole or not at all. Raises `OutputError` where it cannot be written."""
        with atomic(path) as temporary:
            temporary.write_bytes(line({"journal": VERSION, **head}))
        return cls(path)

    def append(self, entry: Mapping[str, Any]) -> None:
        """One more line, on disk when this returns. Raises `OutputError` where it cannot be; all is as before then."""
        self._file.append(entry)

    def close(self) -> None:
        """Let others have it."""
        self._file.close()


def set_aside(path: Path) -> Path:
    """Give the file another name that is free, and return that. Raises `InputError` while it is in use."""
    JsonLines(path, _OTHER).close()
    n = 1
    while (other := path.with_name(f"{path.stem}.{n}{path.suffix}")).exists():
        n += 1
    os.rename(path, other)
    return other


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: expected JSON in line {number}, found it damaged; {_FRESH}") from error
    if not isinstance(values, dict):
        raise FileFormatError(f"{path}: expected a journal of aml review, found other JSON; {_FRESH}")
    return values
