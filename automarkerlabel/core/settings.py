"""Settings as frozen dataclasses whose fields are checked when made, and the one that data and networks share."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Annotated

from automarkerlabel.errors import InputError

_KINDS = {int: "whole number", float: "finite number", bool: "true or false", str: "word"}


def check_settings(settings: object, least: Mapping[str, float]) -> None:
    """Raise `InputError` unless fields have the type of their default and are finite and not below their `least`."""
    for field in fields(settings):  # type: ignore[arg-type]
        value, kind = getattr(settings, field.name), type(field.default)
        right = isinstance(value, int | float if kind is float else kind) and isinstance(value, bool) == (kind is bool)
        if not right or (isinstance(value, float) and not isfinite(value)):
            raise InputError(f"{field.name}: expected a {_KINDS[kind]}, found {value!r}")
        if field.name in least and value < least[field.name]:
            raise InputError(f"{field.name}: expected {least[field.name]:g} or more, found {value}")


@dataclass(frozen=True)
class WindowConfig:
    """How windows are cut out of trajectories."""

    rate_hz: Annotated[float, "samples a second inside a window; a slower file keeps its own rate"] = 15.0
    n_samples: Annotated[int, "samples of a window"] = 8
    n_neighbours: Annotated[int, "nearest other points that a window sees"] = 32

    def __post_init__(self) -> None:
        check_settings(self, {"rate_hz": 0.1, "n_samples": 1, "n_neighbours": 1})

    def step(self, file_rate_hz: float) -> float:
        """Frames of the file between two samples."""
        return max(1.0, file_rate_hz / self.rate_hz)
