"""Labelled trials from folders, lists and patterns, and which of them are held out for validation."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.source import Source
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.io.names import with_full_names
from automarkerlabel.io.renaming import renamed
from automarkerlabel.io.tables.text import open_lines


def _is_trial(path: Path) -> bool:
    """A trial by its suffix and how it begins; hidden files, which some systems leave beside each file, are none."""
    return not path.name.startswith(".") and path.is_file() and io.is_trial(path)


def _listed(folder: Path, text: str) -> Path:
    """A path of a list, which may have been written on Windows."""
    path = folder / text
    return path if "\\" not in text or os.path.exists(path) else folder / PureWindowsPath(text).as_posix()


def find_trials(places: Iterable[str | Path]) -> list[Path]:
    """Trial files of folders (searched through), of text files that list one path a line, and files themselves.

    Raises `InputError` for a place that is not there or holds no trial.
    """
    found: dict[Path, None] = {}
    for place in map(Path, places):
        if place.is_dir():
            inside = [p for p in sorted(place.rglob("*")) if _is_trial(p)]
            if not inside:
                raise InputError(f"{place}: expected trials ({', '.join(io.READABLE)}) in this folder, found none")
        elif place.suffix.lower() in (".txt", ".lst") and place.is_file():
            lines = [x.decode("utf-8", "replace").strip().strip('"') for x in open_lines(place)[0]]
            inside = [_listed(place.parent, x) for x in lines if x and not x.startswith("#")]
            if not inside:
                raise InputError(f"{place}: expected one trial's path a line, found none")
        else:
            inside = [place]
        found.update(dict.fromkeys(inside))
    if not found:
        raise InputError("expected at least one trial, found none")
    return list(found)


def with_prefixes(sources: Sequence[Source]) -> list[Source]:
    """The trials with their subjects' prefixes as part of the labels, for trials of several people."""
    return [replace(source, trial=with_full_names(source.trial)) for source in sources]


def read_labelled(
    paths: Sequence[Path],
    units: str | None = None,
    up: str | None = None,
    exclude: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    rename: Mapping[str, str] | None = None,
) -> list[Source]:
    """Read trials that have labels; `rename` gives new names by old ones.

    Raises the error of the first that cannot be used, and names all others with it.
    """
    sources: list[Source] = []
    failures: list[InputError] = []
    for n, path in enumerate(paths):
        try:
            trial = renamed(io.read(path, units, up, exclude), rename or {})
            if not labelled_columns(trial):
                raise TrialError(f"{path}: expected a labelled trial, found {trial.n_columns} columns without a name")
        except InputError as error:
            failures.append(error)
        else:
            named = [s for s in trial.subjects if s]
            subject = max(set(named), key=named.count) if named else path.resolve().parent.name
            sources.append(Source(path, trial, subject))
        if progress:
            progress(n + 1, len(paths))
    if failures:
        more = f" (and {len(failures) - 1} more: {'; '.join(str(e) for e in failures[1:])})" if failures[1:] else ""
        raise type(failures[0])(f"{failures[0]}{more}")
    return sources


def split_validation(
    sources: Sequence[Source], share: float, by: str = "trial", seed: int = 0
) -> tuple[list[Source], list[Source]]:
    """(training, validation): whole trials, or whole subjects, about `share` of them; at least one stays to learn from.

    Raises `InputError` if there are too few to hold one out.
    """
    if by not in ("trial", "subject"):
        raise InputError(f"validation split: expected by trial or by subject, found {by!r}")
    if not 0 <= share < 1:
        raise InputError(f"validation share: expected 0 or more and below 1, found {share}")
    if share == 0:
        return list(sources), []
    groups: dict[str, list[Source]] = {}
    for source in sources:
        groups.setdefault(str(source.path) if by == "trial" else source.subject, []).append(source)
    if len(groups) < 2:
        raise InputError(
            f"validation split: expected at least two {by}s to hold one out, found {len(groups)};"
            " give more trials, --val DATA, or --val-share 0"
        )
    names = sorted(groups)
    n_out = min(max(1, round(share * len(names))), len(names) - 1)
    out = {names[i] for i in np.random.default_rng(seed).permutation(len(names))[:n_out]}
    train = [s for name in names if name not in out for s in groups[name]]
    return train, [s for name in names if name in out for s in groups[name]]
