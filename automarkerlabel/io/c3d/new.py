"""New C3D files: 32-bit floats, Intel, any number of points and frames."""

import struct
from collections.abc import Sequence

import numpy as np

from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import OutputError
from automarkerlabel.io.c3d.parameters import BLOCK, FLOAT, INTEGER, MAX_BLOCKS, numbered
from automarkerlabel.io.c3d.records import float_body, head, integers_body, text_body, word_body

_LARGEST = 65535
_PER_LIST = 255
_STEP_MM = 0.01  # of a residual, which is one byte; larger where a trial's residuals need it
_SCREEN = {
    "z": ("+X", "+Z"),
    "y": ("+X", "+Y"),
    "x": ("+Y", "+X"),
    "-z": ("+X", "-Z"),
    "-y": ("+X", "-Y"),
    "-x": ("+Y", "-X"),
}


def new_file(trial: Trial, names: Sequence[str]) -> bytes:
    """The bytes of a C3D file with the trial's points under `names`, in the units and axes of `trial.axes`.

    Hidden points are zeros with a residual of -1. A residual is stored as one byte, in steps of 0.01 mm or, where the
    largest needs it, of more. Raises `OutputError` for more than a C3D file holds.
    """
    if trial.n_columns > _LARGEST:
        raise OutputError(f"a C3D file holds at most {_LARGEST} columns, {trial.n_columns} are to be written")
    seen = trial.visible
    residuals = np.nan_to_num(np.asarray(trial.residuals, np.float64))
    step_mm = max(_STEP_MM, float(residuals.max(initial=0.0)) / 255)
    words = np.zeros((trial.n_frames, trial.n_columns, 4), "<f4")
    words[..., :3][seen] = trial.axes.to_file(trial.positions[seen])
    words[..., 3] = np.where(seen, np.rint(np.maximum(residuals, 0) / step_mm), -1)
    scale = -step_mm / trial.axes.mm_per_unit
    section = _section(trial, names, scale)
    last = trial.first_frame + trial.n_frames - 1
    if trial.first_frame < 0 or last > _LARGEST:
        # Frame numbers that 16 bits do not hold stand in TRIAL and POINT:LONG_FRAMES; here counting starts at 1.
        first, last = 1, min(trial.n_frames, _LARGEST)
    else:
        first, last = trial.first_frame, max(0, last)
    blocks = 2 + len(section) // BLOCK
    counts = (0x5002, trial.n_columns, 0, first, last, 0)
    header = struct.pack("<6HfHHf", *counts, scale, blocks, 0, trial.rate_hz).ljust(BLOCK, b"\0")
    data = words.tobytes()
    return header + section + data + bytes(-len(data) % BLOCK)


def _section(trial: Trial, names: Sequence[str], scale: float) -> bytes:
    section = _records(trial, names, scale, 0)
    blocks = -(-(len(section) + 2) // BLOCK)
    if blocks > MAX_BLOCKS:
        raise OutputError(f"the names need {blocks} blocks of parameters, a C3D file holds {MAX_BLOCKS}; shorten them")
    section = bytes([1, 0x50, blocks, 84]) + _records(trial, names, scale, 2 + blocks)[4:]
    return section.ljust(blocks * BLOCK, b"\0")


def _records(trial: Trial, names: Sequence[str], scale: float, data_start: int) -> bytes:
    """All records, after four bytes of room for the section's own header."""
    n, rate, last = trial.n_frames, trial.rate_hz, trial.first_frame + trial.n_frames - 1
    x_screen, y_screen = _SCREEN[trial.axes.up]
    lists = [
        (numbered(name, 1 + k // _PER_LIST), text_body(entries[k : k + _PER_LIST]))
        for name, entries in (("LABELS", [_stored(x) for x in names]), ("DESCRIPTIONS", [b""] * len(names)))
        for k in range(0, max(1, len(names)), _PER_LIST)
    ]
    point = [
        ("USED", integers_body(trial.n_columns)),
        ("SCALE", float_body(scale)),
        ("RATE", float_body(rate)),
        ("DATA_START", integers_body(data_start)),
        ("FRAMES", integers_body(min(n, _LARGEST))),
        ("UNITS", word_body(trial.axes.units)),
        ("X_SCREEN", word_body(x_screen)),
        ("Y_SCREEN", word_body(y_screen)),
        *lists,
    ]
    if n > _LARGEST:
        point.append(("LONG_FRAMES", float_body(n)))
    groups = {
        "POINT": point,
        "TRIAL": [
            ("ACTUAL_START_FIELD", _halves(max(0, trial.first_frame))),
            ("ACTUAL_END_FIELD", _halves(max(0, last))),
            ("CAMERA_RATE", float_body(rate)),
        ],
        # Readers expect the groups of analog channels and force plates also where there are none.
        "ANALOG": [
            ("USED", integers_body(0)),
            ("LABELS", text_body([])),
            ("DESCRIPTIONS", text_body([])),
            ("GEN_SCALE", float_body(1)),
            ("SCALE", bytes([FLOAT, 1, 0, 0])),
            ("OFFSET", bytes([INTEGER, 1, 0, 0])),
            ("UNITS", text_body([])),
            ("RATE", float_body(rate)),
        ],
        "FORCE_PLATFORM": [("USED", integers_body(0))],
        "MANUFACTURER": [("SOFTWARE", word_body("automarkerlabel"))],
    }
    out = bytearray(4)
    for number, (group, parameters) in enumerate(groups.items(), start=1):
        for start, body in [(head(group, -number), b"\0"), *((head(name, number), body) for name, body in parameters)]:
            out += start + struct.pack("<H", 2 + len(body)) + body
    return bytes(out)


def _halves(frame: int) -> bytes:
    return integers_body(frame & 0xFFFF, frame >> 16 & 0xFFFF)


def _stored(name: str) -> bytes:
    raw = name.encode()
    if len(raw) > _PER_LIST:
        raise OutputError(f"the name {name[:40]}... has {len(raw)} bytes, a C3D file holds {_PER_LIST}; shorten it")
    return raw
