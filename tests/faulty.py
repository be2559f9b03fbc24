"""Commands that meet a fault on their way: killed at a stage, a full disk, a folder that cannot be written.

Run as a script it is a process that has everything imported, and forks a child for each case that stands in its input,
a JSON object a line; it answers with a line each. So a case takes as long as its command, without the start.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

# Between reading and writing: a function of each command that is killed when it is called.
WORKING = {
    "label": "workflow.review", "fill": "filling.files.fill", "export": "export.trials.chosen",
    "report": "report.files.audit", "train": "training.Trainer.save_model", "adapt": "adapt._trajectories",
}  # fmt: skip


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_when(event: str, argument: int, path: str) -> None:
    """Die when Python is about to do something, an audit event, with this path."""

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if name == event and os.fspath(arguments[argument]) == path:
            die()

    def careful(name: str, arguments: tuple[Any, ...]) -> None:
        if name == event and isinstance(arguments[argument], str | os.PathLike):
            hook(name, arguments)

    sys.addaudithook(careful)


def prepare(case: dict[str, Any]) -> None:
    """Bring the fault about that a case names."""
    match case["fault"]:
        case "reading":
            killed_when("open", 0, case["source"])
        case "working":
            *module, name = WORKING[case["args"][0]].split(".")
            owner: Any = import_module(f"automarkerlabel.{'.'.join(m for m in module if m[0].islower())}")
            for part in module:
                owner = getattr(owner, part) if part[0].isupper() else owner
            setattr(owner, name, die)
        case "writing":  # the kernel ends the process in the middle of a file that grows beyond the limit
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (case["bytes"], resource.RLIM_INFINITY))
        case "renaming":
            killed_when("os.rename", 1, case["out"])
        case "no room":  # Python leaves the signal alone, so that writing fails with an OSError
            resource.setrlimit(resource.RLIMIT_FSIZE, (case["bytes"], resource.RLIM_INFINITY))
        case "full disk":
            mount_small(Path(case["out"]).parent, case["bytes"])
        case "no right":
            give_up_rights()


def mount_small(folder: Path, n_bytes: int) -> None:
    """A file system of so many bytes in place of a folder, for this process alone. Raises `OSError` if it may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    for options in (["--make-rprivate", "/"], ["-t", "tmpfs", "-o", f"size={n_bytes}", "none", str(folder)]):
        done = subprocess.run(["mount", *options], capture_output=True)
        if done.returncode:
            raise OSError(done.returncode, done.stderr.decode())


def give_up_rights() -> None:
    """Root may write anywhere, by capabilities that any process may drop."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def in_child(case: dict[str, Any], answer: int) -> None:
    """Run a command in a child, and tell of it: its exit code, what it said, and what stands beside its output."""
    from automarkerlabel.cli import run

    said = os.memfd_create("said")
    os.dup2(said, 1)
    os.dup2(said, 2)
    try:
        prepare(case)
    except OSError as error:
        os.write(answer, json.dumps({"skipped": str(error)}).encode())
        return
    code = run(case["args"])
    sys.stdout.flush()
    sys.stderr.flush()
    beside = sorted(x.name for x in Path(case["out"]).parent.iterdir())
    told = os.pread(said, 1 << 20, 0).decode(errors="replace")
    os.write(answer, json.dumps({"code": code, "said": told, "beside": beside}).encode())


def forked(case: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks where there are threads
        child = os.fork()
    if not child:
        status = 70
        try:
            in_child(case, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as file:
        answer = json.loads(file.read() or b"{}")
    _, status = os.waitpid(child, 0)
    return {**answer, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


class Faults:
    """The process, to be asked."""

    def __init__(self) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, __file__]
        self.process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment)

    def __call__(self, **case: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        print(json.dumps(case, default=str), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        self.process.communicate()


def main(work: Callable[[dict[str, Any]], dict[str, Any]] = forked) -> None:
    for name in {x.rpartition(".")[0].removesuffix(".Trainer") for x in WORKING.values()} | {"teach", "commands.label"}:
        import_module(f"automarkerlabel.{name}")
    for line in sys.stdin:
        print(json.dumps(work(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
