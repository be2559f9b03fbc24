"""Whole processes: how long they take from the first instruction to the last, and the memory that they hold."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import ProcessingError
from automarkerlabel.models import MODELS
from automarkerlabel.workflows.bench import made

_AML = ("-m", "automarkerlabel")


@dataclass(frozen=True)
class Process:
    """What was run, seconds of the whole process, and its memory at the highest, None where the system says nothing."""

    name: str
    seconds: float
    peak_bytes: int | None


def jobs(folder: Path, models: Mapping[str, Path], trial: Trial) -> dict[str, list[str]]:
    """Command lines for Python, by name: start-up, first labels with `models`, training of each model type.

    Writes `trial` and others that they need into `folder`.
    """
    for name, written in (("trial", trial), ("standing", made.labelled(1.0, "stand")), ("run", made.labelled(6.0))):
        io.write(folder / f"{name}.c3d", written)
    found = {
        "python": ["-c", ""],
        "import torch": ["-c", "import torch"],
        "aml --help": [*_AML, "--help"],
    }
    label = [*_AML, "label", str(folder / "trial.c3d"), "--dry-run"]
    for name, path in models.items():
        found[f"label, {name}"] = [*label, "--model", str(path)]
    found["label, matcher"] = [*label, "--reference", str(folder / "standing.c3d")]
    for name in MODELS:
        out = folder / f"memory_{name}.ckpt"
        found[f"train, {name}"] = [
            *_AML, "train", str(folder / "run.c3d"), "-o", str(out), "--model-type", name, "--val-share", "0",
            "--epochs", "1", "--epoch-windows", "2560", "--overwrite",
        ]  # fmt: skip
    found["train, matcher"] = [
        *_AML, "train", "-o", str(folder / "memory_matcher.ckpt"), "--model-type", "matcher", "--steps", "4",
        "--overwrite",
    ]  # fmt: skip
    return found


def run(found: Mapping[str, list[str]], threads: int) -> Iterator[Process]:
    """Run each once, one after the other. Raises `ProcessingError` if one fails."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    for name, arguments in found.items():
        launcher = [sys.executable, "-m", "automarkerlabel.workflows.bench.launcher", sys.executable, *arguments]
        done = subprocess.run(launcher, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
        try:
            told = json.loads(done.stdout)
            code = int(told["code"])
        except (ValueError, KeyError):
            code = done.returncode or 1
        if code != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise ProcessingError(f"{name}: expected a process that ends well, found exit code {code}: {last[0]}")
        yield Process(name, float(told["seconds"]), told["peak_bytes"])
