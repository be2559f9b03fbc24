"""Who is in a recording, as the user says: names, and the labelled trial or marker set of each."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.io.marker_sets import is_marker_set
from automarkerlabel.labellers.matcher.template_search import Template, template_from_trial, template_named
from automarkerlabel.labellers.subjects.labeller import Subject, check_names

MOST_SUBJECTS = 12
_LEAST_LABELS = 3


def named_subjects(
    entries: Sequence[str], marker_set: str | None = None, exclude: str | None = None
) -> tuple[Subject, ...]:
    """Subjects of entries `NAME=FILE` or `NAME=MARKER_SET`: a labelled trial, or a marker set by its name or file.

    Of a trial with the labels of several subjects those with the name as prefix count. `marker_set` says which labels
    of labelled trials count, and which may be absent.

    Raises `InputError` for entries and names that cannot be used, and what reading their files raises.
    """
    pairs = [entry_parts(entry) for entry in entries]
    check_names([name for name, _ in pairs])
    return tuple(Subject(name, _template(name, what, marker_set, exclude)) for name, what in pairs)


def one_or_entries(references: Sequence[Path], entries: Sequence[str]) -> tuple[Path | None, tuple[str, ...]]:
    """The one reference, or entries with full paths: as given, or of several references, named as their files.

    Raises `InputError` for several references beside entries, or for a broken entry.
    """
    if len(references) > 1:
        if entries:
            raise InputError("reference: expected none beside --subject NAME=REFERENCE, found several")
        return None, tuple(f"{path.stem}={path.absolute()}" for path in references)
    full = []
    for name, what in map(entry_parts, entries):
        path = reference_file(what)
        full.append(f"{name}={what if path is None else path.absolute()}")
    return next(iter(references), None), tuple(full)


def entry_parts(entry: str) -> tuple[str, str]:
    """The name and the reference of an entry. Raises `InputError` where there are no two."""
    name, sign, what = entry.partition("=")
    if not (sign and name.strip() and what.strip()):
        raise InputError(f"subjects: expected NAME=FILE or NAME=MARKER_SET, found {entry!r}")
    return name.strip(), what.strip()


def reference_file_of(entry: str) -> Path | None:
    """The labelled trial that an entry names, None for a marker set. Raises as `entry_parts`."""
    return reference_file(entry_parts(entry)[1])


def reference_file(what: str) -> Path | None:
    """The labelled trial that the reference of an entry is, None for a marker set."""
    path = Path(what)
    return path if not is_marker_set(path) and (path.is_file() or path.suffix or len(path.parts) > 1) else None


def numbered_names(n: int) -> tuple[str, ...]:
    """subject1, subject2, ... Raises `InputError` for a number that cannot be."""
    if not 1 <= n <= MOST_SUBJECTS:
        raise InputError(f"n_subjects: expected 1 to {MOST_SUBJECTS}, found {n}")
    return tuple(f"subject{k + 1}" for k in range(n))


def subjects_in(reference: Path, frame: int | None = None, exclude: str | None = None) -> tuple[Subject, ...]:
    """The subjects whose labels a trial has, by their prefixes; none where fewer than two have labels of their own.

    Raises as `template_from_trial`, and what reading the file raises.
    """
    trial = io.read(reference, exclude=exclude)
    names = prefixes(trial)
    if len(names) < 2:
        return ()
    return tuple(
        Subject(name, template_from_trial(one_subject(trial, name), f"{reference.name}, {name}", frame))
        for name in names
    )


def prefixes(trial: Trial) -> tuple[str, ...]:
    """The prefixes that stand before at least three different labels each."""
    labels: dict[str, set[str]] = {}
    for c in trial.marker_columns:
        if trial.subjects[c] and not is_unlabelled(trial.labels[c]):
            labels.setdefault(trial.subjects[c], set()).add(trial.labels[c])
    return tuple(name for name, own in labels.items() if len(own) >= _LEAST_LABELS)


def one_subject(trial: Trial, name: str) -> Trial:
    """The trial with the columns of one subject alone, without the prefix."""
    own = [c for c in range(trial.n_columns) if trial.subjects[c] == name]
    return replace(
        trial,
        positions=trial.positions[:, own],
        residuals=trial.residuals[:, own],
        labels=[trial.labels[c] for c in own],
        subjects=(),
        computed=frozenset(np.flatnonzero([c in trial.computed for c in own]).tolist()),
    )


def _template(name: str, what: str, marker_set: str | None, exclude: str | None) -> Template:
    path = reference_file(what)
    if path is None:
        known = template_named(what)
        return replace(known, name=f"marker set {known.name}")
    trial = io.read(path, exclude=exclude)
    trial.require_points(str(path))
    present = prefixes(trial)
    if len(present) > 1:
        if name not in present:
            raise InputError(
                f"--subject {name}: expected {path} to name one subject or {name} among several,"
                f" found {', '.join(present)}"
            )
        trial = one_subject(trial, name)
    return template_from_trial(trial, path.name, marker_set=marker_set)
