"""What a person does to labels: each edit makes a new state of an old one, or says why it cannot."""

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.core.mirror import sides_in
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.io.computed_points import computed_columns
from automarkerlabel.review.editing.exchange import cut_before, exchanged, pieces_on
from automarkerlabel.review.editing.state import PERSON, Piece, State, place, without_label
from automarkerlabel.review.report.sticks import places_of

_LONGEST_LABEL = 100  # bytes; what C3D files and other programs take
_MOST_TOLD = 3
BY_HAND = "by hand"


@dataclass(frozen=True)
class Done:
    """What came of an edit: the new state, and in words what was done."""

    state: State
    message: str


@dataclass(frozen=True)
class Rename:
    """The piece of `column` in `frame` carries `label`; pieces seen at the same time that carry it lose it."""

    column: int
    frame: int
    label: str

    def apply(self, state: State, trial: Trial) -> Done:
        label = checked_label(self.label)
        n = find(state, trial, self.column, self.frame)
        labels = state.labels if label in state.labels else (*state.labels, label)
        renamed = _said(state.pieces[n], label)
        message = f"{label}: {_where(renamed, trial)}"
        if computed_columns([label]):
            message += f"; mind that programs, this one too, take points called {label} for computed ones"
        return _given(replace(state, labels=labels), {n: renamed}, trial, message)


@dataclass(frozen=True)
class Clear:
    """The piece carries no label."""

    column: int
    frame: int

    def apply(self, state: State, trial: Trial) -> Done:
        n = find(state, trial, self.column, self.frame)
        cleared = _said(state.pieces[n], None)
        return _given(state, {n: cleared}, trial, f"no label: {_where(cleared, trial)}")


@dataclass(frozen=True)
class Accept:
    """The piece is right as it is."""

    column: int
    frame: int

    def apply(self, state: State, trial: Trial) -> Done:
        n = find(state, trial, self.column, self.frame)
        accepted = _said(state.pieces[n], state.pieces[n].label)
        return _given(state, {n: accepted}, trial, f"accepted {accepted.label or 'none'}: {_where(accepted, trial)}")


@dataclass(frozen=True)
class Split:
    """The piece becomes two, the second from `frame` on, both as before."""

    column: int
    frame: int

    def apply(self, state: State, trial: Trial) -> Done:
        n = find(state, trial, self.column, self.frame)
        piece = state.pieces[n]
        if self.frame == piece.start:
            raise TrialError(
                f"split: expected a frame after the first of the piece, found its first,"
                f" {trial.first_frame + self.frame}; go on to where the second piece is to begin"
            )
        after = cut_before(state, [n], self.frame, trial, BY_HAND)[0]
        return Done(after, f"split: {_column(trial, self.column)} before frame {trial.first_frame + self.frame}")


@dataclass(frozen=True)
class Join:
    """The piece and the next one of its column become one, with the first one's label."""

    column: int
    frame: int

    def apply(self, state: State, trial: Trial) -> Done:
        n = find(state, trial, self.column, self.frame)
        if n + 1 == len(state.pieces) or state.pieces[n + 1].column != self.column:
            raise TrialError(f"join: expected a piece after this one in {_column(trial, self.column)}, found none")
        first, second = state.pieces[n : n + 2]
        joined = replace(
            first, stop=second.stop, confidence=min(first.confidence, second.confidence),
            course=(*first.course, *second.course),
        )  # fmt: skip
        if first.held or second.held or first.label != second.label:
            joined = _said(joined, first.label)
        cuts = tuple(c for c in state.cuts if not (c.column == self.column and first.stop <= c.frame <= second.start))
        pieces = (*state.pieces[:n], joined, *state.pieces[n + 2 :])
        message = f"joined, {joined.label or 'no label'}: {_where(joined, trial)}"
        return _given(replace(state, pieces=pieces, cuts=cuts), {n: joined}, trial, message)


@dataclass(frozen=True)
class Swap:
    """From `frame` on two columns exchange their labels, as far as each keeps its own."""

    column: int
    column2: int
    frame: int

    def apply(self, state: State, trial: Trial) -> Done:
        if self.column == self.column2:
            raise TrialError("swap: expected two columns, found one twice; pick another marker")
        runs = [pieces_on(state, column, self.frame) for column in (self.column, self.column2)]
        for column, run in zip((self.column, self.column2), runs, strict=True):
            if not run:
                raise TrialError(f"swap: expected {_column(trial, column)} to be seen from here on, found it hidden")
        a, b = (state.pieces[run[0]].label for run in runs)
        if a == b:
            raise TrialError(f"swap: expected two labels, found {a or 'none'} in both columns")
        changes = {n: b for n in runs[0]} | {n: a for n in runs[1]}
        message = f"swapped {a or 'none'} and {b or 'none'}"
        return _exchange(state, changes, self.frame, trial, message)


@dataclass(frozen=True)
class Flip:
    """From `frame` on the column's label becomes its left or right mate's, and the mate's becomes this one."""

    column: int
    frame: int

    def apply(self, state: State, trial: Trial) -> Done:
        label = state.pieces[find(state, trial, self.column, self.frame)].label
        mate = _mates(state, trial).get(label or "")
        if mate is None:
            raise TrialError(f"flip: expected a label with a left or right mate, found {label or 'none'}")
        changes: dict[int, str | None] = dict.fromkeys(pieces_on(state, self.column, self.frame), mate)
        return _exchange(state, changes, self.frame, trial, f"flipped {label} and {mate}")


@dataclass(frozen=True)
class FlipAll:
    """From `frame` on every left or right label becomes its mate's."""

    frame: int

    def apply(self, state: State, trial: Trial) -> Done:
        if not 0 <= self.frame < trial.n_frames:
            raise TrialError(f"flip: expected a frame of the trial, found {trial.first_frame + self.frame}")
        mates = _mates(state, trial)
        changes = {n: mates[p.label] for n, p in enumerate(state.pieces) if p.label in mates and p.stop > self.frame}
        if not changes:
            raise TrialError("flip: expected left and right labels from here on, found none")
        return _exchange(state, changes, self.frame, trial, "flipped all left and right labels")


Edit = Rename | Clear | Accept | Split | Join | Swap | Flip | FlipAll
OPS: dict[str, type[Edit]] = {
    "rename": Rename, "clear": Clear, "accept": Accept, "split": Split, "join": Join, "swap": Swap, "flip": Flip,
    "flip_all": FlipAll,
}  # fmt: skip
_NAMES = {kind: name for name, kind in OPS.items()}


def plain(edit: Edit) -> dict[str, Any]:
    """Plain values, fit for JSON: `op` and its fields."""
    return {"op": _NAMES[type(edit)], **asdict(edit)}


def edit_of(values: Mapping[str, Any]) -> Edit:
    """From the values of `plain`. Raises `InputError` for an unknown `op`, and for fields that are not its own."""
    op = values.get("op")
    kind = OPS.get(op) if isinstance(op, str) else None
    if kind is None:
        raise InputError(f"edit: expected one of {', '.join(OPS)}, found {str(op)[:40]!r}")
    given = {k: v for k, v in values.items() if k != "op"}
    wanted = {name: str if name == "label" else int for name in kind.__dataclass_fields__}
    if set(given) != set(wanted) or any(type(given[k]) is not t for k, t in wanted.items()):
        fields = ", ".join(f"{k} ({t.__name__})" for k, t in wanted.items())
        raise InputError(f"edit {op}: expected {fields}, found {str(given)[:200]}")
    return kind(**given)


def find(state: State, trial: Trial, column: int, frame: int) -> int:
    """The index of the piece of a column in a frame. Raises `TrialError` if there is none."""
    for n, p in enumerate(state.pieces):
        if p.column == column and p.start <= frame < p.stop:
            return n
    where = _column(trial, column)
    raise TrialError(f"{where}: expected a piece of it in frame {trial.first_frame + frame}, found none; pick a marker")


def checked_label(text: str) -> str:
    """A name fit to be a label, without blanks around it. Raises `InputError` for one that is not."""
    label = text.strip()
    strange = [c for c in label if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")]
    if strange:
        raise InputError(f"label: expected text on one line, found the control character {strange[0]!r} in it")
    if is_unlabelled(label):
        raise InputError(f"label: expected a name, found {label!r}, which stands for no label; use clear")
    if ":" in label:
        raise InputError(f"label: expected no colon, found {label!r}: in a file it would part a subject's name from it")
    if len(label.encode()) > _LONGEST_LABEL:
        raise InputError(f"label: expected at most {_LONGEST_LABEL} bytes, found {len(label.encode())}")
    return label


def _said(piece: Piece, label: str | None) -> Piece:
    """The piece as a person says it is."""
    second = piece.second if label == piece.label else piece.label
    return replace(piece, label=label, confidence=1.0, second=second, by=PERSON, course=())


def _exchange(
    state: State, changes: Mapping[int, str | None], frame: int, trial: Trial, message: str
) -> Done:  # fmt: skip
    """From `frame` on some pieces carry other labels, and those that would collide with them theirs."""
    changes = exchanged(state, changes, frame, trial)
    cut, where = cut_before(state, list(changes), frame, trial, BY_HAND)
    new = {where[n]: _said(cut.pieces[where[n]], label) for n, label in changes.items()}
    done = _given(cut, new, trial, f"{message} from frame {trial.first_frame + frame} on")
    return replace(done, message=f"{done.message}, in {len(new)} pieces")


def _given(state: State, new: Mapping[int, Piece], trial: Trial, message: str) -> Done:
    """The state with some pieces replaced; others that carry their labels at the same time lose them."""
    pieces = [new.get(n, p) for n, p in enumerate(state.pieces)]
    lost = [
        n for n, p in enumerate(pieces)
        if n not in new and p.label is not None
        and any(p.label == x.label and p.meets(x, trial) for x in new.values())
    ]  # fmt: skip
    if lost:
        told = [f"{pieces[n].label} at {_where(pieces[n], trial)}" for n in lost[:_MOST_TOLD]]
        more = [f"{len(lost) - _MOST_TOLD} more"] if len(lost) > _MOST_TOLD else []
        message += f"; seen at the same time, it lost its label: {'; '.join(told + more)}"
    for n in lost:
        pieces[n] = without_label(pieces[n])
    return Done(replace(state, pieces=tuple(sorted(pieces, key=place))), message)


def _mates(state: State, trial: Trial) -> dict[str, str]:
    """Of each label its left or right mate, as the names tell it, or where the labels are."""
    pairs, _ = sides_in(state.labels, places_of(trial, state.labelling()))
    return dict(pairs) | {right: left for left, right in pairs}


def _column(trial: Trial, column: int) -> str:
    name = trial.labels[column] if 0 <= column < trial.n_columns else ""
    return f"column {name or column}"


def _where(piece: Piece, trial: Trial) -> str:
    first = trial.first_frame
    return f"{_column(trial, piece.column)}, frames {first + piece.start}-{first + piece.stop - 1}"
