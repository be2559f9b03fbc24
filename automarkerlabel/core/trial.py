"""One recording: where every point was in every frame.

Millimetres, z up, NaN where hidden: everywhere in the package. `FileAxes` remembers how the file said it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import numpy.typing as npt

from automarkerlabel.errors import TrialError

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

MM_PER_UNIT = {"mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0, "in": 25.4, "ft": 304.8, "um": 0.001}

# Row i of the matrix is our axis i (x, y, z) in the file's axes; each is a right-handed turn that brings `up` to z.
UP_ROTATIONS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "x": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-x": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
}


@dataclass(frozen=True)
class FileAxes:
    """The units and the upward axis of the file that a trial came from.

    `units` is a key of `MM_PER_UNIT`, `up` one of `UP_ROTATIONS`. `units_found` and `up_found` say in words
    where each came from ("POINT:UNITS", "assumed", "--up", ...), for `aml info` and for warnings.
    """

    units: str = "mm"
    up: str = "z"
    units_found: str = "given"
    up_found: str = "given"

    def __post_init__(self) -> None:
        if self.units not in MM_PER_UNIT:
            raise TrialError(f"units: expected one of {', '.join(MM_PER_UNIT)}, found {self.units!r}; use --units")
        if self.up not in UP_ROTATIONS:
            raise TrialError(f"up axis: expected one of {', '.join(UP_ROTATIONS)}, found {self.up!r}; use --up")

    @property
    def mm_per_unit(self) -> float:
        return MM_PER_UNIT[self.units]

    @property
    def rotation(self) -> FloatArray:
        """(3, 3), a signed permutation: ours = rotation @ file's."""
        return np.array(UP_ROTATIONS[self.up], np.float32)

    def to_mm_z_up(self, file_points: npt.NDArray[np.floating]) -> FloatArray:
        """Points `(..., 3)` of the file as float32 millimetres with z up."""
        scaled = np.asarray(file_points, np.float64) * self.mm_per_unit
        return np.ascontiguousarray(self._turned(scaled, self.rotation), np.float32)

    def to_file(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """The reverse of `to_mm_z_up`: points `(..., 3)` in the file's units and axes."""
        return self._turned(np.asarray(points, np.float64), self.rotation.T) / self.mm_per_unit

    @staticmethod
    def _turned(points: npt.NDArray[np.float64], rotation: FloatArray) -> npt.NDArray[np.float64]:
        # A signed permutation picks and negates axes: exact, and NaN in one axis stays there.
        axis = np.abs(rotation).argmax(1)
        sign = rotation[np.arange(3), axis]
        return np.asarray(points[..., axis] * sign, np.float64)


@dataclass(frozen=True, eq=False)
class Trial:
    """One recording, validated when made.

    positions    float32 `(n_frames, n_columns, 3)`, mm, z up, NaN where hidden (all three or none).
    residuals    float32 `(n_frames, n_columns)`, mm; NaN where hidden or unknown. Without any given, 0 where seen.
    labels       one name a column, as in the file without the subject's prefix; "" where the column has none.
    rate_hz      frames a second.
    first_frame  number that the file gives its first frame.
    axes         how the file had it.
    subjects     one prefix a column ("Nick01" of "Nick01:LFHD"), "" where there is none.
    computed     columns that hold computed points (joint centres, angles, forces), not markers:
                 left out of learning and labelling, kept in the file.
    notes        oddities met while reading, one line each.

    Raises `TrialError` where arrays and names do not fit together.
    """

    positions: FloatArray
    labels: Sequence[str]
    rate_hz: float
    residuals: FloatArray = None  # type: ignore[assignment]  # made when none is given, so that nobody has to ask
    first_frame: int = 1
    axes: FileAxes = field(default_factory=FileAxes)
    subjects: Sequence[str] = ()
    computed: frozenset[int] = frozenset()
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        positions = np.asarray(self.positions, np.float32)
        if positions.ndim != 3 or positions.shape[2] != 3:
            raise TrialError(f"positions: expected shape (n_frames, n_columns, 3), found {positions.shape}")
        n_columns = positions.shape[1]
        for name, size in (("labels", len(self.labels)), ("subjects", len(self.subjects) or n_columns)):
            if size != n_columns:
                raise TrialError(f"{name}: expected one for each of {n_columns} columns, found {size}")
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise TrialError(f"rate: expected a finite number of frames a second above 0, found {self.rate_hz}")
        finite = np.isfinite(positions)
        partly = finite.any(2) & ~finite.all(2)
        if partly.any() or np.isinf(positions).any():
            positions = np.where(finite.all(2, keepdims=True), positions, np.float32(np.nan))
            put(
                "notes",
                (*self.notes, f"{int(partly.sum())} points had a coordinate that is no number; taken as hidden"),
            )
        residuals = np.asarray(
            np.where(np.isnan(positions[..., 0]), np.nan, 0.0) if self.residuals is None else self.residuals, np.float32
        )
        if residuals.shape != positions.shape[:2]:
            raise TrialError(f"residuals: expected shape {positions.shape[:2]}, found {residuals.shape}")
        if any(not 0 <= c < n_columns for c in self.computed):
            raise TrialError(f"computed: expected columns from 0 to {n_columns - 1}, found {sorted(self.computed)}")
        put("positions", positions)
        put("residuals", residuals)
        put("labels", tuple(self.labels))
        put("subjects", tuple(self.subjects) or ("",) * n_columns)
        put("computed", frozenset(self.computed))
        put("notes", tuple(self.notes))

    @property
    def n_frames(self) -> int:
        return int(self.positions.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.positions.shape[1])

    @property
    def duration_s(self) -> float:
        return self.n_frames / self.rate_hz

    @cached_property
    def visible(self) -> BoolArray:
        """`(n_frames, n_columns)`: where a point was seen."""
        seen: BoolArray = ~np.isnan(self.positions[..., 0])
        return seen

    @property
    def marker_columns(self) -> list[int]:
        """The columns that hold measured points rather than computed ones."""
        return [c for c in range(self.n_columns) if c not in self.computed]

    def points(self, labels: str | Sequence[str]) -> FloatArray:
        """Where a label is, `(n_frames, 3)`, or several `(n_frames, n_labels, 3)`, mm with z up, NaN where hidden.

        labels  as in the file; "Ann:LKNE" where several subjects have a label of that name.

        Raises `TrialError` for a label that no column has, or several have.

        >>> trial = Trial(np.zeros((5, 2, 3), np.float32), ["LKNE", "RKNE"], rate_hz=100.0)
        >>> trial.points("LKNE").shape, trial.points(["RKNE", "LKNE"]).shape
        ((5, 3), (5, 2, 3))
        """
        if isinstance(labels, str):
            return self.positions[:, self._column_of(labels)]
        return self.positions[:, [self._column_of(x) for x in labels]]

    def _column_of(self, label: str) -> int:
        full = [f"{subject}:{x}" if subject else x for subject, x in zip(self.subjects, self.labels, strict=True)]
        columns = [c for c, x in enumerate(full) if x == label] or [c for c, x in enumerate(self.labels) if x == label]
        if len(columns) == 1:
            return columns[0]
        if columns:
            raise TrialError(f"label: expected one column of {label}, found {', '.join(full[c] for c in columns)}")
        near = get_close_matches(label, full, 3, 0.5)
        raise TrialError(
            f"label: expected one of the trial's, found {label!r}" + (f"; near: {', '.join(near)}" * bool(near))
        )

    def require_points(self, what: str = "trial") -> None:
        """Raise `TrialError` if there is nothing to label."""
        if self.n_frames == 0:
            raise TrialError(f"{what}: expected at least one frame, found none; check how it was exported")
        if not self.marker_columns:
            raise TrialError(f"{what}: expected markers, found none; check how it was exported")
        if not self.visible[:, self.marker_columns].any():
            raise TrialError(f"{what}: expected visible points, found every point of every frame hidden")


def runs(mask: BoolArray) -> IntArray:
    """Stretches of True in a 1-D mask as `(n_runs, 2)` start and stop.

    >>> runs(np.array([True, True, False, True])).tolist()
    [[0, 2], [3, 4]]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return edges.reshape(-1, 2).astype(np.int64)
