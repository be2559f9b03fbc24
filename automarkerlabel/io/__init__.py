"""Trials in and out of files by their suffix: C3D, TRC, CSV, TSV and HDF5 both ways, MAT in, Parquet out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import BoolArray, Trial
from automarkerlabel.errors import FileFormatError, OutputError
from automarkerlabel.io import c3d, files
from automarkerlabel.io.computed_points import computed_columns
from automarkerlabel.io.hdf5 import trial as hdf5
from automarkerlabel.io.labelled_copy import NO_FLAG, labelled_trial
from automarkerlabel.io.mat import qualisys
from automarkerlabel.io.tables import csv, qualisys_tsv, tidy, trc

# Each module has read(path, units, up), where it can be read, and write(path, trial), where it can be written;
# write_labelled, where copies are more than new files; is_trial(path), where the suffix alone does not tell a trial.
FORMATS: dict[str, ModuleType] = {
    ".c3d": c3d, ".trc": trc, ".csv": csv, ".tsv": qualisys_tsv, ".mat": qualisys, ".hdf5": hdf5,
    ".parquet": tidy,
}  # fmt: skip
READABLE = {suffix: module for suffix, module in FORMATS.items() if hasattr(module, "read")}
WRITABLE = {suffix: module for suffix, module in FORMATS.items() if hasattr(module, "write")}


def read(path: Path | str, units: str | None = None, up: str | None = None, exclude: str | None = None) -> Trial:
    """The trial in a file, in mm with z up, its computed columns recognised.

    `units` and `up` overrule what the file says; `exclude` is a regular expression for more computed columns.

    Raises `InputError` for a file that is missing, a folder, of an unknown suffix, or for a bad `exclude`;
    `FileFormatError` for a damaged one.
    """
    path = Path(path)
    files.check_input(path)
    trial: Trial = _module(path, READABLE).read(path, units, up)
    computed = trial.computed | computed_columns(trial.labels, exclude=exclude)
    return trial if computed == trial.computed else replace(trial, computed=computed)


@dataclass(frozen=True)
class Reading:
    """How a trial is read, where its file is overruled; see `read`."""

    units: str | None = None
    up: str | None = None
    exclude: str | None = None

    def trial(self, path: Path) -> Trial:
        """Raises what `read` raises, `TrialError` for a trial without points."""
        trial = read(path, self.units, self.up, self.exclude)
        trial.require_points(str(path))
        return trial


def is_trial(path: Path) -> bool:
    """Whether a file holds a trial: by its suffix, and of formats that hold other things too by how it begins.

    Raises `InputError` if it cannot be read.
    """
    module = READABLE.get(path.suffix.lower())
    return module is not None and (not hasattr(module, "is_trial") or module.is_trial(path))


def write(path: Path | str, trial: Trial, overwrite: bool = False) -> None:
    """A new file with the trial's points: C3D and TRC in the units and axes of `trial.axes`, others in mm with z up.

    Raises `OutputError` where it cannot be written or exists without `overwrite`.
    """
    path = Path(path)
    files.check_output(path, overwrite=overwrite, suffixes=WRITABLE)
    with files.atomic(path) as temporary:
        _module(path, WRITABLE).write(temporary, trial)


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
    files.check_output(path, [source], overwrite, WRITABLE)
    module = _module(path, WRITABLE)
    with files.atomic(path) as temporary:
        if source.suffix.lower() == path.suffix.lower() and hasattr(module, "write_labelled"):
            return module.write_labelled(source, temporary, trial, columns, verify) or ()
        module.write(temporary, labelled_trial(trial, columns))
    return ()


def write_filled(
    source: Path | str, path: Path | str, trial: Trial, mask: BoolArray, overwrite: bool = False, verify: bool = True
) -> tuple[str, ...]:
    """The file `source` with points of `trial` added where `mask` `(n_frames, n_columns)` is True; `trial` has the
    frames and columns that were read from it.

    A copy of the same format keeps all else as it is, bit for bit: of C3D, where the points get a residual of 0, TRC,
    and CSV tables of our own; in another format it is a new file. Returns notes. Raises `OutputError` where it cannot
    be written, `TrialError` where trial and source do not fit together, `VerificationError` if the copy is not what was
    to be written; `path` is then as it was.
    """
    source, path = Path(source), Path(path)
    files.check_output(path, [source], overwrite, WRITABLE)
    module = _module(path, WRITABLE)
    same = source.suffix.lower() == path.suffix.lower()
    if same and hasattr(module, "write_labelled") and not hasattr(module, "write_filled"):
        raise OutputError(f"{path}: expected an output in .c3d, .trc or .csv for filled gaps; name one with -o")
    with files.atomic(path) as temporary:
        if same and hasattr(module, "write_filled"):
            notes: tuple[str, ...] = module.write_filled(source, temporary, trial, mask, verify)
            return notes
        module.write(temporary, trial)
    return () if module is c3d else (NO_FLAG,)


def _module(path: Path, formats: dict[str, ModuleType]) -> ModuleType:
    module = formats.get(path.suffix.lower())
    if module is None:
        raise FileFormatError(
            f"{path}: expected a name that ends in {files.one_of(formats)}, found {path.suffix or 'none'!r}"
        )
    return module
