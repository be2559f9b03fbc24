"""What is asked of labelling, and the labeller that does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.labellers import load
from automarkerlabel.labellers.labeller import Labeller
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.matcher.template_search import (
    Template,
    known_templates,
    template_from_trial,
    template_named,
)
from automarkerlabel.labellers.methods import (
    AnyMarkerSetLabeller,
    AnySubjectsLabeller,
    ReferenceLabeller,
    SubjectsLabeller,
)
from automarkerlabel.labellers.subjects.labeller import Subject
from automarkerlabel.labellers.subjects.options import entry_parts, named_subjects, numbered_names, subjects_in
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models.device import as_device


@dataclass(frozen=True)
class LabelRequest:
    """What is to label, and to what it matches; nothing: the matcher, by the likeliest known marker set.

    model            a model file, or the name of a model that ships with the package; None: the matcher.
    reference        a labelled trial of the same marker set, of which one pose is matched to.
    reference_frame  which, as the file counts; None: the one with most markers, and of these the stillest.
    marker_set       the worn set: a name or a file.
    training_values  the predecessor's pickle, beside one of its checkpoints as `model`.
    exclude          regular expression: columns of the reference that hold computed points.
    subjects         NAME=FILE or NAME=MARKER_SET for each of several people.
    n_subjects       how many people there are, who share a reference or marker set.
    """

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


def labeller_for(request: LabelRequest, device: str = "cpu", template: Template | None = None) -> Labeller:
    """The way to label that the user asked for. `template`: see `template_of`, where it has been read already.

    Raises `InputError` for options that contradict each other, and what reading their files raises.
    """
    path = load.find_matcher(request.model)
    if path is None:
        if request.several:
            raise ModelError(f"subjects: expected the matcher, found {request.model}, a model of trajectories")
        return _trajectory_model(request, device)
    if request.training_values is not None:
        raise ModelError(f"training_values: expected none with the matcher {path.name}, which needs no such file")
    if request.several:
        return _by_subjects(request, path, device)
    template = template or _worn(request, path)
    matcher = PoseMatcher.load(path, device)
    return (
        AnyMarkerSetLabeller(matcher, known_templates()) if template is None else ReferenceLabeller(matcher, template)
    )


def _worn(request: LabelRequest, matcher: Path) -> Template | None:
    """What is to be matched to: the reference, else the marker set, else the matcher's own reference, if there is any;
    None: it is to be found out."""
    template = template_of(request)
    if template is not None:
        return template
    if request.marker_set is not None:
        known = template_named(request.marker_set)
        return replace(known, name=f"marker set {known.name}")
    own = load.own_reference(matcher)
    return None if own is None else Template(f"{matcher.name} and its own reference, {own.source}", (own,))


def _by_subjects(request: LabelRequest, path: Path, device: str) -> Labeller:
    """As `labeller_for`, of several people."""
    if request.subjects:
        beside = [("--reference", request.reference), ("--subjects", request.n_subjects)]
        for option, given in [*beside, ("--reference-frame", request.reference_frame)]:
            if given is not None:
                raise InputError(f"{option}: expected none beside --subject NAME=REFERENCE, found {given}")
        subjects = named_subjects(request.subjects, request.marker_set, request.exclude)
        return SubjectsLabeller(PoseMatcher.load(path, device), subjects)
    names = numbered_names(request.n_subjects or 0)
    subjects = (
        () if request.reference is None else subjects_in(request.reference, request.reference_frame, request.exclude)
    )
    if subjects and len(subjects) != len(names):
        raise InputError(
            f"n_subjects: expected {len(subjects)}, as many as {request.reference} names, found {len(names)}"
        )
    if not subjects:
        worn = _worn(request, path)
        if worn is None:
            return AnySubjectsLabeller(PoseMatcher.load(path, device), names, known_templates())
        subjects = tuple(Subject(name, worn) for name in names)
    return SubjectsLabeller(PoseMatcher.load(path, device), subjects)


def notes_about(labeller: Labeller) -> tuple[str, ...]:
    """What speaks against the labels of the pose that a labeller matches to, a line each."""
    templates = [labeller.template] if isinstance(labeller, ReferenceLabeller) else []
    if isinstance(labeller, SubjectsLabeller):
        templates = list(dict.fromkeys(s.template for s in labeller.subjects))  # Template has eq=False: by identity
    poses = [pose for template in templates for pose in template.poses]
    return tuple(note for pose in poses for note in pose.notes)


def labellers_for(request: LabelRequest, models: Sequence[str], device: str) -> list[tuple[str, Labeller]]:
    """Each model with its name, as `labeller_for`; the matcher, too, if there is a reference for it or no other model.

    Reference and marker set are the matchers' where there are any; otherwise a marker set is the models'.
    """
    matchers = [load.find_matcher(m) is not None for m in models]
    models = list(models)
    if not models or (request.reference is not None and not any(matchers)):
        models, matchers = [*models, load.MATCHER], [*matchers, True]
    found = []
    for model, matches in zip(models, matchers, strict=True):
        own = replace(request, model=model)
        if matches:
            own = replace(own, training_values=None if len(models) > 1 else request.training_values)
        elif any(matchers):
            own = replace(own, reference=None, reference_frame=None)
        found.append((model, labeller_for(own, device)))
    return found


def _trajectory_model(request: LabelRequest, device: str) -> TrajectoryLabeller:
    for option, given in (("--reference", request.reference), ("--reference-frame", request.reference_frame)):
        if given is not None:
            raise ModelError(
                f"{option}: expected the matcher, found {request.model}, a model of trajectories,"
                " which has labels of its own; leave --model away"
            )
    marker_set = None if request.marker_set is None else Path(request.marker_set)
    return load.trajectory_labeller(str(request.model), request.training_values, marker_set, device)


def template_of(request: LabelRequest) -> Template | None:
    """The labelled pose of the reference, None without one. A marker set beside it says which labels count, and which
    may be absent.

    Raises `InputError` for a frame of no reference, and what reading the files raises.
    """
    if request.reference is None:
        if request.reference_frame is not None:
            raise InputError("reference_frame: expected --reference beside it, found none")
        return None
    trial = io.read(request.reference, exclude=request.exclude)
    trial.require_points(str(request.reference))
    return template_from_trial(trial, request.reference.name, request.reference_frame, request.marker_set)


def load_labeller(
    *, reference: str | Path | None = None, reference_frame: int | None = None, marker_set: str | Path | None = None,
    model: str | Path | None = None, subjects: Mapping[str, str | Path] | int | None = None,
    training_values: str | Path | None = None, exclude: str | None = None, device: str = "cpu",
) -> Labeller:  # fmt: skip
    """A labeller, once for many trials. Without anything it looks for the likeliest known marker set in each trial.

    reference        a labelled trial of the same marker set, such as a static one.
    reference_frame  which of its frames, as the file counts; None: the stillest with most markers.
    marker_set       the worn set: a name or a file (.toml, .xml, .osim, .vst, .vsk).
    model            a model file, or the name of a model that ships with the package; None: the matcher.
    subjects         several people: the name of each with his reference or marker set, or how many there are.
    training_values  the predecessor's pickle, beside one of its checkpoints as `model`.
    exclude          regular expression: columns of the reference that hold computed points beside those recognised.
    device           "auto", "cpu", "cuda" or "cuda:N".

    Raises `InputError` for parameters that contradict each other or a file that is missing, `ModelError` for a file
    that is no model, `MarkerSetError` for an unknown set.

    >>> from automarkerlabel import load_labeller, read                                        # doctest: +SKIP
    >>> labeller = load_labeller(reference="static.c3d")                                       # doctest: +SKIP
    >>> [labeller.label(read(path)).found for path in ("walk1.c3d", "walk2.c3d")]              # doctest: +SKIP
    """
    named = tuple(f"{name}={of}" for name, of in subjects.items()) if isinstance(subjects, Mapping) else ()
    request = LabelRequest(
        model=None if model is None else str(model),
        reference=None if reference is None else Path(reference),
        reference_frame=reference_frame,
        marker_set=None if marker_set is None else str(marker_set),
        training_values=None if training_values is None else Path(training_values),
        exclude=exclude,
        subjects=named,
        n_subjects=subjects if isinstance(subjects, int) else None,
    )
    return labeller_for(request, as_device(device))
