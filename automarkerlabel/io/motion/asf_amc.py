"""Reads ASF/AMC motion: an `.asf` skeleton and the `.amc` angles of one recording of it.

An ASF's `length` in `:units` is what its lengths, and the AMC's root positions, are multiplied with to give 1/inch:
CMU's files say 0.45, so that one of their units is 1 / 0.45 inches (http://mocap.cs.cmu.edu/faqs.php). An AMC does not
give its rate; CMU's are 120 Hz.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.motion.skeleton import (
    DoubleArray,
    SkeletonMotion,
    check_numbers,
    check_size,
    euler_matrices,
    turned_to_ours,
)

MAX_BYTES = 32 << 20  # of one file
_MAX_BONES = 200
_MAX_FRAMES = 200_000
_MM_PER_INCH = 25.4
_ROOT = "root"


@dataclass
class _Bone:
    """One bone of an ASF; angles in degrees, axes as the file has them."""

    direction: DoubleArray = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis_deg: DoubleArray = field(default_factory=lambda: np.zeros(3))
    axis_order: str = "XYZ"
    channels: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True)
class AsfSkeleton:
    """What an ASF says of a figure; bones by name, parents first, the root among them."""

    bones: dict[str, _Bone]
    mm_per_unit: float
    root_position: DoubleArray


def parse_asf(data: bytes, what: str = "ASF") -> AsfSkeleton:
    """The skeleton in the bytes of an `.asf` file. `what` names the file in messages.

    Raises `FileFormatError` if they are none, or are longer than 32 MB.
    """
    sections = _asf_sections(data, what)
    for name in (":root", ":bonedata", ":hierarchy"):
        if name not in sections:
            raise FileFormatError(f"{what}: expected an ASF skeleton with {name}, found none; is it the right file?")
    units = {words[0]: words[1:] for words in sections.get(":units", [])}
    angle = units.get("angle", ["deg"])
    if angle != ["deg"]:
        raise FileFormatError(f"{what}: expected angles in degrees, found {' '.join(angle)[:40]!r}")
    length = _numbers(units.get("length", ["1"]), 1, what, "the unit of length")[0]
    if not 1e-4 <= length <= 1e4:
        raise FileFormatError(f"{what}: expected a unit of length above 0, found {length:g}")
    root, position = _root(sections[":root"], what)
    bones = {_ROOT: root, **_bone_data(sections[":bonedata"], what)}
    _set_parents(bones, sections[":hierarchy"], what)
    return AsfSkeleton(_parents_first(bones, what), _MM_PER_INCH / length, position)


def parse_amc(data: bytes, skeleton: AsfSkeleton, rate_hz: float = 120.0, what: str = "AMC") -> SkeletonMotion:
    """The motion in the bytes of an `.amc` file. `what` names the file in messages.

    Raises `FileFormatError` if they are none, do not belong to `skeleton`, or are longer than 32 MB.
    """
    channels = {name: bone.channels for name, bone in skeleton.bones.items() if bone.channels}
    values = _frames(data, channels, what)
    check_numbers(values, what)
    check_size(len(values), len(skeleton.bones), what)
    names = tuple(skeleton.bones)
    parents = tuple(names.index(bone.parent) if bone.parent else -1 for bone in skeleton.bones.values())
    orientations = np.empty((len(values), len(names), 3, 3), np.float32)
    hinges = np.full((len(names), 3), np.nan, np.float32)
    column, root_mm = 0, np.zeros((len(values), 3))
    for index, (name, bone) in enumerate(skeleton.bones.items()):
        part = values[:, column : column + len(bone.channels)]
        column += len(bone.channels)
        axes = euler_matrices(bone.axis_deg[None, ::-1], bone.axis_order[::-1])[0]
        angles = {channel[1].upper(): part[:, k] for k, channel in enumerate(bone.channels) if channel[0] == "r"}
        # The order names the axis that is turned about first first; the matrices are multiplied the other way round.
        order = "".join(axis for axis in bone.axis_order[::-1] if axis in angles)
        turned = euler_matrices(np.stack([angles[axis] for axis in order], 1) if order else part[:, :0], order)
        # At rest a bone's frame is the world's; `axes` only says about what the angles turn.
        local = axes @ turned @ axes.T
        orientations[:, index] = local if parents[index] < 0 else orientations[:, parents[index]] @ local
        if name == _ROOT:
            moves = {channel[1]: part[:, k] for k, channel in enumerate(bone.channels) if channel[0] == "t"}
            zeros = np.zeros(len(values))
            root_mm = np.stack([moves.get(axis, zeros) for axis in "xyz"], 1) + skeleton.root_position
        elif len(bone.channels) == 1 and order:
            hinges[index] = axes @ turned_to_ours(np.eye(3)["XYZ".index(order)])
    tips = np.stack([b.direction * b.length for b in skeleton.bones.values()]) * skeleton.mm_per_unit
    check_numbers(tips, what)
    tips_mm = turned_to_ours(tips).astype(np.float32)
    return SkeletonMotion(
        names=names,
        parents=parents,
        orientations=orientations,
        root_mm=turned_to_ours(root_mm * skeleton.mm_per_unit).astype(np.float32),
        starts_mm=np.stack([tips_mm[p] if p >= 0 else np.zeros(3, np.float32) for p in parents]),
        tips_mm=tips_mm,
        hinges=hinges,
        rate_hz=rate_hz,
    )


def _lines(data: bytes, what: str) -> Iterator[list[str]]:
    """The words of each line, comments and empty lines left out."""
    if len(data) > MAX_BYTES:
        raise FileFormatError(f"{what}: expected at most {MAX_BYTES:,} bytes, found {len(data):,}")
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if end - start > 10_000:
            raise FileFormatError(f"{what}: expected lines of text, found one of {end - start:,} bytes")
        words = data[start:end].decode("latin-1").replace("(", " ").replace(")", " ").split()
        start = end + 1
        if words and not words[0].startswith("#"):
            yield words


def _asf_sections(data: bytes, what: str) -> dict[str, list[list[str]]]:
    sections: dict[str, list[list[str]]] = {}
    lines: list[list[str]] | None = None
    for words in _lines(data, what):
        if words[0].startswith(":"):
            lines = sections.setdefault(words[0].lower(), [])
        elif lines is None:
            raise FileFormatError(f"{what}: expected an ASF skeleton, found {' '.join(words)[:40]!r}")
        else:
            lines.append(words)
    return sections


def _numbers(words: list[str], n: int, what: str, of: str) -> DoubleArray:
    try:
        values = np.array([float(word) for word in words[:n]])
    except ValueError:
        values = np.zeros(0)
    if len(values) != n:
        raise FileFormatError(f"{what}: expected {n} numbers as {of}, found {' '.join(words)[:60]!r}")
    check_numbers(values, what)
    return values


def _axis_order(word: str, what: str) -> str:
    order = word.upper()
    if sorted(order) != ["X", "Y", "Z"]:
        raise FileFormatError(f"{what}: expected an order of axes such as XYZ, found {word[:20]!r}")
    return order


def _channels(words: list[str], allowed: str, what: str, of: str) -> tuple[str, ...]:
    channels = tuple(word.lower() for word in words)
    known = {kind + axis for kind in allowed for axis in "xyz"}
    if not set(channels) <= known or len(set(channels)) != len(channels):
        raise FileFormatError(
            f"{what}: expected channels of {of} among {', '.join(sorted(known))}, found {' '.join(words)[:40]!r}"
        )
    return channels


def _root(lines: list[list[str]], what: str) -> tuple[_Bone, DoubleArray]:
    bone, position = _Bone(), np.zeros(3)
    for words in lines:
        match words[0].lower():
            case "order":
                bone.channels = _channels(words[1:], "tr", what, _ROOT)
            case "axis":
                bone.axis_order = _axis_order("".join(words[1:]), what)
            case "orientation":
                bone.axis_deg = _numbers(words[1:], 3, what, "the root's orientation")
            case "position":
                position = _numbers(words[1:], 3, what, "the root's position")
    return bone, position


def _bone_data(lines: list[list[str]], what: str) -> dict[str, _Bone]:
    bones: dict[str, _Bone] = {}
    bone, name = _Bone(), ""
    for words in lines:
        match words[0].lower():
            case "begin":
                bone, name = _Bone(), ""
            case "name":
                name = words[-1]
                if name in bones or name == _ROOT or len(bones) >= _MAX_BONES:
                    raise FileFormatError(
                        f"{what}: expected at most {_MAX_BONES} bones, each once; found {name[:40]!r}"
                    )
                bones[name] = bone
            case "direction":
                bone.direction = _numbers(words[1:], 3, what, f"the direction of {name}")
            case "length":
                bone.length = float(_numbers(words[1:], 1, what, f"the length of {name}")[0])
            case "axis":
                bone.axis_deg = _numbers(words[1:], 3, what, f"the axis of {name}")
                bone.axis_order = _axis_order("".join(words[4:]), what)
            case "dof":
                bone.channels = _channels(words[1:], "r", what, name)
    return bones


def _set_parents(bones: dict[str, _Bone], lines: list[list[str]], what: str) -> None:
    for parent, *children in lines:
        if parent in ("begin", "end"):
            continue
        for child in children:
            if parent not in bones or child not in bones or child == _ROOT or bones[child].parent:
                raise FileFormatError(
                    f"{what}: expected a hierarchy of the bones listed, each below one, found {parent} {child}"[:300]
                )
            bones[child].parent = parent


def _parents_first(bones: dict[str, _Bone], what: str) -> dict[str, _Bone]:
    placed = {_ROOT: bones[_ROOT]}
    for _ in range(len(bones)):
        placed |= {name: bone for name, bone in bones.items() if bone.parent in placed and name not in placed}
    if len(placed) < len(bones):
        lost = next(name for name in bones if name not in placed)
        raise FileFormatError(f"{what}: expected every bone to hang on the root, found {lost[:40]} that does not")
    return placed


def _frames(data: bytes, channels: dict[str, tuple[str, ...]], what: str) -> DoubleArray:
    """`(n_frames, n_channels)`: the values of the bones of `channels`, in its order."""
    columns, n_channels = {}, 0
    for name, own in channels.items():
        columns[name] = slice(n_channels, n_channels + len(own))
        n_channels += len(own)
    rows: list[DoubleArray] = []
    missing: set[str] = set()
    for words in _lines(data, what):
        if words[0].startswith(":"):
            if words[0].upper() == ":RADIANS":
                raise FileFormatError(f"{what}: expected angles in degrees, found :RADIANS")
        elif words[0].isdecimal() and len(words) == 1:
            _require_all(missing, rows, what)
            if len(rows) >= _MAX_FRAMES or (len(rows) + 1) * n_channels > 16 * MAX_BYTES:
                raise FileFormatError(f"{what}: expected at most {_MAX_FRAMES:,} frames, found more")
            rows.append(np.zeros(n_channels))
            missing = set(channels)
        elif rows and words[0] in missing:
            place = columns[words[0]]
            rows[-1][place] = _row(words, place.stop - place.start, what, len(rows))
            missing.remove(words[0])
        elif not rows or words[0] not in channels:
            raise FileFormatError(f"{what}: expected a frame's number or a bone of its .asf, found {words[0][:40]!r}")
        else:
            raise FileFormatError(f"{what}: expected each bone once a frame, found {words[0]} twice in {len(rows)}")
    _require_all(missing, rows, what)
    if not rows:
        raise FileFormatError(f"{what}: expected frames of an AMC motion, found none")
    return np.stack(rows)


def _row(words: list[str], n: int, what: str, frame: int) -> list[float]:
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        values = []
    if len(values) != n:
        raise FileFormatError(
            f"{what}: expected {n} numbers for {words[0]} in frame {frame}, found {' '.join(words[1:])[:60]!r}"
        )
    return values


def _require_all(missing: set[str], rows: list[DoubleArray], what: str) -> None:
    if rows and missing:
        raise FileFormatError(f"{what}: expected every bone in frame {len(rows)}, found none for {min(missing)[:40]}")
