"""The bytes of a C3D file: header, parameter records and point block, as ranges and numpy views.

Everything that a size, count or offset of the file says is compared with the bytes that are there before it
is used, so whatever the bytes are, only `FileFormatError` leaves this module.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import BoolArray, FloatArray
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io import files
from automarkerlabel.io.c3d.frames import Claims, frame_count
from automarkerlabel.io.c3d.parameters import BLOCK, TEXT, Record, decoded, floats_of, numbered, numbers_of, walk

PROCESSORS = {84: "Intel", 85: "DEC", 86: "MIPS"}
_MAX_ENTRIES = 65535


@dataclass(frozen=True, eq=False)
class Layout:
    """A C3D file whose every size has been checked against its bytes.

    data           the whole file.
    processor      "Intel", "DEC" or "MIPS".
    records        all records of the parameter section in their order.
    section        first byte of the parameter section and the one after its last block.
    n_points       columns of the point block; analog_words: values of the analog channels in each frame.
    data_start     byte at which the point block starts.
    scale          POINT:SCALE: mm (or the file's unit) per integer step; below 0 in files that store floats.
    notes          contradictions that were met and how they were resolved, one line each.
    """

    data: bytes
    processor: str
    records: tuple[Record, ...]
    section: tuple[int, int]
    n_points: int
    analog_words: int
    samples_per_frame: int
    first_frame: int
    n_frames: int
    rate_hz: float
    scale: float
    data_start: int
    notes: tuple[str, ...]

    @property
    def order(self) -> Literal["<", ">"]:
        return ">" if self.processor == "MIPS" else "<"

    @property
    def is_float(self) -> bool:
        return self.scale < 0

    @property
    def word_bytes(self) -> int:
        return 4 if self.is_float else 2

    @property
    def frame_words(self) -> int:
        return 4 * self.n_points + self.analog_words

    @property
    def data_end(self) -> int:
        return self.data_start + self.n_frames * self.frame_words * self.word_bytes

    @cached_property
    def parameters(self) -> dict[tuple[str, str], Record]:
        """Parameters by (group, name); of a repeated name the first counts."""
        found: dict[tuple[str, str], Record] = {}
        for record in self.records:
            if record.kind:
                found.setdefault((record.group, record.name), record)
        return found

    @cached_property
    def words(self) -> npt.NDArray[Any]:
        """`(n_frames, frame_words)`: the point block's raw bits as uint16 or uint32, a view without a copy."""
        kind = np.dtype(np.uint32 if self.is_float else np.uint16)
        count = self.n_frames * self.frame_words
        return np.frombuffer(self.data, kind, count, self.data_start).reshape(self.n_frames, self.frame_words)

    @cached_property
    def point_words(self) -> npt.NDArray[Any]:
        """`(n_frames, n_points, 4)`: raw bits of x, y, z and of the residual word, a view without a copy."""
        return self.words[:, : 4 * self.n_points].reshape(self.n_frames, self.n_points, 4)

    @cached_property
    def coordinates(self) -> FloatArray:
        """float32 `(n_frames, n_points, 3)` in the file's units and axes, as stored, hidden or not."""
        raw = self.point_words[..., :3]
        if self.is_float:
            return floats_of(raw, self.processor)
        with np.errstate(over="ignore"):  # of a damaged scale: infinite, so hidden
            return (raw.view(f"{self.order}i2") * np.float64(self.scale)).astype(np.float32)

    @cached_property
    def quality(self) -> FloatArray:
        """float32 `(n_frames, n_points)`: the residual word as a number: below 0 where the point is invalid, else
        camera mask × 256 + residual."""
        raw = self.point_words[..., 3]
        return floats_of(raw, self.processor) if self.is_float else raw.view(f"{self.order}i2").astype(np.float32)

    @cached_property
    def hidden(self) -> BoolArray:
        """`(n_frames, n_points)`: a coordinate is no number, the residual below 0, or the point exactly 0, 0, 0."""
        return np.asarray(self.without_coordinates | (self.quality < 0))

    @cached_property
    def without_coordinates(self) -> BoolArray:
        """`(n_frames, n_points)`: a coordinate is no number, or the point exactly 0, 0, 0."""
        x, y, z = (self.coordinates[..., axis] for axis in range(3))
        unknown = ~(np.isfinite(x) & np.isfinite(y) & np.isfinite(z))
        return np.asarray(unknown | ((x == 0) & (y == 0) & (z == 0)))

    @property
    def residuals(self) -> FloatArray:
        """float32 `(n_frames, n_points)` in the file's units; NaN where hidden, or where the word is no number."""
        with np.errstate(over="ignore"):
            residual = (self._quality_bits & 0xFF).astype(np.float32) * np.float32(abs(self.scale))
        residual[self.hidden | ~np.isfinite(self.quality)] = np.nan
        return residual

    @property
    def camera_masks(self) -> npt.NDArray[np.uint8]:
        """`(n_frames, n_points)`: one bit for each of seven cameras that saw the point, 0 where it is invalid."""
        return np.where(self.quality < 0, 0, (self._quality_bits >> 8) & 0x7F).astype(np.uint8)

    @property
    def _quality_bits(self) -> npt.NDArray[np.int32]:
        # Larger numbers than 16 bits hold, and what is no number, mean nothing.
        usable = np.abs(self.quality) < 65536
        return (self.quality if usable.all() else np.where(usable, self.quality, np.float32(0))).astype(np.int32)

    def entries(self, group: str, name: str) -> list[bytes]:
        """The raw strings of a text parameter, padded as they are; empty if there is none."""
        record = self.parameters.get((group, name))
        if record is None or record.kind != TEXT:
            return []
        if len(record.dims) < 2:
            return [self.data[record.values : record.stop]]
        width, count = record.dims[0], min(math.prod(record.dims[1:]), _MAX_ENTRIES)
        starts = (record.values + i * width for i in range(count))
        return [self.data[at : at + width] for at in starts] if width else [b""] * count

    def texts(self, group: str, name: str) -> list[str]:
        """The strings of a text parameter without padding; empty if there is none."""
        return [decoded(entry) for entry in self.entries(group, name)]

    def numbers(self, group: str, name: str) -> list[float]:
        """The values of a number parameter, integers without a sign; empty if there is none."""
        record = self.parameters.get((group, name))
        return [] if record is None else numbers_of(self.data, record, self.processor)


def open_layout(path: Path) -> Layout:
    """The layout of a C3D file. Raises `InputError` if it cannot be read, `FileFormatError` if it is damaged."""
    return parse(files.read_bytes(path), str(path))


def parse(data: bytes, name: str = "file") -> Layout:
    """The layout of the bytes of a C3D file; `name` is for messages. Raises `FileFormatError`."""
    try:
        return _parse(data)
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {error}") from None


def list_records(layout: Layout, group: str, name: str) -> list[Record]:
    """The text parameters `name`, `name2`, ... that together make one list."""
    found: list[Record] = []
    while (record := layout.parameters.get((group, numbered(name, len(found) + 1)))) and record.kind == TEXT:
        found.append(record)
    return found


def list_entries(layout: Layout, group: str, name: str) -> list[bytes]:
    """The raw strings of `name`, `name2`, ... as one list."""
    return [entry for record in list_records(layout, group, name) for entry in layout.entries(group, record.name)]


def _parse(data: bytes) -> Layout:
    start, processor = _section_start(data)
    order = ">" if processor == "MIPS" else "<"
    header = np.frombuffer(data, f"{order}u2", 10).tolist()
    header_floats = floats_of(np.frombuffer(data, np.uint32, BLOCK // 4), processor).tolist()
    header_scale, header_rate = header_floats[3], header_floats[5]
    header_start = (header[8] - 1) * BLOCK
    records, section = walk(data, start, order, header_start)
    short = [r.name for r in records if r.kind and r.stop == r.end < section[1]]
    notes = [f"no description, nor its length, behind the parameter {', '.join(short)}"] if short else []

    def parameter(name: str, group: str = "POINT") -> list[float]:
        for record in records:
            if record.kind and (record.group, record.name) == (group, name):
                return numbers_of(data, record, processor)
        return []

    scale = _first(lambda x: math.isfinite(x) and x != 0, (*parameter("SCALE")[:1], header_scale), "scale factor")
    rate = _first(lambda x: math.isfinite(x) and x > 0, (*parameter("RATE")[:1], header_rate), "frame rate")
    starts = [header_start, *(int(x - 1) * BLOCK for x in parameter("DATA_START")[:1] if math.isfinite(x))]
    data_start = int(_first(lambda x: BLOCK <= x <= len(data), starts, "first block of the data"))
    used = parameter("USED")[:1]
    if used and used[0] != header[1]:
        notes.append(f"the header says {header[1]} points, POINT:USED {used[0]:g}; the header is believed")
    frame_bytes = (4 * header[1] + header[2]) * (4 if scale < 0 else 2)
    actual = [parameter(name, "TRIAL") for name in ("ACTUAL_START_FIELD", "ACTUAL_END_FIELD")]
    claims = Claims(header[3], header[4], parameter("FRAMES"), parameter("LONG_FRAMES"), *actual)
    n_frames = frame_count(claims, data, data_start, frame_bytes, notes)
    return Layout(
        data=data, processor=processor, records=records, section=section,
        n_points=header[1], analog_words=header[2], samples_per_frame=header[9],
        first_frame=claims.first_frame(n_frames), n_frames=n_frames, rate_hz=rate, scale=scale,
        data_start=data_start, notes=tuple(notes),
    )  # fmt: skip


def _section_start(data: bytes) -> tuple[int, str]:
    if len(data) < 2 * BLOCK:
        raise FileFormatError(f"expected a C3D file of at least {2 * BLOCK} bytes, found {len(data)}")
    if data[1] != 0x50 or data[0] < 2:
        raise FileFormatError("expected a C3D file, found another kind of file (its second byte is not 0x50)")
    start = (data[0] - 1) * BLOCK
    if start + BLOCK > len(data) or start + data[start + 2] * BLOCK > len(data):
        raise FileFormatError(
            "the parameter section ends after the file does: the file is cut; copy or export it again"
        )
    if data[start + 3] not in PROCESSORS:
        raise FileFormatError(f"expected processor type 84, 85 or 86, found {data[start + 3]}; is this a C3D file?")
    return start, PROCESSORS[data[start + 3]]


def _first(usable: Callable[[float], bool], values: Sequence[float], what: str) -> float:
    for value in values:
        if usable(value):
            return value
    raise FileFormatError(f"expected a usable {what}, found {', '.join(f'{x:g}' for x in values)}: the file is damaged")
