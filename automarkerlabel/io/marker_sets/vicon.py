"""Marker sets out of Vicon's labelling skeletons: templates (.vst) and those of a subject (.vsk), which are XML."""

import re
from pathlib import Path

import numpy as np

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.errors import MarkerSetError
from automarkerlabel.io.marker_sets import safe_xml

SUFFIXES = (".vst", ".vsk")
_ROOT = "KinematicModel"


def read_marker_set(path: Path) -> MarkerSet:
    """The marker set of a labelling skeleton: labels in file order, segments, and local positions in mm.

    A marker's segment and its position there are those of its target, else of the marker itself, its numbers looked up
    among the file's parameters; `local_mm` is None if any marker has no position of three numbers.

    Raises `InputError` if the file cannot be read, `FileFormatError` as `closed_xml.parse`, `MarkerSetError` if it
    holds no markers or repeats one.
    """
    reader = _Reader()
    safe_xml.parse(path, "Vicon skeleton", reader.start, reader.end)
    if reader.root != _ROOT or not reader.labels:
        found = "no markers in it" if reader.root == _ROOT else f"<{reader.root}>"
        raise MarkerSetError(f"{path}: expected a labelling skeleton of Vicon, <{_ROOT}> with markers, found {found}")
    places = [reader.place(label) for label in reader.labels]
    return MarkerSet(
        labels=reader.labels,
        segments=[reader.segments.get(label, "").rpartition("/")[2] for label in reader.labels],
        local_mm=None if None in places else np.array(places, np.float32),
        name=path.stem,
    )


class _Reader:
    """Collects markers, their targets on segments, and parameters."""

    def __init__(self) -> None:
        self.root = ""
        self.labels: list[str] = []
        self.segments: dict[str, str] = {}
        self._positions: dict[str, str] = {}
        self._parameters: dict[str, float] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag
        name = attributes.get("NAME", "").strip()
        if tag == "Marker" and name:
            self.labels.append(name)
            self._put(name, attributes)
        elif tag == "TargetLocalPointToWorldPoint":
            self._put(attributes.get("MARKER", "").strip(), attributes)
        elif tag == "Parameter":
            try:
                self._parameters[name] = float(attributes.get("VALUE", ""))
            except ValueError:
                self._parameters.pop(name, None)

    def end(self, tag: str, text: str) -> None:
        """Nothing stands between tags."""

    def _put(self, label: str, attributes: dict[str, str]) -> None:
        for name, kept in (("SEGMENT", self.segments), ("POSITION", self._positions)):
            if attributes.get(name):
                kept[label] = attributes[name]

    def place(self, label: str) -> tuple[float, ...] | None:
        """Where a marker sits on its segment in mm: three numbers, or names of parameters in quotes."""
        words = re.findall(r"'([^']*)'|(\S+)", self._positions.get(label, ""))
        numbers = [self._parameters.get(quoted, np.nan) if quoted else _number(plain) for quoted, plain in words]
        return tuple(numbers) if len(numbers) == 3 and np.isfinite(numbers).all() else None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")
