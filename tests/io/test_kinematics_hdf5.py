"""Body kinematics in the ancestor's HDF5 layout, and markers that ride on them."""

import h5py
import numpy as np
import pytest

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.errors import FileFormatError, InputError, MarkerSetError
from automarkerlabel.io.motion.kinematics_hdf5 import list_kinematics, read_kinematics
from automarkerlabel.simulate.opensim_sim import simulate_opensim

N_FRAMES = 4


def transform(x, y, z, turn=None):
    """`(4, 4, n_frames)`: at (x, y, z) mm, y up, going 10 mm a frame along x."""
    matrix = np.tile(np.eye(4)[:, :, None], N_FRAMES)
    if turn is not None:
        matrix[:3, :3] = np.asarray(turn, float)[:, :, None]
    matrix[:3, 3] = np.array([[x], [y], [z]]) + np.outer((10, 0, 0), np.arange(N_FRAMES))
    return matrix


@pytest.fixture
def path(tmp_path):
    """Two subjects with two bodies; subject S02 is twice as long in y as the generic model."""
    path = tmp_path / "kinematics.hdf5"
    with h5py.File(path, "w") as file:
        file["com/torso"] = np.array([[0, 0.2, 0], [0, 0.4, 0]])
        file["com/tibia_l"] = np.zeros((2, 3))
        file["scale/torso"] = np.array([[1, 1, 1], [1, 2, 1]])
        file["scale/tibia_l"] = np.ones((2, 3))
        for subject in ("S02", "S01"):
            file[f"kin/{subject}/walk/torso"] = transform(0, 1200, 0)
            # The shank's y axis along the laboratory's x: it lies forward.
            file[f"kin/{subject}/walk/tibia_l"] = transform(100, 300, -80, ((0, 1, 0), (-1, 0, 0), (0, 0, 1)))
        file["kin/S01/run/torso"] = transform(0, 1200, 0)
    return path


MARKERS = MarkerSet(
    labels=["C7", "LKNE"], segments=["torso", "tibia_l"], local_mm=np.array([[-50, 500, 0], [0, 40, -60]], np.float32)
)


def edit(path, **changes):
    with h5py.File(path, "r+") as file:
        for name, value in changes.items():
            del file[name.replace("__", "/")]
            if value is not None:
                file[name.replace("__", "/")] = value


def test_lists_trials_by_subject(path):
    assert list_kinematics(path) == [("S01", "run"), ("S01", "walk"), ("S02", "walk")]


def test_reads_one_trial_in_mm_z_up(path):
    found = read_kinematics(path, "S02", "walk")
    assert (found.subject, found.trial, found.rate_hz, found.n_frames) == ("S02", "walk", 120.0, N_FRAMES)
    assert found.com_mm["torso"] == pytest.approx([0, 400, 0])  # of the second in the order of names
    assert found.scale["torso"] == pytest.approx([1, 2, 1])
    # The file's up, y, is our z; its right, z, is our -y.
    assert found.transforms["torso"][2, :3, 3] == pytest.approx([20, 0, 1200])
    assert found.transforms["tibia_l"][0, :3, 3] == pytest.approx([100, 80, 300])
    assert found.transforms["torso"][0, :3, :3] @ (0, 1, 0) == pytest.approx([0, 0, 1])


def test_reads_only_the_segments_asked_for(path):
    assert set(read_kinematics(path, "S01", "walk", ["torso"]).transforms) == {"torso"}


def test_markers_ride_on_their_bodies(path):
    trial = simulate_opensim(read_kinematics(path, "S02", "walk"), MARKERS)
    assert trial.labels == ("C7", "LKNE") and trial.rate_hz == 120
    # 500 mm, doubled, less 400 mm to the centre of mass, above 1200 mm; 50 mm behind.
    assert trial.positions[1, 0] == pytest.approx([-50 + 10, 0, 1200 + 600])
    # Its 40 mm along y point forward; 60 mm to the left.
    assert trial.positions[0, 1] == pytest.approx([100 + 40, 80 + 60, 300])


def test_resampling_keeps_a_steady_motion(path):
    trial = simulate_opensim(read_kinematics(path, "S01", "walk"), MARKERS, rate_hz=240)
    assert trial.n_frames == 7 and trial.rate_hz == 240
    assert trial.positions[:, 0, 0] == pytest.approx(-50 + 5 * np.arange(7), abs=1e-3)
    with pytest.raises(InputError, match="above 0"):
        simulate_opensim(read_kinematics(path, "S01", "walk"), MARKERS, rate_hz=-1)


def test_frames_without_a_body_hide_its_markers(path):
    gap = transform(0, 1200, 0)
    gap[:, :, 1] = np.nan
    edit(path, kin__S01__walk__torso=gap)
    found = read_kinematics(path, "S01", "walk")
    assert simulate_opensim(found, MARKERS).visible.tolist() == [
        [True, True],
        [False, True],
        [True, True],
        [True, True],
    ]
    with pytest.raises(InputError, match="gaps"):
        simulate_opensim(found, MARKERS, rate_hz=240)


def test_metres_need_to_be_said(path):
    for name in ("torso", "tibia_l"):
        with h5py.File(path, "r+") as file:
            file[f"kin/S01/walk/{name}"][:3, 3] /= 1000
    with pytest.raises(FileFormatError, match="are they in metres"):
        read_kinematics(path, "S01", "walk")
    found = read_kinematics(path, "S01", "walk", units="m")
    assert found.transforms["torso"][2, :3, 3] == pytest.approx([20, 0, 1200])
    with pytest.raises(InputError, match="units"):
        read_kinematics(path, "S01", "walk", units="furlong")


@pytest.mark.parametrize(
    ("subject", "trial", "segments"),
    [("S03", "walk", None), ("S01", "swim", None), ("S01", "run", ["tibia_l"]), ("..", "walk", None), ("", "", None)],
)
def test_refuses_what_is_not_there(path, subject, trial, segments):
    with pytest.raises(InputError, match="expected"):
        read_kinematics(path, subject, trial, segments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"com": None}, "'com'"),
        ({"scale__torso": None}, "'torso'"),
        ({"com": np.zeros(3)}, "group"),
        ({"scale__torso": np.ones((1, 2))}, "shape"),
        ({"scale__torso": np.ones((1, 3))}, "more than 1 rows"),
        ({"scale__torso": np.zeros((2, 3))}, "above 0"),
        ({"com__torso": np.full((2, 3), np.inf)}, "metres and ratios"),
        ({"kin__S02__walk__torso": np.zeros((3, 4, 5))}, "shape"),
        ({"kin__S02__walk__torso": np.zeros((4, 4, 0))}, "shape"),
        ({"kin__S02__walk__torso": np.zeros((4, 4, N_FRAMES))}, "4x4 transforms"),
        ({"kin__S02__walk__torso": 2 * transform(0, 1200, 0)}, "4x4 transforms"),
        ({"kin__S02__walk__torso": transform(0, 1200, 0)[..., :2]}, "as many frames"),
        ({"kin__S02__walk__torso": "text"}, "hold numbers"),
        ({"kin__S02__walk__torso": h5py.SoftLink("/com/torso")}, "a link"),
        ({"kin__S02__walk__torso": h5py.ExternalLink("other.h5", "/x")}, "a link"),
    ],
)
def test_refuses_another_layout(path, changes, message):
    edit(path, **changes)
    with pytest.raises(InputError, match=message):
        read_kinematics(path, "S02", "walk")


def test_refuses_what_is_no_hdf5(tmp_path, path):
    for data in (b"", b"no HDF5", path.read_bytes()[:600]):
        (tmp_path / "bad.hdf5").write_bytes(data)
        with pytest.raises(FileFormatError, match="expected an HDF5 file"):
            list_kinematics(tmp_path / "bad.hdf5")
    with pytest.raises(InputError):
        list_kinematics(tmp_path / "missing.hdf5")


def test_refuses_markers_that_have_no_place(path):
    found = read_kinematics(path, "S01", "run")
    with pytest.raises(MarkerSetError, match=r"expected segments among torso, found tibia_l"):
        simulate_opensim(found, MARKERS)
    with pytest.raises(MarkerSetError, match="where each marker lies"):
        simulate_opensim(found, MarkerSet(labels=["C7"], segments=["torso"]))
