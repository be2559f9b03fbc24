"""Cases of labelled trials, made by the tool that also scores them; used by the benchmarks beside this file."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.evaluation.metrics import Figures


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


def summed_up(found: Sequence[Figures]) -> tuple[str, str, str, str]:
    """Of several cases, as they stand in a table: mean accuracy, F1 and share of ghosts left; swaps repaired of all."""
    accuracy, f1 = np.mean([(f.accuracy, f.f1) for f in found], axis=0)
    ghosts = np.mean([f.ghosts for f in found if f.ghosts is not None])
    repaired, planted = sum(f.swaps_repaired for f in found), sum(f.n_swaps for f in found)
    return f"{accuracy:.4f}", f"{f1:.4f}", f"{ghosts:.4f}", f"{repaired}/{planted}"
