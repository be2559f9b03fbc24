"""Parameter records of C3D files as bytes: taken apart, changed, and put together again."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from automarkerlabel.errors import FileFormatError, OutputError
from automarkerlabel.io.c3d.layout import Layout, list_records
from automarkerlabel.io.c3d.parameters import BLOCK, FLOAT, INTEGER, MAX_BLOCKS, TEXT, Record, decoded, numbered

_PER_LIST = 255  # strings in one parameter, and characters in one string: a dimension is one byte
_TERMINATOR = 2  # zero bytes that end the list of records


@dataclass(eq=False)
class Part:
    """One record: `head` up to its pointer, `body` from behind the pointer up to the next record.

    `pointer` is the value that a last record had, kept as long as the body keeps its length.
    """

    head: bytes
    body: bytes
    record: Record | None = None
    pointer: int | None = None


def parts_of(layout: Layout) -> list[Part]:
    """The records of the file, in their order."""
    data, parts = layout.data, []
    for n, record in enumerate(layout.records):
        stored = struct.unpack_from(f"{layout.order}H", data, record.pointer)[0]
        last = stored if n == len(layout.records) - 1 else None
        parts.append(Part(data[record.start : record.pointer], data[record.pointer + 2 : record.end], record, last))
    return parts


def section_bytes(layout: Layout, parts: Sequence[Part]) -> bytes:
    """The parameter section with its records replaced, larger by whole blocks if need be, never smaller."""
    start, stop = layout.section
    end = layout.records[-1].end if layout.records else start + 4
    rest = layout.data[end:stop]
    out = bytearray(layout.data[start : start + 4])
    for n, part in enumerate(parts):
        pointer = 2 + len(part.body)
        if n == len(parts) - 1:
            pointer = _last_pointer(part, rest)
        out += part.head + struct.pack(f"{layout.order}H", pointer) + part.body
    grown = len(out) - (end - start)
    spare = max(0, len(rest) - len(rest.rstrip(b"\0")) - _TERMINATOR)
    if grown <= spare:
        return bytes(out + (rest[: len(rest) - grown] if grown > 0 else rest + bytes(-grown)))
    out += rest[: len(rest) - spare]
    out += bytes(-len(out) % BLOCK)
    if len(out) > MAX_BLOCKS * BLOCK:
        raise OutputError(
            f"the names need {len(out) // BLOCK} blocks of parameters, a C3D file holds {MAX_BLOCKS}; shorten them"
        )
    # Some writers leave the number of blocks at 0, to be found from the start of the data.
    out[2] = len(out) // BLOCK if out[2] else 0
    return bytes(out)


def _last_pointer(part: Part, rest: bytes) -> int:
    """What the last record points to: as it was where it kept its length, else the zero that ends the list."""
    if (
        part.record is not None
        and part.pointer is not None
        and len(part.body) == part.record.end - part.record.pointer - 2
    ):
        return part.pointer
    return 2 + len(part.body) if rest[:1] == b"\0" else 0


def set_texts(layout: Layout, parts: list[Part], name: str, entries: Sequence[bytes]) -> None:
    """Put `entries` into POINT:`name`, `name`2, ..., which grow, are added or are removed as is needed.

    A width stays as it is where the entries fit; an entry keeps its padding where its width stays.
    """
    old = list_records(layout, "POINT", name)
    sizes = [len(layout.entries("POINT", record.name)) for record in old]
    if sum(sizes) != len(entries) or max(sizes, default=0) > _PER_LIST:
        sizes = [min(_PER_LIST, len(entries) - n) for n in range(0, max(1, len(entries)), _PER_LIST)]
    where = _place(layout, parts, old)
    done = 0
    for n, size in enumerate(sizes):
        chunk, done = entries[done : done + size], done + size
        record = old[n] if n < len(old) else None
        body = _text_body(layout, record, chunk, old[-1].dims[0] if old and len(old[-1].dims) > 1 else 0)
        if record is not None:
            where = next(i for i, part in enumerate(parts) if part.record is record)
            parts[where].body = body
        else:
            where += 1
            parts.insert(where, Part(head(numbered(name, n + 1), parts_group(layout)), body))
    gone = old[len(sizes) :]
    parts[:] = [part for part in parts if not any(part.record is record for record in gone)]


def head(name: str, number: int) -> bytes:
    """The bytes of a record before its pointer; `number` is its group's, negative for the group itself."""
    return bytes([len(name), number & 0xFF]) + name.encode()


def parts_group(layout: Layout) -> int:
    """The number of the group POINT; one that is free where the file has none."""
    taken = {abs(record.number) for record in layout.records}
    for record in layout.records:
        if record.kind == 0 and record.name == "POINT":
            return -record.number
    free = [n for n in range(1, 128) if n not in taken]
    if not free:
        raise FileFormatError("the file has no POINT group and no room for one")
    return free[0]


def text_body(entries: Sequence[bytes], width: int | None = None) -> bytes:
    """Body of a parameter that holds a list of strings."""
    width = max((len(entry) for entry in entries), default=0) if width is None else width
    return bytes([TEXT & 0xFF, 2, width, len(entries)]) + b"".join(e.ljust(width) for e in entries) + b"\0"


def word_body(text: str) -> bytes:
    """Body of a parameter that holds one string."""
    return bytes([TEXT & 0xFF, 1, len(text)]) + text.encode() + b"\0"


def integers_body(*values: int) -> bytes:
    """Body of a parameter that holds one 16-bit integer, or a list of them."""
    dims = b"\0" if len(values) == 1 else bytes([1, len(values)])
    return bytes([INTEGER]) + dims + struct.pack(f"<{len(values)}H", *values) + b"\0"


def float_body(value: float) -> bytes:
    """Body of a parameter that holds one float."""
    return bytes([FLOAT, 0]) + struct.pack("<f", value) + b"\0"


def _place(layout: Layout, parts: list[Part], old: Sequence[Record]) -> int:
    """The index after which a list's new parameters go; makes the POINT group if there is none."""
    if old:
        return next(i for i, part in enumerate(parts) if part.record is old[-1])
    for i, part in enumerate(parts):
        if part.record is not None and part.record.kind == 0 and part.record.name == "POINT":
            return i
    parts.append(Part(head("POINT", -parts_group(layout)), b"\0"))
    return len(parts) - 1


def _text_body(layout: Layout, record: Record | None, entries: Sequence[bytes], old_width: int) -> bytes:
    """A list's new body: type, dimensions, strings, and whatever stood behind the old strings."""
    stored = record.dims[0] if record is not None and len(record.dims) > 1 else old_width
    longest = max((len(entry.rstrip(b" \0")) for entry in entries), default=0)
    if longest > _PER_LIST:
        name = max((decoded(entry) for entry in entries), key=len)
        raise OutputError(f"the name {name[:40]}... has {longest} bytes, a C3D file holds {_PER_LIST}; shorten it")
    width = max(stored, longest)
    cells = [(entry if len(entry) == width else entry.rstrip(b" \0")).ljust(width) for entry in entries]
    if record is None:
        return text_body(cells, width)
    before = layout.data[record.pointer + 2 : record.pointer + 3]
    return before + bytes([2, width, len(cells)]) + b"".join(cells) + layout.data[record.stop : record.end]
