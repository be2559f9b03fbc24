"""The rest labelled anew, with what somebody said held fixed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from automarkerlabel.core.labelling import Labelling, OutputColumn, apply
from automarkerlabel.core.trial import Trial
from automarkerlabel.review.editing.edits import BY_HAND
from automarkerlabel.review.editing.state import Piece, State, check, place, state_of

_HELD_WITHOUT = "held without a label"  # a name that no model knows, so that the column stays without one

KeepingLabels = Callable[[Trial], Labelling]  # labels a trial; names that are there hold


@dataclass(frozen=True)
class _Arranged:
    """A trial with a column for each held label, and one for each stretch of a column that nobody holds.

    sources  of each column of it the one of the trial as it is; -1: it is held.
    """

    trial: Trial
    sources: tuple[int, ...]


def relabelled(state: State, trial: Trial, label: KeepingLabels, min_confidence: float = 0.0) -> State:
    """The state with all pieces that nobody holds labelled by `label`. Cuts made by hand stay.

    Raises what `label` raises.
    """
    held = [p for p in state.pieces if p.held]
    if len(held) == len(state.pieces):
        return state
    arranged = _arranged(state, trial)
    found = state_of(label(arranged.trial), arranged.trial, min_confidence)
    free = [replace(p, column=arranged.sources[p.column]) for p in found.pieces if arranged.sources[p.column] >= 0]
    labels = tuple(dict.fromkeys((*found.labels, *state.labels)))
    cuts = [replace(c, column=arranged.sources[c.column]) for c in found.cuts if arranged.sources[c.column] >= 0]
    kept = [c for c in state.cuts if c.why == BY_HAND]
    new = State(labels, tuple(sorted((*held, *free), key=place)), tuple(dict.fromkeys((*kept, *cuts))))
    check(new, trial)
    return new


def _arranged(state: State, trial: Trial) -> _Arranged:
    columns = []
    held: dict[str, list[Piece]] = {}
    for p in (p for p in state.pieces if p.held):
        name = p.label or f"{_HELD_WITHOUT} {p.column}"
        held.setdefault(name, []).append(p)
    for name, pieces in held.items():
        spans = tuple((p.column, p.start, p.stop) for p in sorted(pieces, key=lambda p: p.start))
        columns.append((-1, OutputColumn(name, spans)))
    stretches = _stretches(state)
    columns += [(c, OutputColumn(f"*{n}", ((c, start, stop),))) for n, (c, start, stop) in enumerate(stretches)]
    columns += [(-1, OutputColumn(trial.labels[c], ((c, 0, trial.n_frames),))) for c in sorted(trial.computed)]
    return _Arranged(apply(trial, [out for _, out in columns]), tuple(source for source, _ in columns))


def _stretches(state: State) -> list[tuple[int, int, int]]:
    """(column, start, stop) of what nobody holds, as far as no held piece and no cut made by hand comes between."""
    by_hand = {(c.column, c.frame) for c in state.cuts if c.why == BY_HAND}
    found: list[tuple[int, int, int]] = []
    for before, p in pairwise((None, *state.pieces)):
        assert p is not None
        if p.held:
            continue
        goes_on = before is not None and before.column == p.column and not before.held
        if goes_on and (p.column, p.start) not in by_hand:
            column, start, _ = found.pop()
            found.append((column, start, p.stop))
        else:
            found.append((p.column, p.start, p.stop))
    return found
