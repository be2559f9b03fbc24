"""C3D files with something wrong in a place that matters: header words, parameter records, pointers, the data's start.

The bytes are taken apart by nothing of the package, so that a mistake in its own walk is not copied here.
"""

import random
import struct

BLOCK = 512
_WORDS = (0, 1, 2, 3, 127, 128, 254, 255, 256, 511, 512, 32767, 32768, 65534, 65535)
_BYTES = (0, 1, 2, 4, 5, 84, 85, 86, 127, 128, 253, 254, 255)
_FLOATS = (0.0, -1.0, 1.0, 1e-45, 1e-38, 1e38, float("inf"), float("-inf"), float("nan"), -0.5, 65535.0, 65536.0, 1e9)
_KINDS = (255, 1, 2, 4, 0, 3, 254)
_NAMES = (
    b"USED", b"FRAMES", b"LONG_FRAMES", b"DATA_START", b"SCALE", b"RATE", b"LABELS", b"LABELS2", b"DESCRIPTIONS",
    b"UNITS", b"Y_SCREEN", b"X_SCREEN", b"TYPE_GROUPS", b"ANGLES", b"ACTUAL_START_FIELD", b"ACTUAL_END_FIELD",
    b"POINT", b"TRIAL", b"ANALOG", b"EVENT",
)  # fmt: skip
_HEADER_WORDS = 12  # key, points, analog values, first, last, gap, scale (2), data start, samples, rate (2)


def _section(data: bytearray) -> int:
    """Where the parameter section seems to begin."""
    return max(1, (data[0] if data else 2) - 1) * BLOCK


def _records(data: bytearray) -> list[tuple[int, int, int]]:
    """(start, pointer, next start) of the records, as far as they can be followed."""
    found, at = [], _section(data) + 4
    while len(found) < 300 and at + 4 < len(data) and data[at]:
        pointer = at + 2 + min(data[at], 256 - data[at])
        if pointer + 2 > len(data):
            break
        step = struct.unpack_from("<H", data, pointer)[0] or struct.unpack_from(">H", data, pointer)[0]
        step = step if step < 20_000 else struct.unpack_from(">H", data, pointer)[0]
        found.append((at, pointer, min(pointer + step, len(data))))
        if step < 3:
            break
        at = pointer + step
    return found


def _put(data: bytearray, at: int, value: bytes) -> None:
    if at >= 0 and at + len(value) <= len(data):
        data[at : at + len(value)] = value


def _number(rng: random.Random) -> bytes:
    order = rng.choice("<>")
    if rng.random() < 0.6:
        return struct.pack(order + "H", rng.choice(_WORDS) if rng.random() < 0.7 else rng.randrange(65536))
    return struct.pack(order + "f", rng.choice(_FLOATS))


def _header(data: bytearray, rng: random.Random) -> None:
    word = rng.randrange(_HEADER_WORDS) if rng.random() < 0.85 else rng.randrange(BLOCK // 2)
    _put(data, 2 * word, _number(rng))


def _section_head(data: bytearray, rng: random.Random) -> None:
    _put(data, _section(data) + rng.randrange(4), bytes([rng.choice(_BYTES)]))


def _record_field(data: bytearray, rng: random.Random) -> None:
    """A name's length, a group's number, a pointer, a type, a count of dimensions, or a dimension."""
    records = _records(data)
    if not records:
        return _header(data, rng)
    start, pointer, _ = rng.choice(records)
    match rng.randrange(6):
        case 0:
            _put(data, start, bytes([rng.choice(_BYTES)]))
        case 1:
            _put(data, start + 1, bytes([rng.randrange(256)]))
        case 2:
            _put(data, pointer, _number(rng)[:2])
        case 3:
            _put(data, pointer + 2, bytes([rng.choice(_KINDS)]))
        case 4:
            _put(data, pointer + 3, bytes([rng.choice((0, 1, 2, 3, 7, 8, 255))]))
        case _:
            _put(data, pointer + 4 + rng.randrange(3), bytes([rng.choice(_BYTES)]))
    return None


def _record_value(data: bytearray, rng: random.Random) -> None:
    records = _records(data)
    if records:
        _, pointer, stop = rng.choice(records)
        at = pointer + 4 + rng.randrange(max(1, min(80, stop - pointer)))
        _put(data, at, _number(rng) if rng.random() < 0.8 else bytes([rng.randrange(256)] * rng.randrange(1, 9)))


def _rename(data: bytearray, rng: random.Random) -> None:
    """Give a record the name of another that is known; its length changes with it."""
    records = _records(data)
    if records:
        start, pointer, _ = rng.choice(records)
        name = rng.choice(_NAMES)
        data[start:pointer] = bytes([len(name), data[start + 1]]) + name


def _move_record(data: bytearray, rng: random.Random) -> None:
    """Take a record out, or put it in twice, or put one in that is made up."""
    records = _records(data)
    if not records:
        return
    start, _, stop = rng.choice(records)
    where = rng.choice(records)[0]
    body = bytes(data[start:stop])
    match rng.randrange(3):
        case 0:
            del data[start:stop]
        case 1:
            data[where:where] = body
        case _:
            name = rng.choice(_NAMES)
            dims = bytes(rng.choice(_BYTES) for _ in range(rng.choice((0, 1, 2, 2, 3, 7))))
            value = bytes([rng.choice(_KINDS), len(dims)]) + dims + _number(rng) * rng.randrange(4) + b"\0"
            number = rng.choice((1, 2, 255, 254, data[start + 1]))
            data[where:where] = bytes([len(name), number]) + name + struct.pack("<H", 2 + len(value)) + value


def _data_start(data: bytearray, rng: random.Random) -> None:
    """Let header and parameter agree on another first block of the data."""
    block = struct.pack("<H", rng.choice((0, 1, 2, 3, 4, 5, 6, 255, len(data) // BLOCK, len(data) // BLOCK + 1)))
    _put(data, 16, block)
    at = data.find(b"DATA_START")
    if at > 0 and rng.random() < 0.7:
        _put(data, at + 10 + 4, block)


def _length(data: bytearray, rng: random.Random) -> None:
    if rng.random() < 0.5:
        del data[rng.randrange(len(data) + 1) :]
    else:
        data.extend(rng.choice((b"\0", b"\xff", bytes(range(256)))) * rng.choice((1, 2, 511, 512, 1024)))


def _samples(data: bytearray, rng: random.Random) -> None:
    """Numbers of the point block that are none, or huge."""
    start = (struct.unpack_from("<H", data, 16)[0] - 1) * BLOCK if len(data) > 18 else 0
    if 0 < start < len(data):
        for _ in range(rng.randrange(1, 6)):
            _put(data, rng.randrange(start, len(data)) & ~3, struct.pack("<f", rng.choice(_FLOATS)))


def _any_byte(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice(_BYTES) if rng.random() < 0.5 else rng.randrange(256)


_KINDS_OF_CHANGE = (
    _header, _header, _section_head, _record_field, _record_field, _record_field, _record_value, _record_value,
    _rename, _move_record, _data_start, _length, _samples, _any_byte,
)  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The bytes of a C3D with one to five things changed."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        rng.choice(_KINDS_OF_CHANGE)(changed, rng)
    return bytes(changed)
