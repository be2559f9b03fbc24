"""The parameter section of C3D files: its records as byte ranges, and the texts and numbers in them.

Whatever a record says of its size is compared with the bytes that are there before it is used.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import FloatArray
from automarkerlabel.errors import FileFormatError

BLOCK = 512
MAX_BLOCKS = 255  # of the parameter section, whose length is one byte
TEXT, BYTE, INTEGER, FLOAT = -1, 1, 2, 4


@dataclass(frozen=True)
class Record:
    """One group (`kind` 0) or parameter of the parameter section, by its byte ranges in the file.

    The pointer, two bytes at `pointer`, leads to the next record, which starts at `end`.
    """

    number: int  # of the group, negative in the record of the group itself
    name: str
    start: int
    pointer: int
    end: int
    group: str = ""
    kind: int = 0
    dims: tuple[int, ...] = ()
    values: int = 0
    stop: int = 0  # one after the last value: where the description's length stands


def walk(data: bytes, start: int, order: str, data_start: int) -> tuple[tuple[Record, ...], tuple[int, int]]:
    """All records of the parameter section, and its byte range. Raises if one runs out of it."""
    limit = data_start if start < data_start <= len(data) else len(data)
    limit = min(limit, start + MAX_BLOCKS * BLOCK)
    stop = min(limit, start + data[start + 2] * BLOCK) if data[start + 2] else limit
    found: list[Record] = []
    at = start + 4
    while at + 2 <= stop and data[at]:
        record = _record(data, at, order, limit)
        next_at = record.pointer + int(np.frombuffer(data, f"{order}u2", 1, record.pointer)[0])
        # A pointer of 0 ends the list; so does one that leaves the section, as some writers leave it.
        last = next_at == record.pointer or next_at > limit
        if record.kind and next_at == record.stop:  # of a writer that forgets, or does not count, the description
            next_at += data[next_at : next_at + 1] == b"\0"  # a name cannot be that short: it is an empty description
            record = replace(record, end=next_at)
        if not last and next_at < record.end:
            raise FileFormatError(f"the parameter {record.name} overlaps the next one: the file is damaged")
        found.append(replace(record, end=record.end if last else next_at))
        if last:
            break
        at = next_at
    names = {-r.number: r.name for r in reversed(found) if not r.kind}
    records = tuple(replace(r, group=names.get(r.number, "")) if r.kind else r for r in found)
    reached = (
        max([stop, *(r.end for r in records[-1:])]) if data[start + 2] else max([start + 4, *(r.end for r in records)])
    )
    return records, (start, min(limit, start + -(-(reached - start) // BLOCK) * BLOCK))


def _record(data: bytes, at: int, order: str, limit: int) -> Record:
    length = data[at] if data[at] < 128 else 256 - data[at]  # below 0 marks a locked one
    number = data[at + 1] if data[at + 1] < 128 else data[at + 1] - 256
    pointer = at + 2 + length
    name = decoded(data[at + 2 : pointer]).upper()
    if pointer + 3 > limit:
        raise FileFormatError(f"the record {name} runs out of the parameter section: the file is damaged")
    if number < 0:
        return Record(number, name, at, pointer, min(pointer + 3 + data[pointer + 2], limit))
    kind = data[pointer + 2] if data[pointer + 2] < 128 else data[pointer + 2] - 256
    n_dims = data[pointer + 3] if pointer + 4 <= limit else 0
    values = pointer + 4 + n_dims
    dims = tuple(data[pointer + 4 : values])
    stop = values + abs(kind) * math.prod(dims)
    if kind not in (TEXT, BYTE, INTEGER, FLOAT) or values > limit or stop > limit:
        raise FileFormatError(f"the parameter {name} runs out of the parameter section: the file is damaged")
    end = stop + 1 + data[stop] if stop < limit else stop
    return Record(number, name, at, pointer, min(end, limit), kind=kind, dims=dims, values=values, stop=stop)


def numbers_of(data: bytes, record: Record, processor: str) -> list[float]:
    count = math.prod(record.dims)
    order = ">" if processor == "MIPS" else "<"
    if record.kind == FLOAT:
        # Copied, as a parameter stands at any byte.
        raw = np.frombuffer(data[record.values : record.stop], np.uint32)
        return [float(x) for x in floats_of(raw, processor)]
    if record.kind in (INTEGER, BYTE):
        kind = f"{order}u{record.kind}"
        return [float(x) for x in np.frombuffer(data, kind, count, record.values)]
    return []


def numbered(name: str, n: int) -> str:
    """The name of the n-th parameter of a list that goes on: LABELS, LABELS2, LABELS3, ..."""
    return name if n == 1 else f"{name}{n}"


def decoded(raw: bytes) -> str:
    """Text of a C3D: UTF-8, else Latin-1, without padding, with \N{REPLACEMENT CHARACTER} for control characters."""
    raw = raw.strip(b" \0\t\r\n").split(b"\0", 1)[0].rstrip()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text if text.isprintable() else "".join(x if x.isprintable() else "\N{REPLACEMENT CHARACTER}" for x in text)


def floats_of(raw: npt.NDArray[np.uint32], processor: str) -> FloatArray:
    """Raw 32-bit words as float32; a view where the processor's floats are this machine's."""
    if processor != "DEC":
        # A view, not an assignment of bytes: the last axis may be strided.
        return (
            raw.view(">f4").astype(np.float32)
            if processor == "MIPS"
            else raw.view("<f4").astype(np.float32, copy=False)
        )
    # A DEC float has its halves exchanged, its exponent biased by 2 more, and no infinities.
    turned = np.array((raw.astype("<u4") << np.uint32(16)) | (raw.astype("<u4") >> np.uint32(16)), np.uint32)
    exponent = (turned >> np.uint32(23)) & np.uint32(0xFF)
    usual = np.where(exponent > 2, turned - np.uint32(2 << 23), np.uint32(0)).astype(np.uint32).view(np.float32)
    tiny = np.where((exponent == 1) | (exponent == 2), turned, np.uint32(0)).astype(np.uint32).view(np.float32)
    value = np.where(exponent > 2, usual, tiny * np.float32(0.25))
    return np.where(turned == np.uint32(0x80000000), np.float32(np.nan), value).astype(np.float32)


def float_words(values: npt.ArrayLike, processor: str) -> npt.NDArray[np.uint32]:
    """The raw 32-bit words, as this machine reads them from the file, of floats that are 0 or of usual size."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    if processor == "DEC":
        bits = np.where(bits & np.uint32(0x7FFFFFFF), bits + np.uint32(2 << 23), np.uint32(0))
        bits = bits << np.uint32(16) | bits >> np.uint32(16)
    return np.asarray(bits.byteswap() if processor == "MIPS" else bits, np.uint32)


def float_word(value: float, processor: str) -> np.uint32:
    """The raw word of one float; see `float_words`."""
    return np.uint32(float_words(value, processor))
