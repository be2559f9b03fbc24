"""`aml simulate`, its files, and training from the simulator."""

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.io.collect import find_trials, read_labelled
from automarkerlabel.simulate import dataset

SHORT = ["--seconds", "1", "--rate", "30"]
MARKER = """<Marker name="{}"><socket_parent_frame>/bodyset/{}</socket_parent_frame>
<location>{}</location></Marker>"""
OSIM = f"""<OpenSimDocument><MarkerSet><objects>{MARKER.format("HIP", "pelvis", "0.01 0.02 0.12")}
{MARKER.format("KNEE", "femur_r", "0 -0.4 0.05")}</objects></MarkerSet></OpenSimDocument>"""


def test_trials_of_two_subjects(tmp_path, capsys):
    out = tmp_path / "made"
    command = ["simulate", "-o", str(out), "--marker-set", "plug-in-gait", "--motion", "walk", "--motion", "sit"]
    assert run([*command, "--subjects", "2", "--trials", "3", *SHORT, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.c3d"))
    assert names == [f"subject{n}/{x}.c3d" for n in (1, 2) for x in ("sit", "walk_1", "walk_2")]
    assert made["marker_set"] == "plug-in-gait" and len(made["trials"]) == 6
    assert {Path(t["file"]).as_posix() for t in made["trials"]} == {(out / n).as_posix() for n in names}
    sources = read_labelled(find_trials([out]))
    assert {s.subject for s in sources} == {"subject1", "subject2"}
    assert all(s.trial.n_frames == 30 and "LASI" in s.trial.labels and s.trial.visible.all() for s in sources)
    assert not np.allclose(*(s.trial.positions for s in sources if s.path.stem == "walk_1"))


def test_the_same_seed_gives_the_same_bytes_and_files_are_kept(tmp_path, capsys):
    command = ["simulate", "--marker-set", "cmu-41", "--motion", "walk", *SHORT]
    for name in "ab":
        assert run([*command, "-o", str(tmp_path / name)]) == 0
    assert run([*command, "-o", str(tmp_path / "c"), "--seed", "1"]) == 0
    a, b, c = ((tmp_path / name / "subject1" / "walk.c3d").read_bytes() for name in "abc")
    assert a == b != c
    assert run([*command, "-o", str(tmp_path / "a")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run([*command, "-o", str(tmp_path / "a"), "--overwrite"]) == 0


def test_cases_and_their_truth(tmp_path):
    command = ["simulate", "-o", str(tmp_path), "--marker-set", "plug-in-gait", "--motion", "walk", *SHORT]
    assert run([*command, "--corrupt", "--ghosts", "2", "--hidden-markers", "1", "--no-rotate"]) == 0
    case, truth = (io.read(tmp_path / "subject1" / f"walk_{x}.c3d") for x in ("unlabelled", "truth"))
    assert all(is_unlabelled(x) for x in case.labels)
    named = [x for x in truth.labels if not is_unlabelled(x)]
    assert len(named) == 38 and len(truth.labels) > 38
    assert (case.visible.sum(1) == truth.visible.sum(1)).all()


def test_hdf5_keeps_every_bit(tmp_path):
    command = ["simulate", "-o", str(tmp_path), "--marker-set", "plug-in-gait", "--motion", "walk", *SHORT]
    assert run([*command, "--format", "hdf5", "--corrupt"]) == 0
    path = tmp_path / "subject1" / "walk_truth.hdf5"
    truth = io.read(path)
    assert truth.rate_hz == 30 and not truth.visible.all()
    io.write(tmp_path / "again.hdf5", truth)
    assert np.array_equal(io.read(tmp_path / "again.hdf5").positions, truth.positions, equal_nan=True)
    assert io.read(tmp_path / "again.hdf5").labels == truth.labels
    assert find_trials([tmp_path / "subject1"]) == [path, path.with_name("walk_unlabelled.hdf5")]


def test_hdf5_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        file["positions"] = np.zeros((2, 3))
    with pytest.raises(FileFormatError, match="expected HDF5 with format"):
        io.read(path)
    io.write(tmp_path / "y.hdf5", Trial(np.zeros((2, 1, 3), np.float32), ["A"], 50.0))
    with h5py.File(tmp_path / "y.hdf5", "r+") as file:
        del file["labels"]
    with pytest.raises(FileFormatError, match="damaged or foreign"):
        io.read(tmp_path / "y.hdf5")


@settings(deadline=None)  # the process that reads first is started in one of them
@given(st.integers(0, 2**16), st.integers(1, 255))
def test_damaged_hdf5_gives_one_of_our_errors_or_a_trial(tmp_path_factory, place, change):
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / "x.hdf5"
    io.write(path, Trial(np.ones((20, 2, 3), np.float32), ["A", "B"], 50.0))
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        assert io.read(path).positions.shape[2] == 3
    except InputError as error:
        assert "\n" not in str(error)
    shutil.rmtree(folder)


def test_an_opensim_file_is_worn(tmp_path):
    path = tmp_path / "set.xml"
    path.write_text(OSIM, encoding="utf-8")
    worn = dataset.worn_set(path)
    assert worn.marker_set.labels == ("HIP", "KNEE") and worn.marker_set.segments == ("pelvis", "thigh_r")
    # OpenSim's y is our z, its z our -y; the pelvis and the thigh share their origins with ours.
    assert worn.marker_set.local_mm == pytest.approx(np.array([[10, -120, 20], [0, -50, -400]]))
    trial = dataset.simulate(worn, dataset.NamedMotion("walk", "walk"), 0, 1.0, 30.0, 0)
    assert trial.labels == ("HIP", "KNEE")


def test_static_labels_are_worn_in_static_trials_only(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[markers]\nA = { at = "C7" }\nB = { at = "knee_medial_l", worn = "static" }\n', encoding="utf-8")
    worn = dataset.worn_set(path)
    assert worn.static == {"B"}
    for name, labels in (("walk", ("A",)), ("static", ("A", "B"))):
        assert dataset.simulate(worn, dataset.NamedMotion(name, name), 0, 0.5, 30.0, 0).labels == labels


def test_pools_differ_and_come_again():
    endless = dataset.Endless(
        dataset.worn_set("plug-in-gait"), dataset.find_motions(["walk", "sit"]), n_trials=3, seconds=0.5
    )
    first, again, next_pool = endless.pool(0), endless.pool(0), endless.pool(1)
    assert len(first) == 3 and all(np.array_equal(a.positions, b.positions) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].positions, next_pool[0].positions)
    assert not np.array_equal(first[0].positions, endless.validation()[0].positions)
    assert "walk" in endless.name and "plug-in-gait" in endless.name


def test_training_on_simulated_people_alone(tmp_path, capsys):
    path = tmp_path / "own.toml"
    places = ("asis_l", "asis_r", "psis_l", "heel_l", "heel_r", "C7")
    path.write_text("[markers]\n" + "".join(f'{p} = {{ at = "{p}" }}\n' for p in places), encoding="utf-8")
    out = tmp_path / "m.ckpt"
    command = ["train", "--simulate", str(path), "--motion", "walk", "-o", str(out), "--epochs", "1"]
    small = ["--epoch-windows", "600", "--cells", "8", "--n-samples", "4", "--val-share", "0"]
    assert run([*command, *small]) == 0
    assert "simulated anew" in capsys.readouterr().err
    assert run(["info", str(out), "--json"]) == 0
    assert "asis_l" in capsys.readouterr().out
    assert run([*command, *small, "--resume"]) == 0
    assert run(["train", "--simulate", "cmu-41", "-o", str(out), *small, "--resume"]) != 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--marker-set", "nobody", "--motion", "walk"], "expected one of"),
        (["--marker-set", "cmu-41", "--motion", "fly"], "--motion: expected walk"),
        (["--marker-set", "cmu-41", "--format", "xls"], "--format: expected one of c3d"),
        (["--marker-set", "cmu-41", "--subjects", "0"], "--subjects: expected 1 or more"),
        (["--marker-set", "cmu-41", "--seconds", "0"], "length: expected at least one frame"),
        (["--marker-set", "cmu-41", "--corrupt", "--occlude", "2"], "occlude from 0 to 0.9"),
    ],
)
def test_what_cannot_be_made_is_told_in_a_line(extra, message, tmp_path, capsys):
    assert run(["simulate", "-o", str(tmp_path), *extra]) == 2
    err = capsys.readouterr().err.strip()
    assert message in err and "\n" not in err


def test_motions_of_training_need_a_marker_set(tmp_path, capsys):
    assert run(["train", "--motion", "walk", "-o", str(tmp_path / "m.ckpt")]) == 2
    assert "--motion: expected --simulate" in capsys.readouterr().err
    assert run(["train", "-o", str(tmp_path / "m.ckpt")]) == 2
    assert "expected labelled trials" in capsys.readouterr().err


def test_clips_and_kinematics(shared_data, tmp_path):
    with zipfile.ZipFile(shared_data / "motion" / "cmu_amc.zip") as archive:
        clip = next(n for n in archive.namelist() if n.endswith(".amc"))
        skeleton = next(n for n in archive.namelist() if n.endswith(f"{Path(clip).stem.split('_')[0]}.asf"))
        for name in (clip, skeleton):
            (tmp_path / Path(name).name).write_bytes(archive.read(name))
    motions = dataset.find_motions([str(tmp_path / Path(clip).name)])
    worn = dataset.worn_set("plug-in-gait")
    trial = dataset.simulate(worn, motions[0], 0, 2.0, 60.0, 0)
    assert trial.n_frames == 120 and trial.positions[..., 2].min() > -60
    with pytest.raises(InputError, match="go with the marker set of an OpenSim file"):
        dataset.simulate(worn, dataset.NamedMotion("x", dataset.Recorded(tmp_path, "s", "t")), 0, 2.0, 60.0, 0)
