"""C3D files as trials, and trials as C3D files: units, axes, names, and labelled copies that are verified."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import BoolArray, Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.io.axes import find_axes
from automarkerlabel.io.c3d import check, filled, new
from automarkerlabel.io.c3d.layout import Layout, list_entries, open_layout
from automarkerlabel.io.c3d.parameters import decoded
from automarkerlabel.io.c3d.patch import check_pieces, patched
from automarkerlabel.io.computed_points import computed_columns
from automarkerlabel.io.names import full_names, output_names, split_prefix

_MODEL_GROUPS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS", "MODELED_MARKERS")
_NAMED_IN_NOTE = 5


def read(path: Path, units: str | None = None, up: str | None = None, trust_coordinates: bool = False) -> Trial:
    """The trial in a C3D file, in mm with z up; `units` and `up` overrule what the file says.

    `trust_coordinates`: a residual below 0 hides no point that has coordinates.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or is none.
    """
    return trial_of(open_layout(path), units, up, trust_coordinates)


def write(path: Path, trial: Trial) -> None:
    """A new C3D file of 32-bit floats, in the units and axes of `trial.axes`."""
    path.write_bytes(new.new_file(trial, full_names(trial)))


def write_labelled(
    source: Path, path: Path, trial: Trial, columns: Sequence[OutputColumn], verify: bool = True
) -> tuple[str, ...]:
    """A copy of the C3D file `source` with its points in `columns`, every sample and all else bit for bit.

    `trial` is what `read(source)` gave. The copy is read again; then, if `verify`, ezc3d must find in it what it finds
    in the source. Returns notes, such as that ezc3d cannot open this source.

    Raises `TrialError` if columns and source do not fit together, `OutputError` if a C3D file cannot hold them,
    `VerificationError` if the copy is not what was to be written.
    """
    layout = open_layout(source)
    if (trial.n_frames, trial.n_columns) != (layout.n_frames, layout.n_points):
        raise TrialError(
            f"{source}: expected the trial that was read from it, with {layout.n_frames} frames and {layout.n_points}"
            f" columns, found {trial.n_frames} and {trial.n_columns}"
        )
    pieces = [column.pieces for column in columns]
    check_pieces(layout, pieces)
    patch = patched(layout, list(zip(output_names(trial, columns), pieces, strict=True)))
    with path.open("wb") as file:
        for chunk in patch.chunks:
            file.write(chunk)
    check.check_copy(open_layout(path), layout, patch)
    return check.check_with_ezc3d(source, layout, path, patch) if verify else ()


def write_filled(source: Path, path: Path, trial: Trial, mask: BoolArray, verify: bool = True) -> tuple[str, ...]:
    """A copy of the C3D file `source` in which the points of `trial` are added where `mask` is True, with a residual
    and a camera mask of 0, as the format has it for points that were not measured; all else bit for bit.

    `trial` has the frames and columns of the source. The copy is checked as one of `write_labelled` is; returns notes.

    Raises `TrialError` if they do not fit or a point would replace one that is seen, `OutputError` for a point that the
    integers of the source cannot hold, `VerificationError` if the copy is not what was to be written.
    """
    layout = open_layout(source)
    names, _ = column_names(layout)
    patch = filled.filled(layout, names, trial.axes.to_file(trial.positions), mask)
    with path.open("wb") as file:
        for chunk in patch.chunks:
            file.write(chunk)
    check.check_copy(open_layout(path), layout, patch)
    return check.check_with_ezc3d(source, layout, path, patch) if verify else ()


def trial_of(layout: Layout, units: str | None = None, up: str | None = None, trust_coordinates: bool = False) -> Trial:
    """The trial that a layout holds; see `read`."""
    names, notes = column_names(layout)
    subjects, labels = zip(*(split_prefix(name) for name in names), strict=True) if names else ((), ())
    computed = computed_columns(labels, _model_outputs(layout))
    points = layout.coordinates.copy()
    hidden = layout.without_coordinates if trust_coordinates else layout.hidden
    points[hidden] = np.nan
    markers = [c for c in range(layout.n_points) if c not in computed]
    units_text, up_text = (" ".join(layout.texts("POINT", name)[:1]) for name in ("UNITS", "Y_SCREEN"))
    axes, doubts = find_axes(points[:, markers], units_text, up_text, units, up)
    with np.errstate(all="ignore"):  # damaged numbers, which Trial takes as hidden
        positions = points if (axes.units, axes.up) == ("mm", "z") else axes.to_mm_z_up(points)
        residuals = layout.residuals * np.float32(axes.mm_per_unit)
    residuals[layout.hidden & ~hidden] = 0  # nothing is known of them
    unbelieved = [] if trust_coordinates else _unbelieved(layout)
    return Trial(
        positions, labels, layout.rate_hz, residuals, layout.first_frame, axes, subjects, computed,
        [*layout.notes, *notes, *doubts, *_missing(layout), *unbelieved],
    )  # fmt: skip


def column_names(layout: Layout) -> tuple[list[str], list[str]]:
    """The full name of each column, "" where the file has none, and notes on what is odd about them."""
    stored = [decoded(entry) for entry in list_entries(layout, "POINT", "LABELS")]
    n = layout.n_points
    names = [*stored, *[""] * n][:n]
    notes = []
    spare = [x for x in stored[n:] if x]
    if spare:
        notes.append(f"POINT:LABELS names {len(spare)} more than the {n} columns; they are left alone")
    if names.count(""):
        notes.append(f"{names.count('')} of {n} columns have no name")
    twice = [name for name, count in Counter(x for x in names if x).items() if count > 1]
    if twice:
        more = ", ..." if len(twice) > _NAMED_IN_NOTE else ""
        notes.append(f"{len(twice)} names stand more than once: {', '.join(twice[:_NAMED_IN_NOTE])}{more}")
    prefixes = sorted({split_prefix(x)[0] for x in names} - {""})
    if len(prefixes) > 1:
        notes.append(f"names of {len(prefixes)} subjects: {', '.join(prefixes)}")
    return names, notes


def _model_outputs(layout: Layout) -> frozenset[str]:
    """Labels that the file lists as angles, forces, ...: POINT:ANGLES and the like, and what TYPE_GROUPS adds."""
    groups = {*_MODEL_GROUPS, *layout.texts("POINT", "TYPE_GROUPS")}
    lists = (list_entries(layout, "POINT", group) for group in sorted(groups))
    return frozenset(split_prefix(decoded(x))[1] for entries in lists for x in entries if decoded(x))


def _unbelieved(layout: Layout) -> list[str]:
    """A note where coordinates are there, and the residuals of all say that nothing was measured."""
    there = ~layout.without_coordinates
    if not there.any() or not layout.hidden.all():
        return []
    return [
        f"{int(there.sum()):,} points have coordinates, but every residual is below 0, which says that none was"
        " measured; so all are hidden. If they are measured, aml export --trust-coordinates writes a file that says so"
    ]


def _missing(layout: Layout) -> list[str]:
    notes = []
    if not any(record.kind == 0 and record.name == "POINT" for record in layout.records):
        notes.append("the file has no POINT group; its header is believed")
    if not layout.n_points:
        notes.append("the file holds no markers")
    if not layout.n_frames:
        notes.append("the file holds no frames")
    return notes
