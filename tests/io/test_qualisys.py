"""Qualisys' TSV and MAT exports: headers as its manual describes them, round trips, near-misses, labelled copies."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, OutputError
from automarkerlabel.io.mat import qualisys
from automarkerlabel.io.mat.level5 import read_mat5
from automarkerlabel.io.tables import qualisys_tsv

# The facts that docs.qualisys.com, "Motion data (.tsv)", lists; the numbers are made up.
HEADER = (
    "FILE_VERSION\t2.0.0\nNO_OF_FRAMES\t2\nNO_OF_CAMERAS\t8\nNO_OF_MARKERS\t2\nFREQUENCY\t200\nDESCRIPTION\t--\n"
    "TIME_STAMP\t2024-01-31, 10:11:12.130\t123.45600000\nDATA_INCLUDED\t3D\nEVENT\tHeel\t17\t0.08\n"
    "MARKER_NAMES\tNick:LASI\tRASI\nTRAJECTORY_TYPES\tMeasured\tMixed\n"
)
COLUMNS = "Frame\tTime\tNick:LASI X\tNick:LASI Y\tNick:LASI Z\tRASI X\tRASI Y\tRASI Z\n"
ROWS = "17\t0.08000\t601.250\t1055.500\t170.750\t0.000\t0.000\t0.000\n"
ROWS += "18\t0.08500\t602.000\t1056.000\t171.000\t1.5\t2.5\t3.5\n"
BARE = "".join("\t".join(row.split("\t")[2:]) + "\n" for row in ROWS.splitlines())


def put(tmp_path: Path, content: str | bytes, name: str = "walk.tsv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        HEADER + COLUMNS + ROWS,
        HEADER + "Frame\tTime\t X\t Y\t Z\t X\t Y\t Z\t\n" + ROWS,
        HEADER + ROWS,
        (HEADER + COLUMNS + ROWS).replace("\n", "\r\n"),
        (HEADER + COLUMNS + ROWS).replace("MARKER_NAMES\tNick:LASI\tRASI", "MARKER_NAMES\tNick:LASI\tRASI\t"),
        HEADER + COLUMNS + ROWS.replace("0.000\t0.000\t0.000", "\t\t"),
        HEADER + COLUMNS + ROWS.replace("0.000\t0.000\t0.000", "NaN\tNULL\t"),
        (HEADER + COLUMNS + ROWS.replace(".", ",")),
        (HEADER + COLUMNS + ROWS).encode("utf-16"),
        b"\xef\xbb\xbf" + (HEADER + COLUMNS + ROWS.replace("\n", "\t\n")).encode(),
    ],
)
def test_reads_millimetres_with_z_up(tmp_path: Path, content: str | bytes) -> None:
    trial = io.read(put(tmp_path, content))
    assert (trial.labels, trial.subjects) == (("LASI", "RASI"), ("Nick", ""))
    assert (trial.rate_hz, trial.first_frame) == (200, 17)
    np.testing.assert_array_equal(trial.positions[:, 0], [[601.25, 1055.5, 170.75], [602, 1056, 171]])
    assert trial.visible.tolist() == [[True, False], [True, True]]
    assert (trial.axes.units, trial.axes.units_found) == ("mm", "Qualisys' own unit")
    assert trial.axes.up_found == "assumed, usual with Qualisys"
    assert [n.split(";")[0] for n in trial.notes] == ["the file names no upward axis"]


def test_without_frames_and_times(tmp_path: Path) -> None:
    trial = io.read(put(tmp_path, HEADER + BARE))
    assert (trial.first_frame, trial.n_frames, trial.rate_hz) == (1, 2, 200)


def test_residuals_have_columns_of_their_own(tmp_path: Path) -> None:
    columns = "Frame\tTime\tA X\tA Y\tA Z\tA Residual\tB X\tB Y\tB Z\tB Residual\n"
    rows = "1\t0\t1\t2\t3\t0.5\t0\t0\t0\t0\n2\t0.005\t1\t2\t3\t0.25\t4\t5\t6\t1\n"
    trial = io.read(put(tmp_path, HEADER + columns + rows))
    np.testing.assert_array_equal(trial.residuals, np.float32([[0.5, np.nan], [0.25, 1]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ROWS, "found no line MARKER_NAMES"),
        (HEADER.replace("3D", "2D") + ROWS, "found DATA_INCLUDED 2D"),
        ("TOT_NO_OF_CHAN\t2\nDATA_INCLUDED\tANALOG\n", "found DATA_INCLUDED ANALOG"),
        (HEADER.replace("MARKERS\t2", "MARKERS\t3") + COLUMNS + ROWS, "3 names as NO_OF_MARKERS says, found 2"),
        (HEADER.replace("MARKERS\t2", "MARKERS\ttwo") + ROWS, "expected a number for NO_OF_MARKERS, found 'two'"),
        (HEADER + COLUMNS + ROWS[:85], "line 14: expected 8 cells as in the header, found 5"),
        (HEADER + COLUMNS + ROWS.splitlines()[0], "expected 2 frames as NO_OF_FRAMES says, found 1"),
        (HEADER + COLUMNS.replace("\tRASI Z", "") + ROWS, "X, Y and Z of 2 markers in the line of column"),
        (HEADER + "1\t2\t3\t4\n", "found 4; the file is cut, or NO_OF_MARKERS"),
        (HEADER + "1\t2\t3\t4\t5\t6\t7\n", "found 7; export again with column names"),
        (HEADER + COLUMNS + ROWS.replace("1.5", "x"), "column 6: expected a number, found 'x'"),
        (HEADER + COLUMNS + ROWS.replace("1.5", "1,5"), "decimal points or decimal commas, found both"),
        (HEADER.replace("FREQUENCY\t200", "FREQUENCY\tEXT") + BARE, "expected a FREQUENCY above 0, found 'EXT'"),
        ("MARKER_NAMES", "expected a FREQUENCY above 0, found ''"),
        (b"MARKER_NAMES\t\0", "found binary data"),
        (b"\xff\xfeA", "found it damaged"),
    ],
)  # fmt: skip
def test_near_misses_get_one_clear_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        io.read(put(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def made() -> Trial:
    rng = np.random.default_rng(0)
    positions = rng.normal(0, 1000, (30, 3, 3)).astype(np.float32)
    positions[4:9, 1] = np.nan
    return Trial(positions, ["A", "B b", ""], 119.88, None, 7, subjects=["Nick", "", ""])


@pytest.mark.parametrize("residual", [0.0, 0.4])
def test_a_new_tsv_gives_the_same_trial(tmp_path: Path, residual: float) -> None:
    trial = made()
    residuals = np.where(trial.visible, np.float32(residual), np.float32(np.nan))
    trial = replace(trial, residuals=residuals)
    qualisys_tsv.write(tmp_path / "new.tsv", trial)
    again = io.read(tmp_path / "new.tsv")
    np.testing.assert_array_equal(again.positions, trial.positions)
    np.testing.assert_array_equal(again.residuals, trial.residuals)
    assert (again.labels, again.subjects, again.rate_hz, again.first_frame) == (trial.labels, trial.subjects, 119.88, 7)


def test_a_tab_in_a_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot stand in a TSV file"):
        qualisys_tsv.write(tmp_path / "new.tsv", Trial(np.zeros((1, 1, 3), np.float32), ["A\tB"], 100))


@pytest.mark.parametrize("columns_line", [COLUMNS, "Frame\tTime\tX\tY\tZ\tX\tY\tZ\n", ""])
def test_a_labelled_copy_keeps_the_header_and_every_cell(tmp_path: Path, columns_line: str) -> None:
    source = put(tmp_path, HEADER + columns_line + ROWS)
    columns = [OutputColumn("R", ((1, 0, 1),)), OutputColumn("both", ((0, 0, 1), (1, 1, 2))), OutputColumn("E", ())]
    io.write_labelled(source, tmp_path / "out.tsv", io.read(source), columns)
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert lines[:3] == HEADER.splitlines()[:3]
    assert lines[3] == "NO_OF_MARKERS\t3"
    assert lines[8:11] == [
        "EVENT\tHeel\t17\t0.08",
        "MARKER_NAMES\tNick:R\tNick:both\tNick:E",
        "TRAJECTORY_TYPES\tMixed\tMixed\tMeasured",
    ]
    if columns_line == COLUMNS:
        assert lines[11].split("\t")[2::3] == ["Nick:R X", "Nick:both X", "Nick:E X"]
    elif columns_line:
        assert lines[11] == "Frame\tTime" + "\tX\tY\tZ" * 3
    assert lines[-2] == "17\t0.08000\t0.000\t0.000\t0.000\t601.250\t1055.500\t170.750\t0.000\t0.000\t0.000"
    assert lines[-1] == "18\t0.08500\t0.000\t0.000\t0.000\t1.5\t2.5\t3.5\t0.000\t0.000\t0.000"


def take(n: int = 3, n_frames: int = 5) -> dict[str, Any]:
    """What QTM exports, by docs.qualisys.com, "Export to MAT format": a struct named as the file."""
    rng = np.random.default_rng(1)
    data = rng.normal(500, 100, (n, 4, n_frames))
    data[0, :, 2] = np.nan
    labels = np.array([f"M{k}" for k in range(n)], object)[None]
    trajectories = {
        "Labeled": {"Count": float(n), "Labels": labels, "Data": data},
        "Unidentified": {"Count": 1.0, "Data": rng.normal(500, 100, (1, 4, n_frames)).astype(np.float32)},
        "Discarded": {"Count": 2.0, "Data": rng.normal(500, 100, (2, 4, n_frames))},
    }
    return {
        "File": "C:\\data\\walk.qtm", "Timestamp": "2024-01-31, 10:11:12", "StartFrame": 11.0,
        "Frames": float(n_frames), "FrameRate": 100.0, "Trajectories": trajectories,
        "Analog": {"Data": np.zeros((2, 50))},
    }  # fmt: skip


def save73(path: Path, name: str, content: dict[str, Any]) -> None:
    """As MATLAB lays level 7.3 out: structs are groups, cells references, arrays the other way round."""

    def put_in(group: Any, key: str, value: Any) -> None:
        if isinstance(value, dict):
            made = group.create_group(key)
            made.attrs["MATLAB_class"] = np.bytes_("struct")
            for k, v in value.items():
                put_in(made, k, v)
        elif isinstance(value, np.ndarray) and value.dtype == object:
            for n, word in enumerate(value.ravel()):
                put_in(group.file.require_group("#refs#"), f"{key}{n}", word)
            refs = [[group.file[f"#refs#/{key}{n}"].ref] for n in range(value.size)]
            group.create_dataset(key, data=refs, dtype=h5py.ref_dtype).attrs["MATLAB_class"] = np.bytes_("cell")
        elif isinstance(value, str):
            found = group.create_dataset(key, data=np.frombuffer(value.encode("utf-16-le"), np.uint16)[:, None])
            found.attrs["MATLAB_class"] = np.bytes_("char")
        else:
            group.create_dataset(key, data=np.atleast_2d(value).T).attrs["MATLAB_class"] = np.bytes_("double")

    with h5py.File(path, "w", userblock_size=512) as file:
        put_in(file, name, content)


@pytest.mark.parametrize("level", ["6", "7", "7.3"])
def test_a_mat_file_of_every_level(tmp_path: Path, level: str) -> None:
    path, content = tmp_path / "walk.MAT", take()
    if level == "7.3":
        save73(path, "walk", content)
    else:
        savemat(path, {"walk": content}, do_compression=level == "7")
    assert io.is_trial(path)
    trial = io.read(path)
    assert trial.labels == ("M0", "M1", "M2", "Unidentified 1")
    assert (trial.rate_hz, trial.first_frame, trial.n_frames) == (100, 11, 5)
    labelled = content["Trajectories"]["Labeled"]["Data"]
    np.testing.assert_array_equal(trial.positions[:, :3], labelled[:, :3].transpose(2, 0, 1).astype(np.float32))
    np.testing.assert_array_equal(trial.residuals[:, 1], labelled[1, 3].astype(np.float32))
    assert not trial.visible[2, 0]
    assert trial.notes[0] == "left out: 2 discarded trajectories"


def test_one_frame_and_one_marker(tmp_path: Path) -> None:
    content = take(1, 3) | {"Frames": 1.0}
    content["Trajectories"] = {"Labeled": {"Labels": "ONE", "Data": np.float32([[1, 2, 3, 0.5]])}}
    savemat(tmp_path / "a.mat", {"a": content})
    trial = io.read(tmp_path / "a.mat")
    assert (trial.labels, trial.positions.tolist()) == (("ONE",), [[[1, 2, 3]]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Trajectories": 1.0}, "expected one struct with the field Trajectories, as Qualisys exports it, found 0"),
        ({"FrameRate": 0.0}, "expected a FrameRate above 0"),
        ({"FrameRate": "fast"}, "expected a number in FrameRate"),
        ({"Frames": 6.0}, "expected 6 frames as Frames says, found 5"),
        (
            {"Trajectories": {"Labeled": {"Labels": ["A"], "Data": np.zeros((2, 4, 5))}}},
            "a name in Labels for each of 2",
        ),
        ({"Trajectories": {"Labeled": {"Labels": ["A"], "Data": np.zeros((1, 2, 5))}}}, "of (trajectory, 4, frame)"),
        (
            {"Trajectories": {"Labeled": {"Labels": ["A"], "Count": 3.0, "Data": np.zeros((1, 4, 5))}}},
            "expected 3 traj",
        ),
    ],
)
def test_near_misses_of_mat_files(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    content = {k: v for k, v in (take() | change).items()}
    for names in [content["Trajectories"]["Labeled"]] if isinstance(content["Trajectories"], dict) else []:
        names["Labels"] = np.array(names["Labels"], object).reshape(1, -1)
    savemat(tmp_path / "a.mat", {"a": content})
    with pytest.raises(FileFormatError) as caught:
        io.read(tmp_path / "a.mat")
    assert message in str(caught.value)


def test_two_measurements_and_foreign_files_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "two.mat", {"a": take(), "b": take()})
    with pytest.raises(FileFormatError, match="found 2 in 2 variables"):
        io.read(tmp_path / "two.mat")
    (tmp_path / "text.mat").write_text("hello" * 100)
    with pytest.raises(FileFormatError, match="expected a MAT file of MATLAB 5 to"):
        io.read(tmp_path / "text.mat")
    savemat(tmp_path / "other.mat", {"x": np.zeros(3)}, do_compression=True)
    assert not io.is_trial(tmp_path / "other.mat")


def test_mat5_reads_what_scipy_wrote(tmp_path: Path) -> None:
    values = {
        "small": np.int8(3), "matrix": np.arange(6.0).reshape(2, 3), "text": "Fuß 足", "complex": np.array([1 + 2j]),
        "cells": np.array(["a", 2.0], object),
        "structs": np.array([(1, "x"), (2, "y")], [("n", object), ("t", object)]),
        "empty": np.zeros((0, 3)),
    }  # fmt: skip
    for compressed in (False, True):
        savemat(tmp_path / "a.mat", values, do_compression=compressed)
        found = read_mat5(tmp_path / "a.mat")
        assert found["small"].tolist() == [[3]]
        np.testing.assert_array_equal(found["matrix"], values["matrix"])
        assert (found["text"], found["cells"][0]) == ("Fuß 足", "a")
        assert [s["t"] for s in found["structs"]] == ["x", "y"]
        assert found["complex"].tolist() == [[1]]
        assert found["empty"].shape == (0, 3)


def test_counts_and_bombs_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    savemat(tmp_path / "a.mat", {"c": np.array(["a", "b"], object)})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    at = data.index(struct.pack("<ii", 1, 2))
    data[at : at + 8] = struct.pack("<ii", 2_000_000_000, 1)  # a cell array of so many
    (tmp_path / "a.mat").write_bytes(data)
    with pytest.raises(FileFormatError, match="damaged or cut"):
        read_mat5(tmp_path / "a.mat")
    savemat(tmp_path / "b.mat", {"x": np.zeros(1_000_000)}, do_compression=True)
    assert (tmp_path / "b.mat").stat().st_size < 20_000
    monkeypatch.setattr("automarkerlabel.io.mat.level5._MAX_BYTES", 1_000_000)
    with pytest.raises(FileFormatError, match="more than 1,000,000 bytes uncompressed"):
        read_mat5(tmp_path / "b.mat")


def test_a_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    save73(tmp_path / "secret.mat", "walk", take())
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["walk"] = h5py.ExternalLink("secret.mat", "/walk")
    with pytest.raises(FileFormatError, match="found 0 in 1 variables"):
        qualisys.read(tmp_path / "a.mat")
