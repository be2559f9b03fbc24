"""The labelling with the most evidence: an exact integer program over all tracklets and labels of a trial.

Each tracklet takes one label or none; no label stands twice among tracklets seen in the same frame; the summed
evidence is the largest possible (SciPy's HiGHS).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from automarkerlabel.errors import ProcessingError
from automarkerlabel.markerset import is_unlabelled, labelled_columns
from automarkerlabel.scores import Labelling, LabelScores
from automarkerlabel.tracklets import Tracklet
from automarkerlabel.trial import BoolArray, FloatArray, IntArray, Trial

MAX_WINDOWS = 10  # windows of one tracklet that count as independent evidence
TIME_LIMIT_S = 60.0
FREE = -2  # a tracklet whose label is not held


def evidence(scores: LabelScores, max_windows: int = MAX_WINDOWS) -> npt.NDArray[np.float64]:
    """`(n_tracklets, n_labels)`: mean log-score of a label minus that of *no label*, times the number of windows,
    of which `max_windows` count as independent."""
    mean = scores.mean().astype(np.float64)
    weight = np.minimum(scores.n_windows(), max_windows)
    with np.errstate(invalid="ignore"):
        gain = (mean[:, :-1] - mean[:, -1:]) * weight[:, None]
    return np.where(weight[:, None] > 0, gain, -np.inf)


def assign(
    gain: npt.NDArray[np.float64], sets: BoolArray, time_limit_s: float = TIME_LIMIT_S
) -> tuple[IntArray, float]:
    """The label of each tracklet `(n_tracklets,)`, -1 for none, with the largest summed gain; and the gap.

    gain  `(n_tracklets, n_labels)`: what a label is worth over none, which is worth 0.
    sets  `(n_sets, n_tracklets)`: which tracklets are seen together, see `tracklets.meeting_sets`.

    Labels that are worth nothing are left out beforehand: taking none instead is never worse and frees the label.
    The gap is 0 for a proven optimum. A model that knows next to nothing can make the program too hard for
    `time_limit_s`: then the best found so far is returned, and the share by which the sum could at most be larger.

    Raises `ProcessingError` if there is no answer by then.
    """
    answer = np.full(len(gain), -1, np.int64)
    tracklet, label = np.nonzero(gain > 0)
    if not len(tracklet):
        return answer, 0.0
    matrix, lower, upper = _constraints(tracklet, label, sets)
    n, n_free = len(tracklet), matrix.shape[1] - len(tracklet)
    result = milp(
        np.concatenate([-gain[tracklet, label], np.zeros(n_free)]),
        integrality=np.concatenate([np.ones(n, np.int64), np.zeros(n_free, np.int64)]),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, lower, upper),
        options={"mip_rel_gap": 0.0, "time_limit": time_limit_s},
    )
    if result.x is None:
        raise ProcessingError(f"assignment: expected an answer within {time_limit_s:g} s, found: {result.message}")
    taken = result.x[:n] > 0.5
    answer[tracklet[taken]] = label[taken]
    return answer, 0.0 if result.status == 0 else float(result.mip_gap)


def _constraints(
    tracklet: IntArray, label: IntArray, sets: BoolArray
) -> tuple["csr_array[np.float64]", npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Matrix, lower and upper bounds: a tracklet takes one label at most, a label stands once in a set at most.

    Variables are the pairs of `tracklet` and `label`, then for each label and set whether the label is free there.
    A label is one unit that flows through time: taken when a tracklet that carries it appears, free again when it
    ends. The difference of the rows of consecutive sets says so, in which a pair stands where it begins and ends
    rather than in every set that it is part of.
    """
    n = len(tracklet)
    n_rows, n_columns = int(tracklet.max()) + 1, n
    rows, columns, values = [tracklet], [np.arange(n)], [np.ones(n)]
    lower, upper = [np.full(n_rows, -np.inf)], [np.ones(n_rows)]
    for k in np.unique(label):
        pairs = np.flatnonzero(label == k)
        held = sets[:, tracklet[pairs]].astype(np.int8)
        held = held[np.append(True, (held[1:] != held[:-1]).any(1))]
        m = len(held)
        step = np.vstack([held[:1], np.diff(held, axis=0)])
        r, c = np.nonzero(step)
        free = np.arange(m)
        rows += [n_rows + r, n_rows + free, n_rows + free[1:]]
        columns += [pairs[c], n_columns + free, n_columns + free[:-1]]
        values += [step[r, c].astype(np.float64), np.ones(m), -np.ones(m - 1)]
        one_at_first = (free == 0).astype(np.float64)
        lower.append(one_at_first)
        upper.append(one_at_first)
        n_rows, n_columns = n_rows + m, n_columns + m
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(entries, shape=(n_rows, n_columns)), np.concatenate(lower), np.concatenate(upper)


def decide(
    scores: LabelScores,
    tracklets: Sequence[Tracklet],
    sets: BoolArray,
    temperature: float = 1.0,
    fixed: IntArray | None = None,
) -> Labelling:
    """The labelling of a trial from its scores.

    sets         `(n_sets, n_tracklets)`: see `tracklets.meeting_sets`.
    temperature  divides the evidence before it becomes a confidence; fitted on validation trials.
    fixed        int `(n_tracklets,)`: labels that are held, -1 for none, `FREE` where the scores decide.
    """
    gain = evidence(scores)
    if fixed is None:
        assigned, gap = assign(gain, sets)
    else:
        held = fixed != FREE
        free = np.where(held[:, None] | taken_beside(sets, fixed, gain.shape[1]), -np.inf, gain)
        assigned, gap = assign(free, sets)
        assigned = np.where(held, fixed, assigned)
    confidence, second = confidences(gain, assigned, sets, temperature)
    if fixed is not None:
        confidence[held] = 1.0
    return Labelling(scores.labels, tracklets, assigned, confidence, second, gap=gap)


def taken_beside(sets: BoolArray, assigned: IntArray, n_labels: int) -> BoolArray:
    """`(n_tracklets, n_labels)`: labels that another tracklet, seen in the same frame, carries."""
    seen = sets.astype(np.float32)
    together = (seen.T @ seen) > 0
    np.fill_diagonal(together, False)
    carries = np.zeros((len(assigned), n_labels), np.float32)
    labelled = np.flatnonzero(assigned >= 0)
    carries[labelled, assigned[labelled]] = 1
    taken: BoolArray = (together.astype(np.float32) @ carries) > 0
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
    gain: npt.NDArray[np.float64], assigned: IntArray, sets: BoolArray, temperature: float = 1.0
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


def keep_confident(labelling: Labelling, min_confidence: float) -> Labelling:
    """The labelling without labels whose confidence is below `min_confidence`."""
    doubtful = (labelling.assigned >= 0) & (labelling.confidence < min_confidence)
    second = np.where(doubtful, labelling.assigned, labelling.second)
    assigned = np.where(doubtful, -1, labelling.assigned)
    confidence = np.where(doubtful, 1 - labelling.confidence, labelling.confidence).astype(np.float32)
    return Labelling(labelling.labels, labelling.tracklets, assigned, confidence, second, labelling.cuts, labelling.gap)
