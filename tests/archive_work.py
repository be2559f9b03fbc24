"""Work for tests of archives: what is done with a file is what its text says. Other processes import it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from automarkerlabel.archive.task import Ready, Task
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.io.files import atomic


@dataclass(frozen=True)
class Obeying:
    """Does what the text of a file says, then writes it, in capitals, into its output. `folder` has a file for each
    process that got ready."""

    folder: Path
    broken: bool = False  # it cannot begin

    def prepare(self) -> Ready:
        if self.broken:
            raise ModelError("model: expected one, found none")
        (self.folder / f"ready-{os.getpid()}").touch()
        return Ready(self.obey, ("a note",))

    def obey(self, task: Task) -> str:
        text = task.source.read_text()
        if text == "fail":
            raise InputError(f"{task.source}: expected better, found this")
        if text == "surprise":
            raise KeyError("what no one thought of")
        once = self.folder / f"died-{task.source.name}"
        if text == "die" or (text == "die once" and not once.exists()):
            once.touch()
            with atomic(task.written[0]) as temporary:
                temporary.write_text("half")
                os.kill(os.getpid(), signal.SIGKILL)
        with atomic(task.written[0]) as temporary:
            temporary.write_text(text.upper()[: len(text) // 2])
            if text == "wait":
                (self.folder / "waiting").touch()
                time.sleep(60)
            temporary.write_text(text.upper())
        return text.upper()


@dataclass(frozen=True)
class DyingAtTheStart:
    """Its processes die before they are ready."""

    def prepare(self) -> Ready:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def tasks_saying(folder: Path, *texts: str) -> list[Task]:
    """A task for each text, in order: `a0`, `a1`, ..., their outputs beside them as `a0.out`, ..."""
    made = []
    for n, text in enumerate(texts):
        source = folder / f"a{n}"
        source.write_text(text)
        made.append(Task(source, (folder / f"a{n}.out", None)))
    return made
