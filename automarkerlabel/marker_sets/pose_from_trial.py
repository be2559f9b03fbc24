"""One labelled pose of a marker set: what the matcher matches to."""

import numpy as np

from automarkerlabel.audit.quick import label_doubts
from automarkerlabel.core.heading import side_heading
from automarkerlabel.core.marker_set import MarkerSet, labelled_columns
from automarkerlabel.core.mirror import sides_in
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.errors import InputError, TrialError

_STILL_S = 0.1  # to either side of a frame
_STILL_MM = 5.0  # a marker that stays within this over that time stands still


def reference_from_trial(
    trial: Trial, frame: int | None = None, marker_set: MarkerSet | None = None, source: str = "reference"
) -> Reference:
    """The labelled pose of one frame; `frame` is counted as the file counts its frames.

    By default the frame in which most labelled markers are seen, and of these the stillest. Where the body stands
    still the median over a few frames is taken. Labels that are not seen there are left out. Computed points are never
    part. `marker_set` gives pairs of left and right that the names do not tell; its other labels are left out. Where
    neither tells, pairs are found from the pose or another moment; then which side is left is not known, nor the
    heading.

    Raises `TrialError` for a trial without labels, or no labelled marker in that frame; `InputError` for a frame that
    the trial does not have.
    """
    named = labelled_columns(trial)
    if marker_set is not None:
        named = [(x, c) for x, c in named if x in set(marker_set.labels)]
    if not named:
        raise TrialError(
            f"{source}: expected a labelled trial as reference, found {trial.n_columns} columns without a usable name"
        )
    columns = np.array([c for _, c in named], np.int64)
    index = _best_frame(trial, columns) if frame is None else frame - trial.first_frame
    if not 0 <= index < trial.n_frames:
        last = trial.first_frame + trial.n_frames - 1
        raise InputError(f"{source}: expected a reference frame from {trial.first_frame} to {last}, found {frame}")
    pose = _pose(trial, columns, index)
    seen = np.isfinite(pose[:, 0])
    if not seen.any():
        raise TrialError(
            f"{source}: expected labelled markers in frame {trial.first_frame + index}, found all hidden;"
            " choose another frame"
        )
    labels = [x for (x, _), there in zip(named, seen, strict=True) if there]
    known = None if marker_set is None else tuple(p for p in marker_set.pairs or () if set(p) <= set(labels))
    moments = np.concatenate([pose[None, seen], trial.positions[:, columns[seen]]])
    pairs, told = sides_in(labels, moments, known)
    chosen = MarkerSet(labels, pairs=pairs, name=source)
    notes = label_doubts(trial, source, trial.first_frame + index)
    return Reference(chosen, pose[seen], pose_heading(chosen, pose[seen]) if told else None, source, tuple(notes))


def pose_heading(marker_set: MarkerSet, positions: FloatArray) -> float | None:
    """The heading of a labelled pose from its pairs of left and right, in radians; None where they do not tell."""
    index = {x: n for n, x in enumerate(marker_set.labels)}
    pairs = np.array([(index[a], index[b]) for a, b in marker_set.pairs or ()], np.int64).reshape(-1, 2)
    return side_heading(positions[pairs[:, 0]], positions[pairs[:, 1]])


def _best_frame(trial: Trial, columns: IntArray) -> int:
    """The frame with most of `columns` seen; of these the stillest."""
    n_seen = trial.visible[:, columns].sum(1)
    best = np.flatnonzero(n_seen == n_seen.max())
    best = best[np.unique(np.linspace(0, len(best) - 1, 200).astype(np.int64))]
    return int(best[_unrest(trial, columns, best).argmin()])


def _unrest(trial: Trial, columns: IntArray, frames: IntArray) -> FloatArray:
    """How far the markers are from where they were just before and will be just after, mm: the median of each frame;
    infinite where that is not seen."""
    span = max(1, round(_STILL_S * trial.rate_hz))
    here = trial.positions[frames[:, None], columns]
    unrest = np.zeros(len(frames), np.float32)
    for step in (-span, span):
        there = frames + step
        other = trial.positions[np.clip(there, 0, trial.n_frames - 1)[:, None], columns]
        distance = np.linalg.norm(other - here, axis=2)
        distance[(there < 0) | (there >= trial.n_frames)] = np.nan
        known = ~np.isnan(distance)
        ranked = np.sort(np.where(known, distance, np.inf), axis=1)
        middle = ranked[np.arange(len(frames)), np.maximum(known.sum(1) - 1, 0) // 2]
        unrest = np.maximum(unrest, middle)
    return unrest


def _pose(trial: Trial, columns: IntArray, frame: int) -> FloatArray:
    """`(n_columns, 3)`: where the markers are; the median over the frames about, if they stand still."""
    here: FloatArray = trial.positions[frame, columns]
    span = round(_STILL_S * trial.rate_hz)
    about = trial.positions[max(0, frame - span) : frame + span + 1, columns]
    distance = np.linalg.norm(about - here, axis=2)
    seen = np.isfinite(here[:, 0])
    if not seen.any() or np.nanmax(distance) > _STILL_MM:
        return here
    pose: FloatArray = here.copy()
    pose[seen] = np.nanmedian(about[:, seen], axis=0)
    return pose
