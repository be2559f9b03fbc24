"""Files of marker sets by their suffix: OpenSim's and Vicon's."""

from pathlib import Path
from types import ModuleType

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.io.marker_sets import opensim, vicon

# Each module has read_marker_set(path).
MARKER_SETS: dict[str, ModuleType] = {suffix: m for m in (opensim, vicon) for suffix in m.SUFFIXES}


def is_marker_set(path: Path) -> bool:
    """Whether a file is one of a marker set, by its name."""
    return path.suffix.lower() in MARKER_SETS


def is_vicon(path: Path) -> bool:
    """Whether a file is one of Vicon's, by its name."""
    return path.suffix.lower() in vicon.SUFFIXES


def read_marker_set(path: Path) -> MarkerSet:
    """The marker set in a file for which `is_marker_set` holds. Raises what the readers raise."""
    found: MarkerSet = MARKER_SETS[path.suffix.lower()].read_marker_set(path)
    return found
