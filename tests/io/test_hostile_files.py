"""No way from a file to code, to another file, or out of the folder it was told to write in. What other tests close
stands in docs/hardening.md."""

import ast
import gc
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import AutoMarkerLabelError, FileFormatError, ModelError
from automarkerlabel.io.hdf5 import guard
from automarkerlabel.io.motion.kinematics_hdf5 import read_kinematics
from automarkerlabel.labellers.legacy import model as legacy
from automarkerlabel.simulate.clips import load_clips
from automarkerlabel.workflows.explain import _name
from tests.fixtures.motion_texts import bvh_text
from tests.fixtures.places import PACKAGE
from tests.io.test_kinematics_hdf5 import transform
from tests.io.test_qualisys import save73, take
from tests.io.test_trc import ROWS as TRC_ROWS
from tests.io.test_trc import text as trc_text
from tests.labellers.test_legacy import as_the_predecessor, plain_values, put_values

SOURCES = {p.relative_to(PACKAGE).as_posix(): p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py")}

# What could run what a file holds, and where it stands all the same.
DANGEROUS = {
    "eval": set(), "exec": set(), "compile": set(), "__import__": set(),
    "os.system": set(), "os.popen": set(), "pickle.load": set(), "pickle.loads": set(), "np.load": set(),
    "marshal.loads": set(), "shelve.open": set(), "yaml.load": set(), "runpy.run_path": set(),
    "import_module": {"__init__.py", "io/hdf5/guard.py"},  # names of this package
    "importlib.import_module": {"models/checkpoints/onnx.py", "io/tables/tidy.py"},  # onnx, onnxruntime, pyarrow
    "webbrowser.open": set(),  # passed on by review/editing/serve.py, with its own address
}  # fmt: skip


def subclasses(kind: type) -> list[type]:
    return [x for own in kind.__subclasses__() for x in (own, *subclasses(own))]


WORDS = (*DANGEROUS, "torch.load", "allow_pickle", "shell")


def calls(text: str) -> list[tuple[str, ast.Call]]:
    """Every call in a module that has one of the words above in it at all."""
    if not any(word in text for word in WORDS):
        return []
    return [(ast.unparse(n.func), n) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]


def test_nothing_in_the_package_runs_what_it_reads() -> None:
    found = set()
    for place, text in SOURCES.items():
        for name, call in calls(text):
            given = {k.arg: ast.unparse(k.value) for k in call.keywords}
            if name in DANGEROUS:
                found.add((name, place))
            if name == "torch.load":
                assert given.get("weights_only") == "True", place
            assert given.get("allow_pickle", "False") == "False", place
            assert given.get("shell", "False") == "False", place
    assert found == {(name, place) for name, places in DANGEROUS.items() for place in places}
    assert "class _PlainUnpickler(pickle.Unpickler)" in SOURCES["io/unpickle.py"]  # with six names of its own


class Mischief:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("weights", [False, True])
def test_a_training_state_that_would_run_code_is_refused(
    tmp_path: Path, weights: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    made, out = tmp_path / "made", tmp_path / "m.ckpt"
    evil = {"task": Mischief(made)} if not weights else {"model": {"a": torch.ones(1)}, "numbers": Mischief(made)}
    (tmp_path / "m.ckpt.run").mkdir()
    torch.save(evil, tmp_path / "m.ckpt.run" / "state.pt")
    trial = PACKAGE.parent / "sample_data" / "train" / "turn.c3d"
    sizes = ["--model-type", "lstm", "--cells", "4", "--epochs", "1", "--val-share", "0"]
    assert run(["train", str(trial), "-o", str(out), "--resume", *sizes]) == 2
    assert "found a damaged file" in capsys.readouterr().err
    torch.save(evil, tmp_path / "old.ckpt")
    with pytest.raises(ModelError, match="found a file that holds none"):
        legacy.resume_parts(tmp_path / "old.ckpt")
    assert not made.exists()


def test_a_pickle_changes_nothing_for_the_next_one(tmp_path: Path) -> None:
    """BUILD with a pair sets attributes of whatever the pickle names: of what is named, not of what is kept."""
    for module, name in ((b"numpy", b"dtype"), (b"numpy", b"ndarray"), (b"numpy.core.multiarray", b"_reconstruct")):
        attributes = pickle.dumps((None, {"order": ">", "__setstate__": None, "__defaults__": (1,)}), 2)[2:-1]
        evil = (
            b"\x80\x02c" + module + b"\n" + name + b"\n" + attributes + b"b0" + as_the_predecessor(plain_values())[2:]
        )
        with suppress(FileFormatError):
            legacy.load_training_values(put_values(tmp_path, evil))
        again = legacy.load_training_values(put_values(tmp_path, plain_values()))
        assert again.scale == (100, 1, 0.1)
        np.testing.assert_array_equal(again.segment_means[1], [[0, 5], [5, 0]])


def trial_file(path: Path) -> Path:
    io.write(path, Trial(np.ones((20, 2, 3), np.float32), ["A", "B"], 50.0))
    return path


def kinematics(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        for name, height in (("torso", 1200), ("tibia_l", 300)):
            file[f"com/{name}"], file[f"scale/{name}"] = np.zeros((1, 3)), np.ones((1, 3))
            file[f"kin/S/walk/{name}"] = transform(0, height, 0)
    return path


def mat(path: Path) -> Path:
    save73(path, "walk", take())
    return path


HDF5 = {
    "trial": (trial_file, "t.hdf5", "positions", io.read),
    "kinematics": (kinematics, "k.hdf5", "kin/S/walk/torso", lambda path: read_kinematics(path, "S", "walk")),
    "mat": (mat, "w.mat", "walk/Trajectories/Labeled/Data", io.read),
}


def _virtual(file: h5py.File, name: str, other: Path) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    layout = h5py.VirtualLayout(shape, dtype)
    layout[...] = h5py.VirtualSource(str(other), name, shape=shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def _external(file: h5py.File, name: str, other: Path) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, shape, dtype, external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def _linked(kind: Callable[..., object]) -> Callable[[h5py.File, str, Path], None]:
    def change(file: h5py.File, name: str, other: Path) -> None:
        del file[name]
        file[name] = kind(str(other), name)

    return change


def _soft(_other: str, name: str) -> h5py.SoftLink:
    return h5py.SoftLink(f"/{name}/../x")


def _packed(filters: list[int], claimed: int = 0) -> Callable[[h5py.File, str, Path], None]:
    """Data packed with filters by number; or of a claimed length, of which nothing is there."""

    def change(file: h5py.File, name: str, other: Path) -> None:
        old = file[name][()]
        shape = (*old.shape[:-1], claimed) if claimed and name != "positions" else (claimed or len(old), *old.shape[1:])
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk(old.shape)
        for number in filters:
            plan.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1,) if number == h5py.h5z.FILTER_DEFLATE else ())
        del file[name]
        space, kind = h5py.h5s.create_simple(shape), h5py.h5t.py_create(old.dtype, logical=True)
        group, _, last = name.rpartition("/")
        h5py.h5d.create(file[group or "/"].id, last.encode(), kind, space, dcpl=plan)

    return change


WAYS = {
    "external link": (_linked(h5py.ExternalLink), "link|found"),
    "soft link": (_linked(_soft), "link|found"),
    "virtual data": (_virtual, "in the file itself|in this file|found others"),
    "data in another file": (_external, "in the file itself|in this file|found others"),
    "a filter to be loaded": (_packed([32015]), r"filters \[32015\]"),
    "packed twice": (_packed([1, 1]), r"filters \[1, 1\]"),
    "claimed": (_packed([1], 5_000_000), "than the file can hold|1 to 200,000 frames"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", HDF5)
def test_hdf5_gives_what_stands_in_it_alone(tmp_path: Path, kind: str, way: str) -> None:
    make, file_name, name, read = HDF5[kind]
    change, message = WAYS[way]
    secret, path = make(tmp_path / f"secret_{file_name}"), make(tmp_path / file_name)
    read(path)
    with h5py.File(path, "r+") as file:
        change(file, name, secret)
    with pytest.raises(AutoMarkerLabelError, match=message):
        read(path)


def test_small_mat_files_do_not_add_up_to_large_ones(tmp_path: Path) -> None:
    """One data set under many names, and a cell array in itself."""
    path, place = mat(tmp_path / "w.mat"), "walk/Trajectories/Labeled"
    with h5py.File(path, "r+") as file:
        del file[f"{place}/Data"]
        file.create_dataset(f"{place}/Data", data=np.zeros((20_000, 4, 2)), compression="gzip")
        for n in range(100):
            file[f"other{n}"] = file["walk"]
    assert path.stat().st_size < 40_000
    with pytest.raises(FileFormatError, match="no more data than the file can hold"):
        io.read(path)
    with h5py.File(mat(path), "r+") as file:
        cells = file[f"{place}/Labels"]
        cells[...] = np.full(cells.shape, cells.ref, h5py.ref_dtype)
    with pytest.raises(FileFormatError, match="expected a name in Labels"):
        io.read(path)


def test_hdf5_objects_of_python_are_no_texts(tmp_path: Path) -> None:
    path = trial_file(tmp_path / "t.hdf5")
    kind = h5py.h5t.create(h5py.h5t.OPAQUE, 8)
    kind.set_tag(b"PYTHON:OBJECT")
    with h5py.File(path, "r+") as file:
        del file["labels"]
        h5py.h5d.create(file.id, b"labels", kind, h5py.h5s.create_simple((2,)))
    with pytest.raises(FileFormatError, match="damaged or foreign"):
        io.read(path)


def test_hdf5_that_ends_or_stalls_its_reader_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = PACKAGE.parent / "tests" / "fuzz" / "corpus"
    monkeypatch.setattr(guard, "_TIME_S", 0.5)
    for place in ("trial_hdf5/found_endless.hdf5", "qualisys_mat73/found_endless.mat"):
        with pytest.raises(FileFormatError, match=r"took too long or too much memory|found it damaged"):
            io.read(corpus / place)
    monkeypatch.undo()
    assert io.read(trial_file(tmp_path / "t.hdf5")).n_frames == 20  # a new process is there
    assert guard._guard is not None and guard._guard._process is not None
    guard._guard._process.kill()  # as the system may do where memory is short
    guard._guard._process.wait()
    assert io.read(tmp_path / "t.hdf5").n_frames == 20
    gc.collect()  # no pipe is left open


@pytest.mark.parametrize("said", ["", "FileForm", "FileFormatError", "FileFormatError half a sen", "done"])
def test_what_a_reader_says_counts_when_its_line_is_whole(said: str, tmp_path: Path) -> None:
    """Ended in the midst of its answer it has said nothing, however much of it there is."""
    path = trial_file(tmp_path / "t.hdf5")
    own = guard._Guard()
    program = f"import sys; sys.stdin.readline(); print({said!r}, end='', flush=True)"
    own._process = subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True)
    own._owner = os.getpid()
    with pytest.raises(FileFormatError, match="took too long or too much memory"):
        own.call({}, path)


@pytest.mark.parametrize("kind", [AutoMarkerLabelError, *subclasses(AutoMarkerLabelError)])
def test_no_error_of_ours_is_without_words(kind: type[AutoMarkerLabelError]) -> None:
    for empty in (kind(), kind(""), kind(" \n"), pickle.loads(pickle.dumps(kind("")))):
        assert str(empty).strip() and "\n" not in str(empty)
    assert str(kind("what happened")) == "what happened"


def test_modules_in_the_working_folder_are_not_imported(tmp_path: Path) -> None:
    """Neither by the process that looks at HDF5, nor by the one that opens copies with ezc3d."""
    path = trial_file(tmp_path / "t.hdf5")
    io.write(tmp_path / "t.c3d", io.read(path))
    for name in ("h5py", "numpy", "ezc3d", "json", "automarkerlabel"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w')\n")
    program = (
        "import sys; sys.path = [x for x in sys.path if x]; from automarkerlabel import io; from pathlib import Path;"
        "from automarkerlabel.core.labelling import OutputColumn as O;"
        "io.read(Path('t.hdf5')); t = io.read(Path('t.c3d'));"
        "print(io.write_labelled(Path('t.c3d'), Path('o.c3d'), t, [O('A', ((0, 0, 20),)), O('B', ((1, 0, 20),))]))"
    )
    place = os.pathsep.join([str(PACKAGE.parent), *(x for x in sys.path if "site-packages" in x)])
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": place},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "()"), done.stderr
    assert not (tmp_path / "made").exists()


def test_archives_are_read_in_memory_whatever_their_names(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    with zipfile.ZipFile(inner / "clips.zip", "w") as archive:
        for name in ("../../evil.bvh", "/tmp/evil.bvh", "C:\\evil.bvh"):
            archive.writestr(name, bvh_text())
    assert len(load_clips([inner / "clips.zip"])) == 3
    assert [x.name for x in tmp_path.rglob("*") if x.is_file()] == ["clips.zip"]


@pytest.mark.parametrize("label", ["../../evil", "/etc/passwd", "..", "a\\b", "a\0b", "C:x", "\x1b[2J", "a/../../b"])
def test_labels_do_not_lead_out_of_a_folder(label: str) -> None:
    class One:
        trial, column, first_frame = f"x/{label}.c3d", label, 1

    One.label = label  # type: ignore[attr-defined]
    name = _name(One())  # type: ignore[arg-type]
    assert Path(name).name == name and name.isprintable() and not set(name) & set('/\\:*?"<>|')


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "a\0", "C:x", "x.toml", "evil\n"])
def test_marker_sets_stay_in_their_folder(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AML_MARKER_SETS", str(tmp_path / "sets"))
    (tmp_path / "own.toml").write_text('[markers]\nA = { at = "C7" }\n')
    assert run(["marker-sets", "add", str(tmp_path / "own.toml"), "--name", name]) == 2
    assert "--name" in capsys.readouterr().err
    assert [x.name for x in tmp_path.rglob("*")] == ["own.toml"]
    assert run(["label", str(tmp_path / "own.toml"), "--marker-set", "../own"]) == 2


def test_labels_do_not_speak_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = "\x1b]0;title\x07\x1b[31m\x9b2J[link=file]A[/link]"
    path = tmp_path / "t.trc"
    path.write_text(trc_text(TRC_ROWS, labels=f"{label}\t\t\tB\t\t"), encoding="utf-8")
    assert io.read(path).labels[0] == label
    assert run(["info", str(path)]) == 0
    assert run(["audit", str(path)]) == 0
    assert run(["label", str(path), "--model", "sample", "--keep-labels", "--dry-run"]) in (0, 2)
    said = capsys.readouterr()
    assert "title" in said.out and "[link=file]A" in said.out
    assert not [x for x in said.out + said.err if not x.isprintable() and x not in "\n\t"]


def test_a_model_may_not_ask_for_more_memory_than_its_weights_take(tmp_path: Path) -> None:
    from automarkerlabel.labellers.trajectory import TrajectoryLabeller
    from automarkerlabel.models.checkpoints import PRETRAINED
    from automarkerlabel.models.checkpoints import trajectory as store

    whole = store.load(PRETRAINED / "sample.ckpt")
    for changes in ({"cells": 10**9}, {"layers": 10**7}, {"cells": 20_000}):
        with pytest.raises(ModelError, match="expected weights of"):
            TrajectoryLabeller(store.Checkpoint(**{**vars(whole), "config": {**whole.config, **changes}}))
    for changes in ({"n_samples": 10**9}, {"n_neighbours": 10**9}):
        with pytest.raises(ModelError, match="expected weights of"):
            TrajectoryLabeller(store.Checkpoint(**{**vars(whole), "windows": {**whole.windows, **changes}}))


def test_a_checkpoint_does_not_unpack(tmp_path: Path) -> None:
    torch.save({"lstm.a": torch.zeros(1_000_000)}, tmp_path / "old.ckpt")
    with zipfile.ZipFile(tmp_path / "old.ckpt") as whole, zipfile.ZipFile(tmp_path / "m.ckpt", "w", 8) as packed:
        for x in whole.infolist():
            packed.writestr(x.filename, whole.read(x))
    assert (tmp_path / "m.ckpt").stat().st_size < 50_000
    with pytest.raises(ModelError, match="an archive of 4,0"):
        legacy.load_checkpoint(tmp_path / "m.ckpt")


def test_onnx_of_others_is_never_read() -> None:
    """Only the graph that was just written is; so neither its custom operators nor its external data are a way in."""
    readers = [place for place, text in SOURCES.items() if "onnx.load" in text]
    assert readers == ["models/checkpoints/onnx.py"]
    sessions = [p for p, text in SOURCES.items() if "InferenceSession(" in text]
    assert sessions == ["models/checkpoints/onnx.py"]
