"""The labelling with the most evidence: an exact integer program over all tracklets and labels of a trial.

Each tracklet takes one label or none; no label stands twice among tracklets seen in the same frame; the summed
evidence, and how well pieces of one label continue each other, is the largest possible.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.continuity import NO_JOINS, Joins
from automarkerlabel.assignment.search import search
from automarkerlabel.core.labelling import Labelling, LabelScores
from automarkerlabel.core.marker_set import is_unlabelled, labelled_columns
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial

Array = npt.NDArray[np.float64]

MAX_WINDOWS = 20  # windows of one tracklet that count as independent evidence
TIME_LIMIT_S = 25.0
FREE = -2  # a tracklet whose label is not held


def evidence(scores: LabelScores, max_windows: int = MAX_WINDOWS) -> Array:
    """`(n_tracklets, n_labels)`: mean log-score of a label minus that of *no label*, times the number of windows that
    are independent of each other, `max_windows` at most."""
    mean = scores.mean().astype(np.float64)
    weight = np.minimum(independent_windows(scores), max_windows)
    with np.errstate(invalid="ignore"):
        gain = (mean[:, :-1] - mean[:, -1:]) * weight[:, None]
    return np.where(weight[:, None] > 0, gain, -np.inf)


def independent_windows(scores: LabelScores) -> Array:
    """`(n_tracklets,)`: how many windows of the usual length the time fills that each tracklet's windows speak for.

    Time that several windows share counts once. 0 without a window, otherwise 1 at least.
    """
    owner, (start, stop) = scores.tracklet, scores.frames.T
    order = np.lexsort((start, owner))
    owner, start, stop = owner[order], start[order], stop[order]
    latest = int(stop.max(initial=0)) + 1
    reached = np.maximum.accumulate(stop + owner * latest) - owner * latest  # in frames of the same tracklet
    before = np.append(0, np.where(owner[1:] == owner[:-1], reached[:-1], 0))[: len(owner)]
    new = np.maximum(stop - np.maximum(start, before), 0)
    time = np.bincount(owner, new, scores.n_tracklets)
    longest = np.ones(scores.n_tracklets)
    np.maximum.at(longest, owner, stop - start)
    return np.where(scores.n_windows() > 0, np.maximum(time / longest, 1), 0)


def assign(
    gain: Array, sets: BoolArray, time_limit_s: float = TIME_LIMIT_S, joins: Joins = NO_JOINS,
    must: BoolArray | None = None,
) -> tuple[IntArray, float]:  # fmt: skip
    """The label of each tracklet `(n_tracklets,)`, -1 for none, that are worth most together; and the gap.

    gain   `(n_tracklets, n_labels)`: what a label is worth over none, which is worth 0; -inf rules it out.
    sets   `(n_sets, n_tracklets)`: which tracklets are seen together, see `tracklets.meeting_sets`; one that is in no
           set gets no label.
    joins  what it is worth beyond that if two tracklets follow each other in one label, see `continuity.find_joins`.
    must   bool `(n_tracklets,)`: those that may not go without a label.

    The gap is 0 for a proven optimum. A model that knows next to nothing can make the problem too hard for
    `time_limit_s`: then the best found so far is returned, and the share by which its worth could at most be larger.

    Raises `ProcessingError` if there is no answer by then.
    """
    seen: BoolArray = np.asarray(sets.any(0))
    must = np.zeros(len(gain), np.bool_) if must is None else np.logical_and(must, seen)
    gain = np.where(seen[:, None], gain, -np.inf)
    if not ((gain > 0).any() or must.any() or len(joins)):
        return np.full(len(gain), -1, np.int64), 0.0
    return search(gain, sets, joins, must, time_limit_s)


def decide(
    scores: LabelScores,
    tracklets: Sequence[Tracklet],
    sets: BoolArray,
    temperature: float = 1.0,
    fixed: IntArray | None = None,
    joins: Joins = NO_JOINS,
) -> Labelling:
    """The labelling of a trial from its scores.

    sets         `(n_sets, n_tracklets)`: see `tracklets.meeting_sets`.
    temperature  divides the evidence before it becomes a confidence; fitted on validation trials.
    fixed        int `(n_tracklets,)`: labels that are held, -1 for none, `FREE` where the scores decide.
    joins        which tracklets go on where another ended, see `continuity.find_joins`.
    """
    gain = evidence(scores)
    if fixed is None:
        assigned, gap = assign(gain, sets, joins=joins)
    else:
        held = fixed != FREE
        free = np.where(held[:, None] | taken_beside(sets, fixed, gain.shape[1]), -np.inf, gain)
        named = np.flatnonzero(fixed >= 0)
        free[named, fixed[named]] = 0
        assigned, gap = assign(free, sets, joins=joins, must=fixed >= 0)
        assigned = np.where(held, fixed, assigned)
    confidence, second = confidences(gain + continued(assigned, joins, gain.shape[1]), assigned, sets, temperature)
    if fixed is not None:
        confidence[held] = 1.0
    return Labelling(scores.labels, tracklets, assigned, confidence, second, gap=gap)


def continued(assigned: IntArray, joins: Joins, n_labels: int) -> Array:
    """`(n_tracklets, n_labels)`: what the best join before and after adds to each label, as the others are labelled."""
    most = np.zeros((2, len(assigned), n_labels))
    for side, one, other in ((0, joins.after, joins.before), (1, joins.before, joins.after)):
        labelled = assigned[other] >= 0
        np.maximum.at(most[side], (one[labelled], assigned[other][labelled]), joins.worth[labelled])
    return np.asarray(most.sum(0))


def taken_beside(sets: BoolArray, assigned: IntArray, n_labels: int) -> BoolArray:
    """`(n_tracklets, n_labels)`: labels that another tracklet, seen in the same frame, carries."""
    seen = sets.astype(np.float32)
    carries = np.zeros((len(assigned), n_labels), np.float32)
    labelled = np.flatnonzero(assigned >= 0)
    own = labelled, assigned[labelled]
    carries[own] = 1
    n_carriers = seen @ carries  # (n_sets, n_labels)
    taken: BoolArray = (seen.T @ (n_carriers > 0).astype(np.float32)) > 0
    # A tracklet does not take its own label from itself: another one has to carry it in one of its sets.
    taken[own] = (sets[:, labelled] & (n_carriers > 1)[:, assigned[labelled]]).any(0)
    return taken


def hold_fixed(trial: Trial, tracklets: Sequence[Tracklet], labels: Sequence[str]) -> IntArray:
    """`(n_tracklets,)`: the label that a tracklet's column has already, `FREE` where the scores decide.

    A column with a name that is none of `labels`, or that another column has before it, is held without a label (-1).
    """
    index = {x: i for i, x in enumerate(labels)}
    of_column = {column: index[label] for label, column in labelled_columns(trial) if label in index}
    unnamed = {c for c in trial.marker_columns if is_unlabelled(trial.labels[c])}
    return np.array([of_column.get(t.column, FREE if t.column in unnamed else -1) for t in tracklets], np.int64)


def confidences(
    gain: Array, assigned: IntArray, sets: BoolArray, temperature: float = 1.0
) -> tuple[FloatArray, IntArray]:
    """Probability of each tracklet's label given the others', and the next best class.

    A tracklet could carry its own label, none, or one that no tracklet seen together with it carries: the
    softmax of its evidence over these.
    """
    n_tracklets, n_labels = gain.shape
    taken = taken_beside(sets, assigned, n_labels)
    options = np.concatenate([np.where(taken, -np.inf, gain), np.zeros((n_tracklets, 1))], 1) / temperature
    rows = np.arange(n_tracklets)
    chosen = np.where(assigned >= 0, assigned, n_labels)
    odds = np.exp(options - options.max(1, keepdims=True))
    confidence = (odds[rows, chosen] / odds.sum(1)).astype(np.float32)
    options[rows, chosen] = -np.inf
    second = options.argmax(1) if n_labels else np.zeros(n_tracklets, np.int64)
    return confidence, np.where(second == n_labels, -1, second).astype(np.int64)
