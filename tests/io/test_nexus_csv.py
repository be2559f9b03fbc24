"""Nexus' CSV exports: the section of trajectories, near-misses, labelled copies."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.errors import FileFormatError

DEVICES = "Devices\n1000\n,,Force\nFrame,Sub Frame,Fx\n,,N\n7,0,1.5\n7,1,2.5\n"
NAMES, AXES, UNITS = ",,Nick:LFHD,,,Nick:*7", "Frame,Sub Frame,X,Y,Z,X,Y,Z", ",,mm,mm,mm,mm,mm,mm"
ROWS = ["7,0,401.25,55.5,1670.75,,,", "8,0,402,56,1671,1.5,2.5,3.5"]
OUTPUTS = "\nModel Outputs\n100\n,,Nick:LHipAngles\nFrame,Sub Frame,X,Y,Z\n,,deg,deg,deg\n7,0,1,2,3\n"


def text(rate: str = "100", names: str = NAMES, axes: str = AXES, units: str = UNITS, rows: list[str] = ROWS) -> str:
    return "\n".join(["Trajectories", rate, names, axes, *([units] if units else []), *rows]) + "\n"


def put(tmp_path: Path, content: str | bytes, name: str = "trial.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("content", [text(), DEVICES + "\n" + text() + OUTPUTS, "\n\n" + text()])
def test_reads_the_trajectories_alone(tmp_path: Path, content: str) -> None:
    trial = io.read(put(tmp_path, content))
    assert (trial.labels, trial.subjects) == (("LFHD", "*7"), ("Nick", "Nick"))
    assert (trial.rate_hz, trial.first_frame) == (100, 7)
    np.testing.assert_array_equal(trial.positions[1], [[402, 56, 1671], [1.5, 2.5, 3.5]])
    assert trial.visible.tolist() == [[True, False], [True, True]]
    assert (trial.axes.units, trial.axes.units_found, trial.axes.up) == ("mm", "the line of units", "z")
    assert trial.axes.up_found == "assumed, Nexus' vertical axis"
    assert "--up overrules it" in trial.notes[-1]


def test_other_spellings_read_alike(tmp_path: Path) -> None:
    plain = io.read(put(tmp_path, text()))
    metres = text(
        units=UNITS.replace("mm", "m"), rows=["7,0,.40125,.0555,1.67075,,,", "8,0,.402,.056,1.671,.0015,.0025,.0035"]
    )
    semicolons = text().replace(",", ";").replace(".", ",")
    filled_up = "\n".join(line + "," * (8 - line.count(",")) for line in text().splitlines())
    for content in (metres, semicolons, text().replace("\n", "\r\n"), filled_up, text().encode("utf-16")):
        trial = io.read(put(tmp_path, content))
        assert (trial.labels, trial.rate_hz, trial.first_frame) == (plain.labels, 100, 7)
        np.testing.assert_allclose(trial.positions, plain.positions, rtol=1e-6)


def test_velocities_are_left_out(tmp_path: Path) -> None:
    axes, rows = "Frame,Sub Frame,X,Y,Z,X',Y',Z'", ["7,0,1000,2,300,4,5,6"]
    trial = io.read(put(tmp_path, text(axes=axes, rows=rows)))
    assert trial.labels == ("LFHD",)
    assert trial.notes[0] == "left out: 3 columns of Trajectories that are no X, Y, Z"


def test_a_missing_line_of_units_is_noted(tmp_path: Path) -> None:
    trial = io.read(put(tmp_path, text(units="")))
    assert trial.n_frames == 2
    assert trial.notes[0] == "the file names no units; mm is assumed; use --units if that is wrong"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DEVICES, "expected a section Trajectories, found other sections alone"),
        (text().split("Frame")[0], "lines of the rate, the names and Frame,Sub Frame,X,Y,Z"),
        (text().replace("Trajectories\n100\n", "Trajectories\n"), "lines of the rate, the names and Frame"),
        (text(axes="Frame,X,Y,Z"), "line 4: expected Frame,Sub Frame,X,Y,Z"),
        (text(axes=AXES[:-2]), "expected X, Y and Z in columns 6 to 8, found X, Y"),
        (text(rate="fast"), "expected a number for the rate below Trajectories, found 'fast'"),
        (text(rate="0"), "expected a rate above 0"),
        (text(units=UNITS.replace("mm", "furlong")), "expected units such as mm or m, found 'furlong'"),
        (text(units=UNITS.replace("mm", "m", 1)), "expected one unit for all points, found m, mm"),
        (text(rows=["7,0,1,2"]), "line 6: expected 8 cells as in the header, found 4"),
        (text(rows=[ROWS[1] + ",9"]), "line 6: expected 8 cells as in the header, found 9"),
        (text(units=",,", rows=["7,0"]), "line 6: expected 8 cells as in the header, found 2"),
        (text(rows=["7,1,1,2,3,4,5,6"]), "expected sub frame 0 in every row"),
        (text(rows=["7,0,1,x,3,4,5,6"]), "line 6, column 4: expected a number, found 'x'"),
        (text(rows=["7,0,1.5,2,3,4,5,6"]).replace(",", ";").replace("4;5", "4,1;5"), "found both"),
    ],
)  # fmt: skip
def test_near_misses_get_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        io.read(put(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_labelled_copy_keeps_the_other_sections(tmp_path: Path) -> None:
    source = put(tmp_path, (DEVICES + "\n" + text() + OUTPUTS).replace("\n", "\r\n"))
    columns = [OutputColumn("RFHD", ((1, 0, 2),)), OutputColumn("LFHD", ((0, 0, 2),)), OutputColumn("C7", ())]
    io.write_labelled(source, tmp_path / "out.csv", io.read(source), columns)
    lines = (tmp_path / "out.csv").read_bytes().decode().split("\r\n")
    before = source.read_bytes().decode().split("\r\n")
    assert lines[:10] == before[:10]
    assert lines[10:15] == [
        ",,Nick:RFHD,,,Nick:LFHD,,,Nick:C7,,",
        "Frame,Sub Frame,X,Y,Z,X,Y,Z,X,Y,Z",
        ",,mm,mm,mm,mm,mm,mm,mm,mm,mm",
        "7,0,,,,401.25,55.5,1670.75,,,",
        "8,0,1.5,2.5,3.5,402,56,1671,,,",
    ]
    assert lines[15:] == before[15:]
    assert io.read(tmp_path / "out.csv").labels == ("RFHD", "LFHD", "C7")
