"""What `aml fill` does with files."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automarkerlabel import io
from automarkerlabel.filling.estimates import Model
from automarkerlabel.filling.fill import Filled, FilledGap, FillOptions, fill
from automarkerlabel.filling.gaps import tells_estimates
from automarkerlabel.io.files import atomic, check_input, check_output


@dataclass(frozen=True)
class FillSummary:
    """What filling one file came to. `output` is None for a dry run; `n_samples` are those added, `n_estimated` those
    that the file said before were no measurements."""

    trial: str
    output: str | None
    n_frames: int
    rate_hz: float
    n_filled: int
    n_open: int
    n_samples: int
    n_estimated: int
    gaps: tuple[FilledGap, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def fill_file(
    source: Path, output: Path, options: FillOptions, reading: io.Reading | None = None,
    overwrite: bool = False, dry_run: bool = False, verify: bool = True, model: Model | None = None,
) -> FillSummary:  # fmt: skip
    """Fill the gaps of a labelled file into another one; see `fill`, and `io.write_filled` for what is written.

    Raises what reading and writing raise, `TrialError` for a trial without names.
    """
    check_input(source)
    if not dry_run:
        check_output(output, [source], overwrite, io.WRITABLE)
    trial = (reading or io.Reading()).trial(source)
    filled = fill(trial, options, model)
    notes: tuple[str, ...] = ()
    if not dry_run:
        notes = io.write_filled(source, output, filled.trial, filled.mask, overwrite, verify)
        notes += notes_about(filled, output)
    n_filled = sum(bool(g.method) for g in filled.gaps)
    return FillSummary(
        str(source), None if dry_run else str(output), trial.n_frames, trial.rate_hz, n_filled,
        len(filled.gaps) - n_filled, int(filled.mask.sum()), filled.n_estimated, filled.gaps, (*trial.notes, *notes),
    )  # fmt: skip


def notes_about(filled: Filled, output: Path) -> tuple[str, ...]:
    """Whether a file says which samples were filled, where it could."""
    if output.suffix.lower() != ".c3d" or not filled.mask.any() or tells_estimates(filled.trial):
        return ()
    return (
        "filled samples have a residual of 0, as C3D files mark what was not measured, but so have most measured ones"
        " of this file: they cannot be told apart in it; --json and --csv list the gaps",
    )


def write_csv(path: Path, summaries: Sequence[FillSummary], overwrite: bool) -> None:
    """A row for each gap."""
    check_output(path, overwrite=overwrite)
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["trial", "label", "first_frame", "last_frame", "seconds", "method", "expected_mm", "why"])
        for s in summaries:
            for g in s.gaps:
                expected = "" if g.expected_mm is None else f"{g.expected_mm:.3f}"
                rows.writerow(
                    [s.trial, g.label, g.first_frame, g.last_frame, f"{g.seconds:g}", g.method, expected, g.why]
                )
