"""The states of a review, one after each edit: back and forth."""

from automarkerlabel.errors import InputError
from automarkerlabel.review.editing.state import State


class History:
    """What was, is, and may be done again. `saved` is the state that was written last, None before."""

    def __init__(self, base: State) -> None:
        self.states = [base]
        self.at = 0
        self.saved: State | None = None

    @property
    def now(self) -> State:
        return self.states[self.at]

    @property
    def n_undo(self) -> int:
        return self.at

    @property
    def n_redo(self) -> int:
        return len(self.states) - 1 - self.at

    @property
    def unsaved(self) -> bool:
        """Whether there are edits that no file has."""
        return self.now is not (self.states[0] if self.saved is None else self.saved)

    def push(self, state: State) -> None:
        """Go on to a new state; what was undone is gone."""
        self.states = [*self.states[: self.at + 1], state]
        self.at += 1

    def undo(self) -> None:
        """Back to the state before. Raises `InputError` at the first."""
        if self.at == 0:
            raise InputError("undo: expected an edit before, found none")
        self.at -= 1

    def redo(self) -> None:
        """On to the state after. Raises `InputError` at the last."""
        if self.n_redo == 0:
            raise InputError("redo: expected an edit that was undone, found none")
        self.at += 1

    def mark_saved(self) -> None:
        """The present state was written."""
        self.saved = self.now
