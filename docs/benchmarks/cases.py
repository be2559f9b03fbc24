"""Cases of labelled trials, made by the tool that also scores them; used by the benchmarks beside this file."""

import subprocess
import sys
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.markerset import labelled_columns


def make_case(marker_case: Path, trial: Path, case: Path, *options: object) -> None:
    """What a capture system exports, in the folder `case` unless it is there: measured markers alone, fragments in any
    order, ghosts, no names. TRC files lie with y up."""
    if (case / "truth.npz").exists():
        return
    keep = ",".join(label for label, _ in labelled_columns(io.read(trial)))
    up = "y" if trial.suffix == ".trc" else "z"
    case.parent.mkdir(parents=True, exist_ok=True)
    call(sys.executable, marker_case, "make", trial, case, "--rotate", "--up", up, "--keep", keep, *options)


def call(*command: object) -> str:
    """What a command prints. Raises `CalledProcessError` if it fails."""
    return subprocess.run([str(x) for x in command], check=True, capture_output=True, text=True).stdout


def trials_at(places: list[str], reference: Path) -> list[Path]:
    """Trials and folders of them, without the reference."""
    folders = [sorted(Path(x).iterdir()) if Path(x).is_dir() else [Path(x)] for x in places]
    return [p for folder in folders for p in folder if p.suffix in (".trc", ".c3d") and p != reference]
