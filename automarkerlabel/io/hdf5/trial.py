"""Trials as HDF5: for training, exact and quick to read.

Layout, one trial a file:

    /            attributes: format ("automarkerlabel trial"), version (1), rate_hz, first_frame
    /positions   float32 (n_frames, n_columns, 3): mm, z up, NaN where hidden
    /labels      text (n_columns,)
    /subjects    text (n_columns,): each column's subject, "" where there is none
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from automarkerlabel.core.trial import FileAxes, FloatArray, Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.hdf5.guard import guarded
from automarkerlabel.io.hdf5.safe import Allowance, is_text, member

FORMAT = "automarkerlabel trial"
_VERSION = 1
_MAX_VALUES = 400_000_000  # coordinates: an hour of 150 markers at 240 Hz


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The trial in a file; `units` and `up` overrule mm and z.

    Raises `InputError` if it cannot be read, `FileFormatError` if it is no such file or damaged.
    """
    positions, labels, subjects, rate_hz, first_frame = _content(path)
    given = {"units_found": "--units" if units else "HDF5", "up_found": "--up" if up else "HDF5"}
    axes = FileAxes(units or "mm", up or "z", **given)
    return Trial(axes.to_mm_z_up(positions), labels, rate_hz, first_frame=first_frame, axes=axes, subjects=subjects)


@guarded
def _content(path: Path) -> tuple[FloatArray, list[str], list[str], float, int]:
    """Positions, labels, subjects, rate and first frame, as they stand in a file."""
    try:
        with h5py.File(path, "r") as file:
            if _text(file.attrs.get("format", "")) != FORMAT or int(file.attrs.get("version", 0)) != _VERSION:
                raise FileFormatError(
                    f"{path}: expected HDF5 with format {FORMAT!r}, version {_VERSION}, found another content"
                )
            points, *texts = (member(file, name) for name in ("positions", "labels", "subjects"))
            if not isinstance(points, h5py.Dataset) or not all(is_text(x) and x.ndim == 1 for x in texts):
                raise FileFormatError(
                    f"{path}: expected positions, labels and subjects, found a damaged or foreign file"
                )
            if points.dtype != np.float32 or points.ndim != 3 or points.shape[2] != 3 or points.size > _MAX_VALUES:
                raise FileFormatError(
                    f"{path}: expected positions (n_frames, n_columns, 3) in float32,"
                    f" found {points.shape} in {points.dtype}"
                )
            allowance = Allowance(path)
            for found in (points, *texts):
                allowance.take(found)
            labels, subjects = ([_text(x) for x in found[:]] for found in texts)
            return points[:], labels, subjects, float(file.attrs["rate_hz"]), int(file.attrs["first_frame"])
    except FileFormatError:
        raise
    except Exception as error:  # h5py raises what damaged bytes happen to cause
        reason = " ".join(str(error).split())[:120]
        raise FileFormatError(
            f"{path}: expected a trial in HDF5, found a damaged or foreign file ({reason})"
        ) from error


def write(path: Path, trial: Trial) -> None:
    """A new file, in mm with z up."""
    buffer = BytesIO()  # on a full disk HDF5's own writing ends the process later on
    with h5py.File(buffer, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, _VERSION
        file.attrs["rate_hz"], file.attrs["first_frame"] = trial.rate_hz, trial.first_frame
        file.create_dataset("positions", data=trial.positions, compression="gzip", compression_opts=1, shuffle=True)
        for name, values in (("labels", trial.labels), ("subjects", trial.subjects)):
            file.create_dataset(name, data=list(values), dtype=h5py.string_dtype())
    path.write_bytes(buffer.getbuffer())


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
