"""How many frames a C3D file holds, where the places that say so contradict each other or have no room for it."""

import math
from dataclasses import dataclass

import numpy as np

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.c3d.parameters import BLOCK

_LARGEST = 65535  # that 16 bits hold
_CHUNK = 1 << 14


@dataclass(frozen=True)
class Claims:
    """What the places that speak of the number of frames say."""

    first: int
    last: int
    frames: list[float]
    long_frames: list[float]
    actual_start: list[float]
    actual_end: list[float]

    def actual(self) -> tuple[int, int] | None:
        """First and last frame of the trial where the file has them as two 16-bit halves each."""
        halves = (*self.actual_start, *self.actual_end)
        if len(self.actual_start) != 2 or len(self.actual_end) != 2 or not all(map(math.isfinite, halves)):
            return None
        return int(halves[0] + 65536 * halves[1]), int(halves[2] + 65536 * halves[3])

    def first_frame(self, n_frames: int) -> int:
        """The header's, except where it had no room for the last frame's number."""
        actual = self.actual()
        beyond = actual is not None and actual[1] > 65535 and actual[1] - actual[0] + 1 == n_frames
        return actual[0] if actual is not None and beyond else self.first

    def long(self) -> list[int]:
        """Counts from the places that can hold more than 65,535, in order of trust."""
        actual = self.actual()
        counts = [*self.long_frames[:1], *([actual[1] - actual[0] + 1.0] if actual else [])]
        return [int(x) for x in (*counts, *self.frames[:1]) if math.isfinite(x)]


def frame_count(claims: Claims, data: bytes, data_start: int, frame_bytes: int, notes: list[str]) -> int:
    """How many frames the file holds. Raises if it has no room for them."""
    short = max(0, claims.last - claims.first + 1)
    if not frame_bytes:
        return short
    room = len(data) - data_start
    frames = int(claims.frames[0]) if claims.frames and 0 <= claims.frames[0] < math.inf else None
    saturated = claims.last == 65535 or frames == 65535
    for count in claims.long():
        # The header's count wrapped around or stopped at its end; otherwise the long one is stale.
        if count > 65535 and (saturated or (count - short) % 65536 == 0):
            return _fitting(count, room, frame_bytes)
    size = _count_by_size(data, data_start, frame_bytes) if saturated or short * frame_bytes + BLOCK <= room else short
    if size > max(short, _LARGEST) and (saturated or (size - short) % (_LARGEST + 1) == 0):
        notes.append(
            f"the file says {short:,} frames, its header has no room for more than 65,535; its size says {size:,},"
            " which is believed"
        )
        return size
    counts = [short] if frames is None or frames == short else [short, frames]
    if len(counts) == 2:
        # The one that fills the file, else the header's, else the one that at least fits.
        counts.sort(key=lambda n: (not 0 <= room - n * frame_bytes < BLOCK, n * frame_bytes > room, n != short))
        notes.append(f"the header says {short} frames, POINT:FRAMES {frames}; {counts[0]} is believed")
    return _fitting(counts[0], room, frame_bytes)


def _fitting(count: int, room: int, frame_bytes: int) -> int:
    if count * frame_bytes > room:
        raise FileFormatError(
            f"expected {count:,} frames, found room for {max(0, room // frame_bytes):,}:"
            " the file is cut; copy or export it again"
        )
    return count


def _count_by_size(data: bytes, data_start: int, frame_bytes: int) -> int:
    """Frames up to the last byte that is not 0: a last block, or one more, is filled up with zeros, whatever number of
    frames would go into them. A frame of hidden points has residuals of -1, which are not 0."""
    values = np.frombuffer(data, np.uint8)
    stop = len(data)
    while stop > data_start and not values[max(data_start, stop - _CHUNK) : stop].any():
        stop = max(data_start, stop - _CHUNK)
    last = np.flatnonzero(values[max(data_start, stop - _CHUNK) : stop])
    used = max(data_start, stop - _CHUNK) + int(last[-1]) + 1 - data_start if len(last) else 0
    return min(-(-used // frame_bytes), (len(data) - data_start) // frame_bytes)
