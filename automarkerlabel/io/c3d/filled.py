"""Copies of C3D files with points added where none was measured: a residual and a camera mask of 0 say so.

The C3D user guide (c3d.org, "3D point residuals", "Notes for programmers") has it that a residual of 0 marks a point
that was interpolated, filtered or made by a model, and that no camera's bit is set for it.
"""

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import BoolArray
from automarkerlabel.errors import OutputError, TrialError
from automarkerlabel.io.c3d.layout import Layout
from automarkerlabel.io.c3d.parameters import float_words
from automarkerlabel.io.c3d.patch import Patch

_LARGEST = 32767


def filled(layout: Layout, names: list[str], points: npt.NDArray[np.float64], mask: BoolArray) -> Patch:
    """The copy of a file with points added; every other byte is as it was.

    names   of the columns, as `c3d.column_names` has them.
    points  `(n_frames, n_columns, 3)` in the file's units and axes.
    mask    bool `(n_frames, n_columns)`: which of them are added.

    Raises `TrialError` where that does not fit, `OutputError` for a point beyond what the file's integers hold.
    """
    if not mask.shape == points.shape[:2] == layout.hidden.shape:
        raise TrialError(f"expected {layout.hidden.shape} frames and columns, found {mask.shape}, {points.shape[:2]}")
    added = points[mask]  # (n_added, 3)
    if (mask & ~layout.hidden).any() or not np.isfinite(added).all():
        raise TrialError("expected points where none is seen, found some in place of measured ones, or no numbers")
    words = layout.words.copy()
    # A view, so that the words of the analog channels stay where they are.
    places = words[:, : 4 * layout.n_points].reshape(layout.n_frames, layout.n_points, 4)
    places[mask] = _words(layout, added)
    n_seen = int((~layout.hidden).sum())
    return Patch(
        chunks=[layout.data[: layout.data_start], words.data, layout.data[layout.data_end :]],
        names=names,
        pieces=[((column, 0, layout.n_frames),) for column in range(layout.n_points)],
        kept=[True] * layout.n_points,
        words=words,
        n_visible=n_seen + len(added),
        n_added=len(added),
    )


def _words(layout: Layout, points: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16] | npt.NDArray[np.uint32]:
    """`(n_added, 4)`: raw words of points and of their residual."""
    values = np.concatenate([points, np.zeros((len(points), 1))], axis=1)
    if layout.is_float:
        return float_words(values, layout.processor)
    steps = np.rint(values / layout.scale)
    if np.abs(steps).max(initial=0) > _LARGEST:
        reach = _LARGEST * layout.scale
        raise OutputError(
            f"a point {np.abs(points).max():.6g} from the origin cannot be added: the file's 16-bit integers reach to"
            f" {reach:.6g}; write to another format (-o NAME.trc), or limit --max-error-mm"
        )
    return steps.astype(f"{layout.order}i2").view(np.uint16)
