"""Tidy tables: one row a visible point, the same columns for every trial."""

import sys
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.trial import FileAxes, Trial
from automarkerlabel.errors import InputError
from automarkerlabel.io.tables import tidy


def made() -> Trial:
    positions = np.float32([[[1, 2, 3], [np.nan] * 3, [7, 8, 9]], [[1.1, 2, 3], [4, 5, 6], [7, 8, 9]]])
    residuals = np.float32([[0.5, np.nan, 0], [0.25, 0, 0]])
    return Trial(
        positions, ["A", "A", "*1"], 50, residuals, 7, FileAxes("m", "y"), subjects=["Nick", "Ann", ""]
    )  # fmt: skip


def test_csv(tmp_path: Path) -> None:
    tidy.write_csv(tmp_path / "t.csv", made())
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "frame,time_s,subject,label,x_mm,y_mm,z_mm,residual_mm",
        "7,0.0,Nick,A,1,2,3,0.5",
        "7,0.0,,*1,7,8,9,0",
        "8,0.02,Nick,A,1.10000002,2,3,0.25",
        "8,0.02,Ann,A,4,5,6,0",
        "8,0.02,,*1,7,8,9,0",
    ]


def test_parquet_keeps_every_bit(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    io.write(tmp_path / "T.PARQUET", made())
    table = parquet.read_table(tmp_path / "T.PARQUET")
    assert tuple(table.column_names) == tidy.COLUMNS
    assert table["label"].to_pylist() == ["A", "*1", "A", "A", "*1"]
    assert table["subject"].to_pylist() == ["Nick", "", "Nick", "Ann", ""]
    assert table["frame"].to_pylist() == [7, 7, 8, 8, 8]
    assert np.float32(table["x_mm"].to_numpy()).tolist() == np.float32([1, 7, 1.1, 4, 7]).tolist()
    assert str(table.schema.field("x_mm").type) == "float"
    assert table.schema.metadata == {b"rate_hz": b"50.0", b"first_frame": b"7", b"units": b"mm", b"up": b"z"}


def test_without_pyarrow_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"install it: pip install 'automarkerlabel\[parquet\]'"):
        io.write(tmp_path / "t.parquet", made())
    assert list(tmp_path.iterdir()) == []
