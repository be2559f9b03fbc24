"""What a person named or left alone in a reviewed trial, as a file beside it that `aml adapt` learns from."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.io.collect import read_labelled
from automarkerlabel.io.files import atomic, read_bytes

VERSION = 1
SUFFIX = ".json"
UNSURE = 0.9  # labels below this confidence that nobody looked at are not learnt
_LARGEST = 100_000_000  # bytes


@dataclass(frozen=True)
class Named:
    """A piece that a person named, cleared or accepted: `before` what it was called, one name after the other, and
    `label` what it is, None for none. Frames as the file counts them, both included."""

    column: str
    first_frame: int
    last_frame: int
    label: str | None
    before: tuple[str | None, ...]


@dataclass(frozen=True)
class Unsure:
    """A label of low confidence that nobody looked at."""

    label: str
    first_frame: int
    last_frame: int
    confidence: float


@dataclass(frozen=True)
class Corrections:
    """What became of a trial: the file of that name beside the corrections, with that digest (SHA-256), is `reviewed`.

    read_with   units, upward axis and excluded columns that it was read with, None where nothing was said.
    """

    trial: str
    trial_sha256: str
    reviewed: str
    reviewed_sha256: str
    labelled_by: str
    named: tuple[Named, ...]
    unsure: tuple[Unsure, ...]
    read_with: dict[str, str | None]


def write(path: Path, corrections: Corrections) -> None:
    """Raises `OutputError` where it cannot be written."""
    text = json.dumps({"corrections": VERSION, **asdict(corrections)}, indent=1)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> Corrections:
    """What `write` wrote. Raises `InputError` where it cannot be read, `FileFormatError` for any other file."""
    try:
        values = json.loads(read_bytes(path, _LARGEST))
        if values.pop("corrections") != VERSION:
            raise ValueError("another version")
        named = tuple(_named(x) for x in values.pop("named"))
        unsure = tuple(_unsure(x) for x in values.pop("unsure"))
        with_options = {k: _text(v, True) for k, v in values.pop("read_with").items()}
        texts = {k: _text(v) or "" for k, v in values.items()}
        return Corrections(named=named, unsure=unsure, read_with=with_options, **texts)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: expected corrections written by aml review, found another file") from error


def sources_of(paths: Sequence[Path], units: str | None, up: str | None, exclude: str | None) -> list[Source]:
    """The reviewed trials of corrections, without the labels that nobody looked at and that were not sure.

    `units`, `up` and `exclude` overrule what the trials were reviewed with. Raises `InputError` for a trial that is not
    beside its corrections, or not the one that was written with them, and what reading either raises.
    """
    return [_source(path, units, up, exclude) for path in paths]


def _source(path: Path, units: str | None, up: str | None, exclude: str | None) -> Source:
    found = read(path)
    if not found.reviewed or Path(found.reviewed).name != found.reviewed:
        raise FileFormatError(f"{path}: expected the name of a trial beside it, found {found.reviewed!r}")
    trial = path.with_name(found.reviewed)
    if not os.path.isfile(trial):  # False, too, for a name that no file can have
        raise InputError(f"{path}: expected {found.reviewed} beside it, found none; keep the two together")
    if digest(trial) != found.reviewed_sha256:
        raise InputError(
            f"{trial}: expected the trial as it was reviewed, found it changed; review it again, or give the trial"
            " itself, to learn all of its labels"
        )
    said = found.read_with
    [source] = read_labelled([trial], units or said.get("units"), up or said.get("up"), exclude or said.get("exclude"))
    return replace(source, trial=without_unsure(source.trial, found.unsure))


def without_unsure(trial: Trial, unsure: Sequence[Unsure]) -> Trial:
    """The trial with those labels taken away: their points stand in columns without a name, one a label."""
    columns = {label: c for c, label in reversed(list(enumerate(trial.labels)))}
    positions, residuals = trial.positions.copy(), trial.residuals.copy()
    apart: dict[str, tuple[Any, Any]] = {}
    for u in unsure:
        if u.label not in columns:
            continue
        c = columns[u.label]
        points, rest = apart.setdefault(
            u.label, (np.full_like(positions[:, c], np.nan), np.full_like(residuals[:, c], np.nan))
        )
        frames = slice(max(0, u.first_frame - trial.first_frame), max(0, u.last_frame + 1 - trial.first_frame))
        points[frames], rest[frames] = positions[frames, c], residuals[frames, c]
        positions[frames, c], residuals[frames, c] = np.nan, np.nan
    if not apart:
        return trial
    return replace(
        trial,
        positions=np.concatenate([positions, np.stack([p for p, _ in apart.values()], 1)], 1),
        residuals=np.concatenate([residuals, np.stack([r for _, r in apart.values()], 1)], 1),
        labels=(*trial.labels, *(f"*unsure {n}" for n in range(len(apart)))),
        subjects=(*trial.subjects, *("" for _ in apart)),
    )


def digest(path: Path) -> str:
    """The SHA-256 of a file's content. Raises `InputError` where it cannot be read."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _named(values: dict[str, Any]) -> Named:
    column, label = _text(values["column"]) or "", _text(values["label"], True)
    before = tuple(_text(x, True) for x in values["before"])
    return Named(column, int(values["first_frame"]), int(values["last_frame"]), label, before)


def _unsure(values: dict[str, Any]) -> Unsure:
    frames = int(values["first_frame"]), int(values["last_frame"])
    return Unsure(_text(values["label"]) or "", *frames, float(values["confidence"]))


def _text(value: Any, optional: bool = False) -> str | None:
    if not (isinstance(value, str) or (optional and value is None)):
        raise ValueError(f"{value!r}")
    return value
