"""Whatever the bytes, only our errors leave a reader, in one line, and memory stays within bounds."""

import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from automarkerlabel import io
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import AutoMarkerLabelError
from automarkerlabel.io.marker_sets import vicon
from automarkerlabel.io.tables import motive_csv, nexus_csv, own_csv
from tests.io.test_motive_csv import text as motive
from tests.io.test_nexus_csv import text as nexus
from tests.io.test_qualisys import COLUMNS, HEADER, ROWS, take
from tests.io.test_vicon_skeleton import MARKERS, PARAMETERS, SEGMENTS, skeleton

_ENOUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_ROOM = 30_000_000  # bytes beside what a file's size explains: tables of the readers, the interpreter's caches
_TIMES = 300  # of a file's size: tiny cells become numbers of eight bytes, and rows objects


def mat(compressed: bool) -> bytes:
    file = BytesIO()
    savemat(file, {"walk": take(2, 3)}, do_compression=compressed)
    return file.getvalue()


TABLE = "frame,time_s,A_x,A_y,A_z\n3,0.0,1,2,3\n4,0.01,1.5,,\n"
SEEDS: dict[str, tuple[str, list[bytes], Callable[[Path], object]]] = {
    "motive": (".csv", [motive().encode(), motive().encode("utf-16")], motive_csv.read),
    "nexus": (".csv", [nexus().encode(), nexus().replace(",", ";").encode()], nexus_csv.read),
    "table": (".csv", [TABLE.encode()], own_csv.read),
    "csv": (".csv", [motive().encode(), nexus().encode(), TABLE.encode()], io.read),
    "tsv": (".tsv", [(HEADER + COLUMNS + ROWS).encode(), (HEADER + ROWS).encode("utf-16")], io.read),
    "mat": (".mat", [mat(False), mat(True)], io.read),
    "skeleton": (".vsk", [skeleton(MARKERS, SEGMENTS, PARAMETERS).encode()], vicon.read_marker_set),
}
SPICE = [
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b'"',
    b"\0",
    b"\xff",
    b"\xff\xfe",
    b"1e308",
    b"-",
    b"nan",
    b"_",
    b"<",
    b"9" * 30,
]
SPICE += [b"," * 500, b"\n" * 500, b"X,Y,Z," * 100, b"2147483647", b"\x0e\0\0\0\xff\xff\xff\x7f"]


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        if draw(st.booleans()):
            data[at:at] = draw(st.sampled_from(SPICE) | st.binary(max_size=8))
        else:
            del data[at : at + draw(st.integers(0, 40))]
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data)


@pytest.mark.parametrize("kind", SEEDS)
@_ENOUGH
@given(data=st.data())
def test_only_our_errors_leave_a_reader(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    suffix, seeds, reader = SEEDS[kind]
    path = tmp_path / f"fuzz{suffix}"
    content = data.draw(mutated(seeds) | st.binary(max_size=400))
    path.write_bytes(content)
    tracemalloc.start()
    try:
        found = reader(path)
        if isinstance(found, Trial):
            assert found.positions.dtype == np.float32
    except AutoMarkerLabelError as error:
        assert "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < _ROOM + _TIMES * len(content)


@pytest.mark.parametrize("kind", [k for k in SEEDS if k != "skeleton"])
def test_the_seeds_are_trials(tmp_path: Path, kind: str) -> None:
    suffix, seeds, reader = SEEDS[kind]
    for seed in seeds:
        (tmp_path / f"a{suffix}").write_bytes(seed)
        assert io.is_trial(tmp_path / f"a{suffix}")
        assert isinstance(reader(tmp_path / f"a{suffix}"), Trial)
