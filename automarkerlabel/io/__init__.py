"""Trials in and out of files: C3D, TRC, CSV and HDF5, by their suffix."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from automarkerlabel import scores
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io import c3d, csv_table, files, trc, trial_hdf5
from automarkerlabel.io.computed import computed_columns
from automarkerlabel.scores import OutputColumn
from automarkerlabel.trial import Trial

# Each module has read(path, units, up), write(path, trial) and, where copies are patches, write_labelled.
FORMATS: dict[str, ModuleType] = {".c3d": c3d, ".trc": trc, ".csv": csv_table, ".hdf5": trial_hdf5}


def read(path: Path | str, units: str | None = None, up: str | None = None, exclude: str | None = None) -> Trial:
    """The trial in a file, in mm with z up, its computed columns recognised.

    `units` and `up` overrule what the file says; `exclude` is a regular expression for more computed columns.

    Raises `InputError` for a file that is missing, a folder, of an unknown suffix, or for a bad `exclude`;
    `FileFormatError` for a damaged one.
    """
    path = Path(path)
    files.check_input(path)
    trial: Trial = _module(path).read(path, units, up)
    computed = trial.computed | computed_columns(trial.labels, exclude=exclude)
    return trial if computed == trial.computed else replace(trial, computed=computed)


def write(path: Path | str, trial: Trial, overwrite: bool = False) -> None:
    """A new file with the trial's points, in the units and axes of `trial.axes`.

    Raises `OutputError` where it cannot be written or exists without `overwrite`.
    """
    path = Path(path)
    files.check_output(path, overwrite=overwrite, suffixes=FORMATS)
    with files.atomic(path) as temporary:
        _module(path).write(temporary, trial)


def write_labelled(
    source: Path | str, path: Path | str, trial: Trial, columns: Sequence[OutputColumn],
    overwrite: bool = False, verify: bool = True,
) -> tuple[str, ...]:  # fmt: skip
    """The file `source`, which `trial` was read from, with its points in `columns`.

    A copy of the same format keeps all else as it is, bit for bit; in another format it is a new file. `verify` has a
    C3D copy checked by ezc3d, too. Returns notes. Raises `OutputError` where it cannot be written, `TrialError` where
    columns and trial do not fit together, `VerificationError` if the copy is not what was to be written; `path` is
    then as it was.
    """
    source, path = Path(source), Path(path)
    files.check_output(path, [source], overwrite, FORMATS)
    module = _module(path)
    with files.atomic(path) as temporary:
        if source.suffix.lower() == path.suffix.lower() and hasattr(module, "write_labelled"):
            return module.write_labelled(source, temporary, trial, columns, verify) or ()
        module.write(temporary, scores.apply(trial, columns))
    return ()


def export(
    source: Path | str, path: Path | str, units: str | None = None, up: str | None = None,
    exclude: str | None = None, overwrite: bool = False,
) -> None:  # fmt: skip
    """The trial in `source` as a new file in the format that the suffix of `path` names.

    Raises what `read` and `write` raise, and `OutputError` if `path` is `source`.
    """
    files.check_output(Path(path), [Path(source)], overwrite, FORMATS)
    write(path, read(source, units, up, exclude), overwrite)


def _module(path: Path) -> ModuleType:
    module = FORMATS.get(path.suffix.lower())
    if module is None:
        raise FileFormatError(
            f"{path}: expected a name that ends in {files.one_of(FORMATS)}, found {path.suffix or 'none'!r}"
        )
    return module
