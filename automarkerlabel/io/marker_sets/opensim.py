"""Marker sets out of OpenSim files: marker-set `.xml` and models `.osim`, of OpenSim 3 and 4."""

from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.errors import FileFormatError, MarkerSetError
from automarkerlabel.io.marker_sets import safe_xml

SUFFIXES = (".xml", ".osim")
_MM_PER_M = 1000.0
# Where a marker names its body: OpenSim 4, its early versions, OpenSim 3.
_BODY_TAGS = ("socket_parent_frame", "socket_parent_frame_connectee_name", "connectee_name", "body")


def is_opensim(path: Path) -> bool:
    """Whether a file is one of OpenSim's, by its name."""
    return path.suffix.lower() in SUFFIXES


def read_marker_set(path: Path) -> MarkerSet:
    """The marker set in an OpenSim marker-set or model file: labels, segments and local positions in file order.

    A marker's segment is the last part of its parent frame's path; `local_mm` is in that segment's frame, None if any
    marker has no location.

    Raises `InputError` if the file cannot be read; `FileFormatError` if it is no XML, is larger than 64 MB, or declares
    a document type or entities, which could make a small file a huge one; `MarkerSetError` if it holds no markers or
    repeats one.
    """
    reader = _Reader(path)
    safe_xml.parse(path, "OpenSim", reader.start, reader.end)
    if not reader.markers:
        what = f"found a {reader.root} without any" if reader.root == "OpenSimDocument" else f"found <{reader.root}>"
        raise MarkerSetError(f"{path}: expected an OpenSim MarkerSet with markers, {what}")
    locations = [marker.get("location") for marker in reader.markers]
    return MarkerSet(
        labels=[marker["name"] for marker in reader.markers],
        segments=[_segment(marker) for marker in reader.markers],
        local_mm=None if None in locations else np.array(locations, np.float32),
        name=path.stem,
    )


def _segment(marker: dict[str, Any]) -> str:
    return next((str(marker[tag]).rpartition("/")[2] for tag in _BODY_TAGS if tag in marker), "")


class _Reader:
    """Collects name, body and location of each `MarkerSet/objects/Marker`, and the name of the root element."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.markers: list[dict[str, Any]] = []
        self.root = ""
        self._open: list[str] = []
        self._marker_depth = 0  # of the marker being read, 0 outside

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag
        if tag == "Marker" and self._open[-2:] == ["MarkerSet", "objects"] and "defaults" not in self._open:
            self.markers.append({"name": attributes.get("name", "").strip()})
            self._marker_depth = len(self._open)
        self._open.append(tag)

    def end(self, tag: str, text: str) -> None:
        self._open.pop()
        if self._marker_depth and len(self._open) == self._marker_depth:
            self._marker_depth = 0
        elif self._marker_depth:
            if tag == "location":
                self.markers[-1]["location"] = self._location(text)
            elif tag in _BODY_TAGS and text:
                self.markers[-1][tag] = text

    def _location(self, text: str) -> tuple[float, ...]:
        try:
            metres = tuple(float(word) for word in text.split())
        except ValueError:
            metres = ()
        if len(metres) != 3 or not np.isfinite(metres).all() or max(map(abs, metres)) > 1e6:
            name = self.markers[-1]["name"]
            raise FileFormatError(f"{self.path}: expected three numbers as location of {name}, found {text[:60]!r}")
        return tuple(_MM_PER_M * value for value in metres)
