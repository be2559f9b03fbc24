"""What `aml simulate` and training from the simulator ask for: whose trials, in which marker set, in which motions."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.io.files import check_output, make_folder
from automarkerlabel.io.marker_sets.opensim import is_opensim, read_marker_set
from automarkerlabel.io.motion.kinematics_hdf5 import list_kinematics, read_kinematics
from automarkerlabel.marker_sets.catalogue import find, places
from automarkerlabel.marker_sets.opensim_body import body_places
from automarkerlabel.simulate.actions import ACTIONS, STATIC
from automarkerlabel.simulate.clips import load_clips
from automarkerlabel.simulate.corrupt import Corruption, labelled, make_case
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.opensim_sim import simulate_opensim
from automarkerlabel.simulate.trials import make_trial

FORMATS = ("c3d", "trc", "hdf5")
DEFAULT_MOTIONS: tuple[str, ...] = tuple(a for a in ACTIONS if a != STATIC)
_KINEMATICS = (".h5", ".hdf5")
_CLIP_HZ = 60.0
_SUBJECTS_A_SEED = 1_000_000
_VALIDATION = -1  # number of the pool that validates
_N_VALIDATION = 6  # enough to calibrate on; each is labelled several times


@dataclass(frozen=True, eq=False)
class WornSet:
    """A marker set on the simulator's body; `static` are labels worn in static trials only; `opensim` is the set as
    its OpenSim file has it, where it came from one."""

    marker_set: MarkerSet
    static: frozenset[str] = frozenset()
    opensim: MarkerSet | None = None

    def moving(self) -> MarkerSet:
        """Without the labels of static trials."""
        keep = [n for n, label in enumerate(self.marker_set.labels) if label not in self.static]
        whole = self.marker_set
        assert whole.local_mm is not None
        return MarkerSet(
            [whole.labels[n] for n in keep], [whole.segments[n] for n in keep], None, whole.local_mm[keep], whole.name
        )


@dataclass(frozen=True, eq=False)
class Recorded:
    """Kinematics of bodies in a file, which bring their own body."""

    path: Path
    subject: str
    trial: str


@dataclass(frozen=True, eq=False)
class NamedMotion:
    name: str
    source: str | Motion | Recorded


def worn_set(name: str | Path) -> WornSet:
    """The marker set of a name in the catalogue, of its TOML file, or of an OpenSim file.

    Raises `MarkerSetError` for an unknown name, and for a set that has no places on the body.
    """
    path = Path(name)
    if is_opensim(path):
        opensim = read_marker_set(path)
        found = body_places(opensim)
        local = np.array([place for _, place in found.values()], np.float32)
        return WornSet(MarkerSet(list(found), [s for s, _ in found.values()], None, local, path.stem), opensim=opensim)
    definition = find(name)
    local = places(name).place.numpy()
    segments = [line.body_segment for line in definition.lines]
    static = frozenset(label for label, worn in definition.worn.items() if worn == "static")
    return WornSet(MarkerSet(definition.labels, segments, None, local, definition.name), static)


def find_motions(wanted: Sequence[str], on_skipped: Callable[[str, str], None] | None = None) -> list[NamedMotion]:
    """Procedural motions by name (none wanted: all), clips (.bvh, .amc, .zip or a folder), kinematics (.h5, .hdf5).

    `on_skipped(name, message)` hears of clips that cannot be used. Raises `InputError` for what is neither.
    """
    motions: list[NamedMotion] = []
    for text in wanted or DEFAULT_MOTIONS:
        path = Path(text)
        if text in ACTIONS:
            motions.append(NamedMotion(text, text))
        elif path.suffix.lower() in _KINEMATICS:
            pairs = list_kinematics(path)
            motions += [NamedMotion(f"{s}_{t}", Recorded(path, s, t)) for s, t in pairs]
        elif path.exists():
            motions += _clips(path, on_skipped)
        else:
            raise InputError(
                f"motion: expected {', '.join(ACTIONS)}, or a file or folder of clips or kinematics, found {text!r}"
            )
    return motions


def _clips(path: Path, on_skipped: Callable[[str, str], None] | None) -> list[NamedMotion]:
    names: list[str] = []

    def skip(name: str, message: str) -> None:
        names.pop()
        if on_skipped:
            on_skipped(name, message)

    clips = load_clips([path], _CLIP_HZ, names.append, skip)
    if not clips:
        raise InputError(f"{path}: expected motion clips that can be used, found none")
    return [NamedMotion(Path(n).stem, clip) for n, clip in zip(names, clips, strict=True)]


def simulate(worn: WornSet, motion: NamedMotion, subject_seed: int, seconds: float, rate_hz: float, seed: int) -> Trial:
    """One labelled trial. Raises `InputError` for kinematics without an OpenSim marker set; see `make_trial`, too."""
    source = motion.source
    if isinstance(source, Recorded):
        if worn.opensim is None:
            raise InputError(
                f"{source.path}: kinematics go with the marker set of an OpenSim file (.xml, .osim), found"
                f" {worn.marker_set.name}"
            )
        bodies = read_kinematics(source.path, source.subject, source.trial, set(worn.opensim.segments))
        return simulate_opensim(bodies, worn.opensim, rate_hz)
    marker_set = worn.marker_set if source == STATIC else worn.moving()
    return make_trial(source, marker_set, subject_seed, seconds, rate_hz, seed)


@dataclass(frozen=True, eq=False)
class Order:
    """What is to be made: of each subject `trials` trials (0: one of each motion), the motions one after the other."""

    worn: WornSet
    motions: Sequence[NamedMotion]
    folder: Path
    subjects: int = 1
    trials: int = 0
    seconds: float = 10.0
    rate_hz: float = 100.0
    seed: int = 0
    suffix: str = "c3d"
    corruption: Corruption | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name, least in (("subjects", 1), ("trials", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"--{name}: expected {least} or more, found {getattr(self, name)}")
        if self.suffix not in FORMATS:
            raise InputError(f"format: expected one of {', '.join(FORMATS)}, found {self.suffix!r}")

    @property
    def per_subject(self) -> int:
        return self.trials or len(self.motions)


def write_trials(order: Order) -> Iterator[dict[str, Any]]:
    """Make and write all trials, one after the other; what each is.

    Trials of the n-th subject are `subject<n>/<motion>_<k>`; with a corruption `..._unlabelled` and `..._truth`.

    Raises `OutputError` before the first if a file is there already and not to be replaced.
    """
    names = _names(order)
    endings = ["_unlabelled", "_truth"] if order.corruption else [""]
    _prepare(order, [f"{name}{ending}.{order.suffix}" for name in names for ending in endings])
    for subject in range(order.subjects):
        for n, name in enumerate(names):
            motion = order.motions[n % len(order.motions)]
            subject_seed = order.seed * _SUBJECTS_A_SEED + subject
            trial = simulate(order.worn, motion, subject_seed, order.seconds, order.rate_hz, n)
            yield _written(order, _folder(order, subject), name, trial, subject * len(names) + n) | {
                "subject": subject + 1, "motion": motion.name, "n_frames": trial.n_frames, "rate_hz": trial.rate_hz,
                "n_labels": trial.n_columns,
            }  # fmt: skip


def _names(order: Order) -> list[str]:
    """Of a subject's trials: the motion's, numbered where it comes again."""
    motions = [order.motions[n % len(order.motions)].name for n in range(order.per_subject)]
    often, seen, names = Counter(motions), Counter[str](), []
    for motion in motions:
        seen[motion] += 1
        names.append(f"{motion}_{seen[motion]}" if often[motion] > 1 else motion)
    return names


def _folder(order: Order, subject: int) -> Path:
    return order.folder / f"subject{subject + 1}"


def _prepare(order: Order, names: Sequence[str]) -> None:
    for subject in range(order.subjects):
        folder = _folder(order, subject)
        make_folder(folder)
        for name in names:
            check_output(folder / name, overwrite=order.overwrite)


def _written(order: Order, folder: Path, name: str, trial: Trial, number: int) -> dict[str, Any]:
    if order.corruption is None:
        path = folder / f"{name}.{order.suffix}"
        io.write(path, trial, order.overwrite)
        return {"file": str(path)}
    case = make_case(trial, replace(order.corruption, seed=order.corruption.seed + number))
    path, truth = (folder / f"{name}_{kind}.{order.suffix}" for kind in ("unlabelled", "truth"))
    io.write(path, case.trial, order.overwrite)
    io.write(truth, labelled(case), order.overwrite)
    return {"file": str(path), "truth": str(truth)}


@dataclass(frozen=True, eq=False)
class Endless:
    """Trials for training without end: pools of them by number, each of other subjects, motions and moments."""

    worn: WornSet
    motions: Sequence[NamedMotion]
    seed: int = 0
    n_trials: int = 24
    seconds: float = 8.0
    rate_hz: float = 60.0

    @property
    def name(self) -> str:
        """What is simulated, in words: the same words, the same pools."""
        return f"{self.worn.marker_set.name}: {', '.join(sorted({m.name for m in self.motions}))}"

    def pool(self, number: int) -> list[Trial]:
        """The trials of that number, from 0; the same number gives the same trials."""
        rng = np.random.default_rng([self.seed, number - _VALIDATION])
        # Each motion once before one comes again.
        chosen = np.concatenate(
            [rng.permutation(len(self.motions)) for _ in range(0, self.n_trials, len(self.motions))]
        )
        seeds = rng.integers(2**31, size=self.n_trials)
        return [
            simulate(self.worn, self.motions[int(m)], int(s), self.seconds, self.rate_hz, n)
            for n, (m, s) in enumerate(zip(chosen, seeds, strict=False))
        ]

    def validation(self) -> list[Trial]:
        """Trials that no pool holds."""
        return self.pool(_VALIDATION)[:_N_VALIDATION]
