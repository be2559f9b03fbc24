"""The labelling of a trial by whatever scores its tracklets: columns put right, and continuity over gaps."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from automarkerlabel.assignment.confidence import decide_signed
from automarkerlabel.assignment.swaps import Decide, Solved, Split, named, repaired
from automarkerlabel.core import tracklets as whole
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial

T = TypeVar("T")


def labelled(
    trial: Trial,
    solve: Callable[[Trial, list[Tracklet], Decide], Solved[T]],
    temperature: float,
    keep_labels: bool = False,
    swaps: bool = True,
    continuity: bool = True,
    split: Split = whole.split,
) -> tuple[Labelling, T]:
    """The labelling of a trial, not yet calibrated, and what else came of the `solve` that it is from.

    solve        scores and labels tracklets of a trial, which may have its columns put together anew; the last argument
                 decides labels by scores.
    keep_labels  holds names fixed that the trial has already and the scores know.
    swaps        whether columns that carry two markers are looked for and cut; see `decide.swaps`.
    continuity   whether it counts that a tracklet goes on where another one ended; see `decide.continuity`.
    split        cuts the columns of a trial into tracklets.

    Raises `TrialError` for a trial without visible points.
    """
    trial.require_points()
    decide = partial(decide_signed, temperature=temperature, keep_labels=keep_labels)
    settle = partial(decide, continuity=continuity)
    if swaps:
        held = named(trial) if keep_labels else ()
        labelling, about = repaired(
            trial, lambda t, tracklets: solve(t, tracklets, decide), decide, settle, held, split
        )
    else:
        tracklets = split(trial)
        solved = solve(trial, tracklets, decide)
        labelling, about = settle(trial, tracklets, solved.scores), solved.about
    return labelling, about
