"""Loading motion clips from files, folders and archives."""

import zipfile

import numpy as np
import pytest

from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.simulate import clips
from automarkerlabel.simulate.clips import load_clips
from tests.fixtures.motion_texts import amc_text, asf_text, bvh_text


@pytest.fixture
def folder(tmp_path):
    """Three clips: two of one ASF skeleton (120 Hz), one BVH (50 Hz), and a file that is none."""
    place = tmp_path / "clips"
    place.mkdir()
    (place / "07.asf").write_text(asf_text())
    (place / "07_01.amc").write_text(amc_text(n_frames=13))
    (place / "07_02.AMC").write_text(amc_text(n_frames=25))
    (place / "walk.bvh").write_text(bvh_text(n_frames=6))
    (place / "notes.txt").write_text("no clip")
    return place


def zipped(folder):
    path = folder.parent / "clips.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"inner/{file.name}")
    return path


def test_a_folder(folder):
    seen = []
    motions = load_clips([folder], on_progress=seen.append)
    assert [m.rate_hz for m in motions] == [30.0] * 3
    assert [m.n_frames for m in motions] == [4, 7, 4]  # 0.1, 0.2 and 0.1 s
    assert [name.rpartition("/")[2] for name in seen] == ["07_01.amc", "07_02.AMC", "walk.bvh"]


def test_an_archive_gives_the_same(folder):
    for ours, theirs in zip(load_clips([folder]), load_clips([zipped(folder)]), strict=True):
        assert np.array_equal(ours.rotations, theirs.rotations)
        assert np.array_equal(ours.root_mm, theirs.root_mm)


def test_files_in_the_order_given(folder):
    motions = load_clips([folder / "walk.bvh", folder / "07_02.AMC"], rate_hz=10)
    assert [m.n_frames for m in motions] == [2, 3]


def test_a_skeleton_of_the_clips_own_name(folder):
    (folder / "07.asf").rename(folder / "07_01.asf")
    assert len(load_clips([folder / "07_01.amc"])) == 1
    with pytest.raises(FileFormatError, match=r"07_02.AMC: expected its skeleton 07.asf"):
        load_clips([folder / "07_02.AMC"])


def test_clips_that_cannot_be_used_are_reported(folder):
    (folder / "walk.bvh").write_text("HIERARCHY")
    (folder / "07_02.AMC").write_text("")
    skipped = []
    motions = load_clips([folder], on_skipped=lambda name, message: skipped.append((name, message)))
    assert len(motions) == 1
    assert [name.rpartition("/")[2] for name, _ in skipped] == ["07_02.AMC", "walk.bvh"]
    assert all(message.startswith(name) and message.count(name) == 1 for name, message in skipped)
    with pytest.raises(FileFormatError, match="expected frames"):
        load_clips([folder])


@pytest.mark.parametrize("name", ["notes.txt", "missing.bvh", "missing.zip", "missing"])
def test_refuses_paths_without_clips(folder, name):
    with pytest.raises(InputError, match="expected"):
        load_clips([folder / name])


def test_refuses_a_folder_without_clips(tmp_path):
    with pytest.raises(InputError, match="expected motion clips"):
        load_clips([tmp_path])


def test_refuses_what_is_no_archive(tmp_path):
    (tmp_path / "clips.zip").write_bytes(b"PK no zip")
    with pytest.raises(InputError, match="expected a zip archive"):
        load_clips([tmp_path / "clips.zip"])


@pytest.mark.parametrize("step", [7, 11])
def test_only_our_errors_for_a_damaged_archive(folder, step):
    path = zipped(folder)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // (step * 6))):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF >> (at % step)
        path.write_bytes(bytes(damaged))
        try:
            load_clips([path], on_skipped=lambda name, message: None)
        except InputError as error:
            assert "expected" in str(error)


def test_an_archive_may_not_unpack_to_more_than_it_should(folder, monkeypatch):
    path = zipped(folder)
    monkeypatch.setattr(clips, "MAX_ZIP_BYTES", 1000)
    with pytest.raises(FileFormatError, match="1,000 bytes of them"):
        load_clips([path])
    monkeypatch.undo()
    monkeypatch.setattr(clips, "MAX_CLIP_BYTES", 100)
    skipped = []
    assert load_clips([path], on_skipped=lambda name, message: skipped.append(message)) == []
    assert len(skipped) == 3 and all("at most 100 bytes" in message for message in skipped)
