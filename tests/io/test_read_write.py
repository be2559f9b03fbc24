"""Files in and out by their suffix: refused with one line, written whole or not at all."""

import os
import stat

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import AutoMarkerLabelError, FileFormatError, InputError, OutputError
from automarkerlabel.io import files
from tests.fixtures.c3d_bytes import example, make_c3d
from tests.fixtures.places import DATA

FILES = sorted(path for path in DATA.glob("c3d_suite/*/*") if path.is_file())


@pytest.fixture
def trial():
    return Trial(example(), list("ABCD"), 100.0)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "walk.C3D"
    path.write_bytes(make_c3d(example(), list("ABCD")))
    return path


WHOLE = [OutputColumn(name, ((n, 0, 6),)) for n, name in enumerate("ABCD")]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_format_has_what_callers_use():
    for suffix, module in io.FORMATS.items():
        assert suffix.startswith(".") and (suffix in io.READABLE or suffix in io.WRITABLE)
        assert callable(getattr(module, "read", print)) and callable(getattr(module, "write", print))
    assert set(io.READABLE) == {".c3d", ".trc", ".csv", ".tsv", ".mat", ".hdf5"}
    assert set(io.WRITABLE) == {".c3d", ".trc", ".csv", ".tsv", ".hdf5", ".parquet"}


@pytest.mark.parametrize("suffix", [".c3d", ".trc", ".csv", ".C3D", ".tsv", ".TSV", ".Trc", ".hdf5"])
def test_round_trip(tmp_path, trial, suffix):
    path = tmp_path / f"new{suffix}"
    io.write(path, trial)
    assert names(tmp_path) == [f"new{suffix}"]
    again = io.read(str(path))
    assert again.labels == trial.labels
    np.testing.assert_allclose(again.positions, trial.positions, atol=1e-3)


def test_unreadable_inputs_get_one_clear_line(tmp_path):
    (tmp_path / "text.c3d").write_text("not a C3D\n" * 300)
    (tmp_path / "empty.c3d").write_bytes(b"")
    (tmp_path / "walk.mp4").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.c3d")
    (tmp_path / "folder.c3d").mkdir()
    for name, message in (
        ("missing.c3d", "expected a file, found none"),
        ("folder.c3d", "found a folder; name a file in it"),
        ("walk.mp4", "expected a name that ends in .c3d, .trc, .csv, .tsv, .mat or .hdf5, found '.mp4'"),
        ("pipe.c3d", "found a device or a pipe"),
        ("text.c3d", "expected a C3D file"),
        ("empty.c3d", "at least 1024 bytes, found 0"),
        ("a\0b.c3d", "expected a file"),
        ("x" * 300 + ".c3d", "expected a file"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            io.read(tmp_path / name)
        assert str(caught.value).count("\n") == 0 and caught.value.exit_code == 2


def test_computed_columns_are_recognised_and_added_to(tmp_path):
    path = tmp_path / "t.c3d"
    path.write_bytes(make_c3d(example(), ["LASI", "LHJC", "prop1", "prop2"]))
    assert io.read(path).computed == {1}
    assert io.read(path, exclude="^prop").computed == {1, 2, 3}
    with pytest.raises(InputError, match="exclude: expected"):
        io.read(path, exclude="[")


def test_outputs_are_refused_before_anything_is_written(tmp_path, trial):
    (tmp_path / "there.c3d").write_bytes(b"precious")
    (tmp_path / "folder.c3d").mkdir()
    for name, message in (
        ("there.c3d", "exists already; choose another name or use --overwrite"),
        ("folder.c3d", "found a folder"),
        ("no/such/new.c3d", "does not exist; create it first"),
        ("new.mp4", "ends in .c3d, .trc, .csv, .tsv, .hdf5 or .parquet"),
        ("new", "no suffix"),
    ):
        with pytest.raises(OutputError, match=message):
            io.write(tmp_path / name, trial)
    assert names(tmp_path) == ["folder.c3d", "there.c3d"]
    assert (tmp_path / "there.c3d").read_bytes() == b"precious"
    io.write(tmp_path / "there.c3d", trial, overwrite=True)
    assert io.read(tmp_path / "there.c3d").labels == trial.labels


@pytest.mark.parametrize("link", ["same", "dots", "symbolic", "hard"])
def test_the_input_is_never_the_output(tmp_path, source, link):
    before = source.read_bytes()
    out = {"same": source, "dots": tmp_path / ".." / tmp_path.name / source.name}.get(link, tmp_path / "other.c3d")
    if link == "symbolic":
        out.symlink_to(source)
    elif link == "hard":
        os.link(source, out)
    with pytest.raises(OutputError, match="would replace its own input"):
        io.write_labelled(source, out, io.read(source), WHOLE, overwrite=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["walk_labelled.C3D", "walk_labelled.c3d"])
def test_copies_keep_the_case_of_a_suffix(tmp_path, source, name):
    assert io.write_labelled(source, tmp_path / name, io.read(source), WHOLE) == ()
    assert names(tmp_path) == sorted([source.name, name])
    assert (tmp_path / name).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("suffix", [".trc", ".csv", ".tsv", ".hdf5"])
def test_another_format_is_written_new(tmp_path, source, suffix):
    columns = [OutputColumn("B", ((1, 0, 6),)), OutputColumn("A", ((0, 0, 3),))]
    io.write_labelled(source, tmp_path / f"out{suffix}", io.read(source), columns)
    again = io.read(tmp_path / f"out{suffix}")
    assert again.labels == ("B", "A")
    assert again.visible.sum(0).tolist() == [6, 3]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError(28, "No space left on device")])
def test_nothing_stays_of_a_broken_writing(tmp_path, error):
    path = tmp_path / "out.c3d"
    path.write_bytes(b"precious")
    expected = OutputError if isinstance(error, OSError) else error
    with pytest.raises(expected), files.atomic(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".c3d"
        temporary.write_bytes(b"half")
        raise error
    assert names(tmp_path) == ["out.c3d"] and path.read_bytes() == b"precious"


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"out.c3d: cannot be written \(no space"), files.atomic(tmp_path / "out.c3d"):
        raise OSError(28, "No space left on device")


def test_files_are_as_open_as_others_that_the_user_makes(tmp_path, trial):
    (tmp_path / "plain").write_bytes(b"")
    io.write(tmp_path / "out.c3d", trial)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "out.c3d")}
    assert len(modes) == 1


def test_read_bytes_is_bounded(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert files.read_bytes(tmp_path / "x", 5) == b"12345"
    with pytest.raises(FileFormatError, match="at most 4 bytes, found 5"):
        files.read_bytes(tmp_path / "x", 4)


@pytest.mark.skipif(not FILES, reason="shared data not there")
def test_nothing_in_the_suite_crashes():
    for path in FILES:
        try:
            io.read(path)
        except AutoMarkerLabelError as error:
            assert "\n" not in str(error)
            assert path.suffix != ".c3d", f"{path.name}: {error}"


@pytest.mark.skipif(not FILES, reason="shared data not there")
def test_a_real_file_cut_in_the_middle(tmp_path):
    data = (DATA / "c3d_suite" / "ezc3d" / "Qualisys.c3d").read_bytes()
    for size in (100, 1000, 5000, len(data) // 2, len(data) - 2000):
        (tmp_path / "cut.c3d").write_bytes(data[:size])
        with pytest.raises(FileFormatError, match=r"cut|at least 1024 bytes"):
            io.read(tmp_path / "cut.c3d")
