"""C3D files of more than 65,535 frames, whose number the file's size alone tells."""

from pathlib import Path
from typing import Any

import numpy as np

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.io.c3d.frames import Claims, frame_count
from tests.fixtures.c3d_bytes import make_c3d

N_BLOCK = 512


def test_frames_by_the_size_for_every_frame_size_and_remainder_of_a_block() -> None:
    """65,535 frames and 1 to 128 more leave every remainder of a block; all bytes before the last one are zero, as only
    the end counts."""
    start = 2 * N_BLOCK
    memory = bytearray(start + 65_800 * 1100)
    whole: Any = memoryview(memory)
    claims = Claims(1, 65535, [65535.0], [], [], [])
    for frame_bytes in range(8, 1100, 4):
        remainders = N_BLOCK // int(np.gcd(N_BLOCK, frame_bytes))
        for n in range(65536, 65536 + remainders):
            end = start + n * frame_bytes
            memory[end - 1] = 7
            for spare in (-end % N_BLOCK, -end % N_BLOCK + N_BLOCK):  # to the block's end, and a block of zeros more
                assert frame_count(claims, whole[: end + spare], start, frame_bytes, []) == n
            memory[end - 1] = 0


def test_a_header_that_wrapped_around_is_met_by_the_size() -> None:
    data = np.zeros(1024 + 70_000 * 32, np.uint8)
    data[1024:] = 1
    notes: list[str] = []
    wrapped = Claims(1, 70_000 - 65_536, [70_000.0 - 65_536], [], [], [])
    assert frame_count(wrapped, data.tobytes() + bytes(512), 1024, 32, notes) == 70_000
    assert "70,000, which is believed" in notes[0]


def test_a_long_file_of_an_aligned_frame_is_labelled(tmp_path: Path) -> None:
    """8 points, 128 bytes a frame, and a whole block of zeros behind the last one: four frames more by its size."""
    n = 65_540
    values = np.ones((n, 8, 3)) * np.arange(1, 9)[None, :, None]
    data = make_c3d(values, [f"M{k}" for k in range(8)], point={"FRAMES": b"\x02\0\xff\xff\0"}, header={5: 65535})
    source, copy = tmp_path / "a.c3d", tmp_path / "b.c3d"
    source.write_bytes(data + bytes(512))
    trial = io.read(source)
    assert trial.n_frames == n
    columns = [OutputColumn(f"N{k}", ((k, 0, n),)) for k in range(5)]
    io.write_labelled(source, copy, trial, columns, verify=False)
    assert io.read(copy).n_frames == n
