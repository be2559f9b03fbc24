"""MATLAB's files of level 7.3, which are HDF5: the structs, cells, text and numbers that are asked for."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from automarkerlabel.errors import FileFormatError

_MAX_VALUES = 400_000_000  # coordinates: an hour of 150 markers at 240 Hz
_MAX_DEPTH = 4
_MAX_MEMBERS = 10_000


def read_mat73(path: Path, wanted: frozenset[str]) -> dict[str, Any]:
    """Variables as `read_mat5` gives them; of their fields and the fields of those, only the `wanted` ones.

    Raises `FileFormatError` if the file is damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            names = [name for name in list(file)[:_MAX_MEMBERS] if not name.startswith("#")]
            return {name: _value(file, name, wanted, 0) for name in names}
    except FileFormatError:
        raise
    except Exception as error:  # h5py raises what damaged bytes happen to cause
        raise FileFormatError(f"{path}: expected a MAT file, found it damaged ({error})") from error


def holds(path: Path, field: str) -> bool:
    """Whether a variable of a file is a struct with that field."""
    try:
        with h5py.File(path, "r") as file:
            links = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
            return any(isinstance(file[name], h5py.Group) and field in file[name] for name in links)
    except Exception:  # as above
        return False


def _value(group: Any, name: str, wanted: frozenset[str], depth: int) -> Any:
    # Links may lead to other files: those are left alone.
    if depth > _MAX_DEPTH or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None
    found = group[name]
    if isinstance(found, h5py.Group):
        return {key: _value(found, key, wanted, depth + 1) for key in found if key in wanted}
    return _of_dataset(group.file, found)


def _of_dataset(file: Any, found: Any) -> Any:
    kind = found.attrs.get("MATLAB_class", b"")
    if found.external or found.is_virtual or found.size is None or found.size > _MAX_VALUES:
        raise FileFormatError(
            f"{file.filename}: expected at most {_MAX_VALUES:,} numbers in the file itself, found {found.shape} in"
            f" {found.name}"
        )
    if kind == b"cell":
        if found.dtype != h5py.ref_dtype or found.size > _MAX_MEMBERS:
            return []
        return [_of_dataset(file, file[ref]) for ref in np.ravel(found[()]) if isinstance(file[ref], h5py.Dataset)]
    if "MATLAB_empty" in found.attrs:
        return "" if kind == b"char" else np.zeros(0)
    values = found[()]
    if kind == b"char":
        return np.ravel(values).astype("<u2").tobytes().decode("utf-16-le", "replace")
    return np.asarray(values).T  # MATLAB's first index is HDF5's last
