"""What an explanation holds."""

from dataclasses import dataclass, field, fields
from typing import Any

from automarkerlabel.review.explain.scene import Scene

NO_LABEL = "no label"


@dataclass(frozen=True)
class Moment:
    """What one window says: the frames it speaks for, as the file counts them, both included, and the log-probabilities
    of the label and of the one it is compared with."""

    first_frame: int
    last_frame: int
    label: float
    compared: float


@dataclass(frozen=True)
class Neighbour:
    """Another point, and what it does for the label.

    name       its own label, or its column's name if it has none; `number` of the column, from 1.
    change     nats by which the label is less far ahead of the compared one if this point is hidden, in the moment
               shown; below 0: the point speaks against it. `mean_change` over the tracklet, None where it is not known.
    distance_mm  from the trajectory, in the frame shown; None while it is hidden.
    reference_mm  between the two labels in the pose that was matched to, `compared_mm` between the compared label and
               this one; None where there is none.
    """

    name: str
    column: str
    number: int
    change: float
    mean_change: float | None
    distance_mm: float | None
    reference_mm: float | None
    compared_mm: float | None


@dataclass(frozen=True)
class Candidate:
    """A label it may have: the probability by the mean log-probability over all its windows, and that in the moment
    shown; `taken_by`: columns that have the label while this trajectory is seen."""

    label: str
    mean: float
    moment: float
    taken_by: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A frame, as the file counts it, that a window looked at, and its share of the window's attention."""

    frame: int
    share: float


@dataclass(frozen=True)
class Importance:
    """Shares of a sparse model's attention, in the moment shown: of a neighbour and each of its features."""

    name: str
    share: float
    features: dict[str, float]


@dataclass(frozen=True, eq=False)
class Explained:
    """Why a trajectory got its label.

    column, first_frame, last_frame  the trajectory, frames as the file counts them.
    label       "no label" for none; `confidence` that it is right; `second` what it would have if not this, others'
                labels left out, as in `aml label`.
    compared    the class it is compared with: as asked; or one that is likelier by its own windows, if there is one; or
                `second`, if the label is doubtful; or else the likeliest other label, whoever has it.
    frame       that is shown, of the window that says most for the label unless one was asked for.
    because     a few sentences.
    moments     the course of evidence; `n_for` of them hold the label for likelier than the compared one, and `shown`
                is the number from 0 of that about `frame`, -1 where there is none.
    samples     what the window of `frame` looked at; `course_samples` what all of them did.
    """

    trial: str
    by: str
    mechanism: str
    column: str
    first_frame: int
    last_frame: int
    label: str
    confidence: float
    second: str
    compared: str
    frame: int
    because: tuple[str, ...]
    n_for: int
    shown: int
    moments: tuple[Moment, ...]
    candidates: tuple[Candidate, ...]
    neighbours: tuple[Neighbour, ...]
    samples: tuple[Sample, ...]
    course_samples: tuple[tuple[Sample, ...], ...]
    importance: tuple[Importance, ...]
    note: str
    scene: Scene = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the places of points."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "scene"}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value
