"""Marker sets by name: those that come with the package, and a laboratory's own."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.mirror import sides_of
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import FloatArray
from automarkerlabel.errors import InputError, MarkerSetError, OutputError
from automarkerlabel.io import files
from automarkerlabel.io import read as read_trial
from automarkerlabel.io.marker_sets import opensim
from automarkerlabel.marker_sets import on_body
from automarkerlabel.marker_sets.definition import (
    Definition,
    MarkerLine,
    as_toml,
    lines_from,
    parse_definition,
    read_definition,
)
from automarkerlabel.marker_sets.on_body import MarkerPlaces
from automarkerlabel.marker_sets.opensim_body import body_places
from automarkerlabel.marker_sets.pose_from_trial import pose_heading, reference_from_trial

BUILT_IN = Path(__file__).parent
FOLDER_VARIABLE = "AML_MARKER_SETS"  # the environment variable that names the folder of own sets
_SUFFIX = ".toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")


def own_folder() -> Path:
    """Where a laboratory's own sets are kept: `$AML_MARKER_SETS`, or in the user's settings on this platform."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "automarkerlabel" / "marker_sets"


def built_in_names() -> list[str]:
    """Names of the sets that come with the package, in order of the alphabet."""
    return sorted(path.stem for path in BUILT_IN.glob(f"*{_SUFFIX}"))


def own_names() -> list[str]:
    """Names of the laboratory's own sets, in order of the alphabet."""
    return sorted(path.stem for path in own_folder().glob(f"*{_SUFFIX}") if not path.name.startswith("."))


def find(name: str | Path) -> Definition:
    """The marker set of that name: the laboratory's own, or one that comes with the package; or in a TOML file.

    Raises `MarkerSetError` for an unknown name, with the names there are, or a file that is no marker set.
    """
    text = str(name)
    if text.lower().endswith(_SUFFIX):
        return read_definition(Path(name))
    if text in own_names():
        return read_definition(own_folder() / f"{text}{_SUFFIX}")
    if text in built_in_names():
        return read_definition(BUILT_IN / f"{text}{_SUFFIX}", built_in=True)
    known = ", ".join([*own_names(), *built_in_names()])
    raise MarkerSetError(f"marker set: expected one of {known}, or a .toml file, found {text!r}")


def every(own: bool = True) -> list[Definition]:
    """All sets that can be read: the laboratory's own first. Own files that cannot be read raise `MarkerSetError`."""
    return [
        find(name)
        for name in [*(own_names() if own else ()), *(n for n in built_in_names() if not own or n not in own_names())]
    ]


def named_alike(marker_set: MarkerSet) -> Definition:
    """The known set with the labels of `marker_set`, which says not where they sit on the body.

    Labels that are optional there may be missing. Raises `MarkerSetError` where there is none, naming the closest.
    """
    labels = set(marker_set.labels)
    definitions = every()
    for definition in definitions:
        if labels <= set(definition.labels) and not set(definition.labels) - labels - definition.optional:
            return definition
    shared = {d.name: len(labels & set(d.labels)) for d in definitions}
    closest = max(shared, key=lambda name: shared[name])
    raise MarkerSetError(
        f"marker set {marker_set.name}: its file names {len(labels)} labels and not where they sit on the body;"
        f" expected the labels of a known set, the closest is {closest} with {shared[closest]} of them; give a labelled"
        " trial of it instead (--reference FILE, or aml marker-sets add)"
    )


def places(name: str | Path) -> MarkerPlaces:
    """Segments and places in mm on the standard body, for the simulator and for training.

    Raises `MarkerSetError` for a set that was measured and is not defined on the body.
    """
    definition = find(name)
    if not definition.on_body:
        raise MarkerSetError(
            f"marker set {definition.name}: expected one that is defined on the body, found one measured in a static"
            " trial, which has no places on a body; define it as docs/marker-sets.md says"
        )
    return on_body.places(definition)


def built_in_places() -> list[MarkerPlaces]:
    """The places of every set that comes with the package."""
    return [places(BUILT_IN / f"{name}{_SUFFIX}") for name in built_in_names()]


def references(name: str | Path) -> list[Reference]:
    """The poses that a trial in this set may be matched to: mm, z up, facing +x where that is known.

    A set on the body gives the standard body's poses of a static trial, its own measured pose a set that was measured.
    """
    return references_of(find(name))


def references_of(definition: Definition) -> list[Reference]:
    """As `references`, of a set already read."""
    marker_set = definition.marker_set()
    if definition.on_body:
        poses = on_body.standing(on_body.places(definition))
        return [Reference(marker_set, pose, 0.0, f"{definition.name}, {about}") for about, pose in poses.items()]
    pose = measured_pose(definition.lines)
    pairs, told = sides_of(definition.labels, pose)
    marker_set = replace(marker_set, pairs=pairs)
    return [Reference(marker_set, pose, pose_heading(marker_set, pose) if told else None, definition.name)]


def measured_pose(lines: Sequence[MarkerLine]) -> FloatArray:
    """The pose `(n, 3)` of lines that were all measured."""
    return np.array([line.pose for line in lines], np.float32)


def add(
    source: Path, name: str, frame: int | None = None, static_only: str | None = None, optional: str | None = None,
    units: str | None = None, up: str | None = None, exclude: str | None = None, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Keep a laboratory's own marker set under `name`; returns its file.

    source       a labelled trial: the pose of its stillest full frame, or of `frame`, is kept; or an OpenSim marker set
                 or model (.xml, .osim), which is put on the simulator's body; or a TOML file, checked and copied.
    static_only  regular expression of labels worn in static trials only; `optional` of those that may be absent.

    Raises `InputError` for a bad name, expression or file, `OutputError` if the name is taken and not `overwrite`.
    """
    if not _NAME.fullmatch(name) or name.lower().endswith(_SUFFIX):
        raise InputError(f"name: expected letters, digits, '-', '_' and '.', found {name!r}")
    if name in built_in_names():
        raise InputError(f"name: expected a name that no set of the package has, found {name!r}")
    folder = own_folder()
    target = folder / f"{name}{_SUFFIX}"
    definition = _defined(source, name, frame, units, up, exclude)
    lines = _marked(definition.lines, static_only, optional)
    text = as_toml(replace(definition, lines=lines))
    parse_definition(text.encode(), target)  # what is kept can be read again
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror}); name another with {FOLDER_VARIABLE}"
        ) from error
    files.check_output(target, [source], overwrite)
    with files.atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return target


def _defined(
    source: Path, name: str, frame: int | None, units: str | None, up: str | None, exclude: str | None
) -> Definition:
    suffix = source.suffix.lower()
    if suffix in (_SUFFIX, *opensim.SUFFIXES):
        if frame is not None or units is not None or up is not None or exclude is not None:
            raise InputError(f"{source.name}: expected --frame, --units, --up and --exclude with a trial only")
        if suffix == _SUFFIX:
            return replace(read_definition(source), name=name)
        found = body_places(opensim.read_marker_set(source))
        return Definition(name, lines_from(found, {}), name, f"{source.name}, an OpenSim file")
    reference = reference_from_trial(read_trial(source, units, up, exclude), frame, source=source.name)
    pose = reference.facing_x()
    pose[:, :2] -= np.median(pose[:, :2], axis=0)
    lines = tuple(
        MarkerLine(label, pose=(round(float(x), 1), round(float(y), 1), round(float(z), 1)))
        for label, (x, y, z) in zip(reference.labels, pose, strict=True)
    )
    where = "the stillest full frame" if frame is None else f"frame {frame}"
    return Definition(name, lines, name, f"{source.name}, {where}")


def _marked(lines: Sequence[MarkerLine], static_only: str | None, optional: str | None) -> tuple[MarkerLine, ...]:
    """Lines with `worn` set for labels in which an expression is found."""
    patterns = []
    for option, text, worn in (("--static-only", static_only, "static"), ("--optional", optional, "optional")):
        if text is None:
            continue
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise InputError(f"{option}: expected a regular expression, found {text!r} ({error})") from error
        if not any(pattern.search(line.label) for line in lines):
            raise InputError(f"{option}: expected labels that match {text!r}, found none among {_some(lines)}")
        patterns.append((pattern, worn))
    return tuple(
        replace(line, worn=next((worn for pattern, worn in patterns if pattern.search(line.label)), line.worn))
        for line in lines
    )


def _some(lines: Sequence[MarkerLine]) -> str:
    labels = [line.label for line in lines]
    return ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
