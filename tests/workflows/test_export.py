"""`aml export` of trials: parts of them, turned, renamed, in the units and axes that other programs want."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import FileAxes, Trial
from automarkerlabel.errors import FileFormatError, InputError, TrialError
from automarkerlabel.io.collect import find_trials, read_labelled
from automarkerlabel.io.outputs import outputs_for
from automarkerlabel.io.renaming import read_renaming, renamed, renamed_columns
from automarkerlabel.workflows.export import TrialExport, chosen, export_trial, turned
from tests.fixtures.c3d_bytes import example, make_c3d
from tests.fixtures.places import SAMPLES

NAMES = ["LASI", "*1", "LHJC", "RASI"]


def made() -> Trial:
    """Four columns over six frames, the first of which is number 11; column n stands at (100 n, frame, 1000)."""
    positions = np.zeros((6, 4, 3), np.float32)
    positions[..., 0] = 100 * np.arange(4)
    positions[..., 1] = np.arange(11, 17)[:, None]
    positions[..., 2] = 1000
    return Trial(positions, NAMES, 100, None, 11, FileAxes("m", "z"), ["Nick", "", "Nick", "Ann"], frozenset({2}))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    io.write(tmp_path / "walk.c3d", made())
    return tmp_path / "walk.c3d"


def test_a_trc_is_ready_for_opensim(source: Path, tmp_path: Path) -> None:
    assert run(["export", str(source), "--to", "TRC", "-o", str(tmp_path / "a.trc"), "--named", "--no-prefix"]) == 0
    lines = (tmp_path / "a.trc").read_text().splitlines()
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\ttrial.trc"
    assert lines[2].split("\t") == ["100", "100", "6", "2", "mm", "100", "11", "6"]
    assert lines[3].split("\t")[2::3] == ["LASI", "RASI"]
    # ours is z up in mm; with y up x stays, y is our z, z is our -y
    assert [float(x) for x in lines[6].split("\t")] == [11, 0, 0, 1000, -11, 300, 1000, -11]


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(0, [1, 2, 3]), (90, [-2, 1, 3]), (180, [-1, -2, 3]), (-90, [2, -1, 3]), (450, [-2, 1, 3]), (360, [1, 2, 3])],
)
def test_quarter_turns_are_exact(degrees: float, expected: list[float]) -> None:
    assert turned(np.float32([[1, 2, 3]]), degrees).tolist() == [expected]


def test_any_turn_and_hidden_points(tmp_path: Path) -> None:
    found = turned(np.float32([[[np.sqrt(2), 0, 5]], [[np.nan] * 3]]), 45)
    np.testing.assert_allclose(found[0, 0], [1, 1, 5], rtol=1e-6)
    assert np.isnan(found[1]).all()


def test_frames_labels_prefix_and_names() -> None:
    trial = made()
    part = chosen(trial, TrialExport(frames=(12, 13), labels=["RASI", "Nick:LASI"], prefix="S1", rename={"RASI": "R"}))
    assert (part.labels, part.subjects, part.first_frame, part.n_frames) == (("R", "LASI"), ("S1", "S1"), 12, 2)
    assert part.positions[:, 0].tolist() == [[300, 12, 1000], [300, 13, 1000]]
    assert chosen(trial, TrialExport(frames=(None, 11))).n_frames == 1
    assert chosen(trial, TrialExport(frames=(16, None))).first_frame == 16
    assert chosen(trial, TrialExport(labels=["LHJC", "LASI"])).computed == {0}
    for frames in ((10, 12), (12, 11), (12, 17)):
        with pytest.raises(TrialError, match="frames: expected frames from 11 to 16"):
            chosen(trial, TrialExport(frames=frames))
    with pytest.raises(TrialError, match="labels: expected labels of the trial, found 'C7'; it has Nick:LASI"):
        chosen(trial, TrialExport(labels=["C7"]))


@pytest.mark.parametrize("suffix", [".c3d", ".tsv", ".csv", ".hdf5", ".trc"])
def test_every_format_holds_the_same_points(source: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    export_trial(
        source, target, TrialExport(to_units="cm", to_up="-x") if suffix in (".c3d", ".trc") else TrialExport()
    )
    again = io.read(target)
    np.testing.assert_allclose(again.positions, made().positions, atol=2e-3)
    if suffix in (".c3d", ".trc"):
        assert (again.axes.units, again.axes.up) == ("cm", "-x")


def test_a_c3d_keeps_the_axes_of_its_source(source: Path, tmp_path: Path) -> None:
    export_trial(source, tmp_path / "b.c3d", TrialExport())
    assert io.read(tmp_path / "b.c3d").axes.units == "m"


def test_tidy_csv(source: Path, tmp_path: Path) -> None:
    assert run(["export", str(source), "-o", str(tmp_path / "t.csv"), "--tidy", "--frames", ":11"]) == 0
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[:2] == ["frame,time_s,subject,label,x_mm,y_mm,z_mm,residual_mm", "11,0.0,Nick,LASI,0,11,1000,0"]
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "mat"], "--to: expected c3d, trc, csv, tsv, hdf5, parquet, onnx, found 'mat'"),
        ([], "expected --to or -o"),
        (["--to", "trc", "-o", "x.csv"], "expected an output that ends in .trc, found x.csv"),
        (["--to", "trc", "--frames", "12"], "frames: expected A:B"),
        (["--to", "trc", "--frames", "a:b"], "frames: expected A:B"),
        (["--to", "tsv", "--to-up", "y"], "--to-units, --to-up: expected with .c3d or .trc, found .tsv"),
        (["--to", "trc", "--to-up", "w"], "up axis: expected one of"),
        (["--to", "trc", "--tidy"], "--tidy: expected with .csv"),
        (["--to", "trc", "--prefix", "A", "--no-prefix"], "expected --prefix or --no-prefix, found both"),
        (["--to", "c3d"], "would replace its own input"),
    ],
)
def test_bad_options_get_one_clear_line(source: Path, capsys, arguments: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    assert run(["export", str(source), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [x.name for x in source.parent.iterdir()] == [source.name]


def put(tmp_path: Path, text: str, name: str = "names.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_renaming(tmp_path: Path) -> None:
    names = read_renaming(put(tmp_path, '\ufeff"L.ASIS" = "LASI"\nA = "B"\nB = "A"  # they exchange\n'))
    assert names == {"L.ASIS": "LASI", "A": "B", "B": "A"}
    trial = Trial(np.zeros((1, 3, 3), np.float32), ["A", "B", "L.ASIS"], 100)
    assert renamed(trial, names).labels == ("B", "A", "LASI")
    columns = [OutputColumn("A", ()), OutputColumn("X", ())]
    assert [c.label for c in renamed_columns(columns, names)] == ["B", "X"]
    with pytest.raises(TrialError, match="expected distinct labels, found B more than once"):
        renamed(trial, {"A": "B"})
    with pytest.raises(TrialError, match="expected distinct labels"):
        renamed_columns(columns, {"A": "X"})
    two = Trial(np.zeros((1, 2, 3), np.float32), ["A", "A"], 100, subjects=["Nick", "Ann"])
    assert renamed(two, names).labels == ("B", "B")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A = ", "expected lines of old"),
        ("A = 3", 'expected A = "a name", found 3'),
        ("L.ASIS = 'x'", "names with dots stand in quotes"),
        ('A = ""', "expected A ="),
        ('A = "x"\nB = "x"', "expected distinct new names, found x more than once"),
        ("a" + ".a" * 3000 + " = 1", "expected"),
    ],
)
def test_bad_renamings_get_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_renaming(put(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_labels_are_renamed_before_they_are_learnt(source: Path) -> None:
    assert read_labelled([source], rename={"LASI": "L.ASIS"})[0].trial.labels == ("L.ASIS", *NAMES[1:])


SAMPLE = SAMPLES / "walk_unlabelled.c3d"


def test_labelled_files_get_other_names(tmp_path: Path) -> None:
    names = put(tmp_path, 'LFHD = "L.Head"\nC7 = "T10"\nT10 = "C7"\n')
    out = tmp_path / "out.TRC"
    assert run(["label", str(SAMPLE), "--model", "sample", "-o", str(out), "--rename", str(names)]) == 0
    plain = tmp_path / "plain.trc"
    assert run(["label", str(SAMPLE), "--model", "sample", "-o", str(plain)]) == 0
    expected = [{"LFHD": "L.Head", "C7": "T10", "T10": "C7"}.get(x, x) for x in io.read(plain).labels]
    assert list(io.read(out).labels) == expected and "L.Head" in expected


def test_a_format_that_cannot_be_written_is_labelled_as_c3d(tmp_path: Path) -> None:
    assert outputs_for([tmp_path / "a.MAT", tmp_path / "b.CSV"], None) == [
        tmp_path / "a_labelled.c3d", tmp_path / "b_labelled.CSV"
    ]  # fmt: skip


def test_lists_written_on_windows(tmp_path: Path) -> None:
    (tmp_path / "data" / "day 1").mkdir(parents=True)
    for name in ("a.C3D", "day 1/b.Trc"):
        io.write(tmp_path / "data" / name, made())
    text = '# trials\r\ndata\\a.C3D\r\n"data\\day 1\\b.Trc"\r\n.\\data\\gone.c3d\r\n'
    expected = [tmp_path / "data/a.C3D", tmp_path / "data/day 1/b.Trc", tmp_path / "data/gone.c3d"]
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "list.TXT").write_bytes(text.encode(encoding))
        assert find_trials([tmp_path / "list.TXT"]) == expected
    assert find_trials([tmp_path / "data"]) == expected[:2]
    with pytest.raises(InputError, match=r"gone\.c3d: expected a file"):
        read_labelled(expected)


def test_folders_give_trials_alone(tmp_path: Path) -> None:
    io.write(tmp_path / "walk.csv", made())
    io.write(tmp_path / "walk.tsv", made())
    (tmp_path / "walk_a.tsv").write_text("TOT_NO_OF_CHAN\t2\nDATA_INCLUDED\tANALOG\n")
    (tmp_path / "subjects.csv").write_text("name,height\nNick,180\n")
    (tmp_path / "results.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(200))
    assert [p.name for p in find_trials([tmp_path])] == ["walk.csv", "walk.tsv"]


def test_coordinates_behind_residuals_that_hide_them_all(tmp_path: Path) -> None:
    source, out = tmp_path / "in.c3d", tmp_path / "out.c3d"
    points = example()
    points[0, 0] = 0  # hidden with trust as well
    source.write_bytes(make_c3d(points, quality=np.full((6, 4), -1.0)))
    trial = io.read(source)
    assert not trial.visible.any()
    assert any(note.startswith("23 points have coord") and "--trust-coordinates" in note for note in trial.notes)
    with pytest.raises(TrialError, match="--trust-coordinates"):
        export_trial(source, out, TrialExport())
    assert not out.exists()
    export_trial(source, out, TrialExport(trust_coordinates=True))
    again = io.read(out)
    assert np.argwhere(~again.visible).tolist() == [[0, 0]]
    np.testing.assert_array_equal(again.positions[1:], points[1:])
    with pytest.raises(InputError, match=r"expected a \.c3d"):
        export_trial(tmp_path / "in.trc", out, TrialExport(trust_coordinates=True, overwrite=True))


def test_an_export_that_would_be_empty_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "in.c3d"
    source.write_bytes(make_c3d(np.zeros((6, 4, 3))))
    with pytest.raises(TrialError, match="found none that is seen"):
        export_trial(source, tmp_path / "out.csv", TrialExport())
