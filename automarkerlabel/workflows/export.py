"""A trial as another file: part of it, turned, renamed, in the units and axes that another program wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.core.trial import FileAxes, Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.io import c3d, files
from automarkerlabel.io.computed_points import computed_columns
from automarkerlabel.io.names import full_names
from automarkerlabel.io.renaming import renamed
from automarkerlabel.io.tables import tidy

_OWN_AXES = (".c3d", ".trc")  # formats that can hold any units and upward axis
_OPENSIM = FileAxes("mm", "y")  # what a TRC is for


@dataclass(frozen=True)
class TrialExport:
    """What of a trial is written, and how.

    units, up, exclude  of the trial read, as in `io.read`.
    to_units, to_up     of the file written; None: a TRC in mm with y up, as OpenSim wants it, a C3D as the trial was.
    rotate_deg          turn about the vertical, counter-clockwise seen from above.
    frames              first and last frame, as the file counts them; None: from the first, to the last.
    labels              the columns to write, in this order; empty: all.
    named               without columns that have no name or hold computed points.
    rename              new labels by old ones.
    prefix              subject of every column; "" for none, None: as it is.
    tidy                CSV with a row for each point rather than for each frame.
    trust_coordinates   of a C3D: points with coordinates are seen even where their residual is below 0.
    """

    units: str | None = None
    up: str | None = None
    exclude: str | None = None
    to_units: str | None = None
    to_up: str | None = None
    rotate_deg: float = 0.0
    frames: tuple[int | None, int | None] = (None, None)
    labels: Sequence[str] = ()
    named: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)
    prefix: str | None = None
    tidy: bool = False
    overwrite: bool = False
    trust_coordinates: bool = False


def export_trial(source: Path, path: Path, options: TrialExport) -> Trial:
    """Write the trial in `source` as a new file in the format that the suffix of `path` names; returns what is written.

    Raises what `io.read` and `io.write` raise; `OutputError` if `path` is `source`; `InputError` for options that do
    not fit the format, `TrialError` for those that do not fit the trial.
    """
    files.check_output(path, [source], options.overwrite, io.WRITABLE)
    suffix = path.suffix.lower()
    if suffix not in _OWN_AXES and (options.to_units or options.to_up):
        raise InputError(f"to_units, to_up: expected with .c3d or .trc, found {suffix}, which is in mm with z up")
    if options.tidy and suffix != ".csv":
        raise InputError(f"tidy: expected with .csv, found {suffix}")
    trial = chosen(_read(source, options), options)
    if not trial.visible.any():
        why = "".join(f"; {note}" for note in trial.notes if "hidden" in note)
        raise TrialError(f"{source}: expected points to export, found none that is seen{why}")
    base = _OPENSIM if suffix == ".trc" else trial.axes
    axes = FileAxes(options.to_units or base.units, options.to_up or base.up)
    trial = replace(trial, axes=axes)
    if options.tidy:
        with files.atomic(path) as temporary:
            tidy.write_csv(temporary, trial)
    else:
        io.write(path, trial, options.overwrite)
    return trial


def _read(source: Path, options: TrialExport) -> Trial:
    if not options.trust_coordinates:
        return io.read(source, options.units, options.up, options.exclude)
    if source.suffix.lower() != ".c3d":
        raise InputError(f"trust_coordinates: expected a .c3d, found {source.name}; other formats have no residuals")
    trial = c3d.read(source, options.units, options.up, trust_coordinates=True)
    return replace(trial, computed=trial.computed | computed_columns(trial.labels, exclude=options.exclude))


def chosen(trial: Trial, options: TrialExport) -> Trial:
    """The part of a trial that is asked for, renamed and turned."""
    start, stop = _frames(trial, options.frames)
    columns = _columns(trial, options)
    trial = replace(
        trial,
        positions=turned(trial.positions[start:stop][:, columns], options.rotate_deg),
        residuals=trial.residuals[start:stop][:, columns],
        labels=[trial.labels[c] for c in columns],
        subjects=[trial.subjects[c] if options.prefix is None else options.prefix for c in columns],
        computed=frozenset(n for n, c in enumerate(columns) if c in trial.computed),
        first_frame=trial.first_frame + start,
    )
    return renamed(trial, options.rename)


def turned(positions: np.ndarray, degrees: float) -> np.ndarray:
    """Points `(..., 3)` turned about z, counter-clockwise seen from above; quarter turns are exact."""
    if degrees % 360 == 0:
        return positions
    quarters, rest = divmod(degrees, 90.0)
    if rest:
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    else:
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[int(quarters) % 4]
    x, y, z = np.moveaxis(positions.astype(np.float64), -1, 0)
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], -1).astype(np.float32)


def _frames(trial: Trial, wanted: tuple[int | None, int | None]) -> tuple[int, int]:
    """Start and stop of the wanted frames, counted from 0."""
    if wanted == (None, None):
        return 0, trial.n_frames
    last = trial.first_frame + trial.n_frames - 1
    first_wanted = trial.first_frame if wanted[0] is None else wanted[0]
    last_wanted = last if wanted[1] is None else wanted[1]
    if not trial.first_frame <= first_wanted <= last_wanted <= last:
        raise TrialError(
            f"frames: expected frames from {trial.first_frame} to {last}, found {first_wanted}:{last_wanted}"
        )
    return first_wanted - trial.first_frame, last_wanted - trial.first_frame + 1


def _columns(trial: Trial, options: TrialExport) -> list[int]:
    """The columns to write, in order."""
    left = [
        c
        for c in range(trial.n_columns)
        if not options.named or (c not in trial.computed and not is_unlabelled(trial.labels[c]))
    ]
    if not options.labels:
        return left
    full = full_names(trial)
    found = []
    for label in options.labels:
        own = [c for c in left if label in (full[c], trial.labels[c])]
        if not own:
            raise TrialError(f"labels: expected labels of the trial, found {label!r}; it has {', '.join(full[:60])}")
        found += own
    return list(dict.fromkeys(found))
