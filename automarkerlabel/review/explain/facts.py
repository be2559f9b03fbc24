"""Why a trajectory got its label, as facts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.labellers.doubtful import DOUBTFUL
from automarkerlabel.labellers.labeller import LabelResult
from automarkerlabel.models.inputs import FEATURES
from automarkerlabel.review.explain.explained import (
    NO_LABEL,
    Candidate,
    Explained,
    Importance,
    Moment,
    Neighbour,
    Sample,
)
from automarkerlabel.review.explain.inspect import NOTHING_LEFT, Course, Look
from automarkerlabel.review.explain.scene import Scene, places_of, scene_at

_MOST_CANDIDATES = 5


def explain(
    trial: Trial,
    name: str,
    answer: LabelResult,
    look: Look,
    n: int,
    frame: int | None = None,
    against: str | None = None,
) -> Explained:
    """Why tracklet `n` got its label.

    frame    to show, as the file counts; by default in the middle of the window that says most for the label.
    against  a label to compare with, "no label" for none.

    Raises `InputError` for a frame outside of the tracklet and for an unknown or the same label.
    """
    labelling, course = answer, look.course(n)
    t, classes = labelling.tracklets[n], (*labelling.labels, NO_LABEL)
    label = int(labelling.assigned[n]) % len(classes)  # -1 is the last class
    unseen = not len(course.middle)  # no window speaks of it
    mean = np.zeros(len(classes)) if unseen else course.log_probs.mean(0, dtype=np.float64)
    other = _compared(classes, label, mean, labelling, n) if against is None else _asked(classes, label, against)
    ahead = course.log_probs[:, label].astype(np.float64) - course.log_probs[:, other]
    row, at = _moment(trial, course, ahead, t.start, t.stop, frame)
    if not trial.visible[at, t.column]:
        at = _nearest_seen(trial, t.column, t.start, t.stop, at)
    places = places_of(trial, labelling)
    heading = None if unseen else look.heading(n, row, places.at(at))
    left = NOTHING_LEFT if unseen else look.left(n, row, label, other)
    scene = scene_at(trial, labelling, places, at, t.column, heading, None if unseen else look.pose(n, row))
    neighbours = _neighbours(trial, labelling, scene, at, t.column, left, label, other)
    taken = _taken(trial, labelling, n)
    samples = () if unseen else _samples(trial, look.samples(n))
    return Explained(
        trial=name,
        by=answer.by,
        mechanism=look.mechanism,
        column=_column(trial, t.column),
        first_frame=trial.first_frame + t.start,
        last_frame=trial.first_frame + t.stop - 1,
        label=classes[label],
        confidence=round(float(labelling.confidence[n]), 4),
        second=classes[int(labelling.second[n])],
        compared=classes[other],
        frame=trial.first_frame + at,
        because=_because(classes[label], classes[other], ahead, mean[label] - mean[other], taken.get(other, ())),
        n_for=int((ahead > 0).sum()),
        shown=row,
        moments=tuple(
            Moment(trial.first_frame + int(a), trial.first_frame + int(b) - 1, float(p[label]), float(p[other]))
            for (a, b), p in zip(course.spans, course.log_probs, strict=True)
        ),
        candidates=() if unseen else _candidates(classes, mean, course.log_probs[row], label, other, taken),
        neighbours=neighbours,
        samples=samples[row] if samples else (),
        course_samples=samples,
        importance=() if unseen else _importance(trial, labelling, at, look.importance(n, row)),
        note=look.note,
        scene=scene,
    )


def _compared(classes: Sequence[str], label: int, mean: npt.NDArray[np.float64], labelling: Labelling, n: int) -> int:
    """See `Explained.compared`."""
    others = np.where(np.arange(len(classes)) == label, -np.inf, mean)
    likelier = int(others.argmax())
    second = int(labelling.second[n]) % len(classes)
    if others[likelier] > mean[label]:
        return likelier
    if labelling.confidence[n] < DOUBTFUL and second != label:
        return second
    return int(others[:-1].argmax()) if len(classes) > 2 else likelier


def _asked(classes: Sequence[str], label: int, against: str) -> int:
    if against not in classes or classes[label] == against:
        others = ", ".join(x for n, x in enumerate(classes) if n != label)
        raise InputError(f"against: expected a label other than its own ({others}), found {against!r}")
    return list(classes).index(against)


def _moment(
    trial: Trial, course: Course, ahead: npt.NDArray[np.float64], start: int, stop: int, frame: int | None
) -> tuple[int, int]:
    """The window and the frame to show, from 0."""
    if frame is None and not len(ahead):
        return -1, start
    if frame is None:
        row = int(ahead.argmax())
        return row, int(course.middle[row])
    at = frame - trial.first_frame
    if not start <= at < stop:
        raise InputError(
            f"frame: expected one of the trajectory's, {trial.first_frame + start} to {trial.first_frame + stop - 1},"
            f" found {frame}"
        )
    return int(np.abs(course.middle - at).argmin()) if len(ahead) else -1, at


def _nearest_seen(trial: Trial, column: int, start: int, stop: int, at: int) -> int:
    seen = start + np.flatnonzero(trial.visible[start:stop, column])
    return int(seen[np.abs(seen - at).argmin()])


def _column(trial: Trial, column: int) -> str:
    return trial.labels[column] or f"column {column + 1}"


def names_at(trial: Trial, labelling: Labelling, at: int) -> dict[int, str]:
    """Of each column the label of its tracklet in a frame, or else its own name."""
    names = {c: _column(trial, c) for c in range(trial.n_columns)}
    for n, t in enumerate(labelling.tracklets):
        if t.start <= at < t.stop and (label := labelling.label_of(n)) is not None:
            names[t.column] = label
    return names


def _taken(trial: Trial, labelling: Labelling, n: int) -> dict[int, tuple[str, ...]]:
    """Of each class the columns that have it while tracklet `n` is seen."""
    mine = labelling.tracklets[n]
    seen = trial.visible[:, mine.column].copy()
    seen[: mine.start] = seen[mine.stop :] = False
    found: dict[int, tuple[str, ...]] = {}
    for k, t in enumerate(labelling.tracklets):
        label = int(labelling.assigned[k])
        if k != n and label >= 0 and (seen & trial.visible[:, t.column])[t.start : t.stop].any():
            found[label] = tuple(dict.fromkeys((*found.get(label, ()), _column(trial, t.column))))
    return found


def _because(
    label: str, other: str, ahead: npt.NDArray[np.float64], margin: float, taken: Sequence[str]
) -> tuple[str, ...]:
    """What decided, in words."""
    if not len(ahead):
        return ("no window speaks of it: it is too short, or among too many short pieces",)
    n_for = int((ahead > 0).sum())
    lines = [
        f"in {n_for} of {len(ahead)} moment{'s' * (len(ahead) > 1)} {label} is likelier than {other},"
        f" on average {_times(margin)}"
    ]
    if taken:
        lines.append(f"column{'s' * (len(taken) > 1)} {', '.join(taken[:3])}, seen at the same time, got {other}")
    if margin < 0:
        lines.append(
            f"by itself this trajectory looks more like {other}: all trajectories together and the course of time"
            " decided"
        )
    return tuple(lines)


def _times(margin: float) -> str:
    """
    >>> _times(2.31), _times(-2.31), _times(30.0)
    ('10 times as likely', '10 times less likely', 'over a million times as likely')
    """
    kind = "as likely" if margin >= 0 else "less likely"
    times = np.exp(min(abs(margin), 20.0))
    return f"over a million times {kind}" if times > 1e6 else f"{float(f'{times:.2g}'):,.5g} times {kind}"


def _candidates(
    classes: Sequence[str], mean: npt.NDArray[np.float64], moment: npt.NDArray[np.float32], label: int, other: int,
    taken: dict[int, tuple[str, ...]],
) -> tuple[Candidate, ...]:  # fmt: skip
    """The likeliest labels, its own and the compared one among them in any case."""
    share = np.exp(mean - np.logaddexp.reduce(mean))
    order = np.argsort(-share, kind="stable").tolist()
    must = {label, other}
    chosen = [k for k in order if k in must or order.index(k) < _MOST_CANDIDATES - len(must - {*order[:3]})]
    return tuple(Candidate(classes[k], float(share[k]), float(np.exp(moment[k])), taken.get(k, ())) for k in chosen)


def _neighbours(
    trial: Trial, labelling: Labelling, scene: Scene, at: int, column: int, left: Any, label: int, other: int
) -> tuple[Neighbour, ...]:
    """All that were left out, what changes most first."""
    names = names_at(trial, labelling, at)
    index = {x: k for k, x in enumerate(labelling.labels)}
    own = trial.positions[at, column]
    found = []
    for k in np.argsort(-np.abs(left.change), kind="stable").tolist():
        c = int(left.columns[k])
        mine = index.get(names[c], -1)
        found.append(
            Neighbour(
                names[c],
                _column(trial, c),
                c + 1,
                float(left.change[k]),
                None if left.mean is None else float(left.mean[k]),
                _distance(own, trial.positions[at, c]),
                _apart(scene, label, mine),
                _apart(scene, other, mine),
            )
        )
    return tuple(found)


def _distance(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float | None:
    apart = float(np.linalg.norm(a - b))
    return round(apart, 1) if np.isfinite(apart) else None


def _apart(scene: Scene, a: int, b: int) -> float | None:
    """Between two labels of the pose; None where it has not both."""
    pose = scene.pose
    if pose is None or b < 0 or a >= len(pose) or a == b:
        return None
    return _distance(pose[a], pose[b])


def _samples(
    trial: Trial, found: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]] | None
) -> tuple[tuple[Sample, ...], ...]:
    if found is None:
        return ()
    return tuple(
        tuple(Sample(trial.first_frame + int(f), float(s)) for f, s in zip(frames, shares, strict=True) if f >= 0)
        for frames, shares in zip(*found, strict=True)
    )


def _importance(
    trial: Trial, labelling: Labelling, at: int,
    found: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]] | None,
) -> tuple[Importance, ...]:  # fmt: skip
    if found is None:
        return ()
    names = names_at(trial, labelling, at)
    columns, shares = found
    order = np.argsort(-shares.sum(1), kind="stable").tolist()
    return tuple(
        Importance(
            names[int(columns[k])], float(shares[k].sum()),
            {x: float(v) for x, v in zip(FEATURES, shares[k], strict=True)},
        )
        for k in order
    )  # fmt: skip
