"""What the page shows of a trial and its labelling, as plain values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.mirror import sides_in
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.doubtful import Doubt, review
from automarkerlabel.marker_sets.segments import segments_of
from automarkerlabel.review.report.sticks import places_of, sticks_of

VERSION = 1


def view_of(
    trial: Trial, labelling: Labelling, *,
    title: str, labelled_by: str, source: str = "", marker_set: MarkerSet | None = None, min_confidence: float = 0.0,
    doubts: Sequence[dict[str, Any]] | None = None, facts: Sequence[tuple[str, str]] = (), notes: Sequence[str] = (),
    points: dict[str, Any] | None = None, attention: dict[str, Any] | None = None,
    editing: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The view of a trial, in plain values that become JSON. Frames count from 0, stops are exclusive.

    labelling       as decided, before labels below `min_confidence` were left out.
    labelled_by     where the labels are from, in words.
    marker_set      tells segments and pairs; without one they are those of the known set that shares most names.
    doubts          what to review; by default the doubtful labels of the labelling, the worst first.
    facts, notes    of the run: names and values in words, and lines.
    points          what `pack_points` says beside its bytes.
    attention       see `attention.attention_of`; None where none was dumped.
    editing         None for a page to look at.
    """
    segments = segments_of(labelling.labels, marker_set)
    index = {x: n for n, x in enumerate(labelling.labels)}
    known = tuple(marker_set.pairs or ()) if marker_set else None
    pairs, _ = sides_in(labelling.labels, places_of(trial, labelling), known)
    found = review(labelling, trial, min_confidence) if doubts is None else ()
    return {
        "version": VERSION,
        "title": title,
        "source": source,
        "labelled_by": labelled_by,
        "rate_hz": float(trial.rate_hz),
        "first_frame": trial.first_frame,
        "n_frames": trial.n_frames,
        "columns": list(trial.labels),
        "computed": sorted(trial.computed),
        "labels": list(labelling.labels),
        "segments": segments,
        "sticks": sticks_of(trial, labelling, segments),
        "pairs": [(index[a], index[b]) for a, b in pairs if a in index and b in index],
        "pieces": pieces_of(labelling, min_confidence),
        "doubts": list(doubts) if doubts is not None else _doubts(found, labelling, trial),
        "cuts": [
            {"column": c.column, "frame": c.frame, "before": c.before, "after": c.after, "why": c.why}
            for c in labelling.cuts
        ],
        "facts": [list(x) for x in facts],
        "notes": list(notes),
        "attention": attention,
        "points": points,
        "editing": editing,
    }


def pieces_of(labelling: Labelling, min_confidence: float = 0.0) -> list[dict[str, Any]]:
    """The tracklets as the page knows them, in order. A label below `min_confidence` becomes the second choice."""
    held = labelling.signs.held if labelling.signs is not None else np.zeros(len(labelling.tracklets), np.bool_)
    found = []
    for n, t in enumerate(labelling.tracklets):
        label, second = int(labelling.assigned[n]), int(labelling.second[n])
        confidence, course = float(labelling.confidence[n]), _course(labelling, n)
        if label >= 0 and confidence < min_confidence:
            label, second, confidence, course = -1, label, 1 - confidence, []
        found.append(
            {"column": t.column, "start": t.start, "stop": t.stop, "label": label, "confidence": round(confidence, 4),
             "second": second, "held": bool(held[n]), "course": course}
        )  # fmt: skip
    return found


def _course(labelling: Labelling, n: int) -> list[tuple[int, float]]:
    """(frame, confidence) of the moments that tell the course of a tracklet's confidence; none where it has one."""
    if not labelling.courses or not len(labelling.courses[n][0]):
        return []
    moments, course = labelling.courses[n]
    frames = np.clip(np.round(moments), labelling.tracklets[n].start, labelling.tracklets[n].stop - 1).astype(np.int64)
    told = np.round(course.astype(np.float64), 3)
    kept = np.ones(len(told), np.bool_)  # the same as before and after tells nothing
    kept[1:-1] = (told[1:-1] != told[:-2]) | (told[1:-1] != told[2:])
    return list(zip(frames[kept].tolist(), told[kept].tolist(), strict=True))


def _doubts(found: Sequence[Doubt], labelling: Labelling, trial: Trial) -> list[dict[str, Any]]:
    """The doubtful labels with the index of their piece; of one in doubt for a while, its worst stretch."""
    pieces = {
        (trial.labels[t.column], trial.first_frame + t.start, labelling.label_of(n)): n
        for n, t in enumerate(labelling.tracklets)
    }
    told = []
    for d in found:
        worst = min(d.spans, key=lambda s: s.confidence, default=None)
        first, last = (worst.first_frame, worst.last_frame) if worst else (d.first_frame, d.last_frame)
        told.append(
            {"piece": pieces[d.column, d.first_frame, d.label], "label": d.label, "column": d.column,
             "first": first - trial.first_frame, "last": last - trial.first_frame, "confidence": d.lowest,
             "second": d.second, "why": d.why}
        )  # fmt: skip
    return told
