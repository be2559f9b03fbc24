"""TRC files: what is read, what is written, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import UP_ROTATIONS, FileAxes, Trial
from automarkerlabel.errors import AutoMarkerLabelError, FileFormatError, OutputError, TrialError, VerificationError
from automarkerlabel.io.tables import trc
from tests.fixtures.counting import counted_calls
from tests.fixtures.places import DATA

TRCS = sorted(DATA.rglob("*.trc"))
needs_data = pytest.mark.skipif(not TRCS, reason="shared data not there")

NAMES = "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"


def text(rows: str, labels: str = "A\t\t\tB\t\t", n: int = 2, values: str = "", name: str = "walk.trc") -> str:
    """A TRC of two markers at 100 Hz in mm."""
    values = values or f"100\t100\t{n}\t2\tmm\t100\t1\t{n}"
    return f"PathFileType\t4\t(X/Y/Z)\t{name}\n{NAMES}\n{values}\nFrame#\tTime\t{labels}\n\t\tX1\tY1\tZ1\n\n{rows}"


ROWS = "5\t0.00\t1\t2\t3\t4\t5\t6\n6\t0.01\t1.5\t2\t3\t\t\t\n"


def put(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "t.trc"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_labels_rate_first_frame_and_y_up_points(tmp_path: Path) -> None:
    trial = trc.read(put(tmp_path, text(ROWS)))
    assert trial.labels == ("A", "B")
    assert (trial.rate_hz, trial.first_frame, trial.n_frames) == (100, 5, 2)
    # y up: file (x, y, z) is ours (x, -z, y).
    np.testing.assert_array_equal(trial.positions[0], [[1, -3, 2], [4, -6, 5]])
    np.testing.assert_array_equal(trial.visible, [[True, True], [True, False]])
    assert (trial.axes.up, trial.axes.units, trial.axes.units_found) == ("y", "mm", "Units in the header")
    assert "assumed" in trial.axes.up_found
    assert trial.notes == ()


def test_the_user_overrules_units_and_up(tmp_path: Path) -> None:
    trial = trc.read(put(tmp_path, text(ROWS)), units="m", up="z")
    np.testing.assert_array_equal(trial.positions[0, 0], [1000, 2000, 3000])
    assert (trial.axes.units_found, trial.axes.up_found) == ("--units", "--up")


@pytest.mark.parametrize(
    ("cells", "visible"),
    [
        ("\t\t", False),
        ("", False),
        (" \t \t ", False),
        ("0\t0\t0", False),
        ("0.000000\t-0.0\t 0 ", False),
        ("NaN\tnan\tNAN", False),
        ("-1.#IND00\t1.#QNAN0\tinf", False),
        ("0\t0\t7", True),
        ("  4.0\t 5\t6e0\t\t\t", True),
        ("4\tnan\tnan", False),
    ],
)
def test_hidden_cells(tmp_path: Path, cells: str, visible: bool) -> None:
    trial = trc.read(put(tmp_path, text(f"1\t0\t1\t2\t3\t{cells}\n2\t0.01\t1\t2\t3\t4\t5\t6\n")))
    assert trial.visible[0].tolist() == [True, visible]
    assert trial.visible[1].all()


@pytest.mark.parametrize(
    "content",
    [
        text(ROWS).replace("\n", "\r\n"),
        text(ROWS).replace("\n", "\r"),
        "\ufeff" + text(ROWS),
        text(ROWS).replace("\n\n5", "\n5"),
        text(ROWS).replace("\t\tX1\tY1\tZ1\n\n", ""),
        text(ROWS) + "\n \n\t\n",
        text(ROWS, values="  100.0\t\t  100.0\t\t    2\t\t\t     2\t\t mm\t  100.0\t      1\t    2"),
        text(ROWS, labels="A\tB"),
        text(ROWS, labels="A B").replace("Frame#\tTime\t", "Frame# Time "),
        text(ROWS, labels=" A\t\t\t B \t\t\t\t"),
        text(ROWS.replace("\t\t\t\n", " nan nan nan\n").replace("\t", " ")),
    ],
    ids=[
        "crlf", "cr", "bom", "no empty line", "no X1 line", "empty lines at the end", "padded header",
        "labels one a tab", "labels between spaces", "trailing tabs", "rows between spaces",
    ],
)  # fmt: skip
def test_other_spellings_read_alike(tmp_path: Path, content: str) -> None:
    plain = trc.read(put(tmp_path, text(ROWS)))
    trial = trc.read(put(tmp_path, content))
    assert trial.labels == plain.labels
    np.testing.assert_array_equal(trial.positions, plain.positions)
    assert (trial.first_frame, trial.rate_hz, trial.notes) == (5, 100, ())


def test_prefixes_computed_points_and_unusual_names(tmp_path: Path) -> None:
    labels = "Nick:LFHD\t\t\tNick:LHJC\t\t\tBein rÃ¼ck"
    rows = "1\t0\t1\t2\t3\t4\t5\t6\t7\t8\t9\n"
    trial = trc.read(put(tmp_path, text(rows, labels, 1, "100\t100\t1\t3\tmm\t100\t1\t1")))
    assert trial.labels == ("LFHD", "LHJC", "Bein rÃ¼ck")
    assert trial.subjects == ("Nick", "Nick", "")
    assert trial.computed == {1}


def test_latin_names_are_read(tmp_path: Path) -> None:
    assert trc.read(put(tmp_path, text(ROWS, "Fuß\t\t\tB").encode("latin-1"))).labels == ("Fuß", "B")


def test_counts_that_differ_are_noted(tmp_path: Path) -> None:
    trial = trc.read(put(tmp_path, text(ROWS.replace("4\t5\t6", "4\t5\t6\t7\t8\t9"), n=1)))
    assert trial.labels == ("A", "B", "")
    assert [n.split()[0] for n in trial.notes] == ["NumMarkers", "the", "NumFrames"]


def test_an_unnamed_marker_keeps_its_place(tmp_path: Path) -> None:
    assert trc.read(put(tmp_path, text(ROWS, labels="\t\t\tB\t\t"))).labels == ("", "B")


def test_rate_from_the_times_where_the_header_has_none(tmp_path: Path) -> None:
    trial = trc.read(put(tmp_path, text(ROWS, values="0\t0\t2\t2\tmm\t0\t1\t2")))
    assert trial.rate_hz == pytest.approx(100)
    assert "taken from the times" in trial.notes[0]


def test_a_rate_that_the_times_contradict_is_noted(tmp_path: Path) -> None:
    trial = trc.read(put(tmp_path, text(ROWS, values="60\t60\t2\t2\tmm\t60\t1\t2")))
    assert trial.rate_hz == 60
    assert "100 Hz" in trial.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a TRC header"),
        (b"hello\nworld\n", "begins with 'hello'"),
        (bytes(range(256)) * 20, "binary data"),
        (text(ROWS).encode("utf-16"), "binary data"),
        (text(ROWS, n=3)[:-1], "the file: it is cut"),
        (text("", n=3), "expected 3 frames as NumFrames says, found none"),
        (text(ROWS.replace("5\t6\n", "5\n")), "expected three coordinates of marker 2 or none, found 2"),
        (text(ROWS.replace("5\t0.00\t", "5\t")), "a cell is missing or shifted"),
        (text(ROWS)[:-9], "is cut"),
        (text(ROWS.replace("1.5", "1,5")), "line 8, column 3: expected a number, found '1,5'"),
        (text(ROWS.replace("1.5", "1 5")), "line 8, column 3: expected a number, found '1 5'"),
        (text(ROWS.replace("1.5", "1_5")), "line 8, column 3: expected a number, found '1_5'"),
        (text(ROWS.replace("1.5", "1e300")), "line 8, column 3: expected a number, found '1e300'"),
        (text(ROWS, values="100\t100\tmany\t2\tmm\t100\t1\t2"), "expected a number for numframes, found 'many'"),
        (text(ROWS, values="100\t100\t1e999\t2\tmm\t100\t1\t2"), "line 3: expected a number for numframes"),
        (text(ROWS, values="100\t100\t2\t2\tfurlong\t100\t1\t2"), "expected Units such as mm or m, found 'furlong'"),
        (text("1\tx\t1\t2\t3\n", values="x\tx\t1\t1\tmm\t100\t1\t2"), "column 2: expected a number, found 'x'"),
        (text("1\t\t1\t2\t3\n", values="x\tx\t1\t1\tmm\t100\t1\t2"), "expected a DataRate above 0, found 'x'"),
        (text("1 0 1 2 3 4\n", n=1), "separate cells with tabs"),
    ],
)  # fmt: skip
def test_damaged_files_get_one_clear_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        trc.read(put(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_of_wildly_different_length_do_not_fill_the_memory(tmp_path: Path) -> None:
    rows = "1\t0\t1\n" * 20_000 + "1\t0\t" + "1\t" * 90_000 + "1\n"
    with pytest.raises(FileFormatError, match="far shorter"):
        trc.read(put(tmp_path, text(rows, n=2)))


def test_only_our_errors_leave_the_reader(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    good = bytearray(text(ROWS).encode())
    for _ in range(400):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), rng.integers(1, 6)):
            bad[at] = rng.choice(list(b"\t\n\r 019.-eNx\xff\x00:"))
        try:
            trc.read(put(tmp_path, bytes(bad[: rng.integers(1, len(bad) + 1)])))
        except AutoMarkerLabelError as error:
            assert "\n" not in str(error)


def made(up: str = "y", units: str = "mm", n_columns: int = 3) -> Trial:
    """Points with all digits of a float32, some hidden."""
    rng = np.random.default_rng(1)
    positions = rng.normal(0, 1000, (20, n_columns, 3)).astype(np.float32)
    positions[3:6, 1] = np.nan
    labels = [f"M{chr(65 + n)}" for n in range(n_columns)]
    subjects = ["Nick"] * n_columns
    return Trial(positions, labels, 119.88, first_frame=7, axes=FileAxes(units, up), subjects=subjects)


@pytest.mark.parametrize("up", UP_ROTATIONS)
@pytest.mark.parametrize("units", ["mm", "m", "in"])
def test_a_new_file_gives_the_same_trial(tmp_path: Path, up: str, units: str) -> None:
    trial = made(up, units)
    trc.write(tmp_path / "new.trc", trial)
    back = trc.read(tmp_path / "new.trc")
    np.testing.assert_array_equal(back.positions, trial.positions)
    assert (back.labels, back.subjects, back.rate_hz, back.first_frame) == (trial.labels, trial.subjects, 119.88, 7)
    assert (back.axes.up, back.axes.units, back.notes) == (up, units, ())


def test_a_trial_without_columns_or_frames_is_written_and_read(tmp_path: Path) -> None:
    for shape in ((0, 2, 3), (2, 0, 3)):
        trc.write(tmp_path / "new.trc", Trial(np.zeros(shape, np.float32), ["A", "B"][: shape[1]], 100))
        assert trc.read(tmp_path / "new.trc").positions.shape == shape


STRANGE = "5\t0.00\t 1.50\t2e0\t+3\t4\t5\t6\n6\t0.01\t1.500000000001\t2\t3\t0\t0.0\t0\n7\t0.02\t\t\t\t4\t5\t6.10\n"


def whole(*columns: tuple[str, int], n: int = 3) -> list[OutputColumn]:
    return [OutputColumn(label, ((column, 0, n),)) for label, column in columns]


def cells_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()[6:]]


def test_an_identity_keeps_every_cell(tmp_path: Path) -> None:
    source = put(tmp_path, text(STRANGE, n=3))
    trial = trc.read(source)
    assert trc.write_labelled(source, tmp_path / "out.trc", trial, whole(("A", 0), ("B", 1))) == ()
    assert cells_of(tmp_path / "out.trc") == cells_of(source)
    assert (tmp_path / "out.trc").read_text().splitlines()[:3] == source.read_text().splitlines()[:3]


def test_columns_permuted_joined_dropped_and_added(tmp_path: Path) -> None:
    source = put(tmp_path, text(STRANGE, n=3).replace("\n", "\r\n"))
    trial = trc.read(source)
    columns = [
        OutputColumn("J", ((1, 0, 1), (0, 1, 2), (1, 2, 3))),
        OutputColumn("K", ((0, 0, 1),)),
        OutputColumn("E", ()),
    ]
    trc.write_labelled(source, tmp_path / "out.trc", trial, columns)
    lines = (tmp_path / "out.trc").read_bytes().split(b"\r\n")
    assert lines[2].split(b"\t") == b"100 100 3 3 mm 100 1 3".split()
    assert lines[3].split(b"\t")[2::3] == [b"J", b"K", b"E"]
    assert lines[4].split(b"\t")[-1] == b"Z3"
    # In frame 6 K is hidden though its source column is seen there: blank. The other cells keep their characters.
    assert lines[6:9] == [
        b"5\t0.00\t4\t5\t6\t 1.50\t2e0\t+3\t\t\t",
        b"6\t0.01\t1.500000000001\t2\t3\t\t\t\t\t\t",
        b"7\t0.02\t4\t5\t6.10\t\t\t\t\t\t",
    ]


def test_a_copy_keeps_the_subjects_prefix(tmp_path: Path) -> None:
    source = put(tmp_path, text(ROWS, "Nick:A\t\t\t*3\t\t"))
    trial = trc.read(source)
    trc.write_labelled(source, tmp_path / "out.trc", trial, whole(("LFHD", 1), ("*0", 0), n=2))
    back = trc.read(tmp_path / "out.trc")
    assert (back.labels, back.subjects) == (("LFHD", "*0"), ("Nick", ""))


def test_a_copy_of_another_file_than_the_trial_is_refused(tmp_path: Path) -> None:
    source = put(tmp_path, text(STRANGE, n=3))
    with pytest.raises(TrialError, match="expected 20 frames"):
        trc.write_labelled(source, tmp_path / "out.trc", made(), whole(("A", 0)))


def test_verification_finds_points_that_are_not_the_trials(tmp_path: Path) -> None:
    source = put(tmp_path, text(STRANGE, n=3))
    trial = trc.read(source)
    moved = Trial(trial.positions + np.float32(1), trial.labels, trial.rate_hz, axes=trial.axes)
    with pytest.raises(VerificationError, match="points"):
        trc.write_labelled(source, tmp_path / "out.trc", moved, whole(("A", 0), ("B", 1)))


def test_labels_that_no_trc_can_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot stand"):
        trc.write(tmp_path / "new.trc", Trial(np.zeros((1, 1, 3), np.float32), ["A\tB"], 100))
    source = put(tmp_path, text(ROWS, "Fuß\t\t\tB").encode("latin-1"))
    with pytest.raises(OutputError, match="encoding"):
        trc.write_labelled(source, tmp_path / "out.trc", trc.read(source), whole(("足", 0), n=2))


def standing(up: str) -> Trial:
    """A person of 1.7 m who stands at (500, 900): 0 to 1700 mm high, 400 wide, in a volume whose floor is at 0."""
    rng = np.random.default_rng(2)
    body = np.stack([rng.uniform(300, 700, 40), rng.uniform(700, 1100, 40), np.linspace(20, 1700, 40)], 1)
    return Trial(
        np.repeat(body[None], 10, 0).astype(np.float32), [f"m{n}" for n in range(40)], 100, axes=FileAxes("m", up)
    )


def test_up_is_told_by_the_points_only_where_they_are_clear(tmp_path: Path) -> None:
    path = tmp_path / "new.trc"
    for up in ("y", "z"):
        # All of y is above 0, too: the points might stand on a table along it, so nothing is clear and y is assumed.
        trc.write(path, standing(up))
        path.write_text(path.read_text().replace("\tup=z", ""))
        assert trc.read(path).axes.up == "y"
    below = standing("z")
    shifted = Trial(below.positions - np.float32([0, 2000, 0]), below.labels, 100, axes=below.axes)
    trc.write(path, shifted)
    path.write_text(path.read_text().replace("\tup=z", ""))
    trial = trc.read(path)
    assert trial.axes.up == "z"
    assert "told by the points" in trial.axes.up_found
    np.testing.assert_array_equal(trial.positions, shifted.positions)


@needs_data
@pytest.mark.parametrize("path", TRCS, ids=lambda p: p.stem)
def test_real_files(path: Path, tmp_path: Path) -> None:
    trial = trc.read(path)
    assert trial.axes.up == "y"
    assert trial.notes == ()
    heights = trial.positions[..., 2][:, trial.marker_columns]
    assert -50 < np.nanmin(heights) < 100
    assert 1000 < np.nanmax(heights) < 2300
    columns = whole(*((label, c) for c, label in enumerate(trial.labels)), n=trial.n_frames)
    trc.write_labelled(path, tmp_path / "copy.trc", trial, columns)
    data = [line.split("\t") for line in path.read_text().splitlines()[6:] if line.strip()]
    assert cells_of(tmp_path / "copy.trc") == [row[: 2 + 3 * trial.n_columns] for row in data]
    trc.write(tmp_path / "new.trc", trial)
    np.testing.assert_array_equal(trc.read(tmp_path / "new.trc").positions, trial.positions)


def test_files_are_read_without_a_loop_over_cells(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    calls = []
    for n_frames in (60, 600, 1200):  # the first for what is done once
        positions = rng.normal(0, 1000, (n_frames, 55, 3)).astype(np.float32)
        trc.write(tmp_path / "long.trc", Trial(positions, [f"m{n}" for n in range(55)], 100, axes=FileAxes("m", "y")))
        with counted_calls() as count:
            trc.read(tmp_path / "long.trc")
        calls.append(count[0])
    assert calls[2] - calls[1] < 600 * 55  # cells that came on are three times as many
