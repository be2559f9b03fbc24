"""Qualisys Track Manager's MAT exports: one struct with the field Trajectories, of MATLAB 5, 7 or 7.3.

Trajectories.Labeled.Labels          names
Trajectories.Labeled.Data            (trajectory, x y z residual, frame), mm, NaN where hidden
Trajectories.Unidentified.Data       as that, without names
FrameRate, StartFrame, Frames
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.files import read_head
from automarkerlabel.io.mat.level5 import is_mat5, read_mat5
from automarkerlabel.io.mat.level73 import holds, read_mat73
from automarkerlabel.io.tables.points import make_trial
from automarkerlabel.io.tables.qualisys_tsv import CONVENTION
from automarkerlabel.io.tables.text import Floats

_KINDS = ("Labeled", "Unidentified", "Discarded")
_WANTED = frozenset((*_KINDS, "Trajectories", "Labels", "Data", "Count", "FrameRate", "StartFrame", "Frames"))
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HEAD_BYTES = 1 << 16
_HUGE = 1e12
_FIRST_BODY = 136  # where the first variable stands


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The labelled and the unidentified trajectories of an export, in mm with z up; `units` and `up` overrule Qualisys'
    defaults.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or another MAT file.
    """
    take = _measurement(path)
    trajectories = take["Trajectories"]
    notes: list[str] = []
    points, names = _points(path, trajectories.get("Labeled"), "Labeled")
    more, unnamed = _points(path, trajectories.get("Unidentified"), "Unidentified")
    if len(points) and len(more) and len(points[0]) != len(more[0]):
        raise FileFormatError(
            f"{path}: expected as many frames of unidentified trajectories as of labelled ones, {len(points[0])},"
            f" found {len(more[0])}"
        )
    whole: Floats = np.concatenate([x for x in (points, more) if len(x)] or [points])  # (n_columns, n_frames, 4)
    discarded = trajectories.get("Discarded")
    if isinstance(discarded, dict) and _size(discarded.get("Data")):
        notes.append(f"left out: {_number(path, discarded, 'Count', 0):.0f} discarded trajectories")
    n_frames = whole.shape[1]
    stated = _number(path, take, "Frames", n_frames)
    if stated != n_frames:
        raise FileFormatError(f"{path}: expected {stated:.0f} frames as Frames says, found {n_frames} in Data")
    rate = _number(path, take, "FrameRate", 0)
    if rate <= 0:
        raise FileFormatError(f"{path}: expected a FrameRate above 0, found {rate:g}")
    frames: Floats = _number(path, take, "StartFrame", 1) + np.arange(n_frames, dtype=np.float64)
    columns: Floats = whole.transpose(1, 0, 2)  # (n_frames, n_columns, 4)
    return make_trial(columns[..., :3], names + unnamed, rate, frames, CONVENTION, units, up, notes, columns[..., 3])


def is_trial(path: Path) -> bool:
    """Whether a MAT file seems to hold trajectories: whether their field is named where it begins."""
    head = read_head(path, _HEAD_BYTES)
    if _HDF5 in head:
        return holds(path, "Trajectories")
    try:
        inside = zlib.decompressobj().decompress(head[_FIRST_BODY:], _HEAD_BYTES)
    except zlib.error:
        inside = b""
    return is_mat5(head) and b"Trajectories" in head + inside


def _measurement(path: Path) -> dict[str, Any]:
    """The one struct that holds trajectories."""
    head = read_head(path, _HEAD_BYTES)
    variables = read_mat73(path, _WANTED) if _HDF5 in head else read_mat5(path)
    takes = [x for value in variables.values() for x in (value if isinstance(value, list) else [value])]
    takes = [x for x in takes if isinstance(x, dict) and isinstance(x.get("Trajectories"), dict)]
    if len(takes) != 1:
        raise FileFormatError(
            f"{path}: expected one struct with the field Trajectories, as Qualisys exports it, found {len(takes)} in"
            f" {len(variables)} variables; export one measurement a file, with 3D data"
        )
    found: dict[str, Any] = takes[0]
    return found


def _points(path: Path, part: Any, kind: str) -> tuple[Floats, list[str]]:
    """`(n_columns, n_frames, 4)` points and residuals of a kind of trajectories, and their names."""
    if not isinstance(part, dict) or not _size(part.get("Data")):
        return np.zeros((0, 0, 4)), []
    data = np.asarray(part["Data"])
    if data.ndim == 2:  # MATLAB drops the last axis of one frame
        data = data[..., None]
    if data.ndim != 3 or data.shape[1] not in (3, 4) or data.dtype.kind not in "iuf":
        raise FileFormatError(
            f"{path}: expected Trajectories.{kind}.Data of (trajectory, 4, frame), found {np.shape(data)}"
        )
    count = _number(path, part, "Count", len(data))
    if count != len(data):
        raise FileFormatError(f"{path}: expected {count:.0f} trajectories as {kind}.Count says, found {len(data)}")
    points = np.zeros((len(data), data.shape[2], 4))
    points[..., : data.shape[1]] = data.transpose(0, 2, 1)
    if (np.abs(points) > _HUGE).any():
        raise FileFormatError(
            f"{path}: expected coordinates in mm in Trajectories.{kind}.Data, found numbers above 1e12"
        )
    if kind != "Labeled":
        return points, [f"{kind} {n + 1}" for n in range(len(data))]
    labels = part.get("Labels")
    names = [labels] if isinstance(labels, str) else labels
    if not isinstance(names, list) or len(names) != len(data) or not all(isinstance(x, str) for x in names):
        found = len(names) if isinstance(names, list) else "none"
        raise FileFormatError(f"{path}: expected a name in Labels for each of {len(data)} trajectories, found {found}")
    return points, names


def _size(value: Any) -> int:
    return 0 if value is None else int(np.size(value))


def _number(path: Path, fields: dict[str, Any], name: str, default: float) -> float:
    value = fields.get(name)
    if not _size(value):
        return default
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iuf":
        number = float(value.reshape(-1)[0])
        if np.isfinite(number) and abs(number) < _HUGE:
            return number
    raise FileFormatError(f"{path}: expected a number in {name}, found another value")
