"""The units and the upward axis of a file that may name them, may not, or may name the wrong ones."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from automarkerlabel.core.trial import MM_PER_UNIT, FileAxes, FloatArray

_SPELLINGS = {
    "mm": ("mm", "millimeter", "millimetre"), "cm": ("cm", "centimeter", "centimetre"),
    "dm": ("dm", "decimeter", "decimetre"), "m": ("m", "meter", "metre"), "in": ("in", "inch", "inches"),
    "ft": ("ft", "foot", "feet"), "um": ("um", "µm", "μm", "micrometer", "micrometre"),
}  # fmt: skip
_SAMPLED_FRAMES = 200
_LARGEST_SPAN_M = 10.0  # points of one frame that span less than this number of units are in metres
_PLAUSIBLE_SPAN_MM = (10.0, 100_000.0)
# Where the lowest and highest of a person's markers are over a floor at 0: with room for kneeling, jumping, tables.
_LOWEST_MM, _HIGHEST_MM = (-100.0, 500.0), (300.0, 2600.0)


def known_units(text: str) -> str | None:
    """The key of `MM_PER_UNIT` that a file's word means, None if it means none.

    >>> known_units("Meters"), known_units("mm"), known_units("")
    ('m', 'mm', None)
    """
    word = text.strip().strip("[]()").casefold()
    for unit, spellings in _SPELLINGS.items():
        if word in spellings or word.removesuffix("s") in spellings:
            return unit
    return None


def find_axes(
    points: FloatArray, units_text: str, up_text: str, units: str | None, up: str | None
) -> tuple[FileAxes, list[str]]:
    """The axes of a C3D file, and a note on everything that was doubtful.

    `points` are its markers `(n_frames, n_columns, 3)` in the file's units and axes, NaN where hidden. `units_text` and
    `up_text` are what POINT:UNITS and POINT:Y_SCREEN say, "" where missing; `units` and `up` what the user says.

    Units: the user's, else the file's, else mm, unless the points of a frame span less than 10 units: then m.
    Up: the user's, else the axis (Y_SCREEN, drawn upwards on a screen), else z. The sign that the file gives
    is often wrong: "-Z" is taken as z unless most points lie below 0. Where the points look otherwise, a note says so.

    Raises `TrialError` if the user's word is none of those known.
    """
    sample = points[:: max(1, len(points) // _SAMPLED_FRAMES)]
    axes, notes = find_units(sample, units_text, "POINT:UNITS", units)
    if up is not None:
        return replace(axes, up=up, up_found="--up"), notes
    heights = sample.reshape(-1, 3)
    heights = np.asarray(heights[~np.isnan(heights[:, 0])] * axes.mm_per_unit, np.float32)
    match = re.fullmatch(r"([+-]?)([XYZ])", up_text.strip().upper())
    if match is None:
        axes = replace(axes, up="z", up_found="assumed")
    else:
        sign, axis = match.groups()
        below = bool(len(heights)) and bool(np.median(heights[:, "XYZ".index(axis)]) < 0)
        trusted = sign != "-" or below
        found = "POINT:Y_SCREEN" if trusted else "POINT:Y_SCREEN, its sign contradicted by the points"
        axes = replace(axes, up=("-" if sign == "-" and below else "") + axis.lower(), up_found=found)
    return axes, notes + _doubt_up(axes.up, heights)


def assumed_axes(
    points: FloatArray, units_text: str, where: str, assumed_up: str, why: str, units: str | None, up: str | None
) -> tuple[FileAxes, list[str]]:
    """The axes of a file of a format that names no upward axis, and a note on everything that was assumed.

    `points` are as in `find_axes`. Units: the user's, else `units_text`, which stands at `where`, else as in
    `find_axes`. Up: the user's, else `assumed_up`, and `why` that, in words.

    Raises `TrialError` if the user's word is none of those known.
    """
    sample = points[:: max(1, len(points) // _SAMPLED_FRAMES)]
    axes, notes = find_units(sample, units_text, where, units)
    if up is not None:
        return replace(axes, up=up, up_found="--up"), notes
    axes = replace(axes, up=assumed_up, up_found=f"assumed, {why}")
    heights = sample.reshape(-1, 3)
    heights = np.asarray(heights[~np.isnan(heights[:, 0])] * axes.mm_per_unit, np.float32)
    assumed = f"the file names no upward axis; {assumed_up} is taken, {why}; --up overrules it"
    return axes, [*notes, *(_doubt_up(assumed_up, heights) or [assumed])]


def find_units(sample: FloatArray, text: str, where: str, units: str | None) -> tuple[FileAxes, list[str]]:
    """The units of points `(n_frames, n_columns, 3)`, as in `assumed_axes`, and a note on what was doubtful."""
    if units is not None:
        return FileAxes(units=units, units_found="--units"), []
    span = _span(sample)
    known = known_units(text)
    if known is None:
        guess = "m" if 0 < span < _LARGEST_SPAN_M else "mm"
        why = "assumed, from the size of the points" if guess == "m" else "assumed"
        said = f"{where} says {text.strip()!r}" if text.strip() else "the file names no units"
        return FileAxes(units=guess, units_found=why), [f"{said}; {guess} is assumed; use --units if that is wrong"]
    lowest, highest = _PLAUSIBLE_SPAN_MM
    notes = []
    if span > 0 and not lowest <= span * MM_PER_UNIT[known] <= highest:
        notes.append(
            f"{where} says {known}, but the points of a frame span {span:.3g} {known}; use --units if it is wrong"
        )
    return FileAxes(units=known, units_found=where), notes


def _span(sample: FloatArray) -> float:
    """The median over frames of the largest extent along an axis; 0 where there is nothing to measure."""
    seen = ~np.isnan(sample[..., 0])
    sample = sample[seen.sum(1) > 1]
    if not len(sample):
        return 0.0
    size = np.nanmax(sample.astype(np.float64), 1) - np.nanmin(sample.astype(np.float64), 1)
    return float(np.median(size.max(1)))


def _doubt_up(up: str, heights: FloatArray) -> list[str]:
    """A note where one other axis alone looks as if the points stood over a floor at 0 along it."""
    if len(heights) < 10:
        return []

    def stands(name: str) -> bool:
        along = heights[:, "xyz".index(name[-1])] * (-1 if name[0] == "-" else 1)
        low, high = np.percentile(along, (2, 98))
        return bool(_LOWEST_MM[0] <= low <= _LOWEST_MM[1] and _HIGHEST_MM[0] <= high <= _HIGHEST_MM[1])

    others: Sequence[str] = [name for name in ("z", "y", "x", "-z", "-y", "-x") if name != up and stands(name)]
    if stands(up) or len(others) != 1:
        return []
    return [f"the points look as if {others[0]} were up, not {up}; use --up {others[0]} if so"]
