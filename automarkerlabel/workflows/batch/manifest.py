"""What was done with which file, on disk, so that another run does only what is left.

A file of JSON lines. The first says what it is: `{"manifest": 1, "version": ...}`. Then, for each trial, by its full
path: a line `begun` before anything is written, and one `done` or `failed` after; the last one counts. What a kill cut
off in mid-line is as if it had never been.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.files import atomic, check_output, remove_leftovers
from automarkerlabel.io.json_lines import JsonLines, line
from automarkerlabel.version import __version__
from automarkerlabel.workflows.batch.json_values import rebuilt
from automarkerlabel.workflows.batch.task import Task

T = TypeVar("T")
VERSION = 1
_OTHER = "another run that writes on it"


@dataclass(frozen=True)
class _Entry:
    """The last line about a file: its state, size and time of change of the input, how it was done, what was written,
    and where in the manifest the line stands."""

    state: str
    facts: tuple[int, int] | None
    how: str
    outputs: tuple[str, ...]
    span: tuple[int, int]


class Manifest:
    """A manifest that a run goes by and writes on; `how` stands for the model and options of this run."""

    def __init__(self, path: Path, how: str) -> None:
        """Open one, or begin it where there is none.

        Raises `FileFormatError` for another file, `InputError` while another run writes on it, `OutputError` where it
        cannot be written.
        """
        self.path, self.how = path, how
        if not os.path.lexists(path):
            check_output(path)
            with atomic(path) as temporary:
                temporary.write_bytes(line({"manifest": VERSION, "version": __version__}))
        self._file = JsonLines(path, _OTHER)
        try:
            whole = self._file.whole()
            self._entries = dict(_entries(path, whole))
            self._file.cut(len(whole))
        except BaseException:
            self._file.close()
            raise
        self._facts: dict[str, tuple[int, int] | None] = {}  # of inputs, when they were begun

    def is_done(self, task: Task) -> bool:
        """Whether it was done: this file as it is now, in this way, and all that was written still stands."""
        entry = self._entries.get(_name(task.source))
        return (
            entry is not None
            and (entry.state, entry.how, entry.outputs) == ("done", self.how, _names(task))
            and entry.facts == _facts(task.source)
            and all(path.is_file() for path in task.written)
        )

    def in_another_way(self, task: Task) -> bool:
        """Whether it was done by another model or with other options, and what was written stands in the way."""
        entry = self._entries.get(_name(task.source))
        stands = not task.overwrite and any(path.is_file() for path in task.written)
        return entry is not None and entry.state == "done" and entry.how != self.how and stands

    def summary(self, task: Task, kind: type[T]) -> T:
        """What was noted when the task was done. Raises `FileFormatError` where that is no `kind` of this version."""
        entry = self._entries[_name(task.source)]
        try:
            found: T = rebuilt(kind, json.loads(self._file.part(*entry.span))["summary"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{self.path}: expected figures of {task.source} as automarkerlabel {__version__} notes them, found"
                f" others ({error}); begin another manifest, or leave --csv, --review and --json away"
            ) from error
        return found

    def owns(self, path: Path) -> bool:
        """Whether a table there was written by a run of this manifest."""
        entry = self._entries.get(_name(path))
        return entry is not None and entry.state == "table"

    def begin(self, task: Task) -> Task:
        """Note that a task begins; the task as it is to be done. It may write over what a run that was killed left.

        Raises `OutputError` where that cannot be noted.
        """
        name, outputs = _name(task.source), _names(task)
        entry = self._entries.get(name)
        if entry is not None and (entry.state, entry.outputs) == ("begun", outputs):
            task = replace(task, overwrite=True)
            with suppress(OSError):
                remove_leftovers(*task.written)
        self._facts[name] = _facts(task.source)
        # What stands there already and must be kept is not ours, and must not look so after a kill.
        if task.overwrite or not any(os.path.lexists(path) for path in task.written):
            self._note("begun", name, sync=True, outputs=outputs)
        return task

    def done(self, task: Task, summary: Any) -> None:
        """Note that a task is done. Raises `OutputError`."""
        name = _name(task.source)
        size, modified = self._facts.get(name) or (None, None)
        self._note(
            "done", name, size=size, modified=modified, how=self.how, outputs=_names(task), version=__version__,
            at=datetime.now(UTC).isoformat(timespec="seconds"), summary=summary,
        )  # fmt: skip

    def failed(self, task: Task, why: str) -> None:
        """Note that a task failed, so that another run tries it again. Raises `OutputError`."""
        self._note("failed", _name(task.source), error=why)

    def tables(self, paths: Iterable[Path]) -> None:
        """Note tables that this run is about to write. Raises `OutputError`."""
        for path in paths:
            self._note("table", _name(path), sync=True)

    def _note(self, state: str, name: str, sync: bool = False, **more: Any) -> None:
        # Lines that are lost with the power make a task be done again; only what permits to write over must last.
        values = {"state": state, "file": name, **more}
        span = self._file.append(values, sync)
        self._entries[name] = _entry(values, span)

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *error: object) -> None:
        """Let others have it."""
        self._file.close()


def _entries(path: Path, whole: bytes) -> Iterator[tuple[str, _Entry]]:
    """The entries of a manifest, in order. Raises `FileFormatError` for another file."""
    start = 0
    for number, text in enumerate(whole.splitlines(keepends=True), 1):
        stop = start + len(text)
        try:
            values = json.loads(text)
            if number > 1:
                yield values["file"], _entry(values, (start, stop))
            elif values["manifest"] != VERSION:
                raise ValueError(f"version {values['manifest']}")
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{path}: expected a manifest of version {VERSION}, found line {number} to be none ({error}); name"
                " another file"
            ) from error
        start = stop
    if not start:
        raise FileFormatError(f"{path}: expected a manifest, found an empty file; name another")


def _entry(values: dict[str, Any], span: tuple[int, int]) -> _Entry:
    facts = None if values.get("size") is None else (int(values["size"]), int(values["modified"]))
    outputs = tuple(map(str, values.get("outputs", ())))
    return _Entry(str(values["state"]), facts, str(values.get("how", "")), outputs, span)


def _name(path: Path) -> str:
    return os.path.abspath(path)


def _names(task: Task) -> tuple[str, ...]:
    return tuple(map(_name, task.written))


def _facts(path: Path) -> tuple[int, int] | None:
    """Size, and time of the last change in nanoseconds; None for a file that is not there."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns
