"""What labels trials (`Labeller`), and what it answers (`LabelResult`)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from automarkerlabel.core.labelling import Labelling, output_columns
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.io.hdf5.attention import Inside
from automarkerlabel.io.labelled_copy import labelled_trial
from automarkerlabel.labellers.figures import Candidate, MatchFacts, SubjectFacts


@dataclass(frozen=True, eq=False, repr=False)
class LabelResult(Labelling):
    """A `Labelling` of one trial, and how it came about.

    by          what it was labelled by, in words.
    source      the trial that was labelled.
    optional    labels whose absence means nothing.
    match       figures of the match; None for a model of trajectories.
    candidates  marker sets that were compared, the one that fits best first.
    marker_set  of the labels; None where it is not known.
    subjects    what became of each, where there were to be several.
    notes       what is in doubt, a line each.

    >>> from automarkerlabel import label, read                                              # doctest: +SKIP
    >>> result = label("walk.c3d", reference="static.c3d")                                   # doctest: +SKIP
    >>> result.found, result.missing                                                         # doctest: +SKIP
    >>> result.above(0.9).trial().points("LKNE")  # (n_frames, 3) mm, NaN where hidden       # doctest: +SKIP
    """

    by: str = ""
    source: Trial | None = None
    optional: frozenset[str] = frozenset()
    match: MatchFacts | None = None
    candidates: tuple[Candidate, ...] = ()
    marker_set: MarkerSet | None = None
    subjects: tuple[SubjectFacts, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, labelling: Labelling, by: str, source: Trial | None = None, **more: Any) -> Self:
        """A labelling with how it came about; `more` are further fields."""
        return cls(**{f.name: getattr(labelling, f.name) for f in fields(Labelling)}, by=by, source=source, **more)

    def trial(self, all_labels: bool = False, keep_labels: bool = False) -> Trial:
        """The labelled trial: a column for each label, then what has none; see `output_columns`. Every measured
        point is in it, where it was.

        Raises `InputError` for a result that knows no trial, `TrialError` if a label would stand twice in a frame.
        """
        if self.source is None:
            raise InputError("result: expected one that knows the trial it labels, found none")
        return labelled_trial(self.source, output_columns(self.source, self, all_labels, keep_labels))

    def __repr__(self) -> str:
        return f"<{len(self.found)} of {len(self.labels)} labels found in {len(self.tracklets)} tracklets by {self.by}>"


class Labeller(ABC):
    """Labels trials: by a model of trajectories, by one labelled pose, or by the likeliest known marker set.

    >>> from automarkerlabel import Labeller, read                        # doctest: +SKIP
    >>> result = Labeller.load("lab.ckpt").label(read("walk.c3d"))        # doctest: +SKIP
    """

    @staticmethod
    def load(model: str | Path = "matcher", device: str = "cpu") -> "Labeller":
        """From a model file, or the name of a model that ships with the package: "matcher" labels any marker set, by
        default the likeliest known one; `load_labeller` tells it a reference or marker set.

        Raises `ModelError` for a file that is no model, `InputError` for a device that is not there.
        """
        from automarkerlabel.labellers.request import load_labeller

        return load_labeller(model=model, device=device)

    @abstractmethod
    def label(self, trial: Trial, keep_labels: bool = False, heading_deg: float | None = None) -> LabelResult:
        """The labels of a trial's tracklets, each with its confidence.

        keep_labels  holds names fixed that the trial has already.
        heading_deg  turns the trial about the vertical before a converted model of the predecessor sees it, degrees.

        Raises `TrialError` for a trial without visible points, `InputError` for a heading that has no use here.
        """

    @abstractmethod
    def require_inside(self) -> None:
        """Raise `ModelError` where there is nothing to look at inside."""

    @abstractmethod
    def inside(self, trial: Trial) -> Inside:
        """What a labelling looks at. Raises as `require_inside`, and `TrialError` for a trial without points."""


def refuse_heading(heading_deg: float | None, by: str) -> None:
    """Raise `InputError` for a heading that is given to what labels people however they face."""
    if heading_deg is not None:
        raise InputError(
            f"heading_deg: expected none with {by}, which labels people however they face, found {heading_deg:g};"
            " only converted models of the predecessor need it"
        )
