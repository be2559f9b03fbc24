"""Reads body kinematics in the HDF5 layout of Clouthier et al.'s auto-marker-label.

    /com/<segment>                     (n_subjects, 3): centre of mass in the OpenSim body's frame, m
    /scale/<segment>                   (n_subjects, 3): how much larger the subject's body is than the generic model's
    /kin/<subject>/<trial>/<segment>   (4, 4, n_frames): from the body's frame, moved to its centre of mass, to the
                                       laboratory's, mm, y up; 120 Hz

Rows of `com` and `scale` follow the subjects of `/kin` in the order of their names.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from automarkerlabel.core.trial import MM_PER_UNIT, FileAxes, FloatArray
from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.io.files import check_input
from automarkerlabel.io.hdf5.guard import guarded
from automarkerlabel.io.hdf5.safe import Allowance
from automarkerlabel.io.motion.skeleton import DoubleArray, are_rotations

RATE_HZ = 120.0
_MAX_NAMES = 10_000  # in one group
_MAX_SUBJECTS = 100_000
_MAX_FRAMES = 200_000
_MAX_BYTES = 512 << 20  # of one trial
_MM_PER_M = 1000.0
_MIN_SPREAD = 20.0  # no body's segments, in millimetres, are all as near to one another as this


@dataclass(frozen=True, eq=False)
class BodyKinematics:
    """One trial of one subject.

    transforms  by segment: float32 `(n_frames, 4, 4)`, from its centre of mass's frame (the OpenSim body's axes, mm)
                to the laboratory's (mm, z up); NaN in frames without it.
    com_mm      by segment: float32 `(3,)`, its centre of mass in the subject's OpenSim body frame.
    scale       by segment: float32 `(3,)`, the subject's size against the generic model's.
    """

    subject: str
    trial: str
    transforms: dict[str, FloatArray]
    com_mm: dict[str, FloatArray]
    scale: dict[str, FloatArray]
    rate_hz: float = RATE_HZ

    @property
    def n_frames(self) -> int:
        return len(next(iter(self.transforms.values())))


@guarded
def list_kinematics(path: Path) -> list[tuple[str, str]]:
    """The (subject, trial) pairs of a file, by subject.

    Raises `InputError` if it cannot be read, `FileFormatError` if it is no HDF5 file or of another layout.
    """
    with _opened(path) as file:
        kin = _group(file, "kin", path)
        return [(subject, trial) for subject in _names(kin, path) for trial in _names(_group(kin, subject, path), path)]


@guarded
def read_kinematics(
    path: Path,
    subject: str,
    trial: str,
    segments: Collection[str] | None = None,
    units: str = "mm",
    rate_hz: float = RATE_HZ,
) -> BodyKinematics:
    """One trial of one subject; of `segments` where given, else of all. `units` are those of the transforms.

    Raises `InputError` if the file cannot be read or lacks what was asked for; `FileFormatError` if it is no HDF5 file,
    of another layout, or in other units.
    """
    if units not in MM_PER_UNIT:
        raise InputError(f"units: expected one of {', '.join(MM_PER_UNIT)}, found {units!r}")
    with _opened(path) as file:
        kin = _group(file, "kin", path)
        group = _group(_group(kin, subject, path), trial, path)
        present = _names(group, path)
        wanted = list(dict.fromkeys(segments)) if segments is not None else present
        missing = [name for name in wanted if name not in present]
        if missing or not wanted:
            raise InputError(
                f"{path}: expected segments {', '.join(missing) or 'of any name'} in {group.name},"
                f" found {', '.join(present)[:200] or 'none'}"
            )
        row = _names(kin, path).index(subject)
        com, scale = _group(file, "com", path), _group(file, "scale", path)
        raw = {name: _transforms(group, name, len(wanted), path) for name in wanted}
        com_mm = {name: _row(com, name, row, path) * np.float32(_MM_PER_M) for name in wanted}
        scales = {name: _row(scale, name, row, path) for name in wanted}
    _check_together(raw, scales, MM_PER_UNIT[units], path)
    transforms = {name: _to_mm_z_up(values, units) for name, values in raw.items()}
    return BodyKinematics(subject, trial, transforms, com_mm, scales, rate_hz)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    check_input(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    # What h5py raises for damaged bytes: nearly anything.
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, MemoryError, IndexError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FileFormatError(f"{path}: expected an HDF5 file of body kinematics, found none ({reason})") from error


def _names(group: h5py.Group, path: Path) -> list[str]:
    if len(group) > _MAX_NAMES:
        raise FileFormatError(f"{path}: expected at most {_MAX_NAMES:,} names in {group.name}, found {len(group):,}")
    return sorted(group.keys())


def _member(group: h5py.Group, name: str, path: Path) -> object:
    """What stands in this file itself under a name: links could lead to any other."""
    if not name or "/" in name or name in (".", "..") or name not in group:
        raise InputError(
            f"{path}: expected {name!r} in {group.name}, found {', '.join(_names(group, path))[:200] or 'nothing'}"
        )
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise FileFormatError(f"{path}: expected data in {group.name}/{name}, found a link")
    return group[name]


def _group(parent: h5py.Group, name: str, path: Path) -> h5py.Group:
    found = _member(parent, name, path)
    if not isinstance(found, h5py.Group):
        raise FileFormatError(f"{path}: expected {name} in {parent.name} to be a group, found data")
    return found


def _dataset(group: h5py.Group, name: str, path: Path) -> h5py.Dataset:
    found = _member(group, name, path)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu" or found.is_virtual or found.external:
        raise FileFormatError(
            f"{path}: expected {group.name}/{name} to hold numbers in this file, found something else"
        )
    Allowance(path).take(found)
    return found


def _row(group: h5py.Group, name: str, row: int, path: Path) -> FloatArray:
    """`(3,)`: one subject's values."""
    data = _dataset(group, name, path)
    if data.ndim != 2 or data.shape[1] != 3 or not row < data.shape[0] <= _MAX_SUBJECTS:
        raise FileFormatError(
            f"{path}: expected {group.name}/{name} of shape (n_subjects, 3) with more than {row} rows,"
            f" found {data.shape}"
        )
    values = np.asarray(data[row], np.float32)
    if not np.isfinite(values).all() or (np.abs(values) > 100).any():
        raise FileFormatError(f"{path}: expected metres and ratios in {group.name}/{name}, found {values.tolist()}")
    return values


def _transforms(group: h5py.Group, name: str, n_segments: int, path: Path) -> DoubleArray:
    """`(n_frames, 4, 4)`, as in the file."""
    data = _dataset(group, name, path)
    if data.ndim != 3 or data.shape[:2] != (4, 4) or not 0 < data.shape[2] <= _MAX_FRAMES:
        raise FileFormatError(
            f"{path}: expected {group.name}/{name} of shape (4, 4, n_frames), 1 to {_MAX_FRAMES:,} frames, found"
            f" {data.shape}"
        )
    if 8 * data.size * n_segments > _MAX_BYTES:
        raise FileFormatError(f"{path}: expected at most {_MAX_BYTES:,} bytes in {group.name}, found more")
    values = np.ascontiguousarray(np.moveaxis(np.asarray(data, np.float64), 2, 0))
    seen = values[np.isfinite(values).all((1, 2))]
    if (np.abs(seen) > 1e6).any() or (seen[:, 3] != (0, 0, 0, 1)).any() or not are_rotations(seen[:, :3, :3]):
        raise FileFormatError(f"{path}: expected 4x4 transforms in {group.name}/{name}, found other matrices")
    return values


def _check_together(
    transforms: dict[str, DoubleArray], scales: dict[str, FloatArray], mm_per_unit: float, path: Path
) -> None:
    lengths = {len(values) for values in transforms.values()}
    if len(lengths) > 1:
        raise FileFormatError(f"{path}: expected as many frames for each segment, found {sorted(lengths)}")
    if any((scale <= 0).any() for scale in scales.values()):
        raise FileFormatError(f"{path}: expected scales above 0, found others")
    places = np.stack([values[:, :3, 3] for values in transforms.values()])
    places = places[:, np.isfinite(places).all((0, 2))] * mm_per_unit
    if len(places) > 1 and places.size and np.ptp(places, axis=0).max() < _MIN_SPREAD:
        raise FileFormatError(
            f"{path}: expected transforms in the units given, found all segments within {_MIN_SPREAD:.0f} mm;"
            " are they in metres?"
        )


def _to_mm_z_up(values: DoubleArray, units: str) -> FloatArray:
    axes = FileAxes(units=units, up="y")
    turned = np.full(values.shape, np.nan, np.float32)
    seen = np.isfinite(values).all((1, 2))
    turned[seen] = np.eye(4, dtype=np.float32)
    turned[seen, :3, :3] = axes.rotation @ values[seen, :3, :3]
    turned[seen, :3, 3] = axes.to_mm_z_up(values[seen, :3, 3])
    return turned
