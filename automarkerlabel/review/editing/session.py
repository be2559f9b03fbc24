"""One review: its trial, its history and its journal, and what may be done to them, one thing at a time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.review.editing.edits import edit_of, plain
from automarkerlabel.review.editing.history import History
from automarkerlabel.review.editing.journal import Journal
from automarkerlabel.review.editing.relabel import KeepingLabels, relabelled
from automarkerlabel.review.editing.save import Outputs, Reviewed, write_corrections, write_trial
from automarkerlabel.review.editing.state import GIVEN, State
from automarkerlabel.review.report.points import pack_points
from automarkerlabel.review.report.view import view_of

_PATIENCE_S = 1.0  # that a change waits for the one before


@dataclass(frozen=True)
class Relabelling:
    """How the rest is labelled anew: `label` makes it ready when it is first needed; `by` says in words what it is."""

    label: Callable[[], KeepingLabels]
    by: str
    min_confidence: float = 0.0


class Session:
    """A review under way. Every change is in the journal before a method returns; see `journal`.

    trial       what is labelled.
    history     its states.
    relabelling None where there is no way to label it anew.
    segments    body segment of each label, where it is known.
    """

    def __init__(
        self, trial: Trial, reviewed: Reviewed, outputs: Outputs, journal: Journal,
        relabelling: Relabelling | None = None,
    ) -> None:  # fmt: skip
        """Go on where a journal ends. Raises `FileFormatError` where it does not fit the trial, or is damaged."""
        self.trial, self.reviewed, self.outputs = trial, reviewed, outputs
        self.relabelling = relabelling
        self._journal = journal
        self._lock = Lock()
        self._turn = Lock()
        self._label: KeepingLabels | None = None
        self.message = ""
        self.written: dict[str, Any] = {}
        self._segments: dict[str, str] = _texts(journal.head.get("segments"))
        self._doubts = [x for x in _list(journal.head.get("doubts")) if _is_doubt(x)]
        self._notes = tuple(str(x) for x in _list(journal.head.get("notes")))
        try:
            self.history = History(State.from_plain(journal.head, trial))
        except FileFormatError as error:
            raise FileFormatError(f"{journal.path}: {error}; use --fresh to set it aside") from error
        for n, entry in enumerate(journal.entries, 2):
            try:
                self._do(entry)
            except InputError as error:
                raise FileFormatError(
                    f"{journal.path}: expected an edit of this trial in line {n}, found none ({error});"
                    " use --fresh to set it aside"
                ) from error
        self._points = pack_points(trial)

    def points(self) -> bytes:
        """The points as the page takes them, see `report.points`."""
        return self._points[1]

    def view(self) -> dict[str, Any]:
        """What the page shows."""
        with self._lock:
            state, editing = self.history.now, self._editing()
        by = self.reviewed.labelled_by
        segments = [self._segments.get(x, "") for x in state.labels]
        view = view_of(
            self.trial, state.labelling(), title=self.reviewed.source.name, labelled_by=by,
            source=str(self.reviewed.source), marker_set=MarkerSet(state.labels, segments) if state.labels else None,
            notes=(*self.trial.notes, *self._notes), facts=self._facts(), points=self._points[0], editing=editing,
        )  # fmt: skip
        return {**view, "doubts": [*self._doubts_about_given(state), *view["doubts"]]}

    def edit(self, values: Mapping[str, Any]) -> None:
        """Do what a plain edit says, see `edits`. Raises `InputError` for one that cannot be done."""
        self._change(plain(edit_of(values)))

    def undo(self) -> None:
        """Raises `InputError` where there is nothing to undo."""
        self._change({"op": "undo"})

    def redo(self) -> None:
        """Raises `InputError` where there is nothing to do again."""
        self._change({"op": "redo"})

    def relabel(self) -> None:
        """Label anew what nobody holds. Others may look on meanwhile, but not change anything.

        Raises `InputError` where there is no way to label, and what labelling raises.
        """
        if self.relabelling is None:
            raise InputError(
                "relabel: expected a way to label, found the labels of a file alone; start aml review with --model,"
                " --reference or --marker-set"
            )
        with self._alone():
            if self._label is None:
                self._label = self.relabelling.label()
            state = relabelled(self.history.now, self.trial, self._label, self.relabelling.min_confidence)
            self._write({"op": "relabel", **state.plain()})

    def save(self) -> dict[str, str]:
        """Write the trial and its corrections, and say where. Raises `InputError` and what writing raises."""
        with self._alone():
            now, base, of = self.history.now, self.history.states[0], (self.trial, self.reviewed, self.outputs)
            record, notes = write_trial(now, *of, self.written)
            self._write({"op": "written", **record})
            record |= write_corrections(now, base, *of, record["trial_sha256"])
            self._write({"op": "saved", **record})
            self.message = "; ".join([f"saved: {record['trial']}; corrections: {record['corrections']}", *notes])
        return {"written": record["trial"], "corrections": record["corrections"]}

    def close(self) -> None:
        """Let others have the journal."""
        self._journal.close()

    def _change(self, entry: Mapping[str, Any]) -> None:
        with self._alone():
            self._write(entry)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes anything within."""
        if not self._turn.acquire(timeout=_PATIENCE_S):
            raise InputError("expected one thing at a time, found labelling or saving under way; wait for its end")
        try:
            yield
        finally:
            self._turn.release()

    def _write(self, entry: Mapping[str, Any]) -> None:
        """Take a change into the journal and the history, or neither."""
        with self._lock:
            before = self.history.states, self.history.at, self.history.saved, self.message, self.written
            try:
                self._do(entry)
                self._journal.append(entry)
            except BaseException:
                self.history.states, self.history.at, self.history.saved, self.message, self.written = before
                raise

    def _do(self, entry: Mapping[str, Any]) -> None:
        history, op = self.history, entry.get("op")
        if op == "undo":
            history.undo()
            self.message = "undone"
        elif op == "redo":
            history.redo()
            self.message = "done again"
        elif op in ("written", "saved"):
            self.written = {**self.written, **entry}
            if op == "saved":
                history.mark_saved()
        elif op == "relabel":
            new = State.from_plain(entry, self.trial)
            self.message = _changed(history.now, new)
            history.push(new)
        else:
            done = edit_of(entry).apply(history.now, self.trial)
            history.push(done.state)
            self.message = done.message

    def _doubts_about_given(self, state: State) -> list[dict[str, Any]]:
        """What an audit said of labels that were given, and that nobody changed or accepted since."""
        found: list[dict[str, Any]] = []
        for doubt in self._doubts:
            for n, p in enumerate(state.pieces):
                about = p.by == GIVEN and p.label == doubt["label"]
                if about and p.start <= doubt["last"] and doubt["first"] < p.stop:
                    name = self.trial.labels[p.column]
                    found.append({"piece": n, "column": name, "confidence": None, **doubt})
                    break
        return found

    def _editing(self) -> dict[str, Any]:
        h = self.history
        return {"undo": h.n_undo, "redo": h.n_redo, "edits": h.n_undo, "unsaved": h.unsaved, "message": self.message}

    def _facts(self) -> list[tuple[str, str]]:
        how = "no way to label the rest anew" if self.relabelling is None else self.relabelling.by
        return [
            ("trial", self.reviewed.source.name),
            ("frames", f"{self.trial.n_frames} at {self.trial.rate_hz:g} Hz"),
            ("labelled by", self.reviewed.labelled_by),
            ("relabelled by", how),
            ("saved as", str(self.outputs.trial)),
            ("journal", str(self.outputs.journal)),
        ]


def _changed(before: State, after: State) -> str:
    """How much of the pieces is called otherwise, in words."""
    named = {(p.column, p.start, p.stop): p.label for p in before.pieces}
    n = sum(named.get((p.column, p.start, p.stop), p.label) != p.label for p in after.pieces)
    return f"labelled anew: {n} of {len(after.pieces)} pieces are called otherwise"


def _is_doubt(x: Any) -> bool:
    kinds = {"label": str, "first": int, "last": int, "second": str, "why": str}
    return isinstance(x, dict) and {k: type(v) for k, v in x.items()} == kinds


def _list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else []


def _texts(values: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in values.items()} if isinstance(values, dict) else {}
