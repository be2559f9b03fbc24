"""Exchanging labels from a frame on, so that no label stands twice."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from automarkerlabel.core.labelling import Cut
from automarkerlabel.core.trial import Trial
from automarkerlabel.review.editing.state import State, place


def pieces_on(state: State, column: int, frame: int) -> list[int]:
    """The pieces of a column that reach `frame` or begin later, as long as it keeps the label of the first of them.

    Pieces without a label between labelled ones are no change, and no part of it.
    """
    found: list[int] = []
    for n, p in enumerate(state.pieces):
        if p.column != column or p.stop <= frame:
            continue
        if not found or p.label == state.pieces[found[0]].label:
            found.append(n)
        elif p.label is not None:
            break
    return found


def exchanged(
    state: State, changes: Mapping[int, str | None], frame: int, trial: Trial
) -> dict[int, str | None]:  # fmt: skip
    """The new labels of pieces from `frame` on, and of all that would collide with them then: what carries one of two
    labels, and is seen together with a piece that gets it, gets the other one.

    An exchange along such a chain (a Kempe chain of the graph of pieces seen together) leaves no label twice.
    """
    new = dict(changes)
    swapped = {label: state.pieces[n].label for n, label in changes.items()}
    swapped |= {state.pieces[n].label: label for n, label in changes.items()}
    waiting = list(new)
    while waiting:
        n = waiting.pop()
        label = new[n]
        if label is None or swapped.get(label) is None:
            continue
        for m, p in enumerate(state.pieces):
            if m not in new and p.label == label and p.stop > frame and p.meets(state.pieces[n], trial, frame):
                new[m] = swapped[label]
                waiting.append(m)
    return new


def cut_before(
    state: State, which: Sequence[int], frame: int, trial: Trial, why: str
) -> tuple[State, dict[int, int]]:  # fmt: skip
    """The state with those of some pieces cut that reach over `frame`; and where each one's later part is then."""
    pieces, cuts = list(state.pieces), list(state.cuts)
    later = {n: state.pieces[n] for n in which}
    for n in which:
        p = state.pieces[n]
        if p.start < frame < p.stop:
            pieces[n], later[n] = p.part(trial, p.start, frame), p.part(trial, frame, p.stop)
            pieces.append(later[n])
            cuts = [c for c in cuts if (c.column, c.frame) != (p.column, later[n].start)]
            cuts.append(Cut(p.column, later[n].start, why))
    pieces.sort(key=place)
    index = {place(p): n for n, p in enumerate(pieces)}
    return replace(state, pieces=tuple(pieces), cuts=tuple(cuts)), {n: index[place(p)] for n, p in later.items()}
