"""What `aml explain` does with files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.errors import OutputError
from automarkerlabel.io.files import check_output, make_folder
from automarkerlabel.io.outputs import refuse_collisions
from automarkerlabel.labellers.labeller import Labeller
from automarkerlabel.review.explain.choose import chosen
from automarkerlabel.review.explain.explained import Explained
from automarkerlabel.review.explain.facts import explain
from automarkerlabel.review.explain.inspect import look_into


@dataclass(frozen=True)
class Choice:
    """What is explained: columns and labels named, and so many of the least sure labels; in which frame, and compared
    with which label."""

    columns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    n_doubtful: int = 0
    frame: int | None = None
    against: str | None = None


def explain_file(
    method: Labeller, source: Path, choice: Choice, reading: io.Reading | None = None, heading_deg: float | None = None
) -> list[Explained]:
    """Label a trial and explain the chosen trajectories; `heading_deg` turns it for a model of the predecessor.

    Raises what reading and labelling raise, and `InputError` for a choice that is not there.
    """
    trial = (reading or io.Reading()).trial(source)
    answer, look = look_into(method, trial, heading_deg)
    which = chosen(trial, answer, choice.columns, choice.labels, choice.n_doubtful, choice.frame)
    return [explain(trial, str(source), answer, look, n, choice.frame, choice.against) for n in which]


def pictures_for(explained: Sequence[Explained], out: Path, overwrite: bool, inputs: Sequence[Path]) -> list[Path]:
    """Where each picture goes: `out` itself for one, if it ends in .png; otherwise the folder `out`, which is made.

    Raises `OutputError` where several would go into one file, and for files that are there or are inputs.
    """
    if out.suffix.lower() == ".png" and not out.is_dir():
        if len(explained) > 1:
            raise OutputError(f"{out}: expected a folder for {len(explained)} pictures, found the name of one")
        paths = [out]
    else:
        if out.suffix and not out.is_dir():
            raise OutputError(f"{out}: expected a picture that ends in .png or a folder, found {out.suffix!r}")
        make_folder(out)
        paths = [out / _name(one) for one in explained]
    refuse_collisions(paths, inputs)
    for path in paths:
        check_output(path, inputs, overwrite)
    return paths


def _name(one: Explained) -> str:
    parts = (Path(one.trial).stem, one.label, one.column, str(one.first_frame))
    return "_".join(re.sub(r"[^\w.-]+", "", p) or "x" for p in parts).replace(" ", "") + ".png"
