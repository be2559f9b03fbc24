"""The labelling with the most evidence: an exact integer program over all tracklets and labels of a trial.

Each tracklet takes one label or none; no label stands twice among tracklets seen in the same frame; the summed
evidence is the largest possible (SciPy's HiGHS, solved to optimality).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from automarkerlabel.errors import ProcessingError
from automarkerlabel.markerset import labelled_columns
from automarkerlabel.scores import Labelling, LabelScores
from automarkerlabel.tracklets import Tracklet
from automarkerlabel.trial import BoolArray, FloatArray, IntArray, Trial

MAX_WINDOWS = 10  # windows of one tracklet that count as independent evidence


def evidence(scores: LabelScores, max_windows: int = MAX_WINDOWS) -> npt.NDArray[np.float64]:
    """`(n_tracklets, n_labels)`: mean log-score of a label minus that of *no label*, times the number of windows,
    of which `max_windows` count as independent."""
    mean = scores.mean().astype(np.float64)
    weight = np.minimum(scores.n_windows(), max_windows)
    with np.errstate(invalid="ignore"):
        gain = (mean[:, :-1] - mean[:, -1:]) * weight[:, None]
    return np.where(weight[:, None] > 0, gain, -np.inf)


def meeting_sets(visible: BoolArray) -> list[IntArray]:
    """The largest sets of tracklets that are seen in one frame: `visible` is `(n_frames, n_tracklets)`.

    Two tracklets conflict exactly if some set holds both.
    """
    if not visible.size:
        return []
    appears = visible & ~np.vstack([np.zeros((1, visible.shape[1]), bool), visible[:-1]])
    # A largest set is first complete in a frame where one of its members appears.
    frames = np.flatnonzero(appears.any(1))
    rows = np.unique(visible[frames], axis=0)
    rows = rows[np.argsort(-rows.sum(1), kind="stable")]
    kept: list[npt.NDArray[np.bool_]] = []
    for row in rows:
        if not any(not (row & ~other).any() for other in kept):
            kept.append(row)
    return [np.flatnonzero(row) for row in kept]


def assign(gain: npt.NDArray[np.float64], visible: BoolArray) -> IntArray:
    """`(n_tracklets,)`: the label of each tracklet, -1 for none, with the largest summed gain.

    gain     `(n_tracklets, n_labels)`: what a label is worth over none, which is worth 0.
    visible  `(n_frames, n_tracklets)`: where each tracklet is seen.

    Labels that are worth nothing are left out beforehand: taking none instead is never worse and frees the label.
    Raises `ProcessingError` if the solver does not prove its answer the best.
    """
    n_tracklets = len(gain)
    answer = np.full(n_tracklets, -1, np.int64)
    tracklet, label = np.nonzero(gain > 0)
    if not len(tracklet):
        return answer
    variable = np.full(gain.shape, -1, np.int64)
    variable[tracklet, label] = np.arange(len(tracklet))
    constraints = [variable[t][variable[t] >= 0] for t in np.unique(tracklet)]
    for together in meeting_sets(visible):
        for k in np.unique(label):
            members = variable[together, k]
            members = members[members >= 0]
            if len(members) > 1:
                constraints.append(members)
    columns = np.concatenate(constraints)
    rows = np.repeat(np.arange(len(constraints)), [len(c) for c in constraints])
    matrix = csr_array((np.ones(len(columns)), (rows, columns)), shape=(len(constraints), len(tracklet)))
    result = milp(
        -gain[tracklet, label],
        integrality=np.ones(len(tracklet), np.int64),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, -np.inf, 1),
        options={"mip_rel_gap": 0.0},
    )
    if result.status != 0:
        raise ProcessingError(f"assignment: expected a proven optimum, the solver said: {result.message}")
    taken = result.x > 0.5
    answer[tracklet[taken]] = label[taken]
    return answer


def decide(
    scores: LabelScores,
    tracklets: Sequence[Tracklet],
    visible: BoolArray,
    temperature: float = 1.0,
    fixed: IntArray | None = None,
) -> Labelling:
    """The labelling of a trial from its scores.

    visible      `(n_frames, n_tracklets)`.
    temperature  divides the evidence before it becomes a confidence; fitted on validation trials.
    fixed        int `(n_tracklets,)`: labels that are held, -1 where the scores decide.
    """
    gain = evidence(scores)
    if fixed is None:
        assigned = assign(gain, visible)
        confidence, second = confidences(gain, assigned, visible, temperature)
        return Labelling(scores.labels, tracklets, assigned, confidence, second)
    free = gain.copy()
    held = np.flatnonzero(fixed >= 0)
    free[held] = -np.inf
    free[taken_beside(visible, fixed, gain.shape[1])] = -np.inf
    assigned = np.where(fixed >= 0, fixed, assign(free, visible))
    confidence, second = confidences(gain, assigned, visible, temperature)
    confidence[held] = 1.0
    return Labelling(scores.labels, tracklets, assigned, confidence, second)


def taken_beside(visible: BoolArray, assigned: IntArray, n_labels: int) -> BoolArray:
    """`(n_tracklets, n_labels)`: labels that another tracklet, seen in the same frame, carries."""
    seen = visible.astype(np.float32)
    together = (seen.T @ seen) > 0
    np.fill_diagonal(together, False)
    carries = np.zeros((len(assigned), n_labels), np.float32)
    labelled = np.flatnonzero(assigned >= 0)
    carries[labelled, assigned[labelled]] = 1
    taken: BoolArray = (together.astype(np.float32) @ carries) > 0
    return taken


def hold_fixed(trial: Trial, tracklets: Sequence[Tracklet], labels: Sequence[str]) -> IntArray:
    """`(n_tracklets,)`: the label that a tracklet's column has already, -1 where it has none of `labels`.

    Of several columns with one name the first counts.
    """
    index = {x: i for i, x in enumerate(labels)}
    of_column = {column: index[label] for label, column in labelled_columns(trial) if label in index}
    return np.array([of_column.get(t.column, -1) for t in tracklets], np.int64)


def confidences(
    gain: npt.NDArray[np.float64], assigned: IntArray, visible: BoolArray, temperature: float = 1.0
) -> tuple[FloatArray, IntArray]:
    """Probability of each tracklet's label given the others', and the next best class.

    A tracklet could carry its own label, none, or one that no tracklet seen together with it carries: the
    softmax of its evidence over these.
    """
    n_tracklets, n_labels = gain.shape
    taken = taken_beside(visible, assigned, n_labels)
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
    return Labelling(labelling.labels, labelling.tracklets, assigned, confidence, second, labelling.cuts)
