"""CSV files, told by how they begin: exports of Motive and of Nexus, and tables of our own."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import BoolArray, Trial
from automarkerlabel.errors import FileFormatError, OutputError
from automarkerlabel.io.labelled_copy import NO_FLAG, labelled_trial
from automarkerlabel.io.tables import motive_csv, nexus_csv, own_csv
from automarkerlabel.io.tables.text import head_lines

_KINDS: tuple[ModuleType, ...] = (motive_csv, nexus_csv, own_csv)
write = own_csv.write


def read(path: Path, units: str | None = None, up: str | None = None) -> Trial:
    """The trial in a CSV file, in mm with z up; `units` and `up` overrule what the file says.

    Raises `InputError` if the file cannot be read, `FileFormatError` if it is damaged or of none of the kinds known.
    """
    trial: Trial = _kind(path).read(path, units, up)
    return trial


def write_labelled(
    source: Path, path: Path, trial: Trial, columns: Sequence[OutputColumn], verify: bool = True
) -> tuple[str, ...]:
    """A copy of `source` with its points in `columns`, in the layout of the source; see the modules of each kind."""
    kind = _kind(source)
    if kind is not own_csv:
        notes: tuple[str, ...] = kind.write_labelled(source, path, trial, columns, verify)
        return notes
    write(path, labelled_trial(trial, columns))
    return ()


def write_filled(source: Path, path: Path, trial: Trial, mask: BoolArray, verify: bool = True) -> tuple[str, ...]:
    """The table of `trial`, which is that of the table `source` with the points where `mask` is True added.

    Raises `OutputError` if `source` is of another kind, whose layout a table of our own would not keep.
    """
    if _kind(source) is not own_csv:
        raise OutputError(f"{source}: expected an output in another format for filled gaps; name one with -o, as X.c3d")
    write(path, trial)
    return (NO_FLAG,)


def is_trial(path: Path) -> bool:
    """Whether a file begins like one of the kinds known."""
    lines = head_lines(path)
    return any(kind.recognises(lines) for kind in _KINDS)


def _kind(path: Path) -> ModuleType:
    lines = head_lines(path)
    found = next((kind for kind in _KINDS if kind.recognises(lines)), None)
    if found is None:
        begin = next((x for x in lines if x.strip()), b"")[:40].decode("utf-8", "replace")
        raise FileFormatError(
            f"{path}: expected an export of Motive (first line Format Version,...), one of Nexus (a section"
            f" Trajectories) or a table frame,time_s,NAME_x,NAME_y,NAME_z,..., found a file that begins with {begin!r}"
        )
    return found
