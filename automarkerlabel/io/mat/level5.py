"""MATLAB's files of level 5 (`save -v6` and `-v7`): structs, cells, text and numbers, by a reader of our own.

Whatever the bytes, it neither crashes nor allocates more than the file, uncompressed, holds. Layout: The MathWorks,
MAT-File Format.
"""

import struct
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.files import read_bytes

_MAX_BYTES = 4 << 30
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_COMPLEX = 0x0800
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}  # of text; else Latin-1
_WIDE = (4, 17, 18)
_MAX_DEPTH = 16


def is_mat5(head: bytes) -> bool:
    """Whether the first bytes of a file are those of level 5."""
    return len(head) >= _HEADER and head[126:128] in (b"IM", b"MI") and head[124:126] in (b"\0\1", b"\1\0")


def read_mat5(path: Path) -> dict[str, Any]:
    """Variables by name: a struct is a dict (an array of several a list of dicts), a cell array a list, text a str,
    numbers an array as MATLAB indexes it; None for what is of another class.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or not of level 5.
    """
    data = read_bytes(path, _MAX_BYTES)
    if not is_mat5(data):
        raise FileFormatError(f"{path}: expected a MAT file of MATLAB 5 to 7.3, found another content")
    reader = _Reader(path, "<" if data[126:128] == b"IM" else ">")
    try:
        return reader.variables(memoryview(data)[_HEADER:])
    except (struct.error, ValueError, zlib.error, UnicodeError, OverflowError) as error:
        raise FileFormatError(f"{path}: expected a MAT file, found it damaged or cut ({error})") from error


class _Reader:
    def __init__(self, path: Path, order: str) -> None:
        self.path = path
        self.order = order
        self.left = _MAX_BYTES  # bytes that may still be uncompressed

    def variables(self, data: memoryview) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while len(data) >= 8:
            kind, body, data = self._element(data, padded=False)
            if kind == _COMPRESSED:
                kind, body, _ = self._element(memoryview(self._inflated(body)))
            if kind == _MATRIX:
                name, value = self._matrix(body, 0)
                found[name] = value
        return found

    def _inflated(self, body: memoryview) -> bytes:
        inflater = zlib.decompressobj()
        data = inflater.decompress(body, self.left)
        self.left -= len(data)
        if self.left <= 0 or inflater.unconsumed_tail:
            self._refuse(f"more than {_MAX_BYTES:,} bytes uncompressed")
        return data

    def _element(self, data: memoryview, padded: bool = True) -> tuple[int, memoryview, memoryview]:
        """The type and the bytes of the first element, and what comes after it."""
        kind, size = struct.unpack_from(self.order + "II", data)
        if kind >> 16:  # a small element: size, type and data in eight bytes
            size, kind = kind >> 16, kind & 0xFFFF
            if size > 4:
                self._refuse("a small element that is none")
            return kind, data[4 : 4 + size], data[8:]
        if size > len(data) - 8:
            self._refuse("the end of the file inside an array: it is cut")
        end = 8 + size + (-size % 8 if padded and kind != _COMPRESSED else 0)
        return kind, data[8 : 8 + size], data[end:]

    def _matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """The name and the value of an array."""
        if not len(data):
            return "", None
        if depth > _MAX_DEPTH:
            self._refuse(f"more than {_MAX_DEPTH} levels of structs and cells")
        _, flags, data = self._element(data)
        _, dims, data = self._element(data)
        _, name, data = self._element(data)
        (word,) = struct.unpack_from(self.order + "I", flags)
        shape = struct.unpack(f"{self.order}{len(dims) // 4}i", dims[: len(dims) // 4 * 4])
        kind, count = word & 0xFF, int(np.prod(shape, dtype=object)) if shape else 0
        if min(shape, default=0) < 0 or len(shape) > 8:
            self._refuse(f"an array of the size {shape}")
        value: Any = None
        if kind == _CELL:
            value = self._values(data, count, depth)[0]
        elif kind == _STRUCT:
            value = self._struct(data, count, depth)
        elif kind == _CHAR:
            value = self._text(data)
        elif kind in _NUMERIC:
            value = self._numbers(data, shape, count, bool(word & _COMPLEX))
        return bytes(name).decode("latin-1"), value

    def _values(self, data: memoryview, count: int, depth: int) -> tuple[list[Any], memoryview]:
        values = []
        for _ in range(count):  # each takes at least eight bytes: a count that lies meets the end soon
            kind, body, data = self._element(data)
            if kind != _MATRIX:
                self._refuse(f"an element of type {kind} where an array belongs")
            values.append(self._matrix(body, depth + 1)[1])
        return values, data

    def _struct(self, data: memoryview, count: int, depth: int) -> dict[str, Any] | list[dict[str, Any]]:
        _, length, data = self._element(data)
        _, raw, data = self._element(data)
        (size,) = struct.unpack_from(self.order + "i", length)
        if size <= 0:
            self._refuse(f"field names of {size} bytes")
        names = [bytes(raw[n : n + size]).split(b"\0")[0].decode("latin-1") for n in range(0, len(raw), size)]
        if count and not names:
            return {}
        found = []
        for _ in range(count):
            values, data = self._values(data, len(names), depth)
            found.append(dict(zip(names, values, strict=True)))
        return found[0] if count == 1 else found

    def _text(self, data: memoryview) -> str:
        if not len(data):
            return ""
        kind, body, _ = self._element(data)
        encoding = _ENCODINGS.get(kind, "latin-1")
        if kind in _WIDE:
            encoding += "-le" if self.order == "<" else "-be"
        return bytes(body).decode(encoding)

    def _numbers(self, data: memoryview, shape: tuple[int, ...], count: int, is_complex: bool) -> Any:
        """As stored, which may be in fewer bytes than MATLAB's class has; of complex numbers the real part."""
        if not count:
            return np.zeros(shape)
        kind, body, _ = self._element(data)
        if kind not in _TYPES:
            self._refuse(f"numbers of type {kind}")
        dtype = np.dtype(self.order + _TYPES[kind])
        if len(body) != count * dtype.itemsize:
            self._refuse(f"{len(body)} bytes of numbers for an array of the size {shape}")
        return np.frombuffer(body, dtype).reshape(shape, order="F")

    def _refuse(self, found: str) -> NoReturn:
        raise FileFormatError(f"{self.path}: expected a MAT file, found {found}")
