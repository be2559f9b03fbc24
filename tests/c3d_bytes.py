"""C3D files made by hand, byte by byte, so that what a reader must find is known. Nothing here uses the package."""

import math
import struct
from collections.abc import Mapping, Sequence

import numpy as np

PROCESSORS = {"Intel": 84, "DEC": 85, "MIPS": 86}


def float_bytes(value: float, processor: str) -> bytes:
    """One 32-bit float of the processor. A DEC float is 0.1f × 2^(exponent - 128), its two halves exchanged."""
    if processor != "DEC":
        return struct.pack(">f" if processor == "MIPS" else "<f", value)
    if value == 0:
        return bytes(4)
    mantissa, exponent = math.frexp(abs(value))
    fraction = int(mantissa * 2**24) - 2**23
    bits = (value < 0) << 31 | (exponent + 128) << 23 | fraction
    return struct.pack("<HH", bits >> 16, bits & 0xFFFF)


def record(name: str, number: int, body: bytes, order: str, pointer: int | None = None) -> bytes:
    """A record whose pointer leads just behind its body, unless told otherwise."""
    return (
        struct.pack("bb", len(name), number)
        + name.encode()
        + struct.pack(order + "H", 2 + len(body) if pointer is None else pointer)
        + body
    )


def texts(entries: Sequence[bytes | str], width: int, description: bytes = b"") -> bytes:
    """The body of a parameter of strings."""
    raw = [x.encode() if isinstance(x, str) else x for x in entries]
    return (
        bytes([255, 2, width, len(raw)])
        + b"".join(x.ljust(width) for x in raw)
        + bytes([len(description)])
        + description
    )


def make_c3d(
    points: np.ndarray,
    labels: Sequence[bytes | str] | None = None,
    quality: np.ndarray | None = None,
    processor: str = "Intel",
    scale: float = -1.0,
    rate: float = 100.0,
    first: int = 1,
    analog: np.ndarray | None = None,
    point: Mapping[str, bytes] | None = None,
    groups: Mapping[str, Mapping[str, bytes]] | None = None,
    header: Mapping[int, int] | None = None,
    width: int = 8,
    blocks: int | None = None,
    with_point: bool = True,
    tail: bytes = b"",
) -> bytes:
    """A C3D file.

    points (n_frames, n_points, 3) are what is to be read; quality (n_frames, n_points) the residual word, 0 by
    default; analog (n_frames, values a frame). scale below 0 stores floats, above 0 integers of points / scale.
    point adds to the group POINT, or replaces; an empty body leaves a parameter out. header sets words, counted from 1.
    """
    order = ">" if processor == "MIPS" else "<"
    n_frames, n_points = points.shape[:2]
    analog = np.zeros((n_frames, 0)) if analog is None else analog
    quality = np.zeros((n_frames, n_points)) if quality is None else quality

    def integer(value: int) -> bytes:
        return bytes([2, 0]) + struct.pack(order + "H", value & 0xFFFF) + b"\0"

    def real(value: float) -> bytes:
        return bytes([4, 0]) + float_bytes(value, processor) + b"\0"

    def section(data_start: int) -> bytes:
        out = b""
        if with_point:
            own = {
                "USED": integer(n_points), "SCALE": real(scale), "RATE": real(rate), "FRAMES": integer(n_frames),
                "DATA_START": integer(data_start),
            }  # fmt: skip
            own |= {"UNITS": texts(["mm"], 4)}
            if labels is not None:
                own["LABELS"] = texts(labels, width, b"names of the points")
            own |= point or {}
            out += record("POINT", -1, b"\x05about", order)
            out += b"".join(record(name, 1, body, order) for name, body in own.items() if body)
        n = analog.shape[1]
        channels = {
            "USED": integer(n), "RATE": real(rate), "GEN_SCALE": real(1), "LABELS": texts(["a"] * n, 1),
            "SCALE": bytes([4, 1, n]) + float_bytes(1, processor) * n + b"\0",
            "OFFSET": bytes([2, 1, n]) + bytes(2 * n + 1),
        }  # fmt: skip
        both = ({"ANALOG": channels} if n else {}) | dict(groups or {})
        for number, (group, parameters) in enumerate(both.items(), start=2):
            out += record(group, -number, b"\0", order)
            out += b"".join(record(name, number, body, order) for name, body in parameters.items())
        return out

    n_blocks = blocks or -(-(4 + len(section(0)) + 2) // 512)
    data_start = 2 + n_blocks
    parameters = bytes([1, 0x50, n_blocks, PROCESSORS[processor]]) + section(data_start)
    words = struct.pack(order + "6H", 0x5002, n_points, analog.shape[1], first, (first + n_frames - 1) & 0xFFFF, 10)
    words = words.replace(struct.pack(order + "H", 0x5002), bytes([2, 0x50]), 1) + float_bytes(scale, processor)
    words += struct.pack(order + "HH", data_start, 1 if analog.shape[1] else 0) + float_bytes(rate, processor)
    head = bytearray(words.ljust(512, b"\0"))
    for word, value in (header or {}).items():
        head[2 * word - 2 : 2 * word] = struct.pack(order + "H", value)
    stored = points if scale < 0 else np.rint(points / scale)
    values = np.concatenate(
        [np.concatenate([stored, quality[..., None]], 2).reshape(n_frames, 4 * n_points), analog], 1
    )
    if scale > 0:
        data = values.astype(order + "i2").tobytes()
    elif processor == "DEC":
        data = b"".join(float_bytes(float(x), processor) for x in values.ravel())
    else:
        data = values.astype(order + "f4").tobytes()
    return bytes(head) + parameters.ljust(512 * n_blocks, b"\0") + data + bytes(-len(data) % 512) + tail


def example(n_frames: int = 6, n_points: int = 4) -> np.ndarray:
    """Points whose coordinates are multiples of 0.5, exact in every storage: frame f, point p is at
    (100 p + f + 1, 200.5, 1000 - 10 p)."""
    f, p = np.meshgrid(np.arange(n_frames), np.arange(n_points), indexing="ij")
    return np.stack([100.0 * p + f + 1, np.full(f.shape, 200.5), 1000.0 - 10 * p], 2)
