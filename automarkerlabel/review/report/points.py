"""The points of a trial in few bytes, for the page alone: rounded to a tenth of a millimetre or more."""

import gzip
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial, runs

ENCODING = "runs, zigzag differences, byte planes, gzip"
_FINEST_MM, _COARSEST_MM = 0.1, 1.0
_MOST = 32767  # steps to either side of the middle


def pack_points(trial: Trial) -> tuple[dict[str, Any], bytes]:
    """How the points are packed, and the bytes.

    Unpacked by gunzip the bytes are: int32 n_runs; int32 `(n_runs, 3)` column, first frame and length of each stretch
    of visible points, in order; then for x, y and z the low bytes, then the high bytes, of one number a point: its
    place in steps of `step_mm` from `offset_mm`, less that of the point before it in its stretch, modulo 65536, with
    the sign in the lowest bit (zigzag). All are little-endian. Decoded, a point is within half a step of where it was.

    Steps are 0.1 mm, or more where the trial is wider than 6.5 m, at most 1 mm: what is more than 32 m away from the
    middle of the markers is left out, and counted in `left_out`.
    """
    offset, step = _grid(trial)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.round((trial.positions - offset) / step)
        shown = np.asarray(trial.visible & (np.abs(steps) <= _MOST).all(2))
    stretches = _stretches(shown)
    found = {
        "shape": [trial.n_frames, trial.n_columns],
        "step_mm": step,
        "offset_mm": offset.tolist(),
        "left_out": int(trial.visible.sum() - shown.sum()),
        "encoding": ENCODING,
    }
    head = np.concatenate([[len(stretches)], stretches.ravel()]).astype("<i4").tobytes()
    by_column = steps.swapaxes(0, 1)[shown.T].astype(np.int64)  # (n_points, 3), column by column
    begins = np.cumsum(stretches[:, 2]) - stretches[:, 2]
    planes = [_planes(by_column[:, axis], begins) for axis in range(3)]
    return found, gzip.compress(b"".join([head, *planes]), 6, mtime=0)


def unpack_points(packed: dict[str, Any], content: bytes) -> FloatArray:
    """float32 `(n_frames, n_columns, 3)`, NaN where hidden: what the page makes of the bytes of `pack_points`."""
    raw = gzip.decompress(content)
    n_runs = int(np.frombuffer(raw, "<i4", 1)[0])
    stretches = np.frombuffer(raw, "<i4", 3 * n_runs, 4).reshape(-1, 3)
    n = int(stretches[:, 2].sum())
    planes = np.frombuffer(raw, np.uint8, 6 * n, 4 + 12 * n_runs).reshape(3, 2, n).astype(np.int64)
    zigzag = planes[:, 0] + 256 * planes[:, 1]
    differences = (zigzag >> 1) ^ -(zigzag & 1)
    n_frames, n_columns = packed["shape"]
    positions = np.full((n_frames, n_columns, 3), np.nan, np.float32)
    at = 0
    for column, first, length in stretches.tolist():
        steps = np.cumsum(differences[:, at : at + length], axis=1)
        steps = (steps + 32768) % 65536 - 32768
        positions[first : first + length, column] = steps.T * packed["step_mm"] + np.array(packed["offset_mm"])
        at += length
    return positions


def _grid(trial: Trial) -> tuple[npt.NDArray[np.float64], float]:
    """The middle of the markers and the size of a step, in mm."""
    seen = trial.visible.copy()
    seen[:, list(trial.computed)] = False
    places = trial.positions[seen].astype(np.float64)
    if not len(places):
        return np.zeros(3), _FINEST_MM
    offset = np.round(np.median(places, axis=0))
    farthest = float(np.abs(places - offset).max())
    micrometres = math.ceil(min(farthest / _MOST, _COARSEST_MM) * 1000)
    return offset, max(_FINEST_MM, micrometres / 1000)


def _stretches(shown: BoolArray) -> IntArray:
    """`(n_runs, 3)`: column, first frame and length of each stretch."""
    found = [np.zeros((0, 3), np.int64)]
    for column in np.flatnonzero(shown.any(0)).tolist():
        spans = runs(shown[:, column])
        found.append(np.column_stack([np.full(len(spans), column), spans[:, 0], spans[:, 1] - spans[:, 0]]))
    return np.concatenate(found)


def _planes(steps: IntArray, begins: IntArray) -> bytes:
    """The low and the high bytes of the differences of one axis."""
    differences = np.diff(steps, prepend=0)
    differences[begins] = steps[begins]
    wrapped = (differences + 32768) % 65536 - 32768
    zigzag = ((wrapped << 1) ^ (wrapped >> 63)).astype("<u2")
    return (zigzag & 255).astype(np.uint8).tobytes() + (zigzag >> 8).astype(np.uint8).tobytes()
