"""Labels that a file gives, brought to the columns of the trial: the same points, in other columns."""

from typing import Any

import numpy as np

from automarkerlabel.assignment.permuted_columns import cut_at
from automarkerlabel.core import tracklets as whole
from automarkerlabel.core.labelling import Cut
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.review.editing.state import GIVEN, METHOD, Piece, State, check, place

_SAME_MM = 0.05  # text files round
_LEAST_FOUND = 0.9  # share of the labelled points that must be in the trial
_UNKNOWN = 0.5  # confidence of what was left without a label


def state_given(trial: Trial, labelled: Trial, name: str) -> tuple[State, tuple[str, ...]]:
    """The state that has the labels of `labelled`, the same recording, and notes.

    What has a label there is held; its confidence is 1, as of whatever somebody gave.
    Raises `TrialError` where the two are not of one recording.
    """
    trial.require_points()
    named = labelled_columns(labelled)
    if not named:
        raise TrialError(f"{name}: expected labels, found {labelled.n_columns} columns without a name")
    if labelled.n_frames != trial.n_frames:
        raise TrialError(
            f"{name}: expected labels of the same recording, {trial.n_frames} frames, found {labelled.n_frames}"
        )
    points = labelled.positions[:, [c for _, c in named]]
    owner = _owners(trial, points)
    seen = ~np.isnan(points[..., 0])
    found = float((owner >= 0).sum() / max(1, seen.sum()))
    if found < _LEAST_FOUND:
        raise TrialError(
            f"{name}: expected labels of the same recording, found {100 * found:.0f} % of its labelled points in the"
            " trial; check --units and --up"
        )
    state = _state(trial, tuple(x for x, _ in named), owner)
    lost = int(seen.sum() - (owner >= 0).sum())
    return state, (f"{lost} labelled points of {name} are not in the trial (filled gaps?)",) if lost else ()


def doubts_about_names(labelled: Trial, name: str) -> tuple[dict[str, Any], ...]:
    """What an audit of a labelled trial by itself finds, the surest first: plain label, first and last frame from 0,
    what it should be, and why."""
    from automarkerlabel.audit.audit import audit  # and with it torch

    return tuple(
        {"label": label, "first": f.first_frame - labelled.first_frame, "last": f.last_frame - labelled.first_frame,
         "second": should, "why": f"{f.kind}: {f.why}"}
        for f in audit(labelled, name=name).findings
        for label, should in zip(f.labels, f.should, strict=True)
    )  # fmt: skip


def _owners(trial: Trial, points: FloatArray) -> IntArray:
    """`(n_frames, n_labels)`: the measured column that each labelled point is in, -1 where there is none."""
    columns = np.array(trial.marker_columns, np.int64)
    owner = np.full(points.shape[:2], -1, np.int64)
    for k in range(points.shape[1]):
        off = np.abs(trial.positions[:, columns] - points[:, k, None]).max(2)  # (n_frames, n_columns)
        off = np.where(np.isnan(off), np.inf, off)
        nearest = off.argmin(1)
        near = off[np.arange(len(off)), nearest] <= _SAME_MM
        owner[near, k] = columns[nearest[near]]
    return owner


def _state(trial: Trial, labels: tuple[str, ...], owner: IntArray) -> State:
    given = np.full(trial.visible.shape, -1, np.int64)  # which label each point has
    for k in reversed(range(len(labels))):  # of two labels on one point the first counts
        frames = np.flatnonzero(owner[:, k] >= 0)
        given[frames, owner[frames, k]] = k
    tracklets = whole.split(trial)
    cuts = [cut for t in tracklets for cut in _changes(given, trial.visible, t)]
    pieces = []
    for t in cut_at(trial, tracklets, cuts):
        k = int(given[t.start, t.column])
        label, confidence = (labels[k], 1.0) if k >= 0 else (None, _UNKNOWN)
        pieces.append(Piece(t.column, t.start, t.stop, label, confidence, by=GIVEN if k >= 0 else METHOD))
    pieces.sort(key=place)
    marks = [Cut(c, f, "the given label changes") for c, f in cuts]
    state = State(labels, tuple(pieces), tuple(marks))
    check(state, trial)
    return state


def _changes(given: IntArray, visible: BoolArray, t: Tracklet) -> list[tuple[int, int]]:
    """(column, frame) where the label of a tracklet changes."""
    seen = t.start + np.flatnonzero(visible[t.start : t.stop, t.column])
    frames = seen[1:][np.diff(given[seen, t.column]) != 0]
    return [(t.column, int(f)) for f in frames]
