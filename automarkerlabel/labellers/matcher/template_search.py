"""Known marker sets as templates to match against, and which of them a trial wears."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automarkerlabel.core import tracklets as pieces
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import MarkerSetError
from automarkerlabel.io.marker_sets import is_marker_set, is_vicon, read_marker_set
from automarkerlabel.labellers.figures import Candidate
from automarkerlabel.labellers.matcher.labeller import MatchOptions, PoseMatcher
from automarkerlabel.marker_sets import catalogue as catalogue
from automarkerlabel.marker_sets.definition import Definition, lines_from
from automarkerlabel.marker_sets.opensim_body import body_places
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial

LEAST_FIT = 0.6  # below this no set is believed,
GOOD_FIT = 0.85  # below this it is in doubt
_EXCERPT_S = 6.0  # of the trial, in which sets are compared
_LASTING_S, _ENOUGH = 0.4, 0.8  # tracklets shorter than this are left out if this share of the points remains
_N_CLOSE = 3  # sets that are looked at closely, at most,
_NEAR = 0.15  # those that are as likely as the best but for this, in nats a point
_QUICK = MatchOptions(self_references=0, rate_hz=2.5, calibrate=False, swaps=False)


@dataclass(frozen=True, eq=False)
class Template:
    """A marker set that is known: its poses, and the labels whose absence means nothing."""

    name: str
    poses: tuple[Reference, ...]
    optional: frozenset[str] = frozenset()


def template_of(definition: Definition) -> Template:
    """The template of a marker set's definition."""
    return Template(definition.name, tuple(catalogue.references_of(definition)), definition.optional)


def known_templates() -> tuple[Template, ...]:
    """The laboratory's own sets and those that come with the package. Raises `MarkerSetError` for a damaged file."""
    return tuple(template_of(definition) for definition in catalogue.every())


def template_named(name: str) -> Template:
    """The template of a known set, of a TOML file, of an OpenSim file put on the simulator's body, or of the known set
    whose labels a skeleton of Vicon has.

    Raises `MarkerSetError` for an unknown name or labels of no known set, `InputError` for a file that cannot be used.
    """
    return template_of(definition_named(name))


def definition_named(name: str) -> Definition:
    """As `template_named`, the definition alone."""
    path = Path(name)
    if not is_marker_set(path):
        return catalogue.find(name)
    if is_vicon(path):
        return catalogue.named_alike(read_marker_set(path))
    return Definition(path.stem, lines_from(body_places(read_marker_set(path)), {}), path.stem, f"{path.name}, OpenSim")


def template_from_trial(trial: Trial, source: str, frame: int | None = None, marker_set: str | None = None) -> Template:
    """The labelled pose of a trial, see `reference_from_trial`; a marker set, by name or file, says which labels count,
    and which may be absent.

    Raises as `reference_from_trial` and `definition_named`.
    """
    definition = None if marker_set is None else definition_named(marker_set)
    worn = None if definition is None else definition.marker_set()
    reference = reference_from_trial(trial, frame, worn, source)
    where = "" if frame is None else f", frame {frame}"
    optional = frozenset[str]() if definition is None else definition.optional
    return Template(f"reference {source}{where}", (reference,), optional)


def compare(matcher: PoseMatcher, trial: Trial, templates: Sequence[Template]) -> list[tuple[Candidate, Template]]:
    """The likeliest of the templates, the one that fits best first.

    All are ranked by one pose at two moments; those near the best are labelled for a few seconds of the trial, and up
    to three if none of them is believed.
    """
    part = _lasting(excerpt(trial))
    rank = matcher.likelihood(part, [t.poses[0] for t in templates], roughly=True)
    found: list[tuple[Candidate, Template]] = []
    for n in np.argsort(rank)[::-1][:_N_CLOSE]:
        if rank[n] >= max(rank) - _NEAR or found[0][0].fit < LEAST_FIT:
            found.append((_looked_at(matcher, part, templates[n]), templates[n]))
            found.sort(key=lambda x: -x[0].fit)
    return found


def _looked_at(matcher: PoseMatcher, trial: Trial, template: Template) -> Candidate:
    """How well a template fits, by labels for the whole of a short trial."""
    labelling, _ = matcher.label(trial, template.poses, options=_QUICK)
    return fit_of(trial, labelling, template, matcher.likelihood_of_labels(trial, labelling, template.poses[0]))


def fit_of(trial: Trial, labelling: Labelling, template: Template, likelihood: float) -> Candidate:
    """How well a labelling by a template explains the points of a trial; `likelihood` is the mean log of the
    probability of what was matched."""
    seen = pieces.n_samples(trial, labelling.tracklets)
    labelled = labelling.assigned >= 0
    points = float((seen**2 * labelled * labelling.confidence).sum() / max(1.0, (seen**2).sum()))
    sure = np.zeros(len(labelling.labels))  # how sure each label is at its best
    np.maximum.at(sure, labelling.assigned[labelled], labelling.confidence[labelled])
    counted = np.array([x not in template.optional for x in labelling.labels]) | (sure > 0)
    labels = float(sure.sum() / max(1, counted.sum()))
    fit = points * labels * float(np.exp(min(0.0, likelihood)))
    return Candidate(template.name, fit, int((sure > 0).sum()), len(labelling.labels))


def refuse_unlikely(candidates: Sequence[Candidate]) -> None:
    """Raise `MarkerSetError` if the first, the one that fits best, fits too badly to be believed."""
    if candidates and candidates[0].fit >= LEAST_FIT:
        return
    closest = ", ".join(str(c) for c in candidates[:3]) or "none"
    raise MarkerSetError(
        f"marker set: expected one that fits the trial by {LEAST_FIT:.2f} or more, found {closest}; give a labelled"
        " trial of the same marker set (--reference FILE) or say which set it is (--marker-set NAME)"
    )


def _lasting(trial: Trial) -> Trial:
    """A trial without its shortest tracklets, ghosts mostly, unless too little is left."""
    positions = trial.positions.copy()
    for t in pieces.split(trial):
        if t.stop - t.start < _LASTING_S * trial.rate_hz:
            positions[t.start : t.stop, t.column] = np.nan
    lasting = replace(trial, positions=positions)
    return lasting if lasting.visible.sum() >= _ENOUGH * trial.visible.sum() else trial


def excerpt(trial: Trial, seconds: float = _EXCERPT_S) -> Trial:
    """The stretch of a trial in which most points are seen."""
    length = max(1, round(seconds * trial.rate_hz))
    if trial.n_frames <= length:
        return trial
    seen = np.concatenate([[0], np.cumsum(trial.visible[:, trial.marker_columns].sum(1))])
    start = int((seen[length:] - seen[:-length]).argmax())
    stop = start + length
    residuals = trial.residuals[start:stop]
    return replace(
        trial, positions=trial.positions[start:stop], residuals=residuals, first_frame=trial.first_frame + start
    )
