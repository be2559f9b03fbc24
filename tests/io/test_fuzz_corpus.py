"""What the fuzzer is given and what it found, read again without it; and mutated files of every reader, a few of each.

fuzz/run.py does the same for as long as it is asked to, see docs/hardening.md.
"""

import random
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automarkerlabel.errors import AutoMarkerLabelError
from automarkerlabel.io.hdf5 import guard
from tests.fuzz.readers import CORPUS, READERS, seeds, whole

_SLOWER = ("hdf5", "mat73", "model", "matcher", "legacy", "zip")  # which take milliseconds each
_ROOM = 64 << 20  # bytes that Python and numpy may take for one of these small files
PLACES = [(name, path) for name in READERS for path in seeds(name)]


def put(name: str, data: bytes, folder: Path) -> Path:
    """The bytes as a file, beside what they may name."""
    for beside in (CORPUS / name).iterdir():
        if beside not in seeds(name):
            shutil.copy(beside, folder / beside.name)
    path = folder / f"input{READERS[name].suffix}"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("name", "seed"), PLACES, ids=[f"{name}/{path.name}" for name, path in PLACES])
def test_the_corpus(name: str, seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = seed.name.startswith("found_")
    if found:  # some of them would take for ever
        monkeypatch.setattr(guard, "_TIME_S", 0.7)
    path = put(name, seed.read_bytes(), tmp_path)
    try:
        READERS[name].read(path)
    except AutoMarkerLabelError as error:
        assert found and "\n" not in str(error), error


def few(name: str) -> int:
    return 5 if any(x in name for x in _SLOWER) else 25


@pytest.mark.parametrize("name", READERS)
def test_only_our_errors_leave_a_reader_and_memory_is_bounded(name: str, tmp_path: Path) -> None:
    known = whole(name)
    for data in known:  # what is read first is imported and kept
        READERS[name].read(put(name, data, tmp_path))

    @settings(
        max_examples=few(name), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )  # fmt: skip
    @given(which=st.integers(0, len(known) - 1), seed=st.integers(0, 2**32), again=st.booleans())
    def check(which: int, seed: int, again: bool) -> None:
        rng = random.Random(seed)
        data = READERS[name].mutate(known[which], rng)
        data = READERS[name].mutate(data, rng) if again else data
        path = tmp_path / f"input{READERS[name].suffix}"
        path.write_bytes(data)
        try:
            READERS[name].read(path)
        except AutoMarkerLabelError as error:
            assert "\n" not in str(error)

    tracemalloc.start()
    try:
        check()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < _ROOM


def test_every_reader_of_the_package_is_fuzzed() -> None:
    """A format that is added gets a corpus, too."""
    from automarkerlabel import io
    from automarkerlabel.io.marker_sets import MARKER_SETS

    known = {reader.suffix for reader in READERS.values()}
    assert set(io.READABLE) <= known
    assert {module for suffix, module in MARKER_SETS.items() if suffix in known} == set(MARKER_SETS.values())
