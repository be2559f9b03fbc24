"""Dataclasses as values of JSON, and back."""

from dataclasses import fields, is_dataclass
from math import isfinite, nan
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints


def plain(value: Any) -> Any:
    """A dataclass, or what is in one, as JSON knows it; a number that is none becomes null."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def rebuilt(kind: Any, value: Any) -> Any:
    """What `plain` was made of: of a dataclass, or of a tuple, an option or a plain value in one.

    Raises `KeyError`, `TypeError` or `ValueError` where it was made of something else.
    """
    if is_dataclass(kind):
        types = get_type_hints(kind)
        made: Any = kind  # a class
        return made(**{name: rebuilt(types[name], v) for name, v in value.items()})
    if get_origin(kind) is UnionType:
        (some,) = (x for x in get_args(kind) if x is not NoneType)
        return None if value is None else rebuilt(some, value)
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        each = parts[:1] * len(value) if parts[1:] == (...,) else parts
        return tuple(rebuilt(t, v) for t, v in zip(each, value, strict=True))
    return nan if kind is float and value is None else value
