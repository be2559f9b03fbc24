"""The gaps of a labelled trial filled: each by the method that is to be expected nearest, or left open."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.trial import BoolArray, Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.filling.estimates import METHODS, MODEL_METHODS, Fillers, Model
from automarkerlabel.filling.gaps import Gap, estimated, gaps_of
from automarkerlabel.io.files import one_of

AUTO = "auto"
ALL_METHODS = (*METHODS, *MODEL_METHODS)


@dataclass(frozen=True)
class FillOptions:
    """Which gaps are filled: none longer than `max_gap_s`, none in which the error to expect is over `max_error_mm`;
    by one `method`, or by whichever is expected to be nearest (`auto`).

    Raises `InputError` for values that make no sense.
    """

    max_gap_s: float = 1.0
    max_error_mm: float = 10.0
    method: str = AUTO

    def __post_init__(self) -> None:
        for name, value in (("--max-gap-s", self.max_gap_s), ("--max-error-mm", self.max_error_mm)):
            if not value > 0:
                raise InputError(f"{name}: expected a number above 0, found {value:g}")
        if self.method not in (AUTO, *ALL_METHODS):
            raise InputError(f"method: expected {one_of((AUTO, *ALL_METHODS))}, found {self.method!r}")


@dataclass(frozen=True)
class FilledGap:
    """What became of one gap.

    first_frame, last_frame  as the file counts.
    method       what filled it, "" if it stays open, and then `why`.
    expected_mm  the error to expect of that method, or of the best where it stays open; None if it is not known.
    errors_mm    the same of each method that could be judged.
    """

    label: str
    first_frame: int
    last_frame: int
    n_frames: int
    seconds: float
    method: str
    expected_mm: float | None
    errors_mm: dict[str, float]
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Filled:
    """A trial with gaps filled: `trial`, whose measured samples are as they were and whose filled ones have a residual
    of 0; bool `mask` `(n_frames, n_columns)`, where it was filled; what became of all `gaps`; `n_estimated`, how many
    samples of it were no measurements before."""

    trial: Trial
    mask: BoolArray
    gaps: tuple[FilledGap, ...]
    n_estimated: int


def fill(trial: Trial, options: FillOptions | None = None, model: Model | None = None) -> Filled:
    """Fill the gaps of the named markers of a trial.

    What is no gap stays: a marker is never put where it was not yet seen, or no longer. Methods learn and are judged
    by measured samples alone, so the order of columns does not matter, nor what else is filled.

    model    a forecaster, see `filling.forecaster.load`, whose methods then stand beside the others.

    Raises `TrialError` for a trial without names, `InputError` for a method that needs a model where there is none.
    """
    options = options or FillOptions()
    if options.method in MODEL_METHODS and model is None:
        raise InputError(f"--method {options.method}: expected --model with a forecaster beside it, found none")
    named = [column for _, column in labelled_columns(trial)]
    if not named:
        raise TrialError("expected a labelled trial, found no marker with a name; label it first (aml label)")
    before = estimated(trial)
    fillers = Fillers(trial.positions, trial.visible & ~before, np.array(named), trial.rate_hz, model, trial.labels)
    positions = trial.positions.copy()
    residuals = trial.residuals.copy()
    mask = np.zeros(trial.visible.shape, np.bool_)
    told = []
    for gap in gaps_of(trial, named):
        found, points = _decided(trial, gap, fillers, options)
        told.append(found)
        if points is not None:
            positions[gap.start : gap.stop, gap.column] = points
            mask[gap.start : gap.stop, gap.column] = True
    residuals[mask] = 0
    return Filled(replace(trial, positions=positions, residuals=residuals), mask, tuple(told), int(before.sum()))


def _decided(
    trial: Trial, gap: Gap, fillers: Fillers, options: FillOptions
) -> tuple[FilledGap, np.ndarray[Any, Any] | None]:
    """What becomes of a gap, and the points that fill it, if any do."""
    seconds = gap.n_frames / trial.rate_hz
    told = FilledGap(
        trial.labels[gap.column], trial.first_frame + gap.start, trial.first_frame + gap.stop - 1, gap.n_frames,
        round(seconds, 4), "", None, {},
    )  # fmt: skip
    if gap.n_frames > round(options.max_gap_s * trial.rate_hz, 6):
        return replace(told, why=f"longer than {options.max_gap_s:g} s"), None
    found = fillers.estimates(gap)
    told = replace(told, errors_mm={name: round(x.expected_mm, 3) for name, x in found.items()})
    usable = [name for name in found if options.method in (AUTO, name)]
    if not usable:
        if found:
            return replace(told, why="too few other markers are seen, there or elsewhere"), None
        return replace(told, why="the marker is nowhere seen long enough to measure the error"), None
    best = min(usable, key=lambda name: found[name].expected_mm)
    expected = found[best].expected_mm
    told = replace(told, expected_mm=round(expected, 3))
    if expected > options.max_error_mm:
        return replace(told, why=f"error over {options.max_error_mm:g} mm to be expected"), None
    return replace(told, method=best), found[best].points


def summary(gaps: Sequence[FilledGap]) -> str:
    """`12 of 15 gaps filled (9 spline, 3 rigid)`."""
    counts = [(name, sum(g.method == name for g in gaps)) for name in ALL_METHODS]
    filled = ", ".join(f"{n} {name}" for name, n in counts if n)
    text = f"{sum(n for _, n in counts)} of {len(gaps)} gaps filled"
    return f"{text} ({filled})" if filled else text
