"""Labelling of several people in one recording: the trial is split into bodies, each is matched to the pose of its
subject, and all labels, prefixed by the subject's name, are decided at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from automarkerlabel.assignment.confidence import calibrated, decide_signed
from automarkerlabel.assignment.pipeline import labelled
from automarkerlabel.assignment.swaps import Decide, Solved
from automarkerlabel.core import tracklets as pieces
from automarkerlabel.core.labelling import Labelling, LabelScores
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import IntArray, Trial
from automarkerlabel.errors import InputError
from automarkerlabel.io.names import with_full_names
from automarkerlabel.labellers.figures import MatchFacts, SubjectFacts
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher, Way, match_facts
from automarkerlabel.labellers.matcher.template_search import Template
from automarkerlabel.labellers.matcher.windows import cut_match_windows
from automarkerlabel.labellers.subjects.bodies import Places, near_bodies, share_of_either, split_bodies
from automarkerlabel.labellers.subjects.identify import Whose, only, whose

_NOT_LOOKED = -8.0  # log-odds of the labels of a subject whom a tracklet is too far from to be looked at
_ANEW_SHARE = 0.02  # of a subject's points; when the first decision changes more, he is looked at again
_ROUNDS = 3
_EITHER_SHARE = 0.4  # of the points with labels; measured: up to 0.23 where labels were right, 0.69 where they were not
_CLEAR_MM = 1.0  # a mean difference of lengths by which who is who is clear


@dataclass(frozen=True, eq=False)
class Subject:
    """Somebody in a recording: his name, which is the prefix of his labels, and the poses of his marker set."""

    name: str
    template: Template

    def full(self, label: str) -> str:
        """A label with its prefix."""
        return f"{self.name}:{label}"

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.full(x) for x in self.template.poses[0].labels)


@dataclass(frozen=True, eq=False)
class SubjectsAnswer:
    """A labelling of several people, figures of the match and of each, and what is in doubt about who is who."""

    labelling: Labelling
    match: MatchFacts
    subjects: tuple[SubjectFacts, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _About:
    """How scores came about: who is who, the share of points that may be another's, and the ways of the matches."""

    whose: Whose
    either: float
    ways: tuple[Way, ...]


def label_subjects(
    matcher: PoseMatcher, trial: Trial, subjects: Sequence[Subject], keep_labels: bool = False
) -> SubjectsAnswer:
    """The labels of a trial's tracklets, prefixed by whose they are.

    keep_labels  holds names fixed that the trial has already, prefix and all, and that are among the subjects'.

    Raises `InputError` for names that are no prefixes or alike, `TrialError` for a trial without visible points.
    """
    check_names([s.name for s in subjects])

    def solve(trial: Trial, tracklets: list[Tracklet], decide: Decide) -> Solved[_About]:
        return _solved(matcher, trial, tracklets, subjects, decide)

    labelling, about = labelled(with_full_names(trial), solve, matcher.temperature, keep_labels)
    labelling = calibrated(labelling, matcher.calibration)
    facts = _facts(trial, labelling, subjects, about.whose)
    return SubjectsAnswer(labelling, _match(trial, labelling, about.ways), facts, _doubts(about))


def scores_of_subjects(
    matcher: PoseMatcher, trial: Trial, subjects: Sequence[Subject]
) -> tuple[list[Tracklet], LabelScores]:
    """The trial's tracklets and how each fits each label of each subject. Raises as `label_subjects`."""
    check_names([s.name for s in subjects])
    trial.require_points()
    tracklets = pieces.split(trial)
    decide = partial(decide_signed, temperature=matcher.temperature)
    return tracklets, _solved(matcher, trial, tracklets, subjects, decide).scores


def bodies_apart(trial: Trial, n_bodies: int) -> list[Trial]:
    """The trial once for each body, with its points alone; the points of one may all be hidden."""
    trial.require_points()
    tracklets = pieces.split(trial)
    body = split_bodies(Places.of(cut_match_windows(trial, tracklets), len(tracklets)), n_bodies)
    return _alone(trial, tracklets, body, n_bodies)


def _alone(trial: Trial, tracklets: Sequence[Tracklet], body: IntArray, n_bodies: int) -> list[Trial]:
    return [only(trial, [t for t, b in zip(tracklets, body, strict=True) if b == k]) for k in range(n_bodies)]


def check_names(names: Sequence[str]) -> None:
    """Raise `InputError` unless they are distinct names that can be a prefix."""
    usable = all(n and n.isprintable() and n == n.strip() and ":" not in n for n in names)
    if not names or len(set(names)) < len(names) or not usable:
        raise InputError(f"subjects: expected distinct names without a colon, found {', '.join(names) or 'none'}")


def joint_marker_set(subjects: Sequence[Subject]) -> MarkerSet:
    """All labels of all subjects, prefixed, with their segments and their pairs of left and right."""
    worn = [(s, s.template.poses[0].marker_set) for s in subjects]
    labels = [s.full(x) for s, own in worn for x in own.labels]
    pairs = [(s.full(a), s.full(b)) for s, own in worn for a, b in own.pairs or ()]
    return MarkerSet(labels, [x for _, own in worn for x in own.segments], pairs, name="subjects")


def _solved(
    matcher: PoseMatcher, trial: Trial, tracklets: list[Tracklet], subjects: Sequence[Subject], decide: Decide
) -> Solved[_About]:
    """The scores of tracklets for the labels of all subjects, the labels by them, and how they came about.

    Each subject is matched among the tracklets of one body. Then tracklets are his who got their label of, and those
    without one are offered to everybody they are near to; a subject for whom that changes much is matched again.
    """
    n = len(subjects)
    places = Places.of(cut_match_windows(trial, tracklets), len(tracklets))
    body = split_bodies(places, n)
    found = whose(matcher, _alone(trial, tracklets, body, n), [s.template.poses for s in subjects])
    body = np.where(body >= 0, found.subject[body], -1)  # from here on the number of the subject
    near = near_bodies(places, body, n)
    seen = pieces.n_samples(trial, tracklets)
    changed = np.flatnonzero(near.any(0))
    parts: dict[int, _Part] = {}
    for _ in range(_ROUNDS):
        for k in changed.tolist():
            parts[k] = _matched(matcher, trial, tracklets, np.flatnonzero(near[:, k]), subjects[k])
        scores = _together(parts, [s.labels for s in subjects], len(tracklets))
        labelling = decide(trial, tracklets, scores)
        owner, before = _owners(labelling, subjects), near
        near = near_bodies(places, np.where(owner >= 0, owner, body), n, owner < 0)
        changed = np.flatnonzero((seen @ (near != before) > _ANEW_SHARE * (seen @ before)) & near.any(0))
        if not len(changed):
            break
    either = share_of_either(places, owner, n, seen)
    return Solved(scores, labelling, _About(found, either, tuple(p.solved.about for p in parts.values())))


@dataclass(frozen=True, eq=False)
class _Part:
    """The match of one subject among some tracklets `(n_own,)`, by number."""

    own: IntArray
    solved: Solved[Way]


def _matched(
    matcher: PoseMatcher, trial: Trial, tracklets: Sequence[Tracklet], own: IntArray, subject: Subject
) -> _Part:
    decided = partial(decide_signed, temperature=matcher.temperature)
    some = [tracklets[t] for t in own.tolist()]
    return _Part(own, matcher.solved(trial, some, subject.template.poses, MatchOptions(), decided))


def _together(parts: dict[int, _Part], labels: Sequence[tuple[str, ...]], n_tracklets: int) -> LabelScores:
    """What all matches, by subject, say of each tracklet, in one vocabulary: the odds of each label against none.

    Where one match looked at another moment than the rest, theirs count as the mean of the moments that they did look
    at; where they looked at none, that speaks against their labels.
    """
    keys = [np.column_stack([p.own[p.solved.scores.tracklet], p.solved.scores.frames]) for p in parts.values()]
    rows, place = np.unique(np.concatenate(keys), axis=0, return_inverse=True)  # tracklet, first frame, one after last
    places = np.split(place.ravel(), np.cumsum([len(k) for k in keys])[:-1])
    start = np.cumsum([0, *(len(x) for x in labels)])
    odds = np.full((len(rows), start[-1]), _NOT_LOOKED)
    for (k, part), own_rows in zip(parts.items(), places, strict=True):
        scores, columns = part.solved.scores, slice(start[k], start[k + 1])
        mean = np.full((n_tracklets, len(labels[k])), _NOT_LOOKED)
        looked = scores.n_windows() > 0
        mean[part.own[looked]] = _against_none(scores.mean()[looked])
        odds[:, columns] = mean[rows[:, 0]]
        odds[own_rows, columns] = _against_none(scores.log_probs)
    log_probs = np.concatenate([odds, np.zeros((len(rows), 1))], 1)
    log_probs -= np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
    vocabulary = [x for own in labels for x in own]
    return LabelScores(vocabulary, log_probs.astype(np.float32), rows[:, 0], rows[:, 1:], n_tracklets)


def _against_none(log_probs: "np.typing.NDArray[np.float32]") -> "np.typing.NDArray[np.float32]":
    return np.asarray(log_probs[:, :-1] - log_probs[:, -1:])


def _owners(labelling: Labelling, subjects: Sequence[Subject]) -> IntArray:
    """`(n_tracklets,)`: the subject whose label each tracklet has, -1 of those without."""
    of_label = np.repeat(np.arange(len(subjects)), [len(s.labels) for s in subjects])
    return np.where(labelling.assigned >= 0, of_label[labelling.assigned], -1)


def _match(trial: Trial, labelling: Labelling, ways: Sequence[Way]) -> MatchFacts:
    """The figures of all matches: what was looked at in all, the mean likelihood, the most that anybody turned."""
    each = [match_facts(trial, labelling, way) for way in ways]
    return replace(
        each[0],
        likelihood=float(np.mean([m.likelihood for m in each])),
        turns_deg=max(m.turns_deg for m in each),
        n_windows=sum(m.n_windows for m in each),
        n_passes=max(m.n_passes for m in each),
    )


def _facts(trial: Trial, labelling: Labelling, subjects: Sequence[Subject], found: Whose) -> tuple[SubjectFacts, ...]:
    seen = pieces.n_samples(trial, labelling.tracklets)
    owner = _owners(labelling, subjects)
    given = {labelling.labels[k] for k in labelling.assigned[labelling.assigned >= 0]}
    facts = []
    for k, s in enumerate(subjects):
        mine = seen * (owner == k)
        facts.append(
            SubjectFacts(
                name=s.name,
                by=s.template.name,
                n_found=len(given & set(s.labels)),
                n_labels=len(s.labels),
                missing=tuple(x for x in s.template.poses[0].labels if s.full(x) not in given),
                share=float(mine.sum() / max(1, seen.sum())),
                confidence=float(mine @ labelling.confidence / max(1, mine.sum())),
                differs_mm=found.differs_mm[k],
            )
        )
    return tuple(facts)


def _doubts(about: _About) -> tuple[str, ...]:
    """What speaks against who is who, and against whose points are whose."""
    doubts = []
    if about.whose.clear_mm < _CLEAR_MM:
        doubts.append(
            "the references hardly tell the subjects apart: exchanged, lengths between markers would differ from them"
            f" by {about.whose.clear_mm:.1f} mm more; look whether the names are right (each body keeps one throughout)"
        )
    if about.either > _EITHER_SHARE:
        doubts.append(
            f"the subjects are so close together that {100 * about.either:.0f} % of the points with labels may be"
            " somebody else's as well, which confidence does not know; look at them before use"
        )
    return tuple(doubts)
