"""Tables of all five formats, changed after they were exported: the same values, or one line that refuses."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automarkerlabel import io
from automarkerlabel.core.trial import FileAxes, FloatArray, Trial
from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.tables import own_csv, qualisys_tsv, trc

N_ROWS, RATE, FIRST, UP = 9, 100, 21, "y"
NAMES = ("LASI", "RASI", "LKNE")
Rows = list[list[str]]
Mangle = Callable[[Rows, list[int]], Rows]


def points() -> FloatArray:
    """mm in a file with y up: no two coordinates alike, one point hidden for two frames."""
    values = np.round(np.random.default_rng(4).uniform(-900, 900, (N_ROWS, len(NAMES), 3)), 3)
    values[3:5, 1] = np.nan
    return values.astype(np.float32)


def trial() -> Trial:
    axes = FileAxes("mm", UP)
    return Trial(axes.to_mm_z_up(points()), NAMES, RATE, first_frame=FIRST, axes=axes)


def row(frame: int, values: FloatArray, unit: float = 1.0, time: bool = True) -> str:
    cells = ["" if np.isnan(x) else f"{x * unit:.6f}" for x in values.ravel()]
    return ",".join([str(frame), f"{(frame - FIRST) / RATE:.5f}" if time else "0", *cells])


def motive(path: Path) -> None:
    cells = [n for n in NAMES for _ in "xyz"]
    head = [
        f"Format Version,1.23,Export Frame Rate,{RATE}.000,Total Exported Frames,{N_ROWS},Length Units,Meters", "",
        ",Type" + ",Marker" * len(cells), ",Name," + ",".join(cells), ",ID" + ",x" * len(cells),
        ",," + ",".join(["Position"] * len(cells)), "Frame,Time (Seconds)" + ",X,Y,Z" * len(NAMES),
    ]  # fmt: skip
    rows = [row(FIRST + n, values, 0.001) for n, values in enumerate(points())]
    path.write_text("\n".join([*head, *rows]) + "\n")


def nexus(path: Path) -> None:
    head = [
        "Trajectories", str(RATE), ",," + ",,,".join(NAMES), "Frame,Sub Frame" + ",X,Y,Z" * len(NAMES),
        ",," + ",".join(["mm"] * 9),
    ]  # fmt: skip
    rows = [row(FIRST + n, values, time=False) for n, values in enumerate(points())]
    path.write_text("\n".join([*head, *rows]) + "\n")


KINDS: dict[str, tuple[str, str, Callable[[Path], None], int]] = {  # suffix, separator, writer, lines of header
    "trc": (".trc", "\t", lambda path: trc.write(path, trial()), 6),
    "own": (".csv", ",", lambda path: own_csv.write(path, trial()), 1),
    "qtm": (".tsv", "\t", lambda path: qualisys_tsv.write(path, trial()), 10),
    "motive": (".csv", ",", motive, 7),
    "nexus": (".csv", ",", nexus, 5),
}


def drop_rows(rows: Rows, pick: list[int]) -> Rows:
    return [r for n, r in enumerate(rows) if n not in {p % len(rows) for p in pick}] or rows


def drop_cell(rows: Rows, pick: list[int]) -> Rows:
    at, cell = pick[0] % len(rows), pick[-1] % len(rows[0])
    return [r[:cell] + r[cell + 1 :] if n == at else r for n, r in enumerate(rows)]


def drop_column(rows: Rows, pick: list[int]) -> Rows:
    cell = pick[0] % len(rows[0])
    return [r[:cell] + r[cell + 1 :] for r in rows]


def lead_blank(rows: Rows, pick: list[int]) -> Rows:
    return [["", *r] for r in rows]


def lead_some(rows: Rows, pick: list[int]) -> Rows:
    return [["", *r] if n == pick[0] % len(rows) else r for n, r in enumerate(rows)]


def index_column(rows: Rows, pick: list[int]) -> Rows:
    return [[str(n), *r] for n, r in enumerate(rows)]


def insert_cell(rows: Rows, pick: list[int]) -> Rows:
    cell = pick[0] % len(rows[0])
    return [[*r[:cell], "7.5", *r[cell:]] if n == pick[-1] % len(rows) else r for n, r in enumerate(rows)]


def repeat_row(rows: Rows, pick: list[int]) -> Rows:
    n = pick[0] % len(rows)
    return rows[: n + 1] + rows[n:]


def move_row(rows: Rows, pick: list[int]) -> Rows:
    rest = [r for n, r in enumerate(rows) if n != pick[0] % len(rows)]
    at = pick[-1] % len(rows)
    return [*rest[:at], rows[pick[0] % len(rows)], *rest[at:]]


def decimal_commas(rows: Rows, pick: list[int]) -> Rows:
    return [[c.replace(".", ",") for c in r] for r in rows]


def one_comma(rows: Rows, pick: list[int]) -> Rows:
    at = (pick[0] % len(rows), pick[-1] % len(rows[0]))
    return [[c.replace(".", ",") if (n, k) == at else c for k, c in enumerate(r)] for n, r in enumerate(rows)]


MANGLES: list[Mangle] = [
    drop_rows, drop_cell, drop_column, lead_blank, lead_some, index_column, insert_cell, repeat_row, move_row,
    decimal_commas, one_comma,
]  # fmt: skip


def stated_more(head: str) -> str:
    return re.sub(rf"(?<![\d.]){N_ROWS}(?![\d.])", "400", head)


def no_units(head: str) -> str:
    return re.sub(r"\tmm\t", "\t\t", head)


def spaced(head: str) -> str:
    return head.replace("\t", "   ")


HEADS: list[Callable[[str], str]] = [str, stated_more, no_units, spaced]


def mangled(
    folder: Path, kind: str, mangles: list[tuple[Mangle, list[int]]], head: Callable[[str], str], between: str
) -> Path:
    suffix, separator, write, n_head = KINDS[kind]
    path = folder / f"t{suffix}"
    write(path)
    lines = path.read_text().rstrip("\n").split("\n")
    rows = [line.split(separator) for line in lines[n_head:]]
    for mangle, pick in mangles:
        rows = mangle(rows, pick)
    text = [head("\n".join(lines[:n_head])), *((between or separator).join(r) for r in rows)]
    path.write_text("\n".join(text) + "\n")
    return path


def up_of(kind: str) -> str:
    """The upward axis with which a kind is read back: our own tables are z up."""
    return "z" if kind in ("own", "qtm") else UP


def same(found: Trial) -> bool:
    """Whether every frame has the values that it was made with, or is hidden as a whole."""
    if found.labels != NAMES or abs(found.rate_hz - RATE) > 1e-6:
        return False
    # Where no row has its frame number left the first is 0 or 1: then only the distance between frames can be right.
    starts = range(N_ROWS) if found.first_frame <= 1 else [found.first_frame - FIRST]
    return any(_same_from(start, found.positions) for start in starts)


def _same_from(start: int, positions: FloatArray) -> bool:
    good = trial().positions
    for k, values in enumerate(positions, start):
        hidden = np.isnan(values).all()
        if not hidden and not (0 <= k < N_ROWS and np.allclose(values, good[k], atol=2e-3, equal_nan=True)):
            return False
    return True


def check(path: Path, kind: str) -> bool:
    """True where the table is read, False where it is refused."""
    try:
        found = io.read(path, up=up_of(kind))
    except FileFormatError as error:
        assert "\n" not in str(error)
        return False
    assert same(found), f"{kind}: other values\n{path.read_text()}\n{found.notes}"
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_table_is_read(tmp_path: Path, kind: str) -> None:
    path = mangled(tmp_path, kind, [], str, "")
    assert check(path, kind)
    assert np.isfinite(io.read(path, up=up_of(kind)).positions).all(2).sum() == N_ROWS * 3 - 2


@given(
    kind=st.sampled_from(sorted(KINDS)),
    mangles=st.lists(
        st.tuples(st.sampled_from(MANGLES), st.lists(st.integers(0, 40), min_size=1, max_size=3)),
        min_size=1, max_size=2,
    ).filter(lambda x: {drop_cell, insert_cell} != {mangle for mangle, _ in x}),  # together: a value changed by hand
    head=st.sampled_from(HEADS),
    between=st.sampled_from(["", "", "", ";", "\t", "   "]),
)  # fmt: skip
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mangled_table_gives_the_same_values_or_one_line(
    tmp_path: Path,
    kind: str,
    mangles: list[tuple[Mangle, list[int]]],
    head: Callable[[str], str],
    between: str,
) -> None:
    check(mangled(tmp_path, kind, mangles, head, between), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [[4], [2, 3, 6], [1, 7]])
def test_missing_rows_become_hidden_frames(tmp_path: Path, kind: str, rows: list[int]) -> None:
    found = io.read(mangled(tmp_path, kind, [(drop_rows, rows)], str, ""), up=up_of(kind))
    assert same(found)
    assert found.n_frames == N_ROWS
    assert np.isnan(found.positions[rows]).all()
    assert len([n for n in found.notes if "rows" in n]) == 1


@pytest.mark.parametrize("mangle", [lead_blank, index_column, decimal_commas])
@pytest.mark.parametrize("head", [str, spaced])
def test_a_trc_that_has_one_meaning_is_read(tmp_path: Path, mangle: Mangle, head: Callable[[str], str]) -> None:
    assert check(mangled(tmp_path, "trc", [(mangle, [0])], head, ""), "trc")


def test_a_header_of_qualisys_with_spaces_for_tabs_is_read(tmp_path: Path) -> None:
    assert check(mangled(tmp_path, "qtm", [], spaced, ""), "qtm")
