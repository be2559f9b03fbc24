"""What is in a file of any kind that the package knows."""

from pathlib import Path
from typing import Any

from automarkerlabel import checkpoint as store
from automarkerlabel import info, io
from automarkerlabel.errors import FileFormatError
from automarkerlabel.forecaster import store as forecaster
from automarkerlabel.io.files import check_input
from automarkerlabel.io.marker_set_files import MARKER_SETS, is_marker_set, read_marker_set
from automarkerlabel.labeller import facts as model_facts
from automarkerlabel.loading import matcher_facts
from automarkerlabel.markerset import MarkerSet
from automarkerlabel.matching.store import is_matcher


def file_facts(
    path: Path, units: str | None = None, up: str | None = None, exclude: str | None = None
) -> dict[str, Any]:
    """Plain values, for a table or JSON. Raises `InputError` for a file of no known kind."""
    check_input(path)
    suffix = path.suffix.lower()
    if suffix in io.READABLE:
        return {"file": str(path), "kind": "trial", **info.trial_facts(path, units, up, exclude)}
    if is_marker_set(path):
        return {"file": str(path), "kind": "marker set", **marker_set_facts(read_marker_set(path))}
    if store.is_checkpoint(path):
        return {"file": str(path), "kind": "model", **model_facts(store.load(path))}
    if is_matcher(path):
        return {"file": str(path), "kind": "model", **matcher_facts(path)}
    if forecaster.is_forecaster(path):
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
