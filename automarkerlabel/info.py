"""What is in a file with a trial, as plain facts for people and for JSON."""

from pathlib import Path

import numpy as np

from automarkerlabel import io
from automarkerlabel.filling.gaps import estimated, gaps_of, tells_estimates
from automarkerlabel.io import c3d_facts, c3d_layout
from automarkerlabel.markerset import is_unlabelled
from automarkerlabel.trial import Trial


def trial_facts(
    path: Path | str, units: str | None = None, up: str | None = None, exclude: str | None = None
) -> dict[str, object]:
    """What is in a trial's file: rates, frames, columns, gaps, units, axes, oddities; of a C3D also the rest of it.

    All values are such that JSON can hold them. Gaps are hidden frames between visible ones; the hidden share counts
    those before and after, too. How many points were filled rather than measured stands there if the file tells.
    `units`, `up` and `exclude` are those of `io.read`, as are the errors raised.
    """
    path = Path(path)
    trial = io.read(path, units, up, exclude)
    columns = [_column(trial, c) for c in range(trial.n_columns)]
    facts: dict[str, object] = {
        "file": str(path),
        "format": path.suffix.lower().removeprefix("."),
        "rate_hz": trial.rate_hz,
        "n_frames": trial.n_frames,
        "first_frame": trial.first_frame,
        "duration_s": trial.duration_s,
        "n_columns": trial.n_columns,
        **{kind: [c["label"] for c in columns if c["kind"] == kind] for kind in ("labelled", "unlabelled", "computed")},
        "subjects": sorted(set(trial.subjects) - {""}),
        "gaps": _gaps(trial),
        "axes": {
            "units": trial.axes.units,
            "units_found": trial.axes.units_found,
            "up": trial.axes.up,
            "up_found": trial.axes.up_found,
        },
        "extent_mm": _extent(trial),
        "columns": columns,
        "oddities": list(trial.notes),
    }
    if facts["format"] == "c3d":
        facts |= c3d_facts.facts(c3d_layout.open_layout(path))
    return facts


def _kind(trial: Trial, column: int) -> str:
    if column in trial.computed:
        return "computed"
    return "unlabelled" if is_unlabelled(trial.labels[column]) else "labelled"


def _column(trial: Trial, column: int) -> dict[str, object]:
    seen = np.flatnonzero(trial.visible[:, column])
    gaps = [gap.n_frames for gap in gaps_of(trial, [column])]
    return {
        "label": trial.labels[column],
        "subject": trial.subjects[column],
        "kind": _kind(trial, column),
        "n_gaps": len(gaps),
        "longest_gap_frames": max(gaps, default=0),
        "hidden_share": 1 - len(seen) / trial.n_frames if trial.n_frames else 0.0,
        "first_seen_frame": trial.first_frame + int(seen[0]) if len(seen) else None,
        "last_seen_frame": trial.first_frame + int(seen[-1]) if len(seen) else None,
    }


def _gaps(trial: Trial) -> dict[str, object]:
    """Over all measured columns."""
    gaps = [gap.n_frames for gap in gaps_of(trial, trial.marker_columns)]
    seen = trial.visible[:, trial.marker_columns]
    return {
        "n": len(gaps),
        "longest_frames": max(gaps, default=0),
        "hidden_share": 1 - float(seen.mean()) if seen.size else 0.0,
        **({"points_not_measured": int(estimated(trial).sum())} if tells_estimates(trial) else {}),
    }


def _extent(trial: Trial) -> dict[str, list[float]] | None:
    """Lowest and highest coordinate of the measured points along each of our axes; None where there is no point."""
    points = trial.positions[:, trial.marker_columns][trial.visible[:, trial.marker_columns]]
    if not len(points):
        return None
    return {axis: [float(points[:, n].min()), float(points[:, n].max())] for n, axis in enumerate("xyz")}
