"""Ways to label a trial: by a model of trajectories, by one labelled pose, or by the likeliest known marker set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from automarkerlabel import io
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.io.hdf5.attention import Inside
from automarkerlabel.labellers import load
from automarkerlabel.labellers.matcher.labeller import MatcherLabeller, MatchFacts
from automarkerlabel.labellers.matcher.template_search import (
    Candidate,
    Template,
    compare,
    known_templates,
    refuse_unlikely,
    template_from_trial,
    template_named,
)
from automarkerlabel.labellers.subjects.labeller import (
    Subject,
    SubjectFacts,
    bodies_apart,
    joint_marker_set,
    label_subjects,
    scores_of_subjects,
)
from automarkerlabel.labellers.subjects.options import entry_parts, named_subjects, numbered_names, subjects_in
from automarkerlabel.labellers.trajectory import Labeller
from automarkerlabel.models.inputs import FEATURES


@dataclass(frozen=True, eq=False)
class Answer:
    """A labelling and how it came about.

    by          what it was labelled by, in words.
    optional    labels whose absence means nothing.
    match       figures of the match; None for a model of trajectories.
    candidates  marker sets that were compared, the one that fits best first.
    marker_set  of the labels; None where it is not known.
    subjects    what became of each, where there were to be several.
    notes       what is in doubt, a line each.
    """

    labelling: Labelling
    by: str
    optional: frozenset[str] = frozenset()
    match: MatchFacts | None = None
    candidates: tuple[Candidate, ...] = ()
    marker_set: MarkerSet | None = None
    subjects: tuple[SubjectFacts, ...] = ()
    notes: tuple[str, ...] = ()


class Method(Protocol):
    """A way to label trials."""

    def label(self, trial: Trial) -> Labelling:
        """As `answer`, the labelling alone."""

    def answer(self, trial: Trial, keep_labels: bool = False, heading_deg: float = 0.0) -> Answer:
        """Label a trial. Raises `TrialError` for one without visible points."""

    def require_inside(self) -> None:
        """Raise `ModelError` where there is nothing to look at inside."""

    def inside(self, trial: Trial) -> Inside:
        """What a labelling looks at. Raises as `require_inside`, and `TrialError` for a trial without points."""


@dataclass(frozen=True, eq=False)
class ByModel:
    """By a model of trajectories, whose labels are its own."""

    labeller: Labeller
    name: str

    def label(self, trial: Trial) -> Labelling:
        return self.labeller.label(trial)

    def answer(self, trial: Trial, keep_labels: bool = False, heading_deg: float = 0.0) -> Answer:
        labelling = self.labeller.label(trial, keep_labels, heading_deg)
        return Answer(labelling, f"model {self.name}", marker_set=self.labeller.marker_set)

    def require_inside(self) -> None:
        self.labeller.require_attention()

    def inside(self, trial: Trial) -> Inside:
        self.require_inside()
        tracklets, scores = self.labeller.scores(trial)
        parts = (part.arrays() for part in self.labeller.attention(trial))
        return Inside(self.labeller.mechanism, FEATURES, tracklets, scores, parts)


@dataclass(frozen=True, eq=False)
class Matching:
    """By the matcher."""

    matcher: MatcherLabeller

    def require_inside(self) -> None:
        """There always is: how points fit those of the pose."""

    def _fit(self, trial: Trial, template: Template) -> Inside:
        return Inside("matcher", (), *self.matcher.scores(trial, template.poses), ())


@dataclass(frozen=True, eq=False)
class ByPose(Matching):
    """By matching with the poses of one marker set; a labelled trial is one pose."""

    template: Template

    def label(self, trial: Trial) -> Labelling:
        return self.answer(trial).labelling

    def answer(self, trial: Trial, keep_labels: bool = False, heading_deg: float = 0.0) -> Answer:
        labelling, match = self.matcher.label(trial, self.template.poses, keep_labels)
        worn = self.template.poses[0].marker_set
        return Answer(labelling, self.template.name, self.template.optional, match, marker_set=worn)

    def inside(self, trial: Trial) -> Inside:
        return self._fit(trial, self.template)


@dataclass(frozen=True, eq=False)
class ByLikeliestSet(Matching):
    """By matching with the likeliest of known marker sets, looked for in each trial anew."""

    templates: tuple[Template, ...]

    def label(self, trial: Trial) -> Labelling:
        return self.answer(trial).labelling

    def answer(self, trial: Trial, keep_labels: bool = False, heading_deg: float = 0.0) -> Answer:
        """As `Method.answer`. Raises `MarkerSetError` if the trial wears none of the sets."""
        candidates, template = self._compared(trial)
        labelling, match = self.matcher.label(trial, template.poses, keep_labels)
        worn = template.poses[0].marker_set
        return Answer(labelling, f"marker set {template.name}", template.optional, match, candidates, worn)

    def inside(self, trial: Trial) -> Inside:
        return self._fit(trial, self._compared(trial)[1])

    def settled(self, trial: Trial) -> ByPose:
        """By the set that is the likeliest for this trial. Raises as `answer`."""
        template = self._compared(trial)[1]
        return ByPose(self.matcher, replace(template, name=f"marker set {template.name}"))

    def _compared(self, trial: Trial) -> tuple[tuple[Candidate, ...], Template]:
        trial.require_points()
        fits = compare(self.matcher, trial, self.templates)
        candidates = tuple(candidate for candidate, _ in fits)
        refuse_unlikely(candidates)
        return candidates, fits[0][1]


@dataclass(frozen=True, eq=False)
class BySubjects(Matching):
    """By matching each of several people to the poses of his marker set."""

    subjects: tuple[Subject, ...]

    def label(self, trial: Trial) -> Labelling:
        return self.answer(trial).labelling

    def answer(self, trial: Trial, keep_labels: bool = False, heading_deg: float = 0.0) -> Answer:
        found = label_subjects(self.matcher, trial, self.subjects, keep_labels)
        by = "; ".join(f"{s.name}: {s.template.name}" for s in self.subjects)
        optional = frozenset(s.full(x) for s in self.subjects for x in s.template.optional)
        worn = joint_marker_set(self.subjects)
        return Answer(found.labelling, by, optional, found.match, (), worn, found.subjects, found.notes)

    def inside(self, trial: Trial) -> Inside:
        return Inside("matcher", (), *scores_of_subjects(self.matcher, trial, self.subjects), ())


@dataclass(frozen=True, eq=False)
class ByLikeliestSets(Matching):
    """By matching each of several people with the likeliest of known marker sets, looked for in each trial anew."""

    names: tuple[str, ...]
    templates: tuple[Template, ...]

    def label(self, trial: Trial) -> Labelling:
        return self.answer(trial).labelling

    def answer(self, trial: Trial, keep_labels: bool = False, heading_deg: float = 0.0) -> Answer:
        """As `Method.answer`. Raises `MarkerSetError` if somebody wears none of the sets."""
        return BySubjects(self.matcher, self._subjects(trial)).answer(trial, keep_labels)

    def inside(self, trial: Trial) -> Inside:
        return BySubjects(self.matcher, self._subjects(trial)).inside(trial)

    def _subjects(self, trial: Trial) -> tuple[Subject, ...]:
        found = []
        for name, alone in zip(self.names, bodies_apart(trial, len(self.names)), strict=True):
            alone.require_points(name)
            fits = compare(self.matcher, alone, self.templates)
            refuse_unlikely([candidate for candidate, _ in fits])
            found.append(Subject(name, replace(fits[0][1], name=f"marker set {fits[0][0]}")))
        return tuple(found)


@dataclass(frozen=True)
class Wanted:
    """What the user said of how to label; names as on the command line."""

    model: str | None = None
    reference: Path | None = None
    reference_frame: int | None = None
    marker_set: str | None = None
    training_values: Path | None = None
    exclude: str | None = None
    subjects: tuple[str, ...] = ()
    n_subjects: int | None = None

    @property
    def several(self) -> bool:
        """Whether there are several people in a recording, or one who is to be named."""
        return bool(self.subjects) or self.n_subjects is not None

    @property
    def inputs(self) -> list[Path]:
        """The files among them that an output must not replace."""
        named = [self.model, self.marker_set, *(entry_parts(x)[1] for x in self.subjects)]
        return [*(Path(x) for x in named if x), *(x for x in (self.reference, self.training_values) if x)]


def method_for(wanted: Wanted, device: str, template: Template | None = None) -> Method:
    """The way to label that the user asked for. `template`: see `template_of`, where it has been read already.

    Raises `InputError` for options that contradict each other, and what reading their files raises.
    """
    path = load.find_matcher(wanted.model)
    if path is None:
        if wanted.several:
            raise ModelError(f"subjects: expected the matcher, found {wanted.model}, a model of trajectories")
        return ByModel(_trajectory_model(wanted, device), str(wanted.model))
    if wanted.training_values is not None:
        raise ModelError(f"--training-values: expected none with the matcher {path.name}, which needs no such file")
    if wanted.several:
        return _by_subjects(wanted, path, device)
    template = template or _worn(wanted, path)
    matcher = MatcherLabeller.load(path, device)
    return ByLikeliestSet(matcher, known_templates()) if template is None else ByPose(matcher, template)


def _worn(wanted: Wanted, matcher: Path) -> Template | None:
    """What is to be matched to: the reference, else the marker set, else the matcher's own reference, if there is any;
    None: it is to be found out."""
    template = template_of(wanted)
    if template is not None:
        return template
    if wanted.marker_set is not None:
        known = template_named(wanted.marker_set)
        return replace(known, name=f"marker set {known.name}")
    own = load.own_reference(matcher)
    return None if own is None else Template(f"{matcher.name} and its own reference, {own.source}", (own,))


def _by_subjects(wanted: Wanted, path: Path, device: str) -> Method:
    """As `method_for`, of several people."""
    if wanted.subjects:
        beside = [("--reference", wanted.reference), ("--subjects", wanted.n_subjects)]
        for option, given in [*beside, ("--reference-frame", wanted.reference_frame)]:
            if given is not None:
                raise InputError(f"{option}: expected none beside --subject NAME=REFERENCE, found {given}")
        subjects = named_subjects(wanted.subjects, wanted.marker_set, wanted.exclude)
        return BySubjects(MatcherLabeller.load(path, device), subjects)
    names = numbered_names(wanted.n_subjects or 0)
    subjects = () if wanted.reference is None else subjects_in(wanted.reference, wanted.reference_frame, wanted.exclude)
    if subjects and len(subjects) != len(names):
        raise InputError(
            f"--subjects: expected {len(subjects)}, as many as {wanted.reference} names, found {len(names)}"
        )
    if not subjects:
        worn = _worn(wanted, path)
        if worn is None:
            return ByLikeliestSets(MatcherLabeller.load(path, device), names, known_templates())
        subjects = tuple(Subject(name, worn) for name in names)
    return BySubjects(MatcherLabeller.load(path, device), subjects)


def notes_about(method: Method) -> tuple[str, ...]:
    """What speaks against the labels of the pose that a method matches to, a line each."""
    templates = [method.template] if isinstance(method, ByPose) else []
    if isinstance(method, BySubjects):
        templates = list(dict.fromkeys(s.template for s in method.subjects))  # Template has eq=False: by identity
    poses = [pose for template in templates for pose in template.poses]
    return tuple(note for pose in poses for note in pose.notes)


def methods_for(wanted: Wanted, models: Sequence[str], device: str) -> list[tuple[str, Method]]:
    """Each model with its name, as `method_for`; the matcher, too, if there is a reference for it or no other model.

    Reference and marker set are the matchers' where there are any; otherwise a marker set is the models'.
    """
    matchers = [load.find_matcher(m) is not None for m in models]
    models = list(models)
    if not models or (wanted.reference is not None and not any(matchers)):
        models, matchers = [*models, load.MATCHER], [*matchers, True]
    found = []
    for model, matches in zip(models, matchers, strict=True):
        own = replace(wanted, model=model)
        if matches:
            own = replace(own, training_values=None if len(models) > 1 else wanted.training_values)
        elif any(matchers):
            own = replace(own, reference=None, reference_frame=None)
        found.append((model, method_for(own, device)))
    return found


def _trajectory_model(wanted: Wanted, device: str) -> Labeller:
    for option, given in (("--reference", wanted.reference), ("--reference-frame", wanted.reference_frame)):
        if given is not None:
            raise ModelError(
                f"{option}: expected the matcher, found {wanted.model}, a model of trajectories,"
                " which has labels of its own; leave --model away"
            )
    marker_set = None if wanted.marker_set is None else Path(wanted.marker_set)
    return load.load_labeller(str(wanted.model), wanted.training_values, marker_set, device)


def template_of(wanted: Wanted) -> Template | None:
    """The labelled pose of the reference, None without one. A marker set beside it says which labels count, and which
    may be absent.

    Raises `InputError` for a frame of no reference, and what reading the files raises.
    """
    if wanted.reference is None:
        if wanted.reference_frame is not None:
            raise InputError("--reference-frame: expected --reference beside it, found none")
        return None
    trial = io.read(wanted.reference, exclude=wanted.exclude)
    trial.require_points(str(wanted.reference))
    return template_from_trial(trial, wanted.reference.name, wanted.reference_frame, wanted.marker_set)
