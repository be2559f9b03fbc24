"""Labellers that match: with one labelled pose, with the likeliest known marker set, and with several people."""

from dataclasses import dataclass, replace

from automarkerlabel.core.trial import Trial
from automarkerlabel.io.hdf5.attention import Inside
from automarkerlabel.labellers.figures import Candidate
from automarkerlabel.labellers.labeller import Labeller, LabelResult, refuse_heading
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.matcher.template_search import Template, compare, refuse_unlikely
from automarkerlabel.labellers.subjects.labeller import (
    Subject,
    bodies_apart,
    joint_marker_set,
    label_subjects,
    scores_of_subjects,
)


@dataclass(frozen=True, eq=False)
class MatcherLabeller(Labeller):
    """By the matcher."""

    matcher: PoseMatcher

    def require_inside(self) -> None:
        """There always is: how points fit those of the pose."""

    def _fit(self, trial: Trial, template: Template) -> Inside:
        return Inside("matcher", (), *self.matcher.scores(trial, template.poses), ())


@dataclass(frozen=True, eq=False)
class ReferenceLabeller(MatcherLabeller):
    """By matching with the poses of one marker set; a labelled trial is one pose."""

    template: Template

    def label(self, trial: Trial, keep_labels: bool = False, heading_deg: float | None = None) -> LabelResult:
        refuse_heading(heading_deg, "the matcher")
        labelling, match = self.matcher.label(trial, self.template.poses, keep_labels)
        worn = self.template.poses[0].marker_set
        return LabelResult.of(
            labelling, self.template.name, trial, optional=self.template.optional, match=match, marker_set=worn
        )

    def inside(self, trial: Trial) -> Inside:
        return self._fit(trial, self.template)


@dataclass(frozen=True, eq=False)
class AnyMarkerSetLabeller(MatcherLabeller):
    """By matching with the likeliest of known marker sets, looked for in each trial anew."""

    templates: tuple[Template, ...]

    def label(self, trial: Trial, keep_labels: bool = False, heading_deg: float | None = None) -> LabelResult:
        """As `Labeller.label`. Raises `MarkerSetError` if the trial wears none of the sets."""
        refuse_heading(heading_deg, "the matcher")
        candidates, template = self._compared(trial)
        labelling, match = self.matcher.label(trial, template.poses, keep_labels)
        worn = template.poses[0].marker_set
        return LabelResult.of(
            labelling, f"marker set {template.name}", trial, optional=template.optional, match=match,
            candidates=candidates, marker_set=worn,
        )  # fmt: skip

    def inside(self, trial: Trial) -> Inside:
        return self._fit(trial, self._compared(trial)[1])

    def settled(self, trial: Trial) -> ReferenceLabeller:
        """By the set that is the likeliest for this trial. Raises as `label`."""
        template = self._compared(trial)[1]
        return ReferenceLabeller(self.matcher, replace(template, name=f"marker set {template.name}"))

    def _compared(self, trial: Trial) -> tuple[tuple[Candidate, ...], Template]:
        trial.require_points()
        fits = compare(self.matcher, trial, self.templates)
        candidates = tuple(candidate for candidate, _ in fits)
        refuse_unlikely(candidates)
        return candidates, fits[0][1]


@dataclass(frozen=True, eq=False)
class SubjectsLabeller(MatcherLabeller):
    """By matching each of several people to the poses of his marker set."""

    subjects: tuple[Subject, ...]

    def label(self, trial: Trial, keep_labels: bool = False, heading_deg: float | None = None) -> LabelResult:
        refuse_heading(heading_deg, "the matcher")
        found = label_subjects(self.matcher, trial, self.subjects, keep_labels)
        by = "; ".join(f"{s.name}: {s.template.name}" for s in self.subjects)
        optional = frozenset(s.full(x) for s in self.subjects for x in s.template.optional)
        worn = joint_marker_set(self.subjects)
        return LabelResult.of(
            found.labelling, by, trial, optional=optional, match=found.match, marker_set=worn,
            subjects=found.subjects, notes=found.notes,
        )  # fmt: skip

    def inside(self, trial: Trial) -> Inside:
        return Inside("matcher", (), *scores_of_subjects(self.matcher, trial, self.subjects), ())


@dataclass(frozen=True, eq=False)
class AnySubjectsLabeller(MatcherLabeller):
    """By matching each of several people with the likeliest of known marker sets, looked for in each trial anew."""

    names: tuple[str, ...]
    templates: tuple[Template, ...]

    def label(self, trial: Trial, keep_labels: bool = False, heading_deg: float | None = None) -> LabelResult:
        """As `Labeller.label`. Raises `MarkerSetError` if somebody wears none of the sets."""
        refuse_heading(heading_deg, "the matcher")
        return SubjectsLabeller(self.matcher, self._subjects(trial)).label(trial, keep_labels)

    def inside(self, trial: Trial) -> Inside:
        return SubjectsLabeller(self.matcher, self._subjects(trial)).inside(trial)

    def _subjects(self, trial: Trial) -> tuple[Subject, ...]:
        found = []
        for name, alone in zip(self.names, bodies_apart(trial, len(self.names)), strict=True):
            alone.require_points(name)
            fits = compare(self.matcher, alone, self.templates)
            refuse_unlikely([candidate for candidate, _ in fits])
            found.append(Subject(name, replace(fits[0][1], name=f"marker set {fits[0][0]}")))
        return tuple(found)
