"""What a marker set is: each label's place on the simulator's body, or where a static trial had it; as a TOML file.

    title = "Plug-in Gait, full body"
    source = "where the labels and places are from"
    [markers]
    LFHD = { at = "head_front_l" }                                      # a landmark of the body
    LTHI = { segment = "thigh_l", along = 0.5, around = 90, out = 8 }   # on a limb's or the trunk's skin
    X    = { segment = "pelvis", mm = [-170, 0, 20] }                   # in the segment's own frame
    LKNM = { at = "knee_medial_l", worn = "static" }                    # only in the static trial
    Y    = { pose = [12.5, 130, 951] }                                  # measured: mm, z up, in one standing pose

A set is either on the body throughout or measured throughout.
"""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.errors import MarkerSetError
from automarkerlabel.io.files import read_bytes
from automarkerlabel.marker_sets.body.landmarks import LANDMARKS
from automarkerlabel.marker_sets.body.segments import SEGMENTS, SHAPED

WORN = ("always", "static", "optional")
OUT_MM = 8.0  # from the skin to a marker's centre, unless the file says it
_MAX_BYTES = 4 << 20
_MAX_MM = 20_000.0
_WAYS = {  # keys of a line beside `worn`: those that must be there, those that may
    "at": ({"at"}, set[str]()),
    "along": ({"segment", "along", "around"}, {"out"}),
    "mm": ({"segment", "mm"}, set[str]()),
    "pose": ({"pose"}, set[str]()),
}


@dataclass(frozen=True)
class MarkerLine:
    """One marker: a landmark's name (`at`); or a segment of the body with `skin` (share of its length, degrees, mm out)
    or `mm` in its frame; or `pose`, where it was measured. `worn`: one of `WORN`."""

    label: str
    worn: str = "always"
    at: str = ""
    segment: str = ""
    skin: tuple[float, float, float] | None = None
    mm: tuple[float, float, float] | None = None
    pose: tuple[float, float, float] | None = None

    @property
    def body_segment(self) -> str:
        """The segment that it sits on, "" if it was measured."""
        return LANDMARKS[self.at][0] if self.at else self.segment

    def where(self) -> str:
        """Its place in words.

        >>> MarkerLine("LTHI", segment="thigh_l", skin=(0.5, 90, 8)).where()
        '0.5 along, 90° around, 8 mm out'
        """
        if self.at:
            return self.at
        if self.skin is not None:
            along, around, out = self.skin
            return f"{along:g} along, {around:g}° around, {out:g} mm out"
        x, y, z = self.mm or self.pose or (math.nan, math.nan, math.nan)
        return f"{x:g}, {y:g}, {z:g} mm"


@dataclass(frozen=True)
class Definition:
    """A marker set as its file defines it. Raises `MarkerSetError` if lines repeat a label or mix body and pose."""

    name: str
    lines: tuple[MarkerLine, ...]
    title: str = ""
    source: str = ""
    built_in: bool = False

    def __post_init__(self) -> None:
        self.marker_set()  # raises for no labels, empty or repeated ones
        measured = [line.label for line in self.lines if line.pose is not None]
        if measured and len(measured) != len(self.lines):
            other = next(line.label for line in self.lines if line.pose is None)
            raise MarkerSetError(
                f"marker set {self.name}: expected all markers on the body or all measured, found"
                f" {measured[0]} measured and {other} on the body"
            )

    @property
    def on_body(self) -> bool:
        """Whether its places are on the simulator's body rather than measured."""
        return self.lines[0].pose is None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(line.label for line in self.lines)

    @property
    def worn(self) -> dict[str, str]:
        """Of each label "always", "static" (in static trials only) or "optional"."""
        return {line.label: line.worn for line in self.lines}

    @property
    def optional(self) -> frozenset[str]:
        """Labels whose absence from a trial means nothing."""
        return frozenset(line.label for line in self.lines if line.worn != "always")

    def marker_set(self) -> MarkerSet:
        """Its labels and segments, in the order of the file."""
        return MarkerSet(self.labels, [line.body_segment for line in self.lines], name=self.name)


def read_definition(path: Path, built_in: bool = False) -> Definition:
    """The marker set in a TOML file, named as the file is.

    Raises `InputError` if it cannot be read, `MarkerSetError` for what is no marker set: one line that names the file,
    the marker, what was expected and what was found.
    """
    return parse_definition(read_bytes(path, _MAX_BYTES), path, built_in)


def parse_definition(data: bytes, path: Path, built_in: bool = False) -> Definition:
    """As `read_definition`, of bytes that are or will be in the file."""
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise MarkerSetError(
            f"{path}: expected a marker set in TOML, found none ({error or 'too deeply nested'})"
        ) from error
    strange = sorted(set(values) - {"title", "source", "markers"})
    if strange:
        raise MarkerSetError(f"{path}: expected title, source and [markers], found {', '.join(strange)}")
    for key in ("title", "source"):
        if not isinstance(values.get(key, ""), str):
            raise MarkerSetError(f"{path}: expected {key} as text, found {values[key]!r}")
    markers = values.get("markers")
    if not isinstance(markers, dict) or not markers:
        raise MarkerSetError(f"{path}: expected a table [markers] with a line a marker, found none")
    lines = tuple(_line(path, label, line) for label, line in markers.items())
    try:
        return Definition(path.stem, lines, values.get("title", ""), values.get("source", ""), built_in)
    except MarkerSetError as error:
        raise MarkerSetError(f"{path}: {error}") from error


def _line(path: Path, label: str, line: Any) -> MarkerLine:
    def wrong(expected: str, found: object) -> MarkerSetError:
        return MarkerSetError(f"{path}: {label}: expected {expected}, found {found}")

    if not isinstance(line, dict):
        raise wrong('a table such as { at = "c7" }', repr(line))
    keys = set(line) - {"worn"}
    way = next((w for w, (need, may) in _WAYS.items() if need <= keys <= need | may), None)
    if way is None:
        raise wrong("at; segment, along and around; segment and mm; or pose", ", ".join(sorted(keys)) or "none of them")
    worn = line.get("worn", "always")
    if worn not in WORN:
        raise wrong(f"worn as one of {', '.join(WORN)}", repr(worn))
    if way == "at":
        if not isinstance(line["at"], str) or line["at"] not in LANDMARKS:
            raise wrong("a landmark (`aml marker-sets landmarks` lists them)", repr(line["at"]))
        return MarkerLine(label, worn, at=line["at"])
    if way == "pose":
        return MarkerLine(label, worn, pose=_three(line["pose"], "pose", wrong))
    known = SHAPED if way == "along" else SEGMENTS
    if line["segment"] not in known:
        raise wrong(f"a segment among {', '.join(known)}", repr(line["segment"]))
    if way == "mm":
        return MarkerLine(label, worn, segment=line["segment"], mm=_three(line["mm"], "mm", wrong))
    along, around, out = (
        _number(line.get(key, OUT_MM), key, wrong, low, high)
        for key, low, high in (("along", 0.0, 1.0), ("around", -360.0, 360.0), ("out", -100.0, 300.0))
    )
    return MarkerLine(label, worn, segment=line["segment"], skin=(along, around, out))


def _number(value: Any, key: str, wrong: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise wrong(f"{key} as a number from {low:g} to {high:g}", repr(value))
    return float(value)


def _three(value: Any, key: str, wrong: Any) -> tuple[float, float, float]:
    if not isinstance(value, list) or len(value) != 3:
        raise wrong(f"{key} as three numbers in mm", repr(value))
    x, y, z = (_number(v, key, wrong, -_MAX_MM, _MAX_MM) for v in value)
    return x, y, z


def as_toml(definition: Definition) -> str:
    """The text of its file: one line a marker."""
    head = [f"title = {_text(definition.title)}", f"source = {_text(definition.source)}", "", "[markers]"]
    keys = [_key(label) for label in definition.labels]
    width = max(len(key) for key in keys)
    return "\n".join(
        [*head, *(f"{key:<{width}} = {_table(line)}" for key, line in zip(keys, definition.lines, strict=True)), ""]
    )


def _table(line: MarkerLine) -> str:
    values: dict[str, object] = {}
    if line.at:
        values["at"] = line.at
    elif line.skin is not None:
        along, around, out = line.skin
        values |= {"segment": line.segment, "along": along, "around": around, "out": out}
    elif line.mm is not None:
        values |= {"segment": line.segment, "mm": line.mm}
    else:
        values["pose"] = line.pose
    if line.worn != "always":
        values["worn"] = line.worn
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in values.items()) + " }"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return f"{round(value, 3):.10g}" if isinstance(value, float) else _text(str(value))


def _key(label: str) -> str:
    bare = label.isascii() and label.replace("_", "a").replace("-", "a").isalnum()
    return label if bare else _text(label)


def _text(text: str) -> str:
    # A JSON string in ASCII is a TOML string, but for DEL and for halves of characters beyond 16 bits.
    plain = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


def lines_from(places: Mapping[str, tuple[str, Sequence[float]]], worn: Mapping[str, str]) -> tuple[MarkerLine, ...]:
    """Lines in segments' frames from each label's segment and place in mm."""
    made = []
    for label, (segment, place) in places.items():
        x, y, z = (float(v) for v in place)
        made.append(MarkerLine(label, worn.get(label, "always"), segment=segment, mm=(x, y, z)))
    return tuple(made)
