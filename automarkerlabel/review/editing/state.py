"""A labelling as a person edits it: which piece of which column carries which label."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from automarkerlabel.core.labelling import Cut, Labelling, Signs
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, TrialError

METHOD, GIVEN, PERSON = "method", "given", "person"  # who says so


@dataclass(frozen=True)
class Piece:
    """A piece of a column, from its first visible frame `start` to one after its last, `stop`; frames count from 0.

    label       None for none; `confidence` is the probability that it is right, `second` the next best.
    by          who says so: a method of labelling, the names that were given with the trial, or a person here.
    course      (frame, confidence) in the course of it; empty where it is not known, or where somebody says so.
    """

    column: int
    start: int
    stop: int
    label: str | None
    confidence: float
    second: str | None = None
    by: str = METHOD
    course: tuple[tuple[float, float], ...] = ()

    @property
    def held(self) -> bool:
        """Whether it stays when the rest is labelled anew."""
        return self.by != METHOD

    def part(self, trial: Trial, start: int, stop: int) -> "Piece":
        """What of it lies in some frames, trimmed to what is seen there."""
        seen = start + np.flatnonzero(trial.visible[start:stop, self.column])
        first, last = int(seen[0]), int(seen[-1]) + 1
        return replace(
            self, start=first, stop=last, course=tuple((f, p) for f, p in self.course if first <= f < last)
        )  # fmt: skip

    def meets(self, other: "Piece", trial: Trial, since: int = 0) -> bool:
        """Whether both are seen in one frame, `since` or later."""
        start, stop = max(self.start, other.start, since), min(self.stop, other.stop)
        if start >= stop or self.column == other.column:
            return False
        seen = trial.visible[start:stop]
        return bool((seen[:, self.column] & seen[:, other.column]).any())


@dataclass(frozen=True)
class State:
    """A labelling: its vocabulary, its pieces by column and frame, and where columns were cut, and why.

    Every visible point of every measured column is in one piece, and no label stands twice in a frame; see `check`.
    """

    labels: tuple[str, ...]
    pieces: tuple[Piece, ...]
    cuts: tuple[Cut, ...] = ()

    def labelling(self) -> Labelling:
        """As the rest of the package has it; its signs tell no more than what is held. Cuts that do not part two pieces
        any more are left out."""
        index: dict[str | None, int] = {None: -1} | {x: n for n, x in enumerate(self.labels)}
        courses = [tuple(np.array(p.course, np.float32).reshape(-1, 2).T) for p in self.pieces]
        held = np.array([p.held for p in self.pieces], np.bool_)
        nothing = np.zeros(0, np.float32)
        signs = Signs(np.zeros((len(held), 0), np.float32), [(nothing, nothing)] * len(held), held)
        begins = {(b.column, b.start): (a, b) for a, b in pairwise(self.pieces) if a.column == b.column}
        parting = [(cut, begins[cut.column, cut.frame]) for cut in self.cuts if (cut.column, cut.frame) in begins]
        return Labelling(
            labels=self.labels,
            tracklets=[Tracklet(p.column, p.start, p.stop) for p in self.pieces],
            assigned=np.array([index[p.label] for p in self.pieces], np.int64),
            confidence=np.array([p.confidence for p in self.pieces], np.float32),
            second=np.array([index[p.second] for p in self.pieces], np.int64),
            cuts=[replace(cut, before=a.label, after=b.label) for cut, (a, b) in parting],
            signs=signs,
            courses=[(frames, confidence) for frames, confidence in courses],
        )

    def plain(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {
            "labels": list(self.labels),
            "pieces": [list(vars(p).values()) for p in self.pieces],
            "cuts": [[c.column, c.frame, c.why] for c in self.cuts],
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any], trial: Trial) -> "State":
        """From the values of `plain`. Raises `FileFormatError` where they are damaged or those of another trial."""
        try:
            state = cls(
                tuple(str(x) for x in values["labels"]),
                tuple(_piece(x) for x in values["pieces"]),
                tuple(Cut(int(c), int(f), str(why)) for c, f, why in values["cuts"]),
            )
            check(state, trial)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, TrialError) as error:
            raise FileFormatError(f"expected the labels of this trial, found them damaged: {error}") from error
        return state


def _piece(values: Sequence[Any]) -> Piece:
    column, start, stop, label, confidence, second, by, course = values
    if by not in (METHOD, GIVEN, PERSON):
        raise ValueError(f"by {by!r}")
    names = [None if x is None else str(x) for x in (label, second)]
    frames = tuple((float(f), float(p)) for f, p in course)
    return Piece(int(column), int(start), int(stop), names[0], float(confidence), names[1], by, frames)


def state_of(labelling: Labelling, trial: Trial, min_confidence: float = 0.0) -> State:
    """The state that editing begins with. Labels below `min_confidence` are left out, and are the second choice then.

    What was held in the labelling was given. Raises `TrialError` where pieces or labels collide.
    """
    held = np.zeros(len(labelling.tracklets), np.bool_) if labelling.signs is None else labelling.signs.held
    pieces = []
    for n, t in enumerate(labelling.tracklets):
        second = int(labelling.second[n])
        moments, course = labelling.courses[n] if labelling.courses else ((), ())
        piece = Piece(
            t.column, t.start, t.stop, labelling.label_of(n), float(labelling.confidence[n]),
            labelling.labels[second] if second >= 0 else None, GIVEN if held[n] else METHOD,
            () if held[n] else tuple((float(f), float(p)) for f, p in zip(moments, course, strict=True)),
        )  # fmt: skip
        low = piece.label is not None and not piece.held and piece.confidence < min_confidence
        pieces.append(without_label(piece) if low else piece)
    cuts = tuple(replace(cut, before=None, after=None) for cut in labelling.cuts)
    state = State(tuple(labelling.labels), tuple(sorted(pieces, key=place)), cuts)
    check(state, trial)
    return state


def place(piece: Piece) -> tuple[int, int]:
    """By which pieces are ordered."""
    return piece.column, piece.start


def without_label(piece: Piece) -> Piece:
    """The piece that has lost its label, which is the next best now; nobody holds it."""
    return replace(piece, label=None, confidence=1 - piece.confidence, second=piece.label, by=METHOD, course=())


def check(state: State, trial: Trial) -> None:
    """Raise `TrialError` unless every visible point is in one piece and no label stands twice in a frame."""
    index = {x: n for n, x in enumerate(state.labels)}
    if len(index) < len(state.labels):
        raise TrialError("labels: expected each once, found some twice")
    owner = np.full(trial.visible.shape, -1, np.int64)
    times = np.zeros((trial.n_frames, len(index)), np.int32)
    for n, p in enumerate(state.pieces):
        Tracklet(p.column, p.start, p.stop)
        if p.column not in trial.marker_columns or p.stop > trial.n_frames or not 0 <= p.confidence <= 1:
            raise TrialError(f"expected pieces of the trial's measured columns, found {asdict(p)}")
        if not (trial.visible[p.start, p.column] and trial.visible[p.stop - 1, p.column]):
            raise TrialError(f"column {p.column}: expected pieces from a visible frame to another, found none there")
        if (owner[p.start : p.stop, p.column] >= 0).any():
            raise TrialError(f"column {p.column}: expected pieces one after the other, found two in one frame")
        owner[p.start : p.stop, p.column] = n
        if p.label is not None:
            times[p.start : p.stop, index[p.label]] += trial.visible[p.start : p.stop, p.column]
        if p.second is not None and p.second not in index:
            raise TrialError(f"expected labels of the vocabulary, found {p.second!r}")
    measured = trial.visible[:, trial.marker_columns]
    if (measured & (owner[:, trial.marker_columns] < 0)).any():
        raise TrialError("expected every visible point in a piece, found some in none")
    if (times > 1).any():
        raise TrialError("expected each label once in a frame, found one twice")
