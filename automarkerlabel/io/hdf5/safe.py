"""HDF5 files of others, read with nothing open: no link and no data outside the file, no filter that the library would
have to load, and no more memory than the bytes of the file can be unpacked to."""

from pathlib import Path
from typing import Any

import h5py

from automarkerlabel.errors import FileFormatError

_MOST_PER_BYTE = 1100  # deflate makes at most 1,032 bytes of one
_ROOM = 1 << 20  # of small data sets, which may be written without chunks
_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)


class Allowance:
    """How many bytes may still be read out of a file.

    A data set may claim any size without a byte of it being there, and be read under many names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = _ROOM + _MOST_PER_BYTE * path.stat().st_size

    def take(self, found: h5py.Dataset) -> None:
        """Count a data set that is to be read. Raises `FileFormatError` unless it stands in the file itself, packed as
        HDF5 files usually are, and is no larger than it can be."""
        if found.external or found.is_virtual or found.size is None:
            raise FileFormatError(
                f"{self.path}: expected numbers or names in the file itself, found none in {found.name}"
            )
        packed = found.id.get_create_plist()
        filters = [packed.get_filter(n)[0] for n in range(packed.get_nfilters())]
        if len(set(filters)) < len(filters) or not set(filters) <= set(_FILTERS):
            raise FileFormatError(
                f"{self.path}: expected {found.name} packed with deflate, shuffle and fletcher32, once each, found"
                f" filters {filters}; pack it again, for instance with h5repack -f GZIP=4"
            )
        width = max(1, found.dtype.itemsize)
        chunk = width
        for n in found.chunks or ():
            chunk *= n
        self.left -= max(width * found.size, chunk)
        if self.left < 0:
            raise FileFormatError(
                f"{self.path}: expected no more data than the file can hold, found {found.shape} in {found.name}"
            )


def member(group: Any, name: str) -> Any:
    """What stands in this file itself under a name; None where there is nothing, or a link, which could lead to any
    other file."""
    linked = group.get(name, getlink=True) if isinstance(group, h5py.Group) and name in group else None
    return group[name] if isinstance(linked, h5py.HardLink) else None


def is_text(found: Any) -> bool:
    """Whether it is a data set of texts."""
    return isinstance(found, h5py.Dataset) and h5py.check_string_dtype(found.dtype) is not None
