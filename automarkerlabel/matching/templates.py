"""Known marker sets as templates to match against, and which of them a trial wears."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automarkerlabel.errors import MarkerSetError
from automarkerlabel.io.opensim import is_opensim, read_marker_set
from automarkerlabel.marker_sets import catalogue as catalogue
from automarkerlabel.matching.labeller import MatcherLabeller, MatchOptions
from automarkerlabel.matching.reference import Reference
from automarkerlabel.scores import Labelling
from automarkerlabel.simulate.definition import Definition, lines_from
from automarkerlabel.simulate.opensim_body import body_places
from automarkerlabel.trial import Trial

LEAST_FIT = 0.6  # below this it is in doubt whether a trial wears any of the sets,
_LEAST_CLEAR, _CLEARLY = 0.4, 1.6  # unless one fits this well, and this many times better than the next
_EXCERPT_S = 6.0  # of the trial, in which sets are compared
_FEWEST = 4  # labels of a pose
_N_CLOSE = 3  # sets that are looked at closely
_QUICK = MatchOptions(self_references=0, rate_hz=2.5, calibrate=False)


@dataclass(frozen=True, eq=False)
class Template:
    """A marker set that is known: its poses, and the labels whose absence means nothing."""

    name: str
    poses: tuple[Reference, ...]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Candidate:
    """How well a marker set fits a trial.

    fit       0 to 1: the geometric mean of the match's probability over all points of both sets, times the harmonic
              mean of two shares: of the points that got a label, and of the labels that found their points, each
              label weighing as much as it is sure. Optional labels count only where they are found.
    n_found   labels found, of `n_labels`.
    """

    name: str
    fit: float
    n_found: int
    n_labels: int

    def __str__(self) -> str:
        return f"{self.name} {self.fit:.2f} ({self.n_found} of {self.n_labels} labels)"


def template_of(definition: Definition) -> Template:
    """The template of a marker set's definition."""
    return Template(definition.name, tuple(catalogue.references_of(definition)), definition.optional)


def known_templates() -> tuple[Template, ...]:
    """The laboratory's own sets and those that come with the package. Raises `MarkerSetError` for a damaged file."""
    return tuple(template_of(definition) for definition in catalogue.every())


def template_named(name: str) -> Template:
    """The template of a known set, of a TOML file, or of an OpenSim file put on the simulator's body.

    Raises `MarkerSetError` for an unknown name, `InputError` for a file that cannot be used.
    """
    return template_of(definition_named(name))


def definition_named(name: str) -> Definition:
    """As `template_named`, the definition alone."""
    path = Path(name)
    if not is_opensim(path):
        return catalogue.find(name)
    return Definition(path.stem, lines_from(body_places(read_marker_set(path)), {}), path.stem, f"{path.name}, OpenSim")


def best_pose(matcher: MatcherLabeller, trial: Trial, template: Template) -> Reference:
    """The template's pose that the trial fits best."""
    if len(template.poses) == 1:
        return template.poses[0]
    likelihood = matcher.likelihood(excerpt(trial), template.poses)
    return template.poses[int(np.argmax(likelihood))]


def compare(
    matcher: MatcherLabeller, trial: Trial, templates: Sequence[Template]
) -> list[tuple[Candidate, Template, Reference]]:
    """The likeliest of the templates, the one that fits best first, each with its best pose.

    All are ranked by one pose at a few moments; the best are labelled for a few seconds of the trial.
    """
    part = excerpt(trial)
    first = matcher.likelihood(part, [t.poses[0] for t in templates])
    found = []
    for n in np.argsort(first)[::-1][:_N_CLOSE]:
        template = templates[n]
        others = matcher.likelihood(part, template.poses[1:])
        pose = template.poses[int(np.argmax([first[n], *others]))]
        labelling, facts = matcher.label(part, pose, options=_QUICK)
        worn = _without_absent(pose, labelling, template)
        likelihood = facts.likelihood if worn is pose else matcher.likelihood(part, [worn])[0]
        found.append((fit_of(part, labelling, template, likelihood), template, pose))
    return sorted(found, key=lambda x: -x[0].fit)


def _without_absent(pose: Reference, labelling: Labelling, template: Template) -> Reference:
    """The pose without optional labels that were not found: their absence is nothing against the set."""
    found = {labelling.labels[k] for k in labelling.assigned[labelling.assigned >= 0]}
    absent = np.array([x in template.optional and x not in found for x in pose.labels])
    if not absent.any() or np.isfinite(pose.positions[~absent, 0]).sum() < _FEWEST:
        return pose
    return replace(pose, positions=np.where(absent[:, None], np.float32(np.nan), pose.positions))


def fit_of(trial: Trial, labelling: Labelling, template: Template, likelihood: float) -> Candidate:
    """How well a labelling by a template explains the points of a trial; `likelihood` is the mean log of a point's."""
    seen = np.array([trial.visible[t.start : t.stop, t.column].sum() for t in labelling.tracklets], np.float64)
    labelled = labelling.assigned >= 0
    points = float((seen * labelled * labelling.confidence).sum() / max(1.0, seen.sum()))
    sure = np.zeros(len(labelling.labels))  # how sure each label is at its best
    np.maximum.at(sure, labelling.assigned[labelled], labelling.confidence[labelled])
    counted = np.array([x not in template.optional for x in labelling.labels]) | (sure > 0)
    labels = float(sure.sum() / max(1, counted.sum()))
    both = 2 * points * labels / (points + labels) if points + labels else 0.0
    fit = both * float(np.exp(min(0.0, likelihood)))
    return Candidate(template.name, fit, int((sure > 0).sum()), len(labelling.labels))


def refuse_unlikely(candidates: Sequence[Candidate]) -> None:
    """Raise `MarkerSetError` if the first, the one that fits best, fits too badly to be believed."""
    first, second = (*(c.fit for c in candidates[:2]), 0.0, 0.0)[:2]
    if first >= LEAST_FIT or (first >= _LEAST_CLEAR and first >= _CLEARLY * second):
        return
    closest = ", ".join(str(c) for c in candidates[:3]) or "none"
    raise MarkerSetError(
        f"marker set: expected one that fits the trial by {LEAST_FIT:.2f} or more, found {closest}; give a labelled"
        " trial of the same marker set (--reference FILE) or say which set it is (--marker-set NAME)"
    )


def excerpt(trial: Trial, seconds: float = _EXCERPT_S) -> Trial:
    """The stretch of a trial in which most points are seen."""
    length = max(1, round(seconds * trial.rate_hz))
    if trial.n_frames <= length:
        return trial
    seen = np.concatenate([[0], np.cumsum(trial.visible[:, trial.marker_columns].sum(1))])
    start = int((seen[length:] - seen[:-length]).argmax())
    stop = start + length
    residuals = None if trial.residuals is None else trial.residuals[start:stop]
    return replace(
        trial, positions=trial.positions[start:stop], residuals=residuals, first_frame=trial.first_frame + start
    )
