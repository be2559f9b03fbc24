"""Files with something wrong in a place that matters, for each kind of container: text, JSON, safetensors, zip, HDF5,
MAT, pickle."""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

_ODD_NUMBERS = (
    b"0", b"-1", b"1e308", b"-1e308", b"1e400", b"nan", b"inf", b"-inf", b"9" * 30, b"2147483648", b"1_0", b"0x10",
    b"1,5", b"", b"-", b".", b"\xd9\xa3",
)  # fmt: skip
_PIECES = (
    b",", b";", b"\t", b"\n", b"\r\n", b"\r", b'"', b"'", b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc2\x85",
    b"\xe2\x80\xa8", b"{", b"}", b"[", b"]", b"=", b"<", b">", b"&x;", b"<!DOCTYPE a>", b"<a>" * 120, b"[" * 3000,
    b"," * 500, b"\n" * 500, b"A" * 300, b"\x1b[2J", b"\\", b"../", b":",
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**18, -(10**18), 2**70, float("inf"), float("nan"), "", "a", "\0", "../../x", [], [[]],
    {}, {"a": 1}, ["a"], [1, 2, 3], "1" * 400, 3.7, 10**400, [[1, 2], [3]],
)  # fmt: skip


def any_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes other, gone, or put in between."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                changed[at : at + 1] = bytes([rng.choice((0, 1, 127, 128, 255))])
            case 2:
                del changed[at : at + rng.choice((1, 2, 4, 16, 200))]
            case 3:
                changed[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 20, 1 << 16)))
            case _:
                changed[at:at] = rng.choice(_PIECES)
    return bytes(changed if rng.random() < 0.9 else changed[: rng.randrange(len(changed) + 1)])


def text(data: bytes, rng: random.Random) -> bytes:
    """Lines gone, twice or exchanged; cells and numbers replaced."""
    if rng.random() < 0.3:
        return any_bytes(data, rng)
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(6):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                lines[at] = _words(lines[at], rng)
    return b"\n".join(lines)


def _words(line: bytes, rng: random.Random) -> bytes:
    cut = rng.choice((b",", b"\t", b";", b" ", b'"', b"'", b">"))
    words = line.split(cut)
    at = rng.randrange(len(words))
    match rng.randrange(4):
        case 0:
            words[at] = rng.choice(_PIECES)
        case 1:
            words.insert(at, words[rng.randrange(len(words))])
        case 2 if len(words) > 1:
            del words[at]
        case _:
            words[at] = rng.choice(_ODD_NUMBERS)
    return cut.join(words)


def changed_json(value: Any, rng: random.Random) -> Any:
    """Plain values with one of them, at any depth, replaced, gone or put in twice."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        kind = rng.random()
        if kind < 0.12:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.2:
            return {**value, rng.choice(("x", "", key + "2")): value[key]}
        return {**value, key: changed_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.15:
            return value[:at] + value[at + 1 :]
        if kind < 0.3:
            return [*value, value[at]]
        return [*value[:at], changed_json(value[at], rng), *value[at + 1 :]]
    return rng.choice(_ODD_VALUES)


def json_lines(data: bytes, rng: random.Random) -> bytes:
    """JSON texts, one a line or one in all, with values replaced."""
    if rng.random() < 0.3:
        return any_bytes(data, rng)
    try:
        return json.dumps(changed_json(json.loads(data), rng)).encode()
    except ValueError:
        pass
    lines = data.splitlines()
    at = rng.randrange(max(1, len(lines)))
    try:
        lines[at] = json.dumps(changed_json(json.loads(lines[at]), rng)).encode()
    except (ValueError, IndexError):
        return any_bytes(data, rng)
    return b"\n".join(lines) + b"\n"


def safetensors(data: bytes, rng: random.Random) -> bytes:
    """The header's JSON, or the JSON text inside its metadata, with values replaced; its length fits again."""
    size = int.from_bytes(data[:8], "little")
    try:
        head = json.loads(data[8 : 8 + size])
        facts = head["__metadata__"]
        if rng.random() < 0.7:
            key = rng.choice(list(facts))
            facts[key] = json.dumps(changed_json(json.loads(facts[key]), rng))
        elif rng.random() < 0.5:
            head = changed_json(head, rng)
        else:
            return any_bytes(data, rng)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return any_bytes(data, rng)
    new = json.dumps(head).encode()
    return struct.pack("<Q", len(new)) + new + data[8 + size :]


def zipped(inner: Mutation) -> Mutation:
    """Of a zip archive one entry changed by `inner`, or the archive's own bytes."""

    def change(data: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            return any_bytes(data, rng)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = {i.filename: archive.read(i) for i in archive.infolist() if i.file_size < 1 << 20}
        except Exception:  # of an archive that an earlier change broke
            return any_bytes(data, rng)
        if not entries:
            return any_bytes(data, rng)
        name = rng.choice(list(entries))
        entries[name] = inner(entries[name], rng)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            for key, content in entries.items():
                archive.writestr(zipfile.ZipInfo(key), content)
        return out.getvalue()

    return change


_OPCODES = (
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"cposix\nsystem\n", b"ccollections\nOrderedDict\n", b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"(", b")",
    b"t", b"l", b"d", b"}", b"]", b"R", b"b", b"\x81", b"\x92", b"o", b"ios\nsystem\n", b"0", b"1", b"2", b"a", b"e",
    b"s", b"u", b"N", b"K\xff", b"J\xff\xff\xff\x7f", b"\x8a\xff" + b"\x7f" * 255, b"h\0", b"q\0", b"r\xff\xff\xff\x7f",
    b"\x8c\x06system", b"\x93", b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"X\xff\xff\xff\x7f", b"F1e400\n", b"I99999\n", b"P1\n", b"Q", b"\x82\x01", b".", b"\x96\xff\xff\xff\xff\0\0\0\0",
)  # fmt: skip


def pickled(data: bytes, rng: random.Random) -> bytes:
    """Opcodes put in, and bytes changed."""
    if rng.random() < 0.4:
        return any_bytes(data, rng)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(len(changed) + 1)
        changed[at:at] = b"".join(rng.choice(_OPCODES) for _ in range(rng.choice((1, 2, 3))))
    return bytes(changed)


def mat5(data: bytes, rng: random.Random) -> bytes:
    """Inside a compressed variable too."""
    try:
        kind, size = struct.unpack_from("<II", data, 128)
        if kind != 15 or rng.random() < 0.2:
            return any_bytes(data, rng)
        inside = zlib.decompress(data[136 : 136 + size])
    except (struct.error, zlib.error):
        return any_bytes(data, rng)
    new = zlib.compress(any_bytes(inside, rng))
    return data[:128] + struct.pack("<II", 15, len(new)) + new


def hdf5(data: bytes, rng: random.Random) -> bytes:
    """Data sets and attributes of another type, size or layout, and links in place of them."""
    if rng.random() < 0.5:
        return any_bytes(data, rng)
    import h5py

    buffer = io.BytesIO(data)
    try:
        with h5py.File(buffer, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            _change_hdf5(file, rng.choice(names or ["x"]), rng)
    except Exception:  # of a file that an earlier change broke
        return any_bytes(data, rng)
    return buffer.getvalue()


def _change_hdf5(file: Any, name: str, rng: random.Random) -> None:
    import h5py
    import numpy as np

    if rng.random() < 0.25:
        holder = rng.choice([file, file[name]])
        key = rng.choice([*holder.attrs, "MATLAB_class", "version", "rate_hz", "first_frame"])
        holder.attrs[key] = rng.choice(
            [0, -1, 1e308, float("nan"), "x", b"cell", b"char", [1, 2], np.float32(3), 2**62]
        )
        return
    del file[name]
    kinds: Sequence[Callable[[], Any]] = (
        lambda: h5py.ExternalLink("/etc/passwd", "/"),
        lambda: h5py.SoftLink("/"),
        lambda: h5py.SoftLink(f"/{name}"),
        lambda: np.zeros(
            rng.choice([(), (0,), (1,), (4, 4, 2), (2, 1, 3), (2, 3), (1, 1, 1, 1)]), rng.choice("bhiqfd")
        ),
        lambda: np.array([b"a", b"b"]),
        lambda: np.array([("a", 1)], [("f", "S1"), ("g", "i4")]),
        lambda: h5py.Empty("f4"),
        lambda: "text",
        lambda: np.full((2, 1, 3), 1e300),
        lambda: np.zeros(2, "c8"),
    )
    kind = rng.randrange(len(kinds) + 4)
    if kind < len(kinds):
        file[name] = kinds[kind]()
    elif kind == len(kinds):
        file.create_dataset(name, (10**9,), "f4", chunks=(1 << 16,), compression="gzip")
    elif kind == len(kinds) + 1:
        file.create_dataset(name, (2, 1, 3), "f4", maxshape=(None, None, 3), chunks=(1 << 14, 1 << 12, 3))
    elif kind == len(kinds) + 2:
        file.create_dataset(name, (2,), h5py.vlen_dtype(np.int32))
    else:
        file.create_group(name)
