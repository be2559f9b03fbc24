"""Trials whose pieces can be told by hand, for the tests of reviewing."""

from pathlib import Path
from typing import Any

import numpy as np
from conftest import FIGURE, figure_trial

from automarkerlabel import io
from automarkerlabel.review.opening import Asked, opened
from automarkerlabel.review.save import outputs_for
from automarkerlabel.review.session import Session
from automarkerlabel.review.state import METHOD, Piece, State
from automarkerlabel.trial import Trial

# Column 0 is seen in frames 0 to 9; 1 in 0 to 3 and 6 to 9; 2 in 0 to 9; 3 in 4 and 5. The file counts from 101.
SEEN = ["##########", "####..####", "##########", "....##...."]
LABELS = ("LASI", "RASI", "SACR")
COLUMNS = ("*1", "*2", "*3", "*4")


def trial() -> Trial:
    """Every point somewhere else; column n about n metres to the left."""
    visible = np.array([[x == "#" for x in line] for line in SEEN]).T
    points = np.arange(10 * 4 * 3, dtype=np.float32).reshape(10, 4, 3) + 1000 * np.arange(4, dtype=np.float32)[:, None]
    return Trial(np.where(visible[..., None], points, np.nan), COLUMNS, 10.0, first_frame=101)


def piece(column: int, start: int, stop: int, label: str | None, confidence: float = 0.8, by: str = METHOD) -> Piece:
    return Piece(column, start, stop, label, confidence, None, by)


def state() -> State:
    """LASI in column 0, RASI in 1, in two pieces, SACR in 2, none in 3."""
    pieces = (piece(0, 0, 10, "LASI"), piece(1, 0, 4, "RASI"), piece(1, 6, 10, "RASI"), piece(2, 0, 10, "SACR"))
    return State(LABELS, (*pieces, piece(3, 4, 6, None)))


def told(state: State) -> list[tuple[int, int, int, str | None]]:
    """(column, start, stop, label) of each piece."""
    return [(p.column, p.start, p.stop, p.label) for p in state.pieces]


def names_in(state: State, trial: Trial) -> list[list[str | None]]:
    """The label of each point, by column and frame; None where there is none or nothing is seen."""
    found: list[list[str | None]] = [[None] * trial.n_frames for _ in range(trial.n_columns)]
    for p in state.pieces:
        for f in range(p.start, p.stop):
            if trial.visible[f, p.column]:
                found[p.column][f] = p.label
    return found


def walk_file(folder: Path) -> Path:
    """A trial of the figure, labelled, of 40 frames; of the first label the middle stands in a column of its own."""
    whole = figure_trial(40)
    points = np.concatenate([whole.positions, np.full((40, 1, 3), np.nan, np.float32)], axis=1)
    points[15:25, 8], points[15:25, 0] = points[15:25, 0], np.nan
    io.write(folder / "walk.c3d", Trial(points, [*FIGURE, "*0"], whole.rate_hz, first_frame=11))
    return folder / "walk.c3d"


def begin(walk: Path, **options: Any) -> Session:
    """A review of a trial file, new or gone on with."""
    return opened(Asked(walk, options.pop("outputs", outputs_for(walk, None)), **options), lambda line: None)
