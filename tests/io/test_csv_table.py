"""CSV tables: what is written, what comes back, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel.core.trial import FileAxes, Trial
from automarkerlabel.errors import AutoMarkerLabelError, FileFormatError, OutputError
from automarkerlabel.io.tables import own_csv

NAN = np.float32(np.nan)
TWO = "frame,time_s,A_x,A_y,A_z,Nick:B_x,Nick:B_y,Nick:B_z\n3,0.0,1,2,3,,,\n4,0.01,1.5,2,3,4,5,6\n"


def put(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_writes_millimetres_z_up_and_leaves_hidden_points_empty(tmp_path: Path) -> None:
    positions = np.float32([[[1, 2, 3], [NAN] * 3], [[1.5, 2, 3], [4, 5, 6]]])
    trial = Trial(positions, ["A", "B"], 100, first_frame=3, axes=FileAxes("m", "y"), subjects=["", "Nick"])
    own_csv.write(tmp_path / "out.csv", trial)
    assert (tmp_path / "out.csv").read_text() == TWO


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    positions = rng.normal(0, 1000, (500, 3, 3)).astype(np.float32)
    positions[4, 1] = np.nan
    for rate in (119.88, 60.0, 1000 / 7):
        trial = Trial(positions, ["A", "B_x", 'C,"d"'], rate, first_frame=-2, subjects=["", "Nick", ""])
        own_csv.write(tmp_path / "out.csv", trial)
        back = own_csv.read(tmp_path / "out.csv")
        np.testing.assert_array_equal(back.positions, trial.positions)
        assert (back.labels, back.subjects, back.first_frame) == (trial.labels, trial.subjects, -2)
        assert back.rate_hz == pytest.approx(rate, rel=1e-11)
        assert back.notes == ()


def test_the_user_may_say_units_and_up(tmp_path: Path) -> None:
    trial = own_csv.read(put(tmp_path, TWO.replace("\n", "\r\n")), units="m", up="y")
    np.testing.assert_array_equal(trial.positions[1], [[1500, -3000, 2000], [4000, -6000, 5000]])
    assert (trial.axes.units_found, trial.axes.up_found) == ("--units", "--up")


def test_one_frame_tells_no_rate(tmp_path: Path) -> None:
    trial = own_csv.read(put(tmp_path, "frame,time_s,A_x,A_y,A_z\n1,0,1,2,3\n"))
    assert (trial.rate_hz, len(trial.notes)) == (100, 1)


def test_a_label_with_a_line_break_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot stand"):
        own_csv.write(tmp_path / "out.csv", Trial(np.zeros((1, 1, 3), np.float32), ["A\nB"], 100))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "first line is frame,time_s"),
        ("a,b,c\n1,2,3\n", "found 'a,b,c'"),
        (b"\xff\xfe\x00\x01", "first line is frame,time_s"),
        (TWO.replace("A_y", "A_q"), "first line is frame,time_s"),
        (TWO.replace("1.5,2", "1.5"), "line 3: expected 8 cells"),
        (TWO.replace("1.5", "x"), "line 3, column 3: expected a number, found 'x'"),
        (TWO.replace("1.5", "1e200"), "line 3, column 3: expected a number, found '1e200'"),
        (TWO.replace("0.01", "-1"), "grow from row to row"),
        (TWO.replace("0.01", ""), "grow from row to row"),
    ],
)
def test_other_files_get_one_clear_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        own_csv.read(put(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_our_errors_leave_the_reader(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        bad = bytearray(TWO.encode())
        for at in rng.integers(0, len(bad), rng.integers(1, 6)):
            bad[at] = rng.choice(list(b',\n\r"019.-eNx\xff\x00'))
        try:
            own_csv.read(put(tmp_path, bytes(bad[: rng.integers(1, len(bad) + 1)])))
        except AutoMarkerLabelError as error:
            assert "\n" not in str(error)
