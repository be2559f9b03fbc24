"""C3D files that break the format's letter, as programs write them, and that other programs read."""

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.errors import TrialError
from automarkerlabel.io.c3d.frames import Claims, frame_count
from automarkerlabel.io.c3d.layout import parse
from automarkerlabel.workflows.export import TrialExport, export_trial
from tests.fixtures.c3d_bytes import example, make_c3d

NAMES = list("ABCD")


def put(path, data):
    path.write_bytes(data)
    return path


def without_description(data, name, counted):
    """The file with the description of a parameter left out, or there and empty but not counted by its pointer."""
    record = next(r for r in parse(data).records if r.kind and r.name == name)
    length = record.stop - record.pointer
    pointer = length.to_bytes(2, "little")
    gone = record.end - record.stop - (not counted)
    middle = data[record.pointer + 2 : record.stop] + (b"" if counted else b"\0")
    _, section_end = parse(data).section
    rest = data[record.end : section_end] + bytes(gone)
    return data[: record.pointer] + pointer + middle + rest + data[section_end:]


@pytest.mark.parametrize("counted", [True, False], ids=["left out", "not counted"])
@pytest.mark.parametrize("name", ["LABELS", "UNITS", "USED", "SCALE", "RATE", "DATA_START"])
def test_a_parameter_whose_description_is_not_counted(tmp_path, name, counted):
    whole = make_c3d(example(), NAMES)
    path = put(tmp_path / "a.c3d", without_description(whole, name, counted))
    trial, right = io.read(path), io.read(put(tmp_path / "b.c3d", whole))
    assert (trial.labels, trial.rate_hz, trial.axes.units) == (right.labels, right.rate_hz, right.axes.units)
    np.testing.assert_array_equal(trial.positions, right.positions)
    noted = counted and name != "LABELS"  # the last one: the zero that ends the list reads as an empty description
    assert any("description" in note and name in note for note in trial.notes) == noted
    assert [(r.name, r.dims) for r in parse(path.read_bytes()).records] == [
        (r.name, r.dims) for r in parse(whole).records
    ]


def test_a_copy_of_such_a_file_is_the_same_bytes(tmp_path):
    path = put(tmp_path / "a.c3d", without_description(make_c3d(example(), NAMES), "LABELS", True))
    trial = io.read(path)
    columns = [OutputColumn(x, ((c, 0, trial.n_frames),)) for c, x in enumerate(NAMES)]
    io.write_labelled(path, tmp_path / "copy.c3d", trial, columns)
    assert (tmp_path / "copy.c3d").read_bytes() == path.read_bytes()


def test_coordinates_whose_residuals_all_say_not_measured(tmp_path):
    """By the letter all are hidden; what is there is said, and nothing empty is exported."""
    points = example()
    path = put(tmp_path / "a.c3d", make_c3d(points, NAMES, quality=np.full(points.shape[:2], -1.0)))
    trial = io.read(path)
    assert not trial.visible.any()
    n_there = int((points != 0).any(2).sum())
    (note,) = [x for x in trial.notes if "residual" in x]
    assert note.startswith(f"{n_there} points have coordinates")
    with pytest.raises(TrialError, match="have coordinates, but every residual"):
        export_trial(path, tmp_path / "a.trc", TrialExport())
    assert not (tmp_path / "a.trc").exists()


def test_one_measured_point_is_enough_to_believe_the_residuals(tmp_path):
    points = example()
    quality = np.full(points.shape[:2], -1.0)
    quality[0, 0] = 0.5
    trial = io.read(put(tmp_path / "a.c3d", make_c3d(points, NAMES, quality=quality)))
    assert trial.visible.sum() == 1 and not any("residual" in x for x in trial.notes)


@pytest.mark.parametrize("n_points", range(1, 41))
@pytest.mark.parametrize("over", [40, 41, 47])  # more than what a block of padding could be taken for
def test_frames_beyond_65535_are_counted_by_size(n_points, over):
    """Whatever a frame's size, with the last block filled up, or one of zeros more where it is full."""
    count, size = 65_536 + over, 16 * n_points
    claims = Claims(1, 65535, [65535.0], [], [], [])
    fill = -(count * size) % 512
    for padding in {fill, fill or 512}:
        data = bytes([1]) * (count * size) + bytes(padding)
        assert frame_count(claims, data, 0, size, []) == count
