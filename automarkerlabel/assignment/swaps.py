"""Columns that carry two markers: found by their paths and by their evidence, put right, and labelled again.

Two columns that exchange their markers, or more in a ring, mostly leap from one frame to the next; put together anew
they do not. Where they touch, or meet while one is hidden, only the evidence tells, since it changes in mid-course, in
both at once. A column that leaps where no other can take its path up is cut there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np

from automarkerlabel.assignment.assign import evidence, taken_beside
from automarkerlabel.assignment.change_points import Changes, changes, likeliest_path
from automarkerlabel.assignment.jumps import leaps
from automarkerlabel.assignment.permuted_columns import Tangle, cut_at
from automarkerlabel.core import tracklets as whole
from automarkerlabel.core.labelling import Cut, Labelling, LabelScores
from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial, runs

T = TypeVar("T")
Split = Callable[[Trial], list[Tracklet]]
Decide = Callable[[Trial, list[Tracklet], LabelScores], Labelling]
Where = tuple[int, int]  # column and frame
_Rearranged = tuple[Tangle, dict[Where, float], dict[Where, str]]

N_ROUNDS = 2
_CUT_NATS = 6.0  # a cut that no exchange explains must be worth as much,
_SURPRISING_NATS = 16.0  # or less by as much as the leap is less likely than this,
_LEAST_NATS = 3.0  # yet something
_TAKEN = -1e6
_FULL_S = 0.1  # a shorter piece says less


@dataclass(frozen=True, eq=False)
class Solved(Generic[T]):
    """Scores of a trial's tracklets, the labels by them, and whatever else came about."""

    scores: LabelScores
    labelling: Labelling
    about: T

    def worth(self) -> float:
        """The summed evidence for the labels that were given."""
        assigned = self.labelling.assigned
        given = np.flatnonzero(assigned >= 0)
        return float(evidence(self.scores)[given, assigned[given]].sum())


Solve = Callable[[Trial, list[Tracklet]], Solved[T]]


@dataclass(frozen=True, eq=False)
class _Tried(Generic[T]):
    """A trial with its columns put together anew, and what came of it.

    cuts       columns of the file and frames where a column is cut for another reason than an exchange, and what each
               must be worth.
    why        all changes, in words, by column of the file and frame.
    """

    tangle: Tangle
    cuts: dict[Where, float]
    why: dict[Where, str]
    trial: Trial
    tracklets: list[Tracklet]
    solved: Solved[T]


def repaired(
    trial: Trial, solve: Solve[T], decide: Decide, settle: Decide, held: Iterable[int] = (), split: Split = whole.split
) -> tuple[Labelling, T]:
    """The labelling of a trial whose columns may carry two markers, of tracklets of the trial as it is; and what else
    came of the `solve` that it is from.

    solve   scores and labels the tracklets of a trial, which may have its columns put together anew.
    decide  labels more of them, cut from the same, by the same scores.
    settle  the same at last, of those cuts that were worth it.
    held    columns that stay as they are.
    split   cuts the columns of a trial into tracklets.

    No label stands twice in a frame, and every visible point is in one tracklet, as `solve` and `settle` have it.
    `cuts` of the labelling are the frames where a column changes its label and no gap explains it.
    """
    fixed = frozenset(held)
    tried = _solved(trial, *_by_paths(trial, fixed), solve, split)
    for _ in range(N_ROUNDS):
        found = changes(tried.trial, tried.tracklets, tried.solved.scores, fixed)
        if not (found.exchanges or found.cuts):
            break
        rearranged = _by_evidence(trial, tried, found)
        attempt = _solved(trial, *rearranged, solve, split) if found.exchanges else _cut(tried, *rearranged, decide)
        if attempt.solved.worth() < tried.solved.worth() + found.cost:
            break
        tried = attempt
    labelling = tried.tangle.undo(trial, _settled(tried, settle))
    return replace(labelling, cuts=_reported(labelling, tried.why)), tried.solved.about


def named(trial: Trial) -> list[int]:
    """The columns that have a name already."""
    return [c for c in trial.marker_columns if not is_unlabelled(trial.labels[c])]


def _by_paths(trial: Trial, held: frozenset[int]) -> _Rearranged:
    """New columns in which those that leap are exchanged; where columns leap alone; and all in words."""
    tangle = Tangle.none(trial.n_columns)
    cuts: dict[Where, float] = {}
    why: dict[Where, str] = {}
    for leap in reversed(leaps(trial)):  # the latest first: before it all columns are as they were
        if held & set(leap.columns):
            continue
        if leap.alone:
            cuts[leap.columns[0], leap.frame] = max(_LEAST_NATS, _CUT_NATS - max(0.0, leap.nats - _SURPRISING_NATS))
            why[leap.columns[0], leap.frame] = "leaps where no column goes on"
        else:
            tangle = tangle.exchanged(leap.frame, leap.columns, leap.after)
            why |= _words(trial, leap.frame, leap.columns, leap.after, "leaps to the place of")
    return tangle, cuts, why


def _by_evidence(trial: Trial, tried: _Tried[T], found: Changes) -> _Rearranged:
    """The same as before with what was found changed, too."""
    tangle, why = tried.tangle, dict(tried.why)
    cuts = {(tangle.shown(column, frame), frame): _CUT_NATS for column, frame in found.cuts}
    why |= dict.fromkeys(cuts, "the evidence changes")
    for x in sorted(found.exchanges, key=lambda x: -x.frame):
        shown, after = ([tried.tangle.shown(c, x.frame) for c in some] for some in (x.columns, x.after))
        why |= _words(trial, x.frame, shown, after, "the evidence changes with that of")
        tangle = tangle.exchanged(x.frame, x.columns, x.after)
    return tangle, tried.cuts | cuts, why


def _words(trial: Trial, frame: int, columns: Sequence[int], after: Sequence[int], what: str) -> dict[Where, str]:
    return {(b, frame): f"{what} {trial.labels[a]}" for a, b in zip(columns, after, strict=True)}


def _solved(
    trial: Trial, tangle: Tangle, cuts: dict[Where, float], why: dict[Where, str], solve: Solve[T], split: Split
) -> _Tried[T]:
    new = tangle.apply(trial)
    tracklets = cut_at(new, split(new), tangle.places(cuts).values())
    return _Tried(tangle, cuts, why, new, tracklets, solve(new, tracklets))


def _cut(
    tried: _Tried[T], tangle: Tangle, cuts: dict[Where, float], why: dict[Where, str], decide: Decide
) -> _Tried[T]:
    """The same columns with their tracklets cut, too: each window speaks for the piece that its middle is in.

    That spares scoring them anew, which exchanges need, since they change what a window sees."""
    trial, scores = tried.trial, tried.solved.scores
    tracklets = cut_at(trial, tried.tracklets, tangle.places(cuts).values())
    begins = np.array([t.column * trial.n_frames + t.start for t in tracklets], np.int64)
    ends = np.array([t.column * trial.n_frames + t.stop for t in tracklets], np.int64)
    columns = np.array([t.column for t in tried.tracklets], np.int64)
    middle = columns[scores.tracklet] * trial.n_frames + np.minimum(scores.frames.sum(1) // 2, trial.n_frames - 1)
    order = np.argsort(begins, kind="stable")
    piece = order[np.maximum(np.searchsorted(begins[order], middle, side="right") - 1, 0)]
    inside = np.flatnonzero((begins[piece] <= middle) & (middle < ends[piece]))
    kept = inside[np.argsort(piece[inside], kind="stable")]
    divided = replace(
        scores,
        tracklet=piece[kept],
        log_probs=scores.log_probs[kept],
        frames=scores.frames[kept],
        n_tracklets=len(tracklets),
    )
    solved = replace(tried.solved, scores=divided, labelling=decide(trial, tracklets, divided))
    return _Tried(tangle, cuts, why, trial, tracklets, solved)


def _settled(tried: _Tried[T], settle: Decide) -> Labelling:
    """The labelling without the cuts that are not worth it: their pieces are joined."""
    tracklets, scores = tried.tracklets, tried.solved.scores
    starts = np.ones(len(tracklets), np.bool_)
    starts[_needless(tried)] = False
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(tracklets)) - 1
    joined = [
        Tracklet(tracklets[a].column, tracklets[a].start, tracklets[b].stop)
        for a, b in zip(first.tolist(), last.tolist(), strict=True)
    ]
    of_joined = np.cumsum(starts) - 1
    together = replace(scores, tracklet=of_joined[scores.tracklet], n_tracklets=len(joined))
    return settle(tried.trial, joined, together)


def _needless(tried: _Tried[T]) -> list[int]:
    """The tracklets that were cut from the one before and yet go on as it: with the same label, or with one that is
    worth hardly more than the same for both, which no other tracklet has there."""
    pieces, label = tried.tracklets, tried.solved.labelling.assigned
    gain = evidence(tried.solved.scores)
    gain[tried.solved.scores.n_windows() == 0] = 0  # no evidence against any label
    gain[taken_beside(whole.meeting_sets(tried.trial, pieces), label, gain.shape[1])] = _TAKEN
    gain = np.concatenate([gain, np.zeros((len(gain), 1))], 1)  # (n_tracklets, n_labels + 1)
    seconds = np.array([t.stop - t.start for t in pieces]) / tried.trial.rate_hz
    gain *= np.minimum(seconds / _FULL_S, 1)[:, None]  # a moment alone is no change
    costs = {place: tried.cuts[cut] for cut, place in tried.tangle.places(tried.cuts).items()}
    cost = np.full(len(pieces), np.nan)  # of the cut just before each
    for n, (a, b) in enumerate(pairwise(pieces), 1):
        here = [costs[a.column, f] for f in range(a.stop, b.start + 1) if (a.column, f) in costs]
        if a.column == b.column and here:
            cost[n] = min(here)
    found: list[int] = []
    for start, stop in runs(~np.isnan(cost[1:])).tolist():
        chain = np.arange(start, stop + 1)
        classes = np.unique(np.append(label[chain], -1))
        path = likeliest_path(gain[chain][:, classes], cost[chain])
        found += (chain[1:][np.diff(path) == 0]).tolist()
    return found


def _reported(labelling: Labelling, why: dict[Where, str]) -> tuple[Cut, ...]:
    """The cuts that part two labels, in the order of columns and frames."""
    cuts = []
    for n, (a, b) in enumerate(pairwise(labelling.tracklets), 1):
        before, after = labelling.label_of(n - 1), labelling.label_of(n)
        if a.column == b.column and before != after:
            words = [why[a.column, f] for f in range(a.stop, b.start + 1) if (a.column, f) in why]
            cuts += [Cut(a.column, b.start, w, before, after) for w in words[:1]]
    return tuple(cuts)
