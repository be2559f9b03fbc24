"""A laboratory's names for labels: a TOML file of `old = "new"` lines."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, TrialError
from automarkerlabel.io.files import read_bytes
from automarkerlabel.io.names import full_name, split_prefix

_MAX_BYTES = 1 << 20


def read_renaming(path: Path) -> dict[str, str]:
    """New names by old ones, all at once: two labels may exchange their names.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is no such file or gives one name twice.
    """
    try:
        found = tomllib.loads(read_bytes(path, _MAX_BYTES).decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FileFormatError(f'{path}: expected lines of old = "new" in TOML, found none: {error}') from error
    for old, new in found.items():
        if not isinstance(new, str) or not new.strip() or not new.isprintable():
            shown = "a table" if isinstance(new, dict) else repr(new)[:40]
            raise FileFormatError(f'{path}: expected {old} = "a name", found {shown}; names with dots stand in quotes')
    refuse_twice(found.values(), f"{path}: expected distinct new names")
    return found


def renamed(trial: Trial, names: Mapping[str, str]) -> Trial:
    """The trial with its labels renamed, prefixes as they are. Raises `TrialError` if two columns would be one label.

    Labels that stood twice before may.
    """
    labels = [names.get(label, label) for label in trial.labels]
    before, after = (Counter(zip(trial.subjects, x, strict=True)) for x in (trial.labels, labels))
    if max(after.values(), default=0) > max(before.values(), default=0):
        refuse_twice([label for _, label in after.elements()], "rename: expected distinct labels", TrialError)
    return replace(trial, labels=labels)


def renamed_columns(columns: Sequence[OutputColumn], names: Mapping[str, str]) -> list[OutputColumn]:
    """Output columns with their labels renamed, a subject's prefix as it is. Raises `TrialError` if two would be one
    label."""
    parts = [split_prefix(column.label) for column in columns]
    found = [
        replace(column, label=names.get(column.label, full_name(subject, names.get(label, label))))
        for column, (subject, label) in zip(columns, parts, strict=True)
    ]
    if names:
        refuse_twice([column.label for column in found], "rename: expected distinct labels", TrialError)
    return found


def refuse_twice(names: Iterable[str], expected: str, error: type[Exception] = FileFormatError) -> None:
    """Raise `error` if a name stands more than once."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise error(f"{expected}, found {', '.join(twice[:5])} more than once")
