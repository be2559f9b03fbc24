"""Labelled copies of C3D files, as patches of the original bytes.

Columns are permuted, dropped, split, joined or added, their names and descriptions go with them; whatever speaks of
the number of points or of places in the file is brought in line. Every other byte stays as it was.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automarkerlabel.errors import FileFormatError, OutputError, TrialError
from automarkerlabel.io.c3d import records
from automarkerlabel.io.c3d.layout import Layout, list_entries
from automarkerlabel.io.c3d.parameters import BLOCK, FLOAT, INTEGER, decoded, float_word
from automarkerlabel.io.c3d.records import Part

Pieces = tuple[tuple[int, int, int], ...]
_LARGEST = 65535
_LABEL_RANGE_KEY = 12345  # in header word 148: word 149 is the block of a section of labels and ranges


@dataclass(frozen=True, eq=False)
class Patch:
    """A labelled copy.

    chunks      the bytes of the copy, in order.
    names       full names of its columns; pieces: the samples of each, as `(column, start, stop)` of the source.
    kept        for each column, whether its name is, byte for byte, that of its first piece's column in the source.
    words       `(n_frames, frame_words)`: raw bits of its point block.
    n_visible   points that are seen in it.
    n_added     how many of them are hidden in the source.
    """

    chunks: Sequence[Any]
    names: Sequence[str]
    pieces: Sequence[Pieces]
    kept: Sequence[bool]
    words: npt.NDArray[Any]
    n_visible: int
    n_added: int = 0


def patched(layout: Layout, columns: Sequence[tuple[str, Pieces]]) -> Patch:
    """The copy of a file with its samples in `columns`, each a full name and its pieces.

    Hidden samples of whole and of joined columns are the source's own raw words; where there are none, zeros
    with a residual of -1. Raises `TrialError`, `FileFormatError` or `OutputError` where that cannot be.
    """
    if len(columns) > _LARGEST:
        raise OutputError(f"a C3D file holds at most {_LARGEST} columns, {len(columns)} are to be written")
    if layout.section[1] > layout.data_start:
        raise FileFormatError("the data stand before the parameters; expected them after; export the file again")
    check_pieces(layout, [pieces for _, pieces in columns])
    words, n_visible = _words(layout, [pieces for _, pieces in columns])
    parts = records.parts_of(layout)
    kept = _set_names(layout, parts, columns)
    _set_number(layout, parts, "POINT", "USED", len(columns))
    grown = len(records.section_bytes(layout, parts)) - (layout.section[1] - layout.section[0])
    tail, tail_moved = _tail(layout, words)
    moves = [(layout.section[1], grown // BLOCK), (_next_block(layout.data_end), tail_moved)]
    _move_blocks(layout, parts, moves)
    start, stop = layout.section
    return Patch(
        chunks=[
            _header(layout, len(columns), moves),
            layout.data[BLOCK:start],
            records.section_bytes(layout, parts),
            layout.data[stop : layout.data_start],
            words.data,
            tail,
        ],
        names=[name for name, _ in columns],
        pieces=[pieces for _, pieces in columns],
        kept=kept,
        words=words,
        n_visible=n_visible,
    )


def _set_names(layout: Layout, parts: list[Part], columns: Sequence[tuple[str, Pieces]]) -> list[bool]:
    """Give the columns names, and their sources' descriptions. Returns which names are as they were."""
    sources = [pieces[0][0] if pieces else None for _, pieces in columns]
    labels, descriptions = (list_entries(layout, "POINT", name) for name in ("LABELS", "DESCRIPTIONS"))
    stored = [_stored(labels, source) for source in sources]
    kept = [raw is not None and decoded(raw) == name for raw, (name, _) in zip(stored, columns, strict=True)]
    names = [raw if keep and raw is not None else name.encode()
             for raw, keep, (name, _) in zip(stored, kept, columns, strict=True)]  # fmt: skip
    _set_list(layout, parts, "LABELS", labels, names)
    if descriptions:
        _set_list(layout, parts, "DESCRIPTIONS", descriptions, [_stored(descriptions, c) or b"" for c in sources])
    return kept


def _words(layout: Layout, columns: Sequence[Pieces]) -> tuple[npt.NDArray[Any], int]:
    """The raw words of the copy's point block, and how many visible points are in it."""
    n_frames, n = layout.n_frames, len(columns)
    words = np.empty((n_frames, 4 * n + layout.analog_words), layout.words.dtype)
    words[:, 4 * n :] = layout.words[:, 4 * layout.n_points :]
    points = words[:, : 4 * n].reshape(n_frames, n, 4)  # a view
    whole = [(k, p[0][0]) for k, p in enumerate(columns) if len(p) == 1 and p[0][1:] == (0, n_frames)]
    to, source = np.array(whole, np.int64).reshape(-1, 2).T
    points[:, to] = layout.point_words[:, source]
    seen = ~layout.hidden
    n_visible = int(seen.sum(0)[source].sum())
    done = set(to.tolist())
    for k in (k for k in range(n) if k not in done):
        points[:, k], count = _joined(layout, columns[k], seen, k)
        n_visible += count
    return words, n_visible


def check_pieces(layout: Layout, columns: Sequence[Pieces]) -> None:
    """Raise `TrialError` unless all pieces are of columns and frames that the file has."""
    for n, pieces in enumerate(columns):
        for c, start, stop in pieces:
            if not (0 <= c < layout.n_points and 0 <= start <= stop <= layout.n_frames):
                raise TrialError(
                    f"output column {n}: expected a piece of {layout.n_points} columns and {layout.n_frames} frames,"
                    f" found {(c, start, stop)}"
                )


def _joined(layout: Layout, pieces: Pieces, seen: npt.NDArray[np.bool_], column: int) -> tuple[npt.NDArray[Any], int]:
    """Raw words `(n_frames, 4)` of a column of several pieces, or of none, and how many points are seen in it."""
    out = np.zeros((layout.n_frames, 4), layout.words.dtype)
    out[:, 3] = float_word(-1.0, layout.processor) if layout.is_float else 0xFFFF
    count = np.zeros(layout.n_frames, np.int64)
    for c in dict.fromkeys(c for c, _, _ in reversed(pieces)):
        # Where a source is hidden, this column is so in the same way: the first piece's source counts most.
        out[~seen[:, c]] = layout.point_words[~seen[:, c], c]
    for c, start, stop in pieces:
        here = start + np.flatnonzero(seen[start:stop, c])
        out[here] = layout.point_words[here, c]
        count[here] += 1
    if (count > 1).any():
        frame = layout.first_frame + int((count > 1).argmax())
        raise TrialError(f"output column {column}: expected one sample in each frame, found two in frame {frame}")
    return out, int(count.sum())


def _stored(entries: Sequence[bytes], source: int | None) -> bytes | None:
    """A source column's entry in a list, byte for byte: blank beyond its end, None where there is no source column."""
    if source is None:
        return None
    return entries[source] if source < len(entries) else b""


def _set_list(layout: Layout, parts: list[Part], name: str, old: Sequence[bytes], new: list[bytes]) -> None:
    # What a list names beyond the points stays behind them; blanks that it did not need before, it needs not now.
    entries = [*new, *old[layout.n_points :]]
    while len(entries) > len(old) and not entries[-1].strip(b" \0"):
        entries.pop()
    if entries != list(old):
        records.set_texts(layout, parts, name, entries)


def _set_number(layout: Layout, parts: list[Part], group: str, name: str, value: int) -> None:
    """Write over the single value of a number parameter, if the file has it."""
    record = layout.parameters.get((group, name))
    if record is None or not record.stop > record.values or layout.numbers(group, name)[:1] == [value]:
        return
    if value > _LARGEST:
        raise OutputError(
            f"{group}:{name} would be {value}, a C3D file holds {_LARGEST}; write to .trc or .csv instead"
        )
    if record.kind == INTEGER:
        raw = struct.pack(f"{layout.order}H", value)
    else:
        raw = float_word(float(value), layout.processor).tobytes() if record.kind == FLOAT else bytes([min(value, 255)])
    part = next(part for part in parts if part.record is record)
    at = record.values - record.pointer - 2
    part.body = part.body[:at] + raw + part.body[at + len(raw) :]


def _next_block(byte: int) -> int:
    return -(-byte // BLOCK) * BLOCK


def _tail(layout: Layout, words: npt.NDArray[Any]) -> tuple[bytes, int]:
    """What follows the point block, and by how many blocks it moves against it."""
    rest = layout.data[layout.data_end :]
    change = words.nbytes - layout.words.nbytes
    if not change or not rest:
        return rest, 0
    padding = _next_block(layout.data_end) - layout.data_end
    new_end = layout.data_end + change
    new_padding = _next_block(new_end) - new_end
    moved = (_next_block(new_end) - _next_block(layout.data_end)) // BLOCK
    return bytes(new_padding) + rest[padding:], moved


def _moved(block: int, moves: Sequence[tuple[int, int]]) -> int:
    """Where a block of the source, counted from 1, stands in the copy."""
    return block + sum(blocks for byte, blocks in moves if (block - 1) * BLOCK >= byte)


def _move_blocks(layout: Layout, parts: list[Part], moves: Sequence[tuple[int, int]]) -> None:
    """Bring POINT:DATA_START, and the like of other groups, in line."""
    for (group, name), record in layout.parameters.items():
        if name != "DATA_START" or record.kind != INTEGER or not layout.numbers(group, name):
            continue
        block = int(layout.numbers(group, name)[0])
        # The point block starts where it starts, also where it is empty and others start there, too.
        _set_number(layout, parts, group, name, _moved(block, moves[:1] if group == "POINT" else moves))


def _header(layout: Layout, n_points: int, moves: Sequence[tuple[int, int]]) -> bytes:
    words = np.frombuffer(layout.data, f"{layout.order}u2", BLOCK // 2).copy()
    words[1] = n_points
    for n, used in ((8, words[8] > 0), (148, words[147] == _LABEL_RANGE_KEY and words[148] > 0)):
        block = _moved(int(words[n]), moves[:1] if n == 8 else moves) if used else int(words[n])
        if block > _LARGEST:
            raise OutputError(f"the data would start at block {block}, a C3D file holds {_LARGEST}")
        words[n] = block
    return words.tobytes()
