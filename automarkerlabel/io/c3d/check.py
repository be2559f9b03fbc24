"""A labelled copy, read again: by our own layout, and by ezc3d in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from automarkerlabel.errors import VerificationError
from automarkerlabel.io.c3d import guard
from automarkerlabel.io.c3d.layout import Layout, list_entries
from automarkerlabel.io.c3d.parameters import decoded
from automarkerlabel.io.c3d.patch import Patch

_MEMORY_BYTES, _MEMORY_PER_BYTE = 2 << 30, 60
_TIME_S, _BYTES_PER_S = 30.0, 2e6


def check_copy(copy: Layout, source: Layout, patch: Patch) -> None:
    """Raise `VerificationError` unless the copy, read again, holds what was to be written."""
    labels = [decoded(entry) for entry in list_entries(copy, "POINT", "LABELS")]
    names = [*labels, *[""] * copy.n_points][: copy.n_points]
    same = (
        ("columns", copy.n_points, len(patch.names)),
        ("names", names, list(patch.names)),
        ("frames", copy.n_frames, source.n_frames),
        ("frame rate", copy.rate_hz, source.rate_hz),
        ("visible points", int((~copy.hidden).sum()), patch.n_visible),
    )
    for what, found, expected in same:
        if found != expected:
            raise VerificationError(f"the copy, read again, has {what} {found!s:.80}, expected {expected!s:.80}")
    if not np.array_equal(copy.words, patch.words):
        raise VerificationError("the samples of the copy, read again, are not those that were to be written")
    changed = [key for key, value in _kept(source).items() if _kept(copy).get(key) != value]
    if changed:
        raise VerificationError(f"the copy, read again, has another {':'.join(changed[0])} than the original")


def _kept(layout: Layout) -> dict[tuple[str, str], bytes]:
    """Values of the parameters that a labelled copy leaves as they are."""
    lists = ("LABELS", "DESCRIPTIONS")
    return {
        (group, name): layout.data[record.pointer + 2 : record.stop]
        for (group, name), record in layout.parameters.items()
        if not (name == "DATA_START" or (group == "POINT" and (name == "USED" or name.rstrip("0123456789") in lists)))
    }


def check_with_ezc3d(source: Path, layout: Layout, copy: Path, patch: Patch) -> tuple[str, ...]:
    """Raise `VerificationError` unless ezc3d finds in the copy the columns that it finds in the source.

    `layout` is the source's. Returns a note where ezc3d cannot open the source, within limits of memory and time that
    grow with its size, or finds something else in it than the layout does.
    """
    size = len(layout.data)
    question = {
        "source": str(source),
        "copy": str(copy),
        "names": [None if kept else name for name, kept in zip(patch.names, patch.kept, strict=True)],
        "pieces": list(patch.pieces),
        "n_added": patch.n_added,
        "found": {"n_columns": layout.n_points, "n_frames": layout.n_frames, "sizes": _sizes(layout)},
        "memory_bytes": _MEMORY_BYTES + _MEMORY_PER_BYTE * size,
    }
    answers, trouble = _ask(question, 2 * (_TIME_S + size / _BYTES_PER_S))
    if not answers:
        return (f"ezc3d cannot open the original ({trouble}), so it did not check the copy",)
    if answers[0].get("disagreement") is not None:
        return (f"ezc3d reads the original otherwise ({answers[0]['disagreement']}), so it did not check the copy",)
    if "difference" not in answers[-1]:
        raise VerificationError(
            f"ezc3d opens the original but not the copy ({trouble}); nothing was written; see --no-verify"
        )
    if answers[-1]["difference"] is not None:
        raise VerificationError(
            f"ezc3d reads the copy otherwise: {answers[-1]['difference']}; nothing was written; see --no-verify"
        )
    return ()


def _sizes(layout: Layout) -> list[float]:
    """For each column the mean over visible points of |x| + |y| + |z|."""
    seen = ~layout.hidden
    total = np.abs(layout.coordinates).sum(2, dtype=np.float64, where=seen[..., None]).sum(0)
    return [float(x) for x in total / np.maximum(1, seen.sum(0))]


def _ask(question: dict[str, object], time_s: float) -> tuple[list[dict[str, str | None]], str]:
    """The guarded process's answers, and in words why there are no more of them."""
    # -P keeps this folder, which has modules named like others', off the module path.
    command = [sys.executable, "-P", str(Path(guard.__file__))]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, input=json.dumps(question).encode(), capture_output=True, timeout=time_s, env=environment
        )
        output, trouble = done.stdout, _last_line(done.stderr) or f"its process ended with {done.returncode}"
    except subprocess.TimeoutExpired as late:
        output, trouble = late.stdout or b"", f"no answer within {time_s:.0f} s"
    except OSError as error:
        output, trouble = b"", str(error)
    answers = []
    *lines, _ = output.decode(errors="replace").split("\n")  # the last is empty, or was cut off with its process
    for line in lines:
        try:
            answer = json.loads(line)
        except ValueError:
            continue  # ezc3d's own words
        if isinstance(answer, dict):
            answers.append(answer)
    return answers, trouble


def _last_line(raw: bytes) -> str:
    lines = raw.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
