"""Models, matchers and marker sets from files."""

from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import MarkerSet, from_trials
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.source import Source
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.io.marker_sets import is_marker_set, read_marker_set
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models.checkpoints import PRETRAINED, find_model
from automarkerlabel.models.checkpoints import matcher as match_store
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.checkpoints.excerpts import unpack
from automarkerlabel.models.checkpoints.forecaster import is_forecaster

MATCHER = "matcher"  # the name of the one that comes with the package
SHIPPED_MATCHER = PRETRAINED / f"{MATCHER}.safetensors"


def find_matcher(model: str | None) -> Path | None:
    """The file of the matcher that a model's name or file means; None: it means a model of trajectories.

    Without a name it is the one that comes with the package. Raises `ModelError` where that is not there.
    """
    if model is not None and (Path(model).exists() or model != MATCHER):
        return Path(model) if match_store.is_matcher(Path(model)) else None
    if not SHIPPED_MATCHER.is_file():
        raise ModelError(
            "model: expected the matcher that comes with the package, found none in this installation;"
            " install the package again, or name a model"
        )
    return SHIPPED_MATCHER


def stored_reference(reference: Reference) -> dict[str, Any]:
    """A reference as plain values, to be kept in a matcher's file."""
    marker_set = reference.marker_set
    return {
        "labels": list(marker_set.labels), "segments": list(marker_set.segments),
        "pairs": [list(p) for p in marker_set.pairs or ()], "name": marker_set.name, "source": reference.source,
        "heading_rad": reference.heading_rad,
        "positions": [[round(float(x), 2) for x in p] if np.isfinite(p).all() else None for p in reference.positions],
    }  # fmt: skip


def own_reference(path: Path) -> Reference | None:
    """The reference that a fine-tuned matcher's file holds, if it holds one. Raises `ModelError` for a damaged one."""
    kept = _note(match_store.read(path)[2]).get("reference")
    if kept is None:
        return None
    try:
        marker_set = MarkerSet(kept["labels"], kept["segments"], [(a, b) for a, b in kept["pairs"]], None, kept["name"])
        places = [[np.nan] * 3 if p is None else p for p in kept["positions"]]
        return Reference(marker_set, np.array(places, np.float32), kept["heading_rad"], kept["source"])
    except (AttributeError, InputError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: expected a matcher with a reference of its own, found it damaged: {error}"
        ) from error


def keepsakes(path: Path) -> list[Source]:
    """The excerpts of earlier trials that a model's or a matcher's file holds. Raises `ModelError`."""
    if not match_store.is_matcher(path):
        return list(store.load(path).kept) if store.is_checkpoint(path) else []
    _, tensors, training = match_store.read(path)
    return unpack(tensors, _note(training).get("kept", []))


def _note(training: dict[str, Any]) -> dict[str, Any]:
    note = training.get("note", {})
    return note if isinstance(note, dict) else {"text": note}


def matcher_facts(path: Path) -> dict[str, Any]:
    """What is in a matcher's file, as plain values for a table or JSON. Raises `ModelError`."""
    matcher, training = match_store.load_matcher(path)
    own = own_reference(path)
    note = {k: v for k, v in _note(training).items() if k not in ("reference", "kept")}
    return {
        "model_type": MATCHER,
        "parameters": sum(p.numel() for p in matcher.parameters()),
        "config": vars(matcher.config),
        **{name: training[name] for name in ("step", "samples", "hours") if name in training},
        "note": note,
        "own_reference": None if own is None else {"source": own.source, "labels": list(own.labels)},
        "training": {k: v for k, v in training.items() if k not in ("note", "step", "samples", "hours")},
    }


def read_any_marker_set(path: Path) -> MarkerSet:
    """A marker set from a file of OpenSim or Vicon, or from the labels of a labelled trial."""
    if is_marker_set(path):
        return read_marker_set(path)
    return from_trials([io.read(path)], path.stem)


def trajectory_labeller(
    model: str, training_values: Path | None, marker_set: Path | None, device: str
) -> TrajectoryLabeller:
    """A labeller from a model of ours by file or name, or from the predecessor's three files.

    Raises `ModelError` where files are missing or contradict each other.
    """
    path = find_model(model)
    if store.is_checkpoint(path):
        labeller = TrajectoryLabeller(store.load(path), device, model)
        if training_values is not None:
            raise ModelError(f"{path} is a model of this package and needs no --training-values")
        if marker_set is not None:
            asked, own = read_any_marker_set(marker_set), labeller.marker_set
            if set(asked.labels) != set(own.labels):
                raise ModelError(
                    f"{path}: expected a model of the {len(asked)} labels of {marker_set},"
                    f" found a {labeller.checkpoint.model_type} model of {len(own)} labels,"
                    f" {len(set(asked.labels) & set(own.labels))} of them the same"
                )
        return labeller
    if is_forecaster(path):
        raise ModelError(f"{path}: expected a model that labels, found a forecaster; aml fill --model takes it")
    return TrajectoryLabeller(converted(path, training_values, marker_set), device, model)


def converted(path: Path, training_values: Path | None, marker_set: Path | None) -> store.Checkpoint:
    """The predecessor's checkpoint, training values and marker set as one model of ours."""
    if training_values is None or marker_set is None:
        raise ModelError(
            f"{path}: expected a model of this package, found another file; if it is a checkpoint of the predecessor,"
            " add --training-values trainingvals.pickle and --marker-set MarkerSet.xml"
        )
    from automarkerlabel.labellers.legacy.model import convert

    parts = convert(path, training_values, read_marker_set(marker_set))
    return store.Checkpoint(
        "legacy_lstm", parts.config, {}, parts.marker_set, list(parts.scale), parts.tensors,
        training={"converted_from": path.name},
    )  # fmt: skip
