"""Tables that were mangled on their way read to the same values, or are refused in one line: never to other values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import FileFormatError

NAMES = ("LASI", "RASI", "LKNE")
N_FRAMES, RATE = 8, 100.0
ORIGINAL = ("OrigDataStartFrame", "OrigNumFrames")
Lines = list[list[str]]


def good(n_frames: int = N_FRAMES) -> FloatArray:
    """`(n_frames, 3, 3)` in mm, y up: no value twice, and none that grows as the frames do."""
    n = np.arange(n_frames)[:, None, None]
    column, axis = np.arange(3)[None, :, None], np.arange(3)[None, None, :]
    values: FloatArray = (100.25 + 311.5 * column + 97.75 * axis + 8 * np.sin(n + column + 2 * axis)).round(3)
    return values.astype(np.float32)


def trc_cells(values: FloatArray) -> tuple[Lines, Lines]:
    """Header and rows of a TRC as cells."""
    n = str(len(values))
    head = [
        ["PathFileType", "4", "(X/Y/Z)", "a.trc"],
        [
            "DataRate",
            "CameraRate",
            "NumFrames",
            "NumMarkers",
            "Units",
            "OrigDataRate",
            "OrigDataStartFrame",
            "OrigNumFrames",
        ],
        ["100", "100", n, "3", "mm", "100", "1", n],
        ["Frame#", "Time", *(cell for name in NAMES for cell in (name, "", ""))],
        ["", "", *(f"{axis}{k}" for k in (1, 2, 3) for axis in "XYZ")],
    ]
    rows = [[str(k + 1), f"{k / RATE:.3f}", *(f"{x:.3f}" for x in v.ravel())] for k, v in enumerate(values)]
    return head, rows


def joined(head: Lines, rows: Lines, sign: str = "\t") -> str:
    return "\n".join(sign.join(line) for line in [*head, *rows]) + "\n"


def read(path: Path, content: str) -> Trial:
    path.write_text(content)
    return io.read(path)


def values_of(trial: Trial) -> FloatArray:
    return np.asarray(trial.axes.to_file(trial.positions) * trial.axes.mm_per_unit, np.float32)


def assert_same(trial: Trial, expected: FloatArray) -> None:
    """Each frame of the trial is hidden or has the values that were written for it."""
    assert trial.labels == NAMES
    found = values_of(trial)
    assert found.shape == expected.shape
    seen = ~np.isnan(found)
    np.testing.assert_allclose(found[seen], expected[seen], atol=2e-3)


def vendor_text(kind: str, values: FloatArray) -> str:
    """A table of each other format that the values stand in; frames from 1, in mm."""
    numbers = [[f"{x:.3f}" for x in v.ravel()] for v in values]
    n = len(values)
    if kind == "own.csv":
        head = ["frame", "time_s", *(f"{name}_{axis}" for name in NAMES for axis in "xyz")]
        return joined([head], [[str(k + 1), f"{k / RATE:.3f}", *row] for k, row in enumerate(numbers)], ",")
    if kind == "nexus.csv":
        names = ["", "", *(x for name in NAMES for x in (f"S:{name}", "", ""))]
        head_lines = [["Trajectories"], ["100"], names, ["Frame", "Sub Frame", *"XYZ" * 3], ["", "", *["mm"] * 9]]
        return joined(head_lines, [[str(k + 1), "0", *row] for k, row in enumerate(numbers)], ",")
    if kind == "motive.csv":
        info = f"Format Version,1.23,Export Frame Rate,100,Total Exported Frames,{n},Length Units,Millimeters"
        lists = [["", "Type", *["Marker"] * 9], ["", "Name", *(x for x in NAMES for _ in "xyz")]]
        lists += [["", "ID", *["1"] * 9], ["", "", *["Position"] * 9], ["Frame", "Time (Seconds)", *"XYZ" * 3]]
        return joined([[info], [""], *lists], [[str(k + 1), f"{k / RATE:.3f}", *r] for k, r in enumerate(numbers)], ",")
    facts = [["NO_OF_FRAMES", str(n)], ["NO_OF_MARKERS", "3"], ["FREQUENCY", "100"], ["DATA_INCLUDED", "3D"]]
    facts += [["MARKER_NAMES", *NAMES], ["Frame", "Time", *(f"{x} {a}" for x in NAMES for a in "XYZ")]]
    return joined(facts, [[str(k + 1), f"{k / RATE:.3f}", *row] for k, row in enumerate(numbers)])


KINDS = ("own.csv", "nexus.csv", "motive.csv", "qualisys.tsv")


@pytest.mark.parametrize("kind", KINDS)
def test_missing_rows_become_hidden_frames_in_every_format(tmp_path: Path, kind: str) -> None:
    whole = vendor_text(kind, good())
    path = tmp_path / kind
    assert_same(read(path, whole), good())
    lines = whole.splitlines(keepends=True)
    del lines[-N_FRAMES + 2 : -N_FRAMES + 4]  # frames 3 and 4
    trial = read(path, "".join(lines))
    assert_same(trial, good())
    assert np.isnan(trial.positions).all((1, 2)).tolist() == [False, False, True, True, *[False] * 4]
    assert [x for x in trial.notes if "missing" in x] == [
        "2 rows are missing (frames 3 to 4); they are kept as hidden frames"
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_labelled_copy_of_a_table_that_lacks_rows_has_its_rows(tmp_path: Path, kind: str) -> None:
    lines = vendor_text(kind, good()).splitlines(keepends=True)
    del lines[-N_FRAMES + 2 : -N_FRAMES + 4]
    path, copy = tmp_path / kind, tmp_path / f"copy_{kind}"
    trial = read(path, "".join(lines))
    columns = [OutputColumn(x, ((n, 0, N_FRAMES),)) for n, x in enumerate(("A", "B", "C"))]
    io.write_labelled(path, copy, trial, columns)
    again = io.read(copy)
    assert again.labels == ("A", "B", "C")
    np.testing.assert_array_equal(again.positions, trial.positions)


@pytest.mark.parametrize("kind", ["motive.csv", "qualisys.tsv"])
def test_fewer_rows_than_stated_are_read_with_a_note_and_a_cut_row_is_refused(tmp_path: Path, kind: str) -> None:
    whole = vendor_text(kind, good())
    short = "".join(whole.splitlines(keepends=True)[:-3])
    trial = read(tmp_path / kind, short)
    assert_same(trial, good()[:-3])
    assert any("says 8, the file has 5 rows" in note for note in trial.notes)
    with pytest.raises(FileFormatError):
        read(tmp_path / kind, short[:-3])


def test_a_trc_with_a_blank_cell_before_each_row(tmp_path: Path) -> None:
    head, rows = trc_cells(good())
    assert_same(read(tmp_path / "a.trc", joined(head, [["", *row] for row in rows])), good())


def test_a_trc_with_decimal_commas(tmp_path: Path) -> None:
    head, rows = trc_cells(good())
    assert_same(read(tmp_path / "a.trc", joined(head, [[x.replace(".", ",") for x in r] for r in rows])), good())


@pytest.mark.parametrize("sign", [" ", "  ", ",", ";"])
def test_a_trc_in_metres_with_other_separators(tmp_path: Path, sign: str) -> None:
    head, rows = trc_cells((good() / 1000).astype(np.float32))
    rows = [[*r[:2], *(f"{float(x):.6f}" for x in v.ravel())] for r, v in zip(rows, good() / 1000, strict=True)]
    head[2][4] = "m"
    head = head[:3] + [[x for x in line if x] if sign.isspace() else line for line in head[3:]]
    trial = read(tmp_path / "a.trc", joined(head, rows, sign))
    assert trial.axes.units == "m"
    assert_same(trial, good())


def test_rows_repeated_or_exchanged_are_refused(tmp_path: Path) -> None:
    head, rows = trc_cells(good())
    for order in ([0, 1, 1, 2, 3], [0, 2, 1, 3, 4]):
        with pytest.raises(FileFormatError, match=r"expected frame numbers|expected times"):
            read(tmp_path / "a.trc", joined(head, [rows[k] for k in order]))


def test_a_clock_in_place_of_a_coordinate_is_noted(tmp_path: Path) -> None:
    head, rows = trc_cells(good())
    trial = read(tmp_path / "a.trc", joined(head, [[*r[:6], r[0], *r[7:]] for r in rows]))
    assert "the frame numbers stand again as Y of marker 2; see whether columns are shifted" in trial.notes
    assert not any("again" in note for note in read(tmp_path / "a.trc", joined(head, rows)).notes)


def test_a_clock_between_time_and_coordinates_is_refused(tmp_path: Path) -> None:
    head, rows = trc_cells(good())
    with pytest.raises(FileFormatError, match="a cell is missing or shifted"):
        read(tmp_path / "a.trc", joined(head, [[*r[:2], r[0], *r[2:]] for r in rows]))


def _shift(rows: Lines, k: int, n: int) -> Lines:
    """A blank cell too many in one row."""
    return [[*r[:k], "", *r[k:]] if i == n else r for i, r in enumerate(rows)]


def _lose(rows: Lines, k: int, n: int) -> Lines:
    """One row lacks one cell."""
    return [[*r[:k], *r[k + 1 :]] if i == n else r for i, r in enumerate(rows)]


def _lead(rows: Lines, k: int, n: int) -> Lines:
    return [["", *r] for r in rows]


def _comma(rows: Lines, k: int, n: int) -> Lines:
    return [[x.replace(".", ",") for x in r] for r in rows]


def _drop(rows: Lines, k: int, n: int) -> Lines:
    n = 1 + n % (len(rows) - 2)  # the first and the last frame stay, so that the numbers tell what is missing
    return rows[:n] + rows[n + 1 :]


def _blank(rows: Lines, k: int, n: int) -> Lines:
    """One cell is blank."""
    return [[*r[:k], "", *r[k + 1 :]] if i == n else r for i, r in enumerate(rows)]


MANGLES: tuple[Callable[[Lines, int, int], Lines], ...] = (_shift, _lose, _lead, _comma, _drop, _blank)
HEADS = ("as is", "NumFrames", "no units", "spaces", "NumMarkers")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mangles=st.lists(st.sampled_from(MANGLES), max_size=2),
    cell=st.integers(0, 10),
    row=st.integers(0, N_FRAMES - 1),
    header=st.sampled_from(HEADS),
    count=st.integers(0, 2000),
)
def test_a_mangled_trc_has_the_same_values_or_is_refused(
    tmp_path: Path, mangles: list[Callable[[Lines, int, int], Lines]], cell: int, row: int, header: str, count: int
) -> None:
    head, rows = trc_cells(good())
    for mangle in mangles:
        rows = mangle(rows, min(cell, 10), row)
    if header in ("NumFrames", "NumMarkers"):
        head[2][head[1].index(header)] = str(count)
    elif header == "no units":
        head[2][4] = ""
    elif header == "spaces":
        head[1], head[2] = [" ".join(head[1])], [" ".join(head[2])]
    try:
        trial = read(tmp_path / "a.trc", joined(head, rows))
    except FileFormatError as error:
        assert "\n" not in str(error)
        return
    assert_same(trial, good())
