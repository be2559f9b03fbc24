"""Reads BVH motion: a skeleton as nested joints, and its angles line by line. A BVH does not say its units."""

from dataclasses import dataclass, field

import numpy as np

from automarkerlabel.core.trial import FloatArray
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.motion.skeleton import (
    DoubleArray,
    SkeletonMotion,
    check_numbers,
    check_size,
    euler_matrices,
    turned_to_ours,
)

MAX_BYTES = 32 << 20
_MAX_JOINTS = 500
_MAX_FRAMES = 200_000
_MAX_RATE_HZ = 10_000.0
_MM_PER_CM = 10.0
_CHANNELS = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}


@dataclass
class _Joint:
    name: str
    parent: int
    offset: DoubleArray = field(default_factory=lambda: np.zeros(3))
    channels: tuple[str, ...] = ()
    tip: DoubleArray = field(default_factory=lambda: np.zeros(3))  # of its end site


def parse_bvh(data: bytes, what: str = "BVH", mm_per_unit: float = _MM_PER_CM) -> SkeletonMotion:
    """The motion in the bytes of a `.bvh` file, taken as centimetres. `what` names the file in messages.

    A joint below the root that has position channels begins where these are in the middle of the clip (median).

    Raises `FileFormatError` if they are none, or are longer than 32 MB.
    """
    if len(data) > MAX_BYTES:
        raise FileFormatError(f"{what}: expected at most {MAX_BYTES:,} bytes, found {len(data):,}")
    words = _Words(data, what)
    joints = _hierarchy(words, what)
    n_frames, seconds = _motion_header(words, what)
    values = _frames(words, n_frames, sum(len(joint.channels) for joint in joints), what)
    check_numbers(values, what)
    check_size(n_frames, len(joints), what)
    parents = tuple(joint.parent for joint in joints)
    orientations = np.empty((n_frames, len(joints), 3, 3), np.float32)
    starts = np.stack([joint.offset for joint in joints])
    root, column = np.zeros((n_frames, 3)), 0
    for index, joint in enumerate(joints):
        part = values[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        turns = [k for k, channel in enumerate(joint.channels) if channel.endswith("rotation")]
        local = euler_matrices(part[:, turns], "".join(joint.channels[k][0] for k in turns))
        orientations[:, index] = local if parents[index] < 0 else orientations[:, parents[index]] @ local
        place = _places(joint, part)
        if parents[index] < 0:
            root, starts[index] = place, 0.0
        else:
            starts[index] = np.median(place, 0)
    tips = np.stack([joint.tip for joint in joints])
    return SkeletonMotion(
        names=tuple(joint.name for joint in joints),
        parents=parents,
        orientations=orientations,
        root_mm=_mm(root, mm_per_unit),
        starts_mm=_mm(starts, mm_per_unit),
        tips_mm=_mm(tips, mm_per_unit),
        hinges=np.full((len(joints), 3), np.nan, np.float32),
        rate_hz=1 / seconds,
    )


def _mm(values: DoubleArray, mm_per_unit: float) -> FloatArray:
    return np.ascontiguousarray(turned_to_ours(values * mm_per_unit), np.float32)


def _places(joint: _Joint, values: DoubleArray) -> DoubleArray:
    """`(n_frames, 3)`: where a joint begins; its position channels replace its offset, all or some."""
    place = np.tile(joint.offset, (len(values), 1))
    for k, channel in enumerate(joint.channels):
        if channel.endswith("position"):
            place[:, "XYZ".index(channel[0])] = values[:, k]
    return place


class _Words:
    """The words of a text, one at a time or a line at a time, without a copy of the whole."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what = data, what
        self._at = 0
        self._line: list[bytes] = []

    def line(self) -> list[bytes]:
        """The rest of this line, or else the next line that is not empty; nothing at the end."""
        while not self._line and self._at < len(self._data):
            end = self._data.find(b"\n", self._at)
            end = len(self._data) if end < 0 else end
            if end - self._at > 200_000:
                raise FileFormatError(f"{self._what}: expected lines of text, found one of {end - self._at:,} bytes")
            self._line = self._data[self._at : end].split()
            self._at = end + 1
        line, self._line = self._line, []
        return line

    def next(self) -> str:
        """The next word; nothing at the end."""
        line = self.line()
        self._line = line[1:]
        return line[0].decode("latin-1") if line else ""

    def name(self) -> str:
        """A joint's name: the rest of its line, blanks and all, up to an opening brace."""
        line = self.line()
        end = line.index(b"{") if b"{" in line else len(line)
        self._line = line[end:]
        return b" ".join(line[:end]).decode("latin-1")

    def expect(self, *wanted: str) -> str:
        word = self.next()
        if word.upper() not in wanted:
            raise FileFormatError(f"{self._what}: expected {' or '.join(wanted)}, found {word[:40]!r}")
        return word.upper()

    def numbers(self, n: int) -> DoubleArray:
        words = [self.next() for _ in range(n)]
        try:
            values = np.array([float(word) for word in words])
        except ValueError as error:
            raise FileFormatError(f"{self._what}: expected {n} numbers, found {' '.join(words)[:60]!r}") from error
        check_numbers(values, self._what)
        return values


def _hierarchy(words: _Words, what: str) -> list[_Joint]:
    """The joints, parents first."""
    words.expect("HIERARCHY")
    words.expect("ROOT")
    joints = [_Joint(words.name(), -1)]
    words.expect("{")
    open_joints, in_end_site = [0], False
    while open_joints:
        joint = joints[open_joints[-1]]
        match words.expect("OFFSET", "CHANNELS", "JOINT", "END", "}"):
            case "OFFSET":
                offset = words.numbers(3)
                if in_end_site:
                    joint.tip = offset
                else:
                    joint.offset = offset
            case "CHANNELS":
                joint.channels = _channels(words, what)
            case "JOINT":
                name = words.name()
                if len(joints) >= _MAX_JOINTS or any(name == other.name for other in joints):
                    raise FileFormatError(
                        f"{what}: expected at most {_MAX_JOINTS} joints, each name once, found {name[:40]!r}"
                    )
                words.expect("{")
                joints.append(_Joint(name, open_joints[-1]))
                open_joints.append(len(joints) - 1)
            case "END":
                words.expect("SITE")
                words.expect("{")
                in_end_site = True
            case _ if in_end_site:
                in_end_site = False
            case _:
                open_joints.pop()
    return joints


def _channels(words: _Words, what: str) -> tuple[str, ...]:
    n = words.next()
    if n not in ("0", "1", "2", "3", "4", "5", "6"):
        raise FileFormatError(f"{what}: expected 0 to 6 channels, found {n[:40]!r}")
    found = tuple(word[:1].upper() + word[1:].lower() for word in (words.next() for _ in range(int(n))))
    if not set(found) <= _CHANNELS or len(set(found)) < len(found):
        raise FileFormatError(
            f"{what}: expected channels among Xposition ... Zrotation, each once, found {' '.join(found)[:80]!r}"
        )
    return found


def _motion_header(words: _Words, what: str) -> tuple[int, float]:
    """The number of frames and the seconds between two."""
    words.expect("MOTION")
    words.expect("FRAMES:")
    count = words.next()
    words.expect("FRAME")
    words.expect("TIME:")
    seconds = float(words.numbers(1)[0])
    if not (count.isdecimal() and len(count) < 10 and 0 < int(count) <= _MAX_FRAMES):
        raise FileFormatError(f"{what}: expected 1 to {_MAX_FRAMES:,} frames, found {count[:40]!r}")
    if not 1 / _MAX_RATE_HZ <= seconds <= 10:
        raise FileFormatError(f"{what}: expected 0.0001 to 10 seconds a frame, found {seconds:g}")
    return int(count), seconds


def _frames(words: _Words, n_frames: int, n_channels: int, what: str) -> DoubleArray:
    """`(n_frames, n_channels)`"""
    if n_channels == 0:
        raise FileFormatError(f"{what}: expected joints with channels, found none")
    rows: list[DoubleArray] = []
    while line := words.line():
        if len(line) != n_channels or len(rows) == n_frames:
            raise FileFormatError(
                f"{what}: expected {n_frames} frames of {n_channels} numbers,"
                f" found {len(line)} in frame {len(rows) + 1}"
            )
        try:
            rows.append(np.array([float(word) for word in line]))
        except ValueError as error:
            raise FileFormatError(f"{what}: expected numbers in frame {len(rows) + 1}, found others") from error
    if len(rows) != n_frames:
        raise FileFormatError(f"{what}: expected {n_frames} frames, found {len(rows)}; the file was cut off")
    return np.stack(rows)
