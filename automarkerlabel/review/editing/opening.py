"""From what the user asked for to a review: labels of a method, of a file, or of the journal of an earlier review."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automarkerlabel import io
from automarkerlabel.core.marker_set import MarkerSet, labelled_columns
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.marker_sets.segments import segments_of
from automarkerlabel.review.editing.corrections import digest
from automarkerlabel.review.editing.initial_labels import doubts_about_names, state_given
from automarkerlabel.review.editing.journal import Journal, set_aside
from automarkerlabel.review.editing.relabel import KeepingLabels
from automarkerlabel.review.editing.save import Outputs, Reviewed
from automarkerlabel.review.editing.session import Relabelling, Session
from automarkerlabel.review.editing.state import State, state_of

if TYPE_CHECKING:  # with it torch, which only labelling needs
    from automarkerlabel.labellers.labeller import Labeller

Tell = Callable[[str], None]
# What a journal may name of `labellers.request.LabelRequest`.
_WANTED = {"model": str, "reference": str, "reference_frame": int, "marker_set": str, "training_values": str}


@dataclass(frozen=True)
class Asked:
    """What `aml review` was asked for.

    labels   a file that has the trial's labels; None: it is labelled.
    wanted   how to label: fields of `labellers.request.LabelRequest` that the user named.
    exclude  columns that are computed points, too; see `io.read`.
    fresh    an earlier journal is set aside.
    """

    source: Path
    outputs: Outputs
    labels: Path | None = None
    wanted: Mapping[str, str | int] = field(default_factory=dict)
    exclude: str | None = None
    heading_deg: float | None = None
    min_confidence: float = 0.0
    keep_labels: bool = False
    units: str | None = None
    up: str | None = None
    device: str = "cpu"
    fresh: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise InputError(f"min_confidence: expected 0 to 1, found {self.min_confidence}")

    @property
    def read_with(self) -> dict[str, str | None]:
        """How the trial is read."""
        return {"units": self.units, "up": self.up, "exclude": self.exclude}


@dataclass(frozen=True)
class _Begin:
    """What a review begins with: goes into the head of its journal.

    how       options of the way to label, None without one.
    doubts    what an audit says of given labels.
    segments  of each label, where it is known.
    """

    state: State
    labelled_by: str
    how: dict[str, Any] | None
    notes: tuple[str, ...] = ()
    doubts: tuple[dict[str, Any], ...] = ()
    segments: dict[str, str] = field(default_factory=dict)


def opened(asked: Asked, tell: Tell) -> Session:
    """A review, new or gone on with; `tell` hears which.

    Raises what reading, labelling and writing raise, and `InputError` for the journal of another trial.
    """
    sha256 = digest(asked.source)
    trial = io.read(asked.source, **asked.read_with)
    trial.require_points(str(asked.source))
    path = asked.outputs.journal
    if asked.fresh and path.exists():
        tell(f"the earlier journal is now {set_aside(path)}")
    if path.exists():
        journal = Journal(path)
        try:
            return _gone_on(asked, trial, sha256, journal, tell)
        except BaseException:
            journal.close()
            raise
    asked.outputs.check({})
    begin = _given(asked, trial, tell) if _has_labels(asked, trial) else _labelled(asked, trial, tell)
    head = {
        "trial": asked.source.name, "sha256": sha256, "labelled_by": begin.labelled_by, "read_with": asked.read_with,
        "how": begin.how, "notes": list(begin.notes), "doubts": list(begin.doubts),
        "segments": begin.segments, **begin.state.plain(),
    }  # fmt: skip
    journal = Journal.begun(path, head)
    reviewed = Reviewed(asked.source, sha256, asked.read_with, begin.labelled_by)
    return Session(trial, reviewed, asked.outputs, journal, _relabelling(asked, begin.how))


def _gone_on(asked: Asked, trial: Trial, sha256: str, journal: Journal, tell: Tell) -> Session:
    head = journal.head
    if head.get("sha256") != sha256:
        raise InputError(
            f"{journal.path}: expected the journal of {asked.source.name} as it is now, found that of another file"
            f" ({head.get('trial')}, {str(head.get('sha256'))[:8]}); use --fresh to set it aside and begin anew"
        )
    if head.get("read_with") != asked.read_with:
        now = _words(asked.read_with)
        raise InputError(
            f"{journal.path}: expected a trial read with {_words(head.get('read_with'))}, found {now};"
            " say the same, or use --fresh"
        )
    how = _plain(asked) if asked.wanted else _how(journal)
    reviewed = Reviewed(asked.source, sha256, asked.read_with, str(head.get("labelled_by")))
    session = Session(trial, reviewed, asked.outputs, journal, _relabelling(asked, how))
    try:
        asked.outputs.check(session.written)
    except BaseException:
        session.close()
        raise
    n, lost = session.history.n_undo, session.history.n_redo
    undone = f" and {lost} undone" if lost else ""
    tell(f"going on from {journal.path}: {n} edits{undone} of labels by {reviewed.labelled_by}; --fresh begins anew")
    return session


def _how(journal: Journal) -> dict[str, Any] | None:
    """The way to label that a journal names."""
    how = journal.head.get("how")
    if how is None:
        return None
    try:
        wanted, heading = how["wanted"].items(), how["heading_deg"]
        heading = None if heading is None else float(heading)
        if all(type(v) is _WANTED[k] for k, v in wanted):
            return {"wanted": dict(wanted), "heading_deg": heading}
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        pass
    raise FileFormatError(f"{journal.path}: expected how to label, found it damaged; use --fresh to set it aside")


def _has_labels(asked: Asked, trial: Trial) -> bool:
    """Whether there are labels, so that none need be found."""
    if asked.labels is not None:
        return True
    return not (asked.wanted or asked.keep_labels) and bool(labelled_columns(trial))


def _given(asked: Asked, trial: Trial, tell: Tell) -> _Begin:
    file = asked.labels or asked.source
    others = "" if asked.labels else "; --model, --reference or --marker-set find others"
    tell(f"labels: those in {file.name}{others}")
    labelled = trial if asked.labels is None else io.read(file, **asked.read_with)
    state, notes = state_given(trial, labelled, file.name)
    how = _plain(asked) if asked.wanted else None
    doubts = doubts_about_names(labelled, file.name)
    return _Begin(state, f"the names in {file.name}", how, notes, doubts, _segments(state.labels))


def _labelled(asked: Asked, trial: Trial, tell: Tell) -> _Begin:
    from automarkerlabel.labellers.request import notes_about
    from automarkerlabel.labellers.warnings import doubts_about

    tell(f"labelling {asked.source.name}")
    method = _method(asked, _plain(asked))
    answer = method.label(trial, asked.keep_labels, asked.heading_deg)
    state = state_of(answer, trial, asked.min_confidence)
    notes = (*notes_about(method), *doubts_about(answer, trial))
    return _Begin(state, answer.by, _plain(asked), notes, (), _segments(state.labels, answer.marker_set))


def _relabelling(asked: Asked, how: dict[str, Any] | None) -> Relabelling | None:
    if how is None:
        return None
    named = ", ".join(f"--{k.replace('_', '-')} {v}" for k, v in how["wanted"].items())
    label = partial(_keeping_labels, asked, how)
    return Relabelling(label, named or "the likeliest known marker set", asked.min_confidence)


def _keeping_labels(asked: Asked, how: dict[str, Any]) -> KeepingLabels:
    method = _method(asked, how)
    return lambda trial: method.label(trial, True, how["heading_deg"])


def _method(asked: Asked, how: dict[str, Any]) -> "Labeller":
    from automarkerlabel.labellers.request import LabelRequest, labeller_for
    from automarkerlabel.models.device import as_device

    wanted = dict(how["wanted"])
    paths = {k: Path(v) for k, v in wanted.items() if k in ("reference", "training_values")}
    return labeller_for(LabelRequest(**wanted | paths, exclude=asked.exclude), as_device(asked.device))


def _plain(asked: Asked) -> dict[str, Any]:
    """How to label, in plain values; files by their full paths, so that a later review finds them."""
    full = {
        k: str(Path(v).resolve()) if isinstance(v, str) and Path(v).exists() else v for k, v in asked.wanted.items()
    }
    return {"wanted": full, "heading_deg": asked.heading_deg}


def _segments(labels: Sequence[str], worn: MarkerSet | None = None) -> dict[str, str]:
    return {x: s for x, s in zip(labels, segments_of(labels, worn), strict=True) if s}


def _words(read_with: Any) -> str:
    said = [f"--{k} {v}" for k, v in read_with.items() if v is not None] if isinstance(read_with, dict) else []
    return " ".join(said) or "no options"
