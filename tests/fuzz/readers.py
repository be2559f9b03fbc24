"""Every reader of files that others made: how it is called, how its files are mutated, and what they may cost."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import c3d_mutations, mutations
from tests.fuzz.mutations import Mutation

CORPUS = Path(__file__).resolve().parent / "corpus"


@dataclass(frozen=True)
class Reader:
    """read    what is fuzzed: reads a file and uses what it found as the package would.
    suffix   of its files.
    mutate   files with something wrong in a place that matters.
    n_runs   mutated files by default.
    largest  bytes of a mutated file.
    """

    read: Callable[[Path], object]
    suffix: str
    mutate: Mutation
    n_runs: int = 10_000
    largest: int = 16_384


def _c3d(path: Path) -> object:
    """Read, told of, and a labelled copy of it made and checked; all but ezc3d, which runs in a process of its own."""
    from automarkerlabel.io import c3d
    from automarkerlabel.io.c3d import check, facts, layout, patch

    layout = layout.open_layout(path)
    facts.facts(layout)
    trial = c3d.trial_of(layout)
    columns = [(f"L{n}", ((n, 0, layout.n_frames),)) for n in reversed(range(layout.n_points))]
    patch = patch.patched(layout, columns)
    check.check_copy(layout.parse(b"".join(bytes(x) for x in patch.chunks)), layout, patch)
    return trial


def _trial(path: Path) -> object:
    from automarkerlabel import io

    io.is_trial(path)
    return io.read(path)


def _kinematics(path: Path) -> object:
    from automarkerlabel.io.motion.kinematics_hdf5 import list_kinematics, read_kinematics

    return [read_kinematics(path, *name) for name in list_kinematics(path)[:2]]


def _marker_set(path: Path) -> object:
    from automarkerlabel.io.marker_sets import read_marker_set

    return read_marker_set(path)


def _clips(path: Path) -> object:
    from automarkerlabel.simulate.clips import load_clips

    return load_clips([path])


def _amc(path: Path) -> object:
    """An AMC of the corpus' own skeleton; or the skeleton, where the bytes begin like one."""
    from automarkerlabel.io.motion.asf_amc import parse_amc, parse_asf

    data = path.read_bytes()
    if data[:200].find(b":version") >= 0:
        return parse_asf(data)
    return parse_amc(data, parse_asf((CORPUS / "asf_amc" / "figure.asf").read_bytes()))


def _model(path: Path) -> object:
    from automarkerlabel.labellers.load import keepsakes
    from automarkerlabel.labellers.trajectory import TrajectoryLabeller

    keepsakes(path)
    return TrajectoryLabeller.of_file(path)


def _matcher(path: Path) -> object:
    from automarkerlabel.labellers.load import keepsakes, matcher_facts

    keepsakes(path)
    return matcher_facts(path)


def _legacy(path: Path) -> object:
    from automarkerlabel.errors import ModelError
    from automarkerlabel.labellers.legacy import model

    with suppress(ModelError):
        model.resume_parts(path)
    return model.load_checkpoint(path)


def _legacy_values(path: Path) -> object:
    from automarkerlabel.labellers.legacy.model import load_training_values

    return load_training_values(path)


def _renaming(path: Path) -> object:
    from automarkerlabel.io.renaming import read_renaming

    return read_renaming(path)


def _definition(path: Path) -> object:
    from automarkerlabel.marker_sets.definition import as_toml, parse_definition, read_definition

    found = read_definition(path)
    return parse_definition(as_toml(found).encode(), path)


def _corrections(path: Path) -> object:
    from automarkerlabel.review.editing import corrections

    corrections.read(path)
    return corrections.sources_of([path], None, None, None)


def _journal(path: Path) -> object:
    """A review gone on with; its journal stands where the bytes were put, its trial in the corpus."""
    from automarkerlabel.review.editing.opening import Asked, opened
    from automarkerlabel.review.editing.save import Outputs

    trial = CORPUS / "journal" / "walk.c3d"
    outputs = Outputs(path.with_suffix(".c3d"), path.with_suffix(".json"), path, (trial,))
    session = opened(Asked(trial, outputs), lambda line: None)
    try:
        return session.view()
    finally:
        session.close()


def _list(path: Path) -> object:
    from automarkerlabel.io.collect import find_trials

    return find_trials([path])


_TORCH_ZIP = mutations.zipped(mutations.pickled)
READERS: dict[str, Reader] = {
    "c3d": Reader(_c3d, ".c3d", c3d_mutations.mutate, 100_000),
    "trc": Reader(_trial, ".trc", mutations.text),
    "motive_csv": Reader(_trial, ".csv", mutations.text),
    "nexus_csv": Reader(_trial, ".csv", mutations.text),
    "table_csv": Reader(_trial, ".csv", mutations.text),
    "qualisys_tsv": Reader(_trial, ".tsv", mutations.text),
    "qualisys_mat5": Reader(_trial, ".mat", mutations.mat5),
    "qualisys_mat73": Reader(_trial, ".mat", mutations.hdf5),
    "trial_hdf5": Reader(_trial, ".hdf5", mutations.hdf5),
    "kinematics_hdf5": Reader(_kinematics, ".hdf5", mutations.hdf5),
    "opensim": Reader(_marker_set, ".osim", mutations.text),
    "vicon_skeleton": Reader(_marker_set, ".vsk", mutations.text),
    "bvh": Reader(_clips, ".bvh", mutations.text),
    "asf_amc": Reader(_amc, ".amc", mutations.text),
    "clips_zip": Reader(_clips, ".zip", mutations.zipped(mutations.text)),
    "model": Reader(_model, ".ckpt", mutations.safetensors, largest=65_536),
    "matcher": Reader(_matcher, ".safetensors", mutations.safetensors, largest=65_536),
    "legacy_checkpoint": Reader(_legacy, ".ckpt", _TORCH_ZIP, largest=65_536),
    "legacy_values": Reader(_legacy_values, ".pickle", mutations.pickled),
    "renaming_toml": Reader(_renaming, ".toml", mutations.text),
    "marker_set_toml": Reader(_definition, ".toml", mutations.text),
    "corrections_json": Reader(_corrections, ".json", mutations.json_lines),
    "journal": Reader(_journal, ".jsonl", mutations.json_lines),
    "list": Reader(_list, ".lst", mutations.text),
}


def seeds(name: str) -> list[Path]:
    """The files of a reader's corpus, those that were found among them."""
    suffixes = {READERS[name].suffix, *((".asf",) if name == "asf_amc" else ())}
    return sorted(x for x in (CORPUS / name).iterdir() if x.suffix in suffixes)


def whole(name: str) -> list[bytes]:
    """The content of those that are read without an error."""
    return [x.read_bytes() for x in seeds(name) if not x.name.startswith("found_")]
