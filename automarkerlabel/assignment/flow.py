"""The assignment as an integer program (SciPy's HiGHS): each label is one unit that flows from tracklet to tracklet."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from automarkerlabel.assignment.continuity import Joins
from automarkerlabel.core.trial import BoolArray, IntArray

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Solution:
    """Labels `(n_tracklets,)`, -1 for none, None where the solver had no answer in time; and a bound of their worth."""

    assigned: IntArray | None
    at_most: float


def solve(
    gain: Array, sets: BoolArray, joins: Joins, allowed: BoolArray, must: BoolArray, time_limit_s: float
) -> Solution:
    """The best labelling that takes pairs out of `allowed` `(n_tracklets, n_labels)` alone, and gives a label to each
    tracklet that `must` `(n_tracklets,)` have one; see `assign` for the rest.

    Variables are the pairs; then a join of two pairs of one label; then for each label and set whether the label is
    free there. A label is taken when a tracklet that carries it appears, free again when it ends, or goes straight on
    to another tracklet. The difference of the rows of consecutive sets says so, in which a pair stands where it begins
    and ends rather than in every set that it is part of.
    """
    tracklet, label = np.nonzero(allowed)
    if not len(tracklet):
        return Solution(np.full(len(gain), -1, np.int64), 0.0)
    n = len(tracklet)
    pair = np.full(gain.shape, -1)
    pair[tracklet, label] = np.arange(n)
    which, k = np.nonzero((pair[joins.before] >= 0) & (pair[joins.after] >= 0))
    before, after = pair[joins.before[which], k], pair[joins.after[which], k]
    program = _Program(n + len(which))
    program.add(tracklet, np.arange(n), np.ones(n), must[: tracklet.max() + 1].astype(np.float64), 1)
    for end in (before, after):  # a join needs both its pairs, and either has one on that side
        used, row = np.unique(end, return_inverse=True)
        columns = np.concatenate([n + np.arange(len(end)), used])
        values = np.concatenate([np.ones(len(end)), -np.ones(len(used))])
        program.add(np.concatenate([row, np.arange(len(used))]), columns, values, np.full(len(used), -np.inf), 0)
    for k in np.unique(label):
        joined = np.flatnonzero(label[before] == k)
        _add_label(program, np.flatnonzero(label == k), tracklet, sets, n + joined, before[joined], after[joined])
    cost = np.concatenate([gain[tracklet, label], joins.worth[which]])
    return _run(program, cost, tracklet, label, len(gain), time_limit_s)


def _run(
    program: "_Program", worth: Array, tracklet: IntArray, label: IntArray, n_tracklets: int, time_limit_s: float
) -> Solution:
    n = len(tracklet)
    result = milp(
        np.concatenate([-worth, np.zeros(program.n_columns - len(worth))]),
        integrality=(np.arange(program.n_columns) < n).astype(np.int64),
        bounds=Bounds(0, 1),
        constraints=program.constraint(),
        options={"mip_rel_gap": 0.0, "time_limit": max(0.01, time_limit_s)},
    )
    at_most = np.inf if result.mip_dual_bound is None else -float(result.mip_dual_bound)
    if result.x is None:
        return Solution(None, at_most)
    taken = result.x[:n] > 0.5
    assigned = np.full(n_tracklets, -1, np.int64)
    assigned[tracklet[taken]] = label[taken]
    return Solution(assigned, at_most)


@dataclass(eq=False)
class _Program:
    """Rows of a sparse matrix with their bounds."""

    n_columns: int
    rows: list[IntArray] = field(default_factory=list)
    columns: list[IntArray] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    lower: list[Array] = field(default_factory=list)
    upper: list[Array] = field(default_factory=list)
    n_rows: int = 0

    def add(self, rows: IntArray, columns: IntArray, values: Array, lower: Array, upper: npt.ArrayLike) -> None:
        """Entries of as many new rows as there are bounds `lower`; `rows` count from the first of them."""
        self.rows.append(rows + self.n_rows)
        self.columns.append(columns)
        self.values.append(values)
        self.lower.append(lower)
        self.upper.append(np.broadcast_to(np.asarray(upper, np.float64), lower.shape))
        self.n_rows += len(lower)

    def constraint(self) -> LinearConstraint:
        entries = (np.concatenate(self.values), (np.concatenate(self.rows), np.concatenate(self.columns)))
        matrix = csr_array(entries, shape=(self.n_rows, self.n_columns))
        return LinearConstraint(matrix, np.concatenate(self.lower), np.concatenate(self.upper))


def _add_label(
    program: _Program, pairs: IntArray, tracklet: IntArray, sets: BoolArray, joined: IntArray, before: IntArray,
    after: IntArray,
) -> None:  # fmt: skip
    """The rows of one label: its `pairs`, and the variables `joined` of its joins from pairs `before` to `after`."""
    held = sets[:, tracklet[pairs]].astype(np.int8)
    held = held[np.append(True, (held[1:] != held[:-1]).any(1))]
    m = len(held)
    first, end = held.argmax(0), m - held[::-1].argmax(0)
    step = np.vstack([held[:1], np.diff(held, axis=0)])
    row, pair = np.nonzero(step)
    free = np.arange(m)
    ends, begins = end[np.searchsorted(pairs, before)], first[np.searchsorted(pairs, after)]
    columns = [pairs[pair], joined, joined, program.n_columns + free, program.n_columns + free[:-1]]
    values = [
        step[row, pair].astype(np.float64),
        np.ones(len(joined)),
        -np.ones(len(joined)),
        np.ones(m),
        -np.ones(m - 1),
    ]
    program.n_columns += m
    one = (free == 0).astype(np.float64)
    program.add(
        np.concatenate([row, ends, begins, free, free[1:]]), np.concatenate(columns), np.concatenate(values), one, one
    )
