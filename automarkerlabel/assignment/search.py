"""The labelling that is worth most: pairs that the bound rules out are left out, the rest is an integer program."""

import time

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.bound import find_bound
from automarkerlabel.assignment.continuity import Joins
from automarkerlabel.assignment.flow import solve
from automarkerlabel.core.trial import BoolArray, IntArray
from automarkerlabel.errors import ProcessingError

Array = npt.NDArray[np.float64]

_PAIRS_A_TRACKLET = 4  # with which the search begins
_LEAST_PAIRS = 500
_AT_ONCE = 250  # tracklets a window, where all at once take too long
_WHOLE_SHARE = 0.3  # of the time that is left, for the bound and for all at once
_EXACT = 2e-6  # nats that the solver leaves open
_ROUNDING = 1e-9


def search(gain: Array, sets: BoolArray, joins: Joins, must: BoolArray, time_limit_s: float) -> tuple[IntArray, float]:
    """The best labelling found `(n_tracklets,)` and the share by which another one could be better, 0 if proven.

    First among the pairs that reach farthest; if that labelling is worth less than one could be with others, then among
    all pairs that could be part of a better one. If that takes too long, in windows, from the first to the last.

    Raises `ProcessingError` if there is no answer in time.
    """
    started = time.monotonic()
    bound = find_bound(gain, sets, joins, time_limit_s=time_limit_s * _WHOLE_SHARE)
    reach = np.where(_could_gain(gain, joins) | (must[:, None] & np.isfinite(gain)), bound.reach, -np.inf)
    reach[must] = np.where(np.isfinite(gain[must]), 0, -np.inf)
    slack = _EXACT + _ROUNDING * abs(bound.value)
    within = first = _first_width(reach)
    answer, value, at_most = None, -np.inf, bound.value

    def left() -> float:
        return time_limit_s - (time.monotonic() - started)

    def keep_better(found: IntArray | None) -> None:
        nonlocal answer, value
        if found is not None and (new := worth(found, gain, sets, joins)) > value:
            answer, value = found, new

    while True:
        allowed = np.isfinite(reach) & (reach >= -within - slack)
        found = solve(gain, sets, joins, allowed, must, left() * _WHOLE_SHARE)
        keep_better(found.assigned)
        at_most = min(at_most, max(found.at_most, bound.value - within))
        if found.at_most > value + slack:  # not in time
            if within == first:
                keep_better(_in_windows(gain, sets, joins, allowed, must, left()))
            break
        if bound.value - value <= within:
            break
        within = bound.value - value
    if answer is None:
        raise ProcessingError(f"assignment: expected an answer within {time_limit_s:g} s, found none; make parts of it")
    missing = at_most - value
    return answer, 0.0 if missing <= slack else missing / max(abs(value), slack)


def worth(assigned: IntArray, gain: Array, sets: BoolArray, joins: Joins) -> float:
    """The summed gain of a labelling, and what the joins are worth of tracklets that follow each other in a label."""
    labelled = np.flatnonzero(assigned >= 0)
    total = float(gain[labelled, assigned[labelled]].sum())
    same = (assigned[joins.before] >= 0) & (assigned[joins.before] == assigned[joins.after])
    first, end = sets.argmax(0), len(sets) - sets[::-1].argmax(0)
    for n in np.flatnonzero(same):
        a, b = joins.before[n], joins.after[n]
        between = sets[end[a] : first[b], assigned == assigned[a]]
        total += 0.0 if between.any() else float(joins.worth[n])
    return total


def _could_gain(gain: Array, joins: Joins) -> BoolArray:
    """Pairs that are worth something with the best joins on both sides: any other had better be none."""
    most = np.zeros((2, len(gain)))
    np.maximum.at(most[0], joins.before, joins.worth)
    np.maximum.at(most[1], joins.after, joins.worth)
    could: BoolArray = gain + most.sum(0)[:, None] > 0
    return could


def _first_width(reach: Array) -> float:
    """How far below the bound pairs are looked at first: so far that there are enough, and not too many."""
    finite = -reach[np.isfinite(reach)]
    enough = max(_LEAST_PAIRS, _PAIRS_A_TRACKLET * len(reach))
    return np.inf if len(finite) <= enough else float(np.partition(finite, enough - 1)[enough - 1])


def _in_windows(
    gain: Array, sets: BoolArray, joins: Joins, allowed: BoolArray, must: BoolArray, time_limit_s: float
) -> IntArray | None:
    """The labelling found in windows that overlap by half; what the first half of each found is held in the next."""
    started = time.monotonic()
    order = np.argsort(sets.argmax(0), kind="stable")
    seen = sets.astype(np.float32)
    assigned = np.full(len(gain), -1, np.int64)
    held = np.zeros(len(gain), np.bool_)
    half = _AT_ONCE // 2
    n_windows = max(1, -(-len(order) // half) - 1)
    for n in range(n_windows):
        window = order[n * half : n * half + _AT_ONCE]
        near: BoolArray = np.asarray(((seen.T @ seen[:, window]) > 0).any(1))
        near[joins.before[np.isin(joins.after, window)]] = True
        used = np.flatnonzero((near & held & (assigned >= 0)) | np.isin(np.arange(len(gain)), window))
        place = np.full(len(gain), -1)
        place[used] = np.arange(len(used))
        some = (place[joins.before] >= 0) & (place[joins.after] >= 0)
        part = Joins(place[joins.before[some]], place[joins.after[some]], joins.worth[some])
        pairs = allowed[used].copy()
        fixed = held[used]
        pairs[fixed] = np.arange(gain.shape[1]) == assigned[used][fixed, None]
        left = (time_limit_s - (time.monotonic() - started)) / (n_windows - n)
        found = solve(gain[used], sets[:, used], part, pairs, must[used] | fixed, left)
        if found.assigned is None:
            return None
        assigned[used] = found.assigned
        held[window[:half] if n < n_windows - 1 else window] = True
    return assigned
