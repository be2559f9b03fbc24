"""A process of its own that opens two C3D files with ezc3d and compares them.

ezc3d can be ended by the bytes it reads, or take all memory or time; so it never runs in the process of the user.
Started as `python guard.py`, with a question as JSON on stdin; answers are JSON lines on stdout. It imports nothing
of this package, to start at once. `c3d_check` asks.
"""

import json
import sys
from typing import Any


def limit_memory(n_bytes: int) -> None:
    """Let this process have at most `n_bytes` of address space, where the system can limit it."""
    try:
        import resource
    except ImportError:  # Windows: the time limit alone has to do
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = n_bytes if hard == resource.RLIM_INFINITY else min(n_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def difference(
    source: Any, copy: Any, names: list[str | None], pieces: list[list[list[int]]], n_added: int = 0
) -> str | None:
    """How the copy that ezc3d read differs from the source that it read, in words; None if it does not.

    `pieces` are the samples `(column, start, stop)` of the source in each column of the copy; `names` what each is to
    be called, None for the name of the source column of its first piece; `n_added` how many points of it are hidden in
    the source.
    """
    import numpy as np

    before, after = (_points(x) for x in (source, copy))  # (n_columns, n_frames, 3)
    if after.shape[:2] != (len(names), before.shape[1]):
        return (
            f"expected {len(names)} columns and {before.shape[1]} frames, found {after.shape[0]} and {after.shape[1]}"
        )
    old, new = _labels(source, len(before)), _labels(copy, len(after))
    for n, name in enumerate(names):
        expected = old[pieces[n][0][0]] if name is None else name
        if new[n] != expected:
            return f"column {n + 1}: expected the name {expected!r}, found {new[n]!r}"
    n_seen = 0
    for n, column in enumerate(pieces):
        for c, start, stop in column:
            stop = min(stop, before.shape[1])
            seen = ~np.isnan(before[c, start:stop, 0])
            n_seen += int(seen.sum())
            if not np.array_equal(before[c, start:stop][seen], after[n, start:stop][seen]):
                return f"column {n + 1} ({new[n]}): its positions are not those of column {c + 1} of the original"
    n_expected, n_found = n_seen + n_added, int((~np.isnan(after[..., 0])).sum())
    if n_found != n_expected:
        return f"expected {n_expected} visible points, found {n_found}"
    if copy["parameters"]["POINT"]["RATE"]["value"][0] != source["parameters"]["POINT"]["RATE"]["value"][0]:
        return "the frame rate changed"
    if not np.array_equal(source["data"]["analogs"], copy["data"]["analogs"], equal_nan=True):
        return "the analog channels changed"
    return None


def disagreement(source: Any, found: dict[str, Any]) -> str | None:
    """How ezc3d's view of the source differs from our own layout's, in words; None if it does not.

    `found` is what the layout has: the numbers of columns and frames, and for each column the mean size of its
    coordinates over visible points.
    """
    import numpy as np

    points = _points(source)
    if points.shape[:2] != (found["n_columns"], found["n_frames"]):
        return (
            f"it finds {points.shape[0]} columns and {points.shape[1]} frames,"
            f" not {found['n_columns']} and {found['n_frames']}"
        )
    sizes = np.nan_to_num(np.abs(points)).sum((1, 2)) / np.maximum(1, (~np.isnan(points[..., 0])).sum(1))
    return None if np.allclose(sizes, found["sizes"], rtol=1e-4) else "it finds other positions"


def _points(c3d: Any) -> Any:
    import numpy as np

    points = np.moveaxis(c3d["data"]["points"][:3], 0, 2).copy()
    points[np.isnan(points).any(2) | (points == 0).all(2)] = np.nan
    return points


def _labels(c3d: Any, count: int) -> list[str]:
    lists, n = c3d["parameters"]["POINT"], 1
    found: list[str] = []
    while (name := "LABELS" if n == 1 else f"LABELS{n}") in lists:
        found, n = [*found, *lists[name]["value"]], n + 1
    return [x.strip(" \0\t\r\n") for x in [*found, *[""] * count][:count]]


def main() -> None:
    """Answer {"disagreement": ...} about the source, then, if there is none, {"difference": ...} of the copy."""
    question = json.load(sys.stdin)
    limit_memory(question["memory_bytes"])
    import ezc3d

    source = ezc3d.c3d(question["source"])
    unlike = disagreement(source, question["found"])
    print(json.dumps({"disagreement": unlike}), flush=True)
    if unlike is None:
        copy = ezc3d.c3d(question["copy"])
        unlike = difference(source, copy, question["names"], question["pieces"], question["n_added"])
        print(json.dumps({"difference": unlike}), flush=True)


if __name__ == "__main__":
    main()
