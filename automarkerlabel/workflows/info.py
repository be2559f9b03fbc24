"""What is in a file of any kind that the package knows, as plain facts for people and for JSON."""

from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import MarkerSet, is_unlabelled
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.filling import forecaster
from automarkerlabel.filling.gaps import estimated, gaps_of, tells_estimates
from automarkerlabel.io.c3d.facts import facts as c3d_facts
from automarkerlabel.io.c3d.layout import open_layout
from automarkerlabel.io.files import check_input
from automarkerlabel.io.marker_sets import MARKER_SETS, is_marker_set, read_marker_set
from automarkerlabel.labellers.load import matcher_facts
from automarkerlabel.labellers.trajectory import facts as model_facts
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.checkpoints.forecaster import is_forecaster
from automarkerlabel.models.checkpoints.matcher import is_matcher


def file_facts(
    path: Path, units: str | None = None, up: str | None = None, exclude: str | None = None
) -> dict[str, Any]:
    """Plain values, for a table or JSON. Raises `InputError` for a file of no known kind."""
    check_input(path)
    suffix = path.suffix.lower()
    if suffix in io.READABLE:
        return {"file": str(path), "kind": "trial", **trial_facts(path, units, up, exclude)}
    if is_marker_set(path):
        return {"file": str(path), "kind": "marker set", **marker_set_facts(read_marker_set(path))}
    if store.is_checkpoint(path):
        return {"file": str(path), "kind": "model", **model_facts(store.load(path))}
    if is_matcher(path):
        return {"file": str(path), "kind": "model", **matcher_facts(path)}
    if is_forecaster(path):
        return {"file": str(path), "kind": "model", **forecaster.facts(path)}
    raise FileFormatError(
        f"{path}: expected a trial ({', '.join(io.READABLE)}), a marker set ({', '.join(MARKER_SETS)}) or"
        " a model, found none; a checkpoint of the predecessor becomes a model by `aml models convert`"
    )


def marker_set_facts(marker_set: MarkerSet) -> dict[str, Any]:
    """Labels by segment, and pairs."""
    segments: dict[str, list[str]] = {}
    for label, segment in zip(marker_set.labels, marker_set.segments, strict=True):
        segments.setdefault(segment or "unknown", []).append(label)
    return {
        "name": marker_set.name,
        "n_labels": len(marker_set),
        "labels": list(marker_set.labels),
        "segments": segments,
        "pairs": [f"{a} - {b}" for a, b in marker_set.pairs or ()],
    }


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
        facts |= c3d_facts(open_layout(path))
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
