"""Names of columns: the subject's prefix split off when reading, put back when writing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.core.trial import Trial


def split_prefix(name: str) -> tuple[str, str]:
    """The subject and the label of a name; the subject is "" where there is no prefix.

    >>> split_prefix("Nick01:LFHD"), split_prefix("LFHD"), split_prefix("odd:")
    (('Nick01', 'LFHD'), ('', 'LFHD'), ('', 'odd:'))
    """
    subject, colon, label = name.rpartition(":")
    return (subject, label) if colon and subject and label else ("", name)


def full_name(subject: str, label: str) -> str:
    """A label with its subject's prefix, if there is one."""
    return f"{subject}:{label}" if subject else label


def full_names(trial: Trial) -> list[str]:
    """The trial's labels with their subjects' prefixes put back."""
    return [full_name(subject, label) for subject, label in zip(trial.subjects, trial.labels, strict=True)]


def with_full_names(trial: Trial) -> Trial:
    """The trial with its subjects' prefixes as part of the labels of named columns."""
    pairs = zip(full_names(trial), trial.labels, strict=True)
    return replace(trial, labels=[label if is_unlabelled(label) else full for full, label in pairs], subjects=())


def told_apart(trial: Trial) -> Trial:
    """The trial with prefixes as part of the labels if it has a label under several prefixes; otherwise as it is."""
    first: dict[str, str] = {}
    for subject, label in zip(trial.subjects, trial.labels, strict=True):
        if not is_unlabelled(label) and first.setdefault(label, subject) != subject:
            return with_full_names(trial)
    return trial


def output_subject(trial: Trial, column: OutputColumn) -> str:
    """Whose prefix an output column gets.

    A column that keeps its name keeps its prefix. One that gets a name gets the prefix most common among its pieces,
    else among the trial's markers; one without a name (`*3`) gets none.
    """
    sources = [c for c, _, _ in column.pieces]
    if sources and trial.labels[sources[0]] == column.label:
        return trial.subjects[sources[0]]
    if is_unlabelled(column.label) or ":" in column.label:
        return ""
    return _most_common(trial, sources) or _most_common(trial, trial.marker_columns)


def output_names(trial: Trial, columns: Sequence[OutputColumn]) -> list[str]:
    """The names of output columns as a file stores them."""
    return [full_name(output_subject(trial, column), column.label) for column in columns]


def _most_common(trial: Trial, columns: Sequence[int]) -> str:
    counted = Counter(trial.subjects[c] for c in columns if trial.subjects[c])
    return counted.most_common(1)[0][0] if counted else ""
