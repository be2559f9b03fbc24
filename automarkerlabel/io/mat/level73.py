"""MATLAB's files of level 7.3, which are HDF5: the structs, cells, text and numbers that are asked for."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.hdf5.guard import guarded
from automarkerlabel.io.hdf5.safe import Allowance, member

_MAX_VALUES = 400_000_000  # coordinates: an hour of 150 markers at 240 Hz
_MAX_DEPTH = 4
_MAX_MEMBERS = 10_000


@guarded
def read_mat73(path: Path, wanted: Collection[str]) -> dict[str, Any]:
    """Variables as `read_mat5` gives them; of their fields and the fields of those, only the `wanted` ones.

    Raises `FileFormatError` if the file is damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            names = [name for name in list(file)[:_MAX_MEMBERS] if not name.startswith("#")]
            reader = _Reader(file, path, wanted)
            return {name: reader.value(file, name) for name in names}
    except FileFormatError:
        raise
    except Exception as error:  # h5py raises what damaged bytes happen to cause
        reason = " ".join(str(error).split())[:120]
        raise FileFormatError(f"{path}: expected a MAT file, found it damaged ({reason})") from error


def holds(path: Path, field: str) -> bool:
    """Whether a variable of a file is a struct with that field."""
    try:
        return _holds(path, field)
    except FileFormatError:
        return False


@guarded
def _holds(path: Path, field: str) -> bool:
    try:
        with h5py.File(path, "r") as file:
            found = (member(file, name) for name in file)
            return any(isinstance(x, h5py.Group) and field in x for x in found)
    except Exception as error:  # as above
        raise FileFormatError(f"{path}: expected a MAT file, found it damaged") from error


class _Reader:
    def __init__(self, file: h5py.File, path: Path, wanted: Collection[str]) -> None:
        self.file, self.path, self.wanted = file, path, wanted
        self.allowance = Allowance(path)

    def value(self, group: Any, name: str, depth: int = 0) -> Any:
        found = member(group, name) if depth <= _MAX_DEPTH else None
        if found is None and depth:
            raise FileFormatError(f"{self.path}: expected {name} in the file itself, found a link or too many levels")
        if isinstance(found, h5py.Group):
            return {key: self.value(found, key, depth + 1) for key in found if key in self.wanted}
        return self._of_dataset(found) if isinstance(found, h5py.Dataset) else None

    def _of_dataset(self, found: h5py.Dataset, inside: bool = False) -> Any:
        """`inside` a cell array: another one there is not followed, so that none can hold itself."""
        kind = found.attrs.get("MATLAB_class", b"")
        self.allowance.take(found)
        if found.size > _MAX_VALUES:
            raise FileFormatError(
                f"{self.path}: expected at most {_MAX_VALUES:,} numbers, found {found.shape} in {found.name}"
            )
        if kind == b"cell":
            if inside or found.dtype != h5py.ref_dtype or found.size > _MAX_MEMBERS:
                return []
            cells = [self.file[ref] for ref in np.ravel(found[()])]
            return [self._of_dataset(cell, True) for cell in cells if isinstance(cell, h5py.Dataset)]
        if "MATLAB_empty" in found.attrs:
            return "" if kind == b"char" else np.zeros(0)
        values = found[()]
        if kind == b"char":
            return np.ravel(values).astype("<u2").tobytes().decode("utf-16-le", "replace")
        return np.asarray(values).T  # MATLAB's first index is HDF5's last
