"""A cheap look at the labels of a trial before it is learnt from or referred to: do the distances hold?"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from automarkerlabel.audit.exchanges import Mistake, exchanges, rearranged
from automarkerlabel.audit.outliers import departures
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.mirror import sides_in
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial

_MOST_S = 30.0  # of each trial that are looked at: for time alone, by hand
_MOST_TOLD = 3  # so that a note stays a line


def label_doubts(trial: Trial, name: str, frame: int | None = None) -> list[str]:
    """Notes on labels whose distances to those that move with them do not hold; none mostly.

    name   of the trial, for the note.
    frame  about which to look, counted as in the file; by default from the beginning on. Half a minute is looked at.
    """
    named = labelled_columns(trial)
    n_frames = min(trial.n_frames, max(3, round(_MOST_S * trial.rate_hz)))
    middle = 0 if frame is None else frame - trial.first_frame - n_frames // 2
    start = max(0, min(middle, trial.n_frames - n_frames))
    points = trial.positions[start : start + n_frames, [c for _, c in named]]
    index = {x: n for n, (x, _) in enumerate(named)}
    pairs = np.array([(index[a], index[b]) for a, b in sides_in(list(index), points)[0]], np.int64).reshape(-1, 2)
    found = exchanges(points, trial.rate_hz, pairs)
    found += departures(rearranged(points, found), trial.rate_hz)
    first = trial.first_frame + start
    told = [_words(replace(m, start=m.start + first, stop=m.stop + first), [x for x, _ in named]) for m in found]
    more = [f"{len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
    if not told:
        return []
    return [f"{name}: labels may be wrong: {'; '.join(told[:_MOST_TOLD] + more)}; aml audit tells more"]


def _words(mistake: Mistake, names: list[str]) -> str:
    labels = ", ".join(names[x] for x in mistake.labels[:4]) + (", ..." if len(mistake.labels) > 4 else "")
    where = f"frames {mistake.start}-{mistake.stop - 1}"
    if mistake.leaps:
        return f"{labels} is out of place in {where}"
    if len(mistake.labels) == 1:
        return f"{labels} may be {names[mistake.should[0]]} in {where}"
    return f"{labels} may be exchanged in {where}"


def label_notes(sources: Iterable[Source]) -> list[str]:
    """A line for each trial whose labels do not agree with themselves; it may well be learnt from all the same."""
    return [note for s in sources for note in label_doubts(s.trial, s.path.name)]
