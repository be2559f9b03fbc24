"""Motive's CSV exports: the header that its documentation describes, near-misses, labelled copies."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.tables import csv

# The rows as docs.optitrack.com, "Data Export: CSV", describes them; the numbers are made up.
INFO = (
    "Format Version,1.23,Take Name,walk,Take Notes,,Capture Frame Rate,120.000000,Export Frame Rate,100.000000,"
    "Capture Start Time,2024-01-31 10.11.12.000 AM,Capture Start Frame,0,Total Frames in Take,3,"
    "Total Exported Frames,3,Rotation Type,Quaternion,Length Units,Meters,Coordinate Space,Global"
)
ROWS = ["0,0.000000,0.1,0.2,0.3,0.001,1.5,0.25,0.002,1.0,2.0,3.0", "1,0.010000,0.1,0.2,0.3,0.001,,,,1.1,2.1,3.1"]
ROWS += ["2,0.020000,0.1,0.2,0.3,0.001,1.7,0.27,0.004,,,"]
TYPES = [*["Rigid Body"] * 4, *["Marker"] * 6]
NAMES = [*["Prop"] * 4, *['"Sam:LFHD"'] * 3, *["Unlabeled 1189"] * 3]
KINDS = [*["Position"] * 3, "Mean Marker Error", *["Position"] * 6]
AXES = ["X", "Y", "Z", "", "X", "Y", "Z", "X", "Y", "Z"]


def text(info: str = INFO, rows: list[str] | None = None, **lines: list[str]) -> str:
    head = [
        info,
        "",
        ",Type," + ",".join(lines.get("types", TYPES)),
        ",Name," + ",".join(lines.get("names", NAMES)),
        ",ID," + ",".join(lines.get("ids", ["a1"] * len(TYPES))),
        ",," + ",".join(lines.get("kinds", KINDS)),
        "Frame,Time (Seconds)," + ",".join(lines.get("axes", AXES)),
    ]
    return "\n".join([*head, *(ROWS if rows is None else rows)]) + "\n"


def put(tmp_path: Path, content: str | bytes, name: str = "take.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_markers_in_mm_with_z_up(tmp_path: Path) -> None:
    trial = io.read(put(tmp_path, text()))
    assert (trial.labels, trial.subjects) == (("LFHD", "Unlabeled 1189"), ("Sam", ""))
    assert (trial.rate_hz, trial.first_frame, trial.n_frames) == (100, 0, 3)
    # x right, y up, z towards us in the file: ours is (x, -z, y), in mm
    np.testing.assert_allclose(trial.positions[0], [[1500, -2, 250], [1000, -3000, 2000]])
    assert trial.visible.tolist() == [[True, True], [False, True], [True, False]]
    assert (trial.axes.units, trial.axes.units_found) == ("m", "Length Units")
    assert (trial.axes.up, trial.axes.up_found) == ("y", "assumed, Motive's default")
    assert trial.notes[0] == "left out, since solved rather than measured: 1 of the type Rigid Body"
    assert "--up overrules it" in trial.notes[1]
    assert len(trial.notes) == 2


def test_the_user_overrules_units_and_axis(tmp_path: Path) -> None:
    trial = io.read(put(tmp_path, text()), units="cm", up="z")
    np.testing.assert_allclose(trial.positions[0, 0], [15, 2.5, 0.02], rtol=1e-6)
    assert [n.split()[0] for n in trial.notes] == ["left"]


def test_other_versions_of_the_header(tmp_path: Path) -> None:
    plain = io.read(put(tmp_path, text()))
    old = text().replace(",Type,", ",,").replace(",Name,", ",,").replace(",ID,", ",,")
    with_parent = text().replace(",,Position", ",Parent,,,,,\n,,Position", 1)
    without_blank = text().replace("\n\n", "\n", 1)
    quality = text(
        types=[*TYPES[:7], "Marker", *TYPES[7:]],
        names=[*NAMES[:7], NAMES[6], *NAMES[7:]],
        ids=["x"] * 11,
        kinds=[*KINDS[:7], "Error", *KINDS[7:]],
        axes=[*AXES[:7], "", *AXES[7:]],
        rows=[",".join([*r.split(",")[:9], "0.0005", *r.split(",")[9:]]) for r in ROWS],
    )
    for content in (old, with_parent, without_blank, quality, text().replace("\n", "\r\n"), "\ufeff" + text()):
        trial = io.read(put(tmp_path, content))
        np.testing.assert_array_equal(trial.positions, plain.positions)
        assert (trial.labels, trial.notes, trial.rate_hz) == (plain.labels, plain.notes, 100)
    trial = io.read(put(tmp_path, quality))
    np.testing.assert_allclose(trial.residuals, [[0.5, 0], [np.nan, 0], [0.5, np.nan]])


def test_columns_that_are_no_numbers_are_kept_unread(tmp_path: Path) -> None:
    content = text(
        types=["", *TYPES],
        names=["", *NAMES],
        ids=["", *["a1"] * 10],
        kinds=["", *KINDS],
        axes=["TimeCode", *AXES],
        rows=[
            ",".join([*r.split(",")[:2], f"15:26:46:1{n}.02", "-1.#IND", *r.split(",")[3:]]) for n, r in enumerate(ROWS)
        ],
    )
    source = put(tmp_path, content)
    trial = io.read(source)
    np.testing.assert_array_equal(trial.positions, io.read(put(tmp_path, text(), "plain.csv")).positions)
    io.write_labelled(source, tmp_path / "out.csv", trial, [OutputColumn("C7", ((1, 0, 3),))])
    assert (tmp_path / "out.csv").read_text().splitlines()[8] == (
        "1,0.010000,15:26:46:11.02,-1.#IND,0.2,0.3,0.001,1.1,2.1,3.1"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    content = text(names=[*NAMES[:4], *['"Jürgen:LFHD"'] * 3, *NAMES[7:]]).encode(encoding)
    assert io.read(put(tmp_path, content)).subjects == ("Jürgen", "")


def test_semicolons_and_decimal_commas_of_a_spreadsheet(tmp_path: Path) -> None:
    content = text().replace(",", ";").replace(".", ",").replace("Format Version;1,23", "Format Version;1.23")
    trial = io.read(put(tmp_path, content))
    np.testing.assert_array_equal(trial.positions, io.read(put(tmp_path, text())).positions)
    assert trial.rate_hz == 100
    filled_up = text(rows=[row + ",,," for row in ROWS])
    assert io.read(put(tmp_path, filled_up)).n_columns == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text(rows=[*ROWS[:1], ROWS[1][:14]]), "line 9: expected 12 cells as in the header, found 3"),
        (text(rows=ROWS[:1])[:-1], "expected 3 frames as Total Exported Frames says, found 1"),
        (text(rows=[r.replace("1.5", "1.5.0") for r in ROWS]), "line 8, column 7: expected a number, found '1.5.0'"),
        (text(rows=[r.replace("1.5", "1_5") for r in ROWS]), "line 8, column 7: expected a number, found '1_5'"),
        (text(rows=[r.replace("1.5", "1e99") for r in ROWS]), "line 8, column 7: expected a number"),
        (text(rows=[r.replace("1.5", "1,5") for r in ROWS]), "line 8: expected 12 cells as in the header, found 13"),
        (text().replace(",", ";").replace("1.5", "1,5"), "decimal points or decimal commas, found both"),
        (text().split("Frame,Time")[0], "expected a line that begins with Frame,Time (Seconds)"),
        (INFO + "\n" + "\n".join(text().splitlines()[6:]), "lines of types, names and quantities"),
        (text(types=["Bone"] * 10), "expected columns of the type Marker, found Bone"),
        (text(axes=[*AXES[:5], "Z", "Y", *AXES[7:]]), "Position X, Y, Z of the marker 'Sam:LFHD' in columns 7 to 9"),
        (text(kinds=[*KINDS[:4], *["Rotation"] * 3, *KINDS[7:]]), "found 'Rotation'"),
        (text(info=INFO.replace("Frames,3", "Frames,many")), "expected a number for Total Exported Frames"),
        (text(info=INFO.replace("Frames,3", "Frames,1e999")), "expected a number for Total Exported Frames"),
        ("a,b\n1,2\n", "found a file that begins with 'a,b'"),
        ("", "found a file that begins with ''"),
        (b"Format Version,1.23\0,\n", "found binary data"),
    ],
)
def test_near_misses_get_one_clear_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        io.read(put(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_doubts_are_noted(tmp_path: Path) -> None:
    notes = io.read(put(tmp_path, text(info=INFO.replace("Global", "Local").replace(",Meters", ",")))).notes
    assert "Coordinate Space says 'Local'; the markers are taken as global" in notes
    assert "the file names no units; m is assumed; use --units if that is wrong" in notes
    timed = io.read(put(tmp_path, text(info=INFO.replace("100.0", "fast"))))
    assert timed.rate_hz == pytest.approx(100)
    assert "Export Frame Rate says 'fast00000'; 100 Hz is taken from the times" in timed.notes
    jumping = io.read(put(tmp_path, text(rows=[r.replace("2,0.02", "5,0.05") for r in ROWS]))).notes
    assert "3 rows are missing (frames 2 to 4); they are kept as hidden frames" in jumping
    assert "the times" not in " ".join(jumping)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_labelled_copy_keeps_the_layout_and_every_cell(tmp_path: Path, encoding: str) -> None:
    source = put(tmp_path, text().encode(encoding))
    trial = io.read(source)
    columns = [
        OutputColumn("C7", ((1, 0, 3),)),
        OutputColumn("T10", ((0, 0, 2), (0, 2, 3))),
        OutputColumn("STRN", ()),
    ]
    out = tmp_path / "out.csv"
    assert io.write_labelled(source, out, trial, columns) == ()
    lines = out.read_text(encoding=encoding).splitlines()
    assert lines[0] == INFO
    assert lines[2].split(",")[2:] == [*["Rigid Body"] * 4, *["Marker"] * 9]
    assert lines[3].split(",")[6:] == [*["Sam:C7"] * 3, *["Sam:T10"] * 3, *["Sam:STRN"] * 3]
    assert lines[6] == "Frame,Time (Seconds),X,Y,Z,,X,Y,Z,X,Y,Z,X,Y,Z"
    assert lines[7] == "0,0.000000,0.1,0.2,0.3,0.001,1.0,2.0,3.0,1.5,0.25,0.002,,,"
    assert lines[9] == "2,0.020000,0.1,0.2,0.3,0.001,,,,1.7,0.27,0.004,,,"
    assert io.read(out).labels == ("C7", "T10", "STRN")


def test_the_same_columns_are_the_same_file(tmp_path: Path) -> None:
    source = put(tmp_path, text())
    trial = io.read(source)
    same = [OutputColumn(label, ((n, 0, 3),)) for n, label in enumerate(trial.labels)]
    csv.write_labelled(source, tmp_path / "out.csv", trial, same)
    assert (tmp_path / "out.csv").read_text() == text().replace('"', "")


@pytest.mark.parametrize("suffix", [".trc", ".c3d", ".tsv", ".hdf5"])
def test_a_labelled_file_of_another_format_keeps_points_and_prefix(tmp_path: Path, suffix: str) -> None:
    source = put(tmp_path, text(), "TAKE.CSV")
    trial = io.read(source)
    io.write_labelled(source, tmp_path / f"out{suffix}", trial, [OutputColumn("C7", ((0, 0, 3),))])
    again = io.read(tmp_path / f"out{suffix}")
    assert (again.labels, again.subjects) == (("C7",), ("Sam",))
    np.testing.assert_allclose(again.positions[:, 0], trial.positions[:, 0], rtol=1e-6)
