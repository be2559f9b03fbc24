"""Columns put together anew, so that one column is one marker again; and the way back to the columns of the file."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial

Piece = tuple[int, int]


class Tangle:
    """Which column of the file each new column shows: `pieces[c]` are (first frame, column of the file), ascending."""

    def __init__(self, pieces: Sequence[Sequence[Piece]]) -> None:
        self.pieces = [tuple(p) for p in pieces]

    @classmethod
    def none(cls, n_columns: int) -> "Tangle":
        """Every column shows itself."""
        return cls([[(0, c)] for c in range(n_columns)])

    def exchanged(self, frame: int, columns: Sequence[int], after: Sequence[int]) -> "Tangle":
        """New columns of which each of `columns` goes on from `frame` as the one in `after` did."""
        pieces = list(self.pieces)
        for column, other in zip(columns, after, strict=True):
            pieces[column] = self._before(column, frame) + self._from(other, frame)
        return Tangle([_without_repeats(p) for p in pieces])

    def shown(self, column: int, frame: int) -> int:
        """The column of the file that a new column shows in a frame."""
        return [c for start, c in self.pieces[column] if start <= frame][-1]

    def places(self, points: Iterable[Piece]) -> dict[Piece, Piece]:
        """The (new column, frame) of each (column of the file, frame)."""
        wanted = list(points)
        changed = [n for n, p in enumerate(self.pieces) if len(p) > 1]
        new = {(self.shown(n, frame), frame): n for _, frame in wanted for n in changed}
        return {(column, frame): (new.get((column, frame), column), frame) for column, frame in wanted}

    def apply(self, trial: Trial) -> Trial:
        """The trial in new columns; names stay with the columns' first pieces."""
        changed = [n for n, p in enumerate(self.pieces) if len(p) > 1]
        if not changed:
            return trial
        positions = trial.positions.copy()
        residuals = trial.residuals.copy()
        for n in changed:
            for column, start, stop in self._spans(n, trial.n_frames):
                positions[start:stop, n] = trial.positions[start:stop, column]
                residuals[start:stop, n] = trial.residuals[start:stop, column]
        return replace(trial, positions=positions, residuals=residuals)

    def undo(self, trial: Trial, labelling: Labelling) -> Labelling:
        """The labelling of the file's own columns; `trial` as in the file. Tracklets of several of them are cut."""
        found = []
        for n, t in enumerate(labelling.tracklets):
            for column, start, stop in self._spans(t.column, trial.n_frames):
                for piece in trimmed(trial, column, max(start, t.start), min(stop, t.stop)):
                    found.append((piece, n))
        found.sort()
        which = np.array([n for _, n in found], np.int64)
        return replace(
            labelling,
            tracklets=tuple(t for t, _ in found),
            assigned=labelling.assigned[which],
            confidence=labelling.confidence[which],
            second=labelling.second[which],
            signs=None if labelling.signs is None else labelling.signs.of(which),
            courses=tuple(labelling.courses[n] for n in which.tolist()) if labelling.courses else (),
        )

    def _spans(self, column: int, n_frames: int) -> list[tuple[int, int, int]]:
        pieces = self.pieces[column]
        stops = [*(start for start, _ in pieces[1:]), n_frames]
        return [(c, start, stop) for (start, c), stop in zip(pieces, stops, strict=True)]

    def _before(self, column: int, frame: int) -> tuple[Piece, ...]:
        return tuple(p for p in self.pieces[column] if p[0] < frame)

    def _from(self, column: int, frame: int) -> tuple[Piece, ...]:
        later = tuple(p for p in self.pieces[column] if p[0] > frame)
        return ((frame, self.shown(column, frame)), *later)


def _without_repeats(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """An exchange that is undone later leaves no trace where the same column goes on."""
    return tuple(p for n, p in enumerate(pieces) if n == 0 or p[1] != pieces[n - 1][1])


def trimmed(trial: Trial, column: int, start: int, stop: int) -> list[Tracklet]:
    """The tracklet from the first to the last visible point of a column from `start` to before `stop`, if any."""
    seen = start + np.flatnonzero(trial.visible[start:stop, column]) if start < stop else np.zeros(0, np.int64)
    return [Tracklet(column, int(seen[0]), int(seen[-1]) + 1)] if len(seen) else []


def cut_at(trial: Trial, tracklets: Iterable[Tracklet], cuts: Iterable[tuple[int, int]]) -> list[Tracklet]:
    """The tracklets with those cut that hold one of `cuts` (column, frame), before that frame."""
    frames_of: dict[int, list[int]] = {}
    for column, frame in cuts:
        frames_of.setdefault(column, []).append(frame)
    found = []
    for t in tracklets:
        inner = sorted({f for f in frames_of.get(t.column, []) if t.start < f < t.stop})
        edges = [t.start, *inner, t.stop]
        for start, stop in pairwise(edges):
            found += trimmed(trial, t.column, start, stop)
    return found
