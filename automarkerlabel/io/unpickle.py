"""A pickle that may hold plain values, arrays and tensors, and nothing else: none of it can run code.

It names six globals, one of them by two names. Each stands for a small function of ours, that takes only what such a
pickle gives it.
"""

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automarkerlabel.errors import FileFormatError


def unpickle(path: Path, data: bytes) -> Any:
    """The content of a pickle of plain values, numpy arrays and torch tensors; `path` is for messages.

    Raises `FileFormatError` for any other.
    """
    try:
        # A place in the memo far beyond what the file could fill would have gigabytes reserved for it.
        if any("PUT" in code.name and (place or 0) > len(data) for code, place, _ in pickletools.genops(data)):
            raise pickle.UnpicklingError("a memo larger than the file")
        return _PlainUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # what damaged bytes make an unpickler raise has no end
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise FileFormatError(
            f"{path}: expected a pickle of plain values, arrays and tensors, found another or a damaged one ({reason})"
        ) from error


class _Array:
    """An array on its way: the pickle makes an empty one and then sets its state."""

    def __setstate__(self, state: tuple[int, tuple[int, ...], "_Dtype", bool, bytes]) -> None:
        _, shape, dtype, fortran, data = state
        if not (isinstance(dtype, _Dtype) and isinstance(data, bytes) and math.prod(shape) * dtype.size == len(data)):
            raise pickle.UnpicklingError("an array whose data and shape differ")
        self.array = np.frombuffer(data, dtype.order + dtype.name).reshape(shape, order="F" if fortran else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype)


class _Dtype:
    """A numeric dtype: its name, such as f8, and the order of its bytes."""

    order = "<"

    def __init__(self, name: str) -> None:
        if name not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"):
            raise pickle.UnpicklingError(f"an array of {name!r}")
        self.name, self.size = name, int(name[1:])

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if state[1] in ("<", ">", "|"):
            self.order = str(state[1])


# A pickle may set attributes of what it names, for all that is read later, too: so it gets functions made anew for each
# file, and no class.
def _allowed() -> dict[tuple[str, str], Any]:
    def reconstruct(_kind: object, _shape: object, _type: object) -> _Array:
        return _Array()

    def dtype(name: str, *_: object) -> _Dtype:
        return _Dtype(name)

    def ordered(*items: Any) -> OrderedDict[Any, Any]:
        return OrderedDict(*items)

    def storage(data: bytes) -> Any:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)

    def tensor(*parts: Any) -> Tensor:
        return _tensor(*parts)

    return {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,  # as numpy 2 writes it
        ("numpy", "ndarray"): "ndarray",  # named, never called
        ("numpy", "dtype"): dtype,
        ("collections", "OrderedDict"): ordered,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch.storage", "_load_from_bytes"): storage,
    }


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    """A view of a storage that stays within it."""
    values = torch.empty(0, dtype=storage.dtype).set_(storage)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset < 0 or min((*size, *stride), default=1) < 0 or last >= len(values) or math.prod(size) > len(values):
        raise pickle.UnpicklingError("a tensor beyond its storage")
    return values.as_strided(size, stride, offset).clone()


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._allowed = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return self._allowed[module, name]
