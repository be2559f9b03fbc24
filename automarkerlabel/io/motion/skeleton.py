"""What the readers of motion files (BVH, ASF/AMC) give: a skeleton of named bones and how it moves."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import FloatArray
from automarkerlabel.errors import FileFormatError

# Both formats are y up and face +z when unturned; ours is z up and faces +x. Row i is our axis i in theirs.
_TO_OURS = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float64)
_MAX_MM = 1e7
_MAX_ORIENTATIONS = 5_000_000  # of all bones in all frames of a file
_TOLERANCE = 1e-3  # how far a rotation's columns may be from orthonormal

DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SkeletonMotion:
    """A moving skeleton: mm, z up, x forward and y to the left where the figure is unturned.

    names         one a bone, each once; in BVH a joint stands for the bone that begins there.
    parents       index of each bone's parent, before it; -1 for the first.
    orientations  float32 `(n_frames, n_bones, 3, 3)`: bone to world; identity where all channels are zero.
    root_mm       float32 `(n_frames, 3)`: where the first bone begins.
    starts_mm     float32 `(n_bones, 3)`: where a bone begins, in its parent's frame, seen from where that begins.
    tips_mm       float32 `(n_bones, 3)`: where it ends, in its own frame; zero where the file does not say.
    hinges        float32 `(n_bones, 3)`: the axis, in its own frame, of a bone that turns about one only; else NaN.
    rate_hz       frames a second.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    orientations: FloatArray
    root_mm: FloatArray
    starts_mm: FloatArray
    tips_mm: FloatArray
    hinges: FloatArray
    rate_hz: float

    @property
    def n_frames(self) -> int:
        return len(self.root_mm)

    def position(self, name: str) -> FloatArray:
        """`(n_frames, 3)`: where the bone of this name begins, mm."""
        bone = self.names.index(name)
        place = self.root_mm.copy()
        while self.parents[bone] >= 0:
            place += self.orientations[:, self.parents[bone]] @ self.starts_mm[bone]
            bone = self.parents[bone]
        return place


def turned_to_ours(vectors: DoubleArray) -> DoubleArray:
    """Vectors `(..., 3)` of a file (y up) in our axes."""
    return vectors @ _TO_OURS.T


def euler_matrices(angles_deg: DoubleArray, order: str) -> DoubleArray:
    """Rotations `(n, 3, 3)` in our axes by a file's angles `(n, len(order))`.

    `order` names the axes ("ZYX") from the outermost: the matrix is Rz @ Ry @ Rx. It may name any number of them.
    """
    matrices = np.tile(np.eye(3), (len(angles_deg), 1, 1))
    for column, axis in enumerate(order):
        ours = int(_TO_OURS[:, "XYZ".index(axis)].argmax())
        i, j = (ours + 1) % 3, (ours + 2) % 3  # the plane that turns
        angle = np.radians(angles_deg[:, column])
        turn = np.tile(np.eye(3), (len(angles_deg), 1, 1))
        turn[:, i, i] = turn[:, j, j] = np.cos(angle)
        turn[:, j, i] = np.sin(angle)
        turn[:, i, j] = -turn[:, j, i]
        matrices = matrices @ turn
    return matrices


def check_numbers(values: DoubleArray, what: str, limit: float = _MAX_MM) -> None:
    """Raise `FileFormatError` unless all are finite and of a size that a motion can have."""
    if not np.isfinite(values).all() or (np.abs(values) > limit).any():
        raise FileFormatError(f"{what}: expected numbers of at most {limit:,.0f}, found others; the file is damaged")


def check_size(n_frames: int, n_bones: int, what: str) -> None:
    """Raise `FileFormatError` for more orientations than any recording has: memory stays bounded."""
    if n_frames * n_bones > _MAX_ORIENTATIONS:
        raise FileFormatError(
            f"{what}: expected at most {_MAX_ORIENTATIONS:,} orientations of bones, found {n_frames:,} frames of"
            f" {n_bones}; cut it"
        )


def are_rotations(matrices: npt.NDArray[np.floating]) -> bool:
    """Whether all of `(..., 3, 3)` are proper rotations, to a thousandth."""
    products = np.swapaxes(matrices, -1, -2) @ matrices
    proper = np.einsum("...i,...i->...", np.cross(matrices[..., 0], matrices[..., 1]), matrices[..., 2])
    return bool((np.abs(products - np.eye(3, dtype=np.float32)) < _TOLERANCE).all() and (proper > 0).all())
