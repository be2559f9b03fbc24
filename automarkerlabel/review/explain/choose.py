"""Which trajectories of a labelled trial are explained."""

from collections.abc import Sequence

import numpy as np

from automarkerlabel.assignment.confidence import doubtful_spans
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.labellers.doubtful import DOUBTFUL


def chosen(
    trial: Trial, labelling: Labelling, columns: Sequence[str], labels: Sequence[str], n_doubtful: int,
    frame: int | None = None,
) -> list[int]:  # fmt: skip
    """Tracklets of the columns (a name or a number from 1) and labels named, in the order of the trial, and the
    `n_doubtful` least sure ones, these first; only those that last over `frame`, as the file counts, if one is given.

    Raises `InputError` for a column or label that is not there, and where nothing is left.
    """
    named = {c for name in columns for c in _columns(trial, name)}
    found = [n for n, t in enumerate(labelling.tracklets) if t.column in named]
    for label in labels:
        found += _labelled(labelling, label)
    if frame is not None:
        found = [n for n in found if _at(trial, labelling, n, frame)]
    wanted = list(dict.fromkeys([*_doubtful(trial, labelling, frame)[:n_doubtful], *sorted(set(found))]))
    if not wanted:
        when = "" if frame is None else f" in frame {frame}"
        raise InputError(f"expected a trajectory to explain, found none{when}; choose another --column or --frame")
    return wanted


def _columns(trial: Trial, name: str) -> list[int]:
    same = [c for c in trial.marker_columns if trial.labels[c] == name]
    if same:
        return same
    if name.isdecimal() and int(name) - 1 in trial.marker_columns:
        return [int(name) - 1]
    shown = ", ".join(trial.labels[c] or str(c + 1) for c in trial.marker_columns[:10])
    raise InputError(
        f"column: expected a measured column's name or number, 1 to {trial.n_columns} (here {shown}, ...),"
        f" found {name!r}"
    )


def _labelled(labelling: Labelling, label: str) -> list[int]:
    found = [n for n in range(len(labelling.tracklets)) if labelling.label_of(n) == label]
    if not found:
        given = [x for k, x in enumerate(labelling.labels) if k in set(labelling.assigned.tolist())]
        raise InputError(f"label: expected one that was given ({', '.join(given)}), found {label!r}")
    return found


def _at(trial: Trial, labelling: Labelling, n: int, frame: int) -> bool:
    t = labelling.tracklets[n]
    return t.start <= frame - trial.first_frame < t.stop


def _doubtful(trial: Trial, labelling: Labelling, frame: int | None) -> list[int]:
    """Labelled tracklets, the least sure ones first, as `aml label` lists them."""
    given = [n for n in np.flatnonzero(labelling.assigned >= 0).tolist()]
    if frame is not None:
        given = [n for n in given if _at(trial, labelling, n, frame)]

    def sureness(n: int) -> tuple[float, float]:
        confidence = float(labelling.confidence[n])
        return min([confidence, *(low for *_, low in doubtful_spans(labelling, n, DOUBTFUL))]), confidence

    return sorted(given, key=sureness)
