"""Writing what was reviewed: the labelled trial, and beside it what a person named in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automarkerlabel import io
from automarkerlabel.core.labelling import output_columns
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.io.files import check_output, same_file
from automarkerlabel.review.editing import corrections
from automarkerlabel.review.editing.state import METHOD, PERSON, Piece, State

_FORMATS = tuple(x for x in io.WRITABLE if x in io.READABLE)  # what `aml adapt` can read again
_LOW = 0.5  # labels below it that nobody looked at are named when saving


@dataclass(frozen=True)
class Reviewed:
    """A trial that is reviewed: its file with its digest (SHA-256), how it was read, and what it was labelled by."""

    source: Path
    sha256: str
    read_with: dict[str, str | None]
    labelled_by: str


@dataclass(frozen=True)
class Outputs:
    """Where things go: the labelled trial, the corrections, the journal. `inputs` are never written."""

    trial: Path
    corrections: Path
    journal: Path
    inputs: tuple[Path, ...]
    overwrite: bool = False
    verify: bool = True

    def check(self, written: Mapping[str, Any]) -> None:
        """Raise `OutputError` where one cannot be written; what this review wrote last, its record says, may be."""
        for path, name in ((self.trial, "trial"), (self.corrections, "corrections")):
            there = written.get(name) == str(path) and path.is_file()
            ours = there and corrections.digest(path) == written[f"{name}_sha256"]
            check_output(path, self.inputs, self.overwrite or ours, _FORMATS if name == "trial" else ())


def outputs_for(
    source: Path, out: Path | None, inputs: tuple[Path, ...] = (), overwrite: bool = False, verify: bool = True
) -> Outputs:
    """Beside the trial, or where `out`, a file or a folder, says.

    >>> print(outputs_for(Path("walk.c3d"), None).corrections)
    walk_corrections.json
    """
    suffix = source.suffix if source.suffix.lower() in _FORMATS else _FORMATS[0]
    trial = source.with_name(f"{source.stem}_reviewed{suffix}")
    if out is not None:
        trial = out / trial.name if out.is_dir() else out
    stem = trial.stem.removesuffix("_reviewed")
    return Outputs(
        trial, trial.with_name(f"{stem}_corrections.json"), trial.with_name(f"{source.name}.review.jsonl"),
        (source, *(x for x in inputs if not same_file(x, source))), overwrite, verify,
    )  # fmt: skip


def write_trial(
    state: State, trial: Trial, reviewed: Reviewed, outputs: Outputs, written: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:  # fmt: skip
    """Write the labelled trial, see `io.write_labelled`; its record, and notes. What was there stays where it fails.

    Raises `InputError` where the source is not as it was read, and what writing raises.
    """
    if corrections.digest(reviewed.source) != reviewed.sha256:
        raise InputError(f"{reviewed.source}: expected the trial as it was opened, found it changed; open it again")
    outputs.check(written)
    columns = output_columns(trial, state.labelling())
    notes = io.write_labelled(reviewed.source, outputs.trial, trial, columns, True, outputs.verify)
    return {"trial": str(outputs.trial), "trial_sha256": corrections.digest(outputs.trial)}, (*notes, *_notes(state))


def write_corrections(
    state: State, base: State, trial: Trial, reviewed: Reviewed, outputs: Outputs, trial_sha256: str
) -> dict[str, Any]:
    """Write what a person named in the trial that was written; its record. Raises `OutputError`."""
    found = corrections.Corrections(
        trial=reviewed.source.name, trial_sha256=reviewed.sha256, reviewed=outputs.trial.name,
        reviewed_sha256=trial_sha256, labelled_by=reviewed.labelled_by, named=_named(state, base, trial),
        unsure=_unsure(state, trial), read_with=reviewed.read_with,
    )  # fmt: skip
    corrections.write(outputs.corrections, found)
    return {"corrections": str(outputs.corrections), "corrections_sha256": corrections.digest(outputs.corrections)}


def _notes(state: State) -> tuple[str, ...]:
    low = [p.label for p in state.pieces if p.by == METHOD and p.label is not None and p.confidence < _LOW]
    if not low:
        return ()
    names = ", ".join(list(dict.fromkeys(low))[:5])
    return (f"{len(low)} labels below {_LOW} that nobody looked at were written: {names}",)


def _named(state: State, base: State, trial: Trial) -> tuple[corrections.Named, ...]:
    return tuple(
        corrections.Named(trial.labels[p.column], *_frames(p, trial), p.label, _before(p, base, trial))
        for p in state.pieces
        if p.by == PERSON
    )


def _before(piece: Piece, base: State, trial: Trial) -> tuple[str | None, ...]:
    """What the points of a piece were called at first, one name after the other."""
    there = [p for p in base.pieces if p.column == piece.column and p.start < piece.stop and piece.start < p.stop]
    seen = trial.visible[:, piece.column]
    shared = [p.label for p in there if seen[max(p.start, piece.start) : min(p.stop, piece.stop)].any()]
    return tuple(x for n, x in enumerate(shared) if n == 0 or x != shared[n - 1])


def _unsure(state: State, trial: Trial) -> tuple[corrections.Unsure, ...]:
    return tuple(
        corrections.Unsure(p.label, *_frames(p, trial), round(p.confidence, 4))
        for p in state.pieces
        if p.by == METHOD and p.label is not None and p.confidence < corrections.UNSURE
    )


def _frames(piece: Piece, trial: Trial) -> tuple[int, int]:
    return int(trial.first_frame + piece.start), int(trial.first_frame + piece.stop - 1)
