"""Marker sets out of OpenSim files: marker-set `.xml` and models `.osim`, of OpenSim 3 and 4."""

from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

import numpy as np

from automarkerlabel.errors import FileFormatError, MarkerSetError
from automarkerlabel.io.files import read_bytes
from automarkerlabel.markerset import MarkerSet

SUFFIXES = (".xml", ".osim")
_MAX_BYTES = 64 << 20
_MAX_DEPTH = 100
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
    reader.parse(read_bytes(path, _MAX_BYTES))
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
        self._text: list[str] = []
        self._marker_depth = 0  # of the marker being read, 0 outside

    def parse(self, data: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise FileFormatError(
                f"{self.path}: expected an OpenSim file (XML), found none that is well-formed ({error})"
            ) from error

    def _refuse(self, *_: object) -> NoReturn:
        raise FileFormatError(
            f"{self.path}: expected a plain OpenSim file, found one that declares a document type or entities;"
            " remove <!DOCTYPE ...> if you trust it"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag
        if len(self._open) >= _MAX_DEPTH:
            raise FileFormatError(f"{self.path}: expected at most {_MAX_DEPTH} levels of elements, found more")
        if tag == "Marker" and self._open[-2:] == ["MarkerSet", "objects"] and "defaults" not in self._open:
            self.markers.append({"name": attributes.get("name", "").strip()})
            self._marker_depth = len(self._open)
        self._open.append(tag)
        self._text.clear()

    def _end(self, tag: str) -> None:
        self._open.pop()
        if self._marker_depth and len(self._open) == self._marker_depth:
            self._marker_depth = 0
        elif self._marker_depth:
            text = "".join(self._text).strip()
            if tag == "location":
                self.markers[-1]["location"] = self._location(text)
            elif tag in _BODY_TAGS and text:
                self.markers[-1][tag] = text
        self._text.clear()

    def _location(self, text: str) -> tuple[float, ...]:
        try:
            metres = tuple(float(word) for word in text.split())
        except ValueError:
            metres = ()
        if len(metres) != 3 or not np.isfinite(metres).all() or max(map(abs, metres)) > 1e6:
            name = self.markers[-1]["name"]
            raise FileFormatError(f"{self.path}: expected three numbers as location of {name}, found {text[:60]!r}")
        return tuple(_MM_PER_M * value for value in metres)
