"""One labelled pose of a marker set: what the matcher matches to."""

from dataclasses import dataclass

import numpy as np

from automarkerlabel.core.heading import turned
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import FloatArray
from automarkerlabel.errors import TrialError

_MIN_POINTS = 3


@dataclass(frozen=True, eq=False)
class Reference:
    """A labelled pose, validated when made.

    marker_set   its labels, in the order of `positions`.
    positions    float32 `(n_labels, 3)`, mm, z up, NaN where a label is not seen in this pose.
    heading_rad  which way the body faces, from +x towards +y; None: not known, it is searched.
    source       where it is from, in words.
    notes        what speaks against its labels, one line each.

    Raises `TrialError` where they do not fit together, or fewer than three labels are seen.
    """

    marker_set: MarkerSet
    positions: FloatArray
    heading_rad: float | None = None
    source: str = "reference"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions, np.float32)
        if positions.shape != (len(self.marker_set), 3):
            raise TrialError(f"{self.source}: expected positions ({len(self.marker_set)}, 3), found {positions.shape}")
        seen = int(np.isfinite(positions).all(1).sum())
        if seen < _MIN_POINTS:
            raise TrialError(f"{self.source}: expected at least {_MIN_POINTS} labels seen in one pose, found {seen}")
        object.__setattr__(self, "positions", positions)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.marker_set.labels)

    def facing_x(self, heading_rad: float | None = None) -> FloatArray:
        """The positions `(n_labels, 3)` turned so that the body faces +x, given its heading or by its own."""
        heading = self.heading_rad if heading_rad is None else heading_rad
        return turned(self.positions, -(heading or 0.0))
