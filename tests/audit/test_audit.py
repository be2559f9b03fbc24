"""Mistakes put into a stiff walking figure by hand: each is found with its kind, labels and frames."""

import json
from dataclasses import replace

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.audit.audit import _same_segment
from automarkerlabel.audit.quick import label_doubts
from automarkerlabel.cli import run
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.marker_sets.segments import known_segments
from automarkerlabel.workflows.audit import audit_trial
from tests.fixtures.places import SAMPLES

SAMPLE = SAMPLES / "walk_truth.c3d"
RATE_HZ = 100.0
# Four markers on each of five stiff segments (mm, facing +x, left is +y), no two distances alike.
TRUNK = {"STRN": (110, 20, 1300), "C7": (-90, 0, 1450), "LSHO": (0, 180, 1420), "RSHO": (5, -185, 1425)}
PELVIS = {"LASI": (100, 130, 1000), "RASI": (105, -125, 1005), "LPSI": (-100, 60, 1020), "RPSI": (-105, -55, 1015)}
LEFT = {"LTH1": (60, 190, 800), "LTH2": (70, 150, 700), "LTH3": (-20, 210, 720), "LKNE": (20, 200, 520)}
LEFT |= {"LSH1": (70, 150, 420), "LSH2": (10, 190, 300), "LANK": (-20, 150, 100), "LTOE": (170, 130, 40)}
RIGHT = {"R" + x[1:]: (a + 4, -b + 3, c + 2) for x, (a, b, c) in LEFT.items()}
FIGURE = TRUNK | PELVIS | LEFT | RIGHT
LABELS = list(FIGURE)


def walker(n_frames: int = 300, seed: int = 0) -> Trial:
    """The figure walks along +x at 1 m/s and sways; legs swing, and the trunk; 0.3 mm of noise."""
    time = np.arange(n_frames) / RATE_HZ
    points = np.tile(np.array(list(FIGURE.values()), np.float64), (n_frames, 1, 1))
    for side, phase in (("L", 0.0), ("R", np.pi)):
        leg = [n for n, x in enumerate(LABELS) if x in LEFT or x in RIGHT if x.startswith(side)]
        shank = [n for n in leg if LABELS[n][1:] in ("SH1", "SH2", "ANK", "TOE")]
        _swing(points, shank, 500.0, 0.4 * np.sin(2 * np.pi * time + phase + 1) + 0.4)
        _swing(points, leg, 900.0, 0.5 * np.sin(2 * np.pi * time + phase))
    _swing(points, list(range(4)), 1100.0, 0.1 * np.sin(2 * np.pi * time))
    points[..., 0] += 1000 * time[:, None]
    points[..., 2] += 20 * np.sin(4 * np.pi * time)[:, None]
    points += np.random.default_rng(seed).normal(0, 0.3, points.shape)
    return Trial(points.astype(np.float32), LABELS, RATE_HZ, first_frame=101)


def _swing(points, which, height, angle):
    """Turn some points about an axis across the body at a height."""
    x, z = points[:, which, 0].copy(), points[:, which, 2] - height
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    points[:, which, 0], points[:, which, 2] = c * x - s * z, s * x + c * z + height


def static() -> Trial:
    return replace(walker(2), positions=np.array([list(FIGURE.values())] * 3, np.float32), residuals=None)


def changed(trial: Trial, takes: dict[str, str | None], start: int = 0, stop: int | None = None) -> Trial:
    """The trial in which, over some frames, each label has the points of another, or none."""
    points = trial.positions.copy()
    for label, source in takes.items():
        own = trial.positions[start:stop, LABELS.index(source)] if source else np.float32(np.nan)
        points[start:stop, LABELS.index(label)] = own
    return replace(trial, positions=points, residuals=None)


def exchange(*pairs: tuple[str, str]) -> dict[str, str | None]:
    return {a: b for a, b in pairs} | {b: a for a, b in pairs}


def legs(*parts: str) -> list[tuple[str, str]]:
    return [(f"L{x}", f"R{x}") for x in parts]


def test_nothing_is_found_in_a_right_trial():
    assert audit_trial(walker()).findings == ()
    assert audit_trial(walker(), reference_from_trial(static())).findings == ()


def test_a_swap_for_a_while():
    found = audit_trial(changed(walker(), exchange(("LTH1", "LTH2")), 120, 180)).findings
    assert [(f.kind, set(f.labels), f.first_frame, f.last_frame) for f in found] == [
        ("swap", {"LTH1", "LTH2"}, 221, 280)
    ]
    assert dict(zip(found[0].labels, found[0].should, strict=True)) == {"LTH1": "LTH2", "LTH2": "LTH1"}
    assert dict(zip(found[0].labels, found[0].columns, strict=True)) == {"LTH1": 9, "LTH2": 10}


def test_a_ring_of_three():
    found = audit_trial(changed(walker(), {"LASI": "LPSI", "LPSI": "RPSI", "RPSI": "LASI"}, 220)).findings
    assert [(f.kind, f.first_frame, f.last_frame) for f in found] == [("swap", 321, 400)]
    assert dict(zip(found[0].labels, found[0].should, strict=True)) == {"LASI": "LPSI", "LPSI": "RPSI", "RPSI": "LASI"}


def test_a_limb_exchanged_from_left_to_right():
    pairs = legs("KNE", "SH1", "SH2", "ANK", "TOE")
    found = audit_trial(changed(walker(), exchange(*pairs), 40, 110)).findings
    assert [(f.kind, set(f.labels), f.first_frame, f.last_frame) for f in found] == [
        ("flip", {x for p in pairs for x in p}, 141, 210)
    ]


def test_a_point_with_the_name_of_a_hidden_neighbour():
    found = audit_trial(changed(walker(), {"LSH1": "LSH2", "LSH2": None}, 100, 200)).findings
    assert [(f.kind, f.labels, f.should, f.first_frame, f.last_frame) for f in found] == [
        ("wrong name", ("LSH1",), ("LSH2",), 201, 300)
    ]


def test_a_column_that_leaps_to_a_ghost():
    trial = walker()
    points = trial.positions.copy()
    points[150:190, LABELS.index("RTH3")] += np.array([120, -60, 80], np.float32)
    found = audit_trial(replace(trial, positions=points, residuals=None)).findings
    assert [(f.kind, f.labels, f.should, f.first_frame, f.last_frame) for f in found] == [
        ("jump", ("RTH3",), ("none",), 251, 290)
    ]


def test_two_names_exchanged_throughout_need_a_reference():
    trial = changed(walker(), exchange(("LTH1", "LTH3")))
    assert audit_trial(trial).findings == ()
    found = audit_trial(trial, reference_from_trial(static(), source="static")).findings
    assert [(f.kind, set(f.labels), f.first_frame, f.last_frame) for f in found] == [
        ("exchanged", {"LTH1", "LTH3"}, 101, 400)
    ]


def test_a_reference_tells_which_part_of_a_swap_is_wrong():
    trial = changed(walker(), exchange(("LTH1", "LTH2")), 100)  # wrong for two thirds
    alone = audit_trial(trial).findings
    assert [(f.kind, f.first_frame, f.last_frame) for f in alone] == [("swap", 101, 200)]
    told = audit_trial(trial, reference_from_trial(static())).findings
    assert [(f.kind, f.first_frame, f.last_frame) for f in told] == [("swap", 201, 400)]


def test_limbs_and_bodies_flipped_throughout():
    pose = reference_from_trial(static())
    pairs = legs("TH1", "TH2", "TH3", "KNE", "SH1", "SH2", "ANK", "TOE")
    found = audit_trial(changed(walker(), exchange(*pairs)), pose).findings
    assert [(f.kind, set(f.labels)) for f in found] == [("flip", {x for p in pairs for x in p})]
    every = pairs + legs("SHO", "ASI", "PSI")
    found = audit_trial(changed(walker(), exchange(*every)), pose).findings
    assert [(f.kind, set(f.labels)) for f in found] == [("flip", {x for p in every for x in p})]


def test_walking_backwards_is_told_without_a_reference():
    every = legs("SHO", "ASI", "PSI", "TH1", "TH2", "TH3", "KNE", "SH1", "SH2", "ANK", "TOE")
    (found,) = audit_trial(changed(walker(), exchange(*every))).findings
    assert found.kind == "flip" and found.sure == 0.5 and "backwards" in found.why


def test_a_marker_placed_elsewhere():
    pose = static().positions.copy()
    pose[:, LABELS.index("LTH2")] += np.array([0, 25, 60], np.float32)
    found = audit_trial(walker(), reference_from_trial(replace(static(), positions=pose, residuals=None))).findings
    assert [(f.kind, f.labels) for f in found] == [("distance", ("LTH2",))]
    assert float(found[0].why.split("; ")[1].split(" mm")[0]) == pytest.approx(65, abs=4)


def test_segments_are_those_of_the_marker_set_or_of_a_known_one():
    mine = MarkerSet(("A", "B", "C"), ("thigh_l", "thigh_l", "shank_l"))
    same = _same_segment(["C", "B", "A", "X", "Y"], mine, {"X": "foot_l", "Y": "foot_l"})
    assert {(a, b) for a, b in np.argwhere(same).tolist() if a < b} == {(1, 2)}  # A and B; X and Y are not known
    known = ("LASI", "RASI", "LPSI", "RPSI", "LTHI", "LKNE", "LTIB", "LANK", "LHEE", "LTOE")  # Plug-in Gait
    same = _same_segment(known, MarkerSet(known), known_segments(known))
    assert {known[n] for n in np.flatnonzero(same[0])} == {"LASI", "RASI", "LPSI", "RPSI"}
    own = tuple(f"{x}_own" for x in LABELS)
    assert known_segments(own) == {}
    assert not _same_segment(LABELS, MarkerSet(own), {}).any()


def test_the_name_of_a_marker_that_is_absent_throughout():
    trial = changed(walker(), {"LSH1": "LSH2", "LSH2": None})
    assert audit_trial(trial).findings == ()
    found = audit_trial(trial, reference_from_trial(static())).findings
    assert [(f.kind, f.labels, f.should, f.first_frame, f.last_frame) for f in found] == [
        ("wrong name", ("LSH1",), ("LSH2",), 101, 400)
    ]


def test_a_path_taken_up_by_a_near_label_until_the_end():
    found = audit_trial(changed(walker(), {"LTH1": "LTH2", "LTH2": None}, 200)).findings
    assert [(f.kind, f.labels, f.should, f.first_frame, f.last_frame) for f in found] == [
        ("wrong name", ("LTH1",), ("LTH2",), 301, 400)
    ]


def test_trials_that_cannot_be_audited():
    trial = walker(30)
    with pytest.raises(TrialError, match="expected a labelled trial"):
        audit_trial(replace(trial, labels=[f"*{n}" for n in range(trial.n_columns)]))
    with pytest.raises(TrialError, match="every point of every frame hidden"):
        audit_trial(replace(trial, positions=np.full_like(trial.positions, np.nan), residuals=None))


@pytest.mark.parametrize("n_frames", [1, 2, 3, 10])
@pytest.mark.parametrize("n_columns", [1, 2, 3, 24])
def test_small_trials_are_audited(n_frames, n_columns):
    trial = walker(n_frames)
    small = Trial(trial.positions[:, :n_columns], LABELS[:n_columns], RATE_HZ)
    assert audit_trial(small, reference_from_trial(static())).n_labels == n_columns
    assert label_doubts(small, "small") == []


def test_points_that_are_often_hidden():
    trial = walker()
    points = trial.positions.copy()
    points[np.random.default_rng(1).random(points.shape[:2]) < 0.3] = np.nan
    points[:, LABELS.index("C7")] = np.nan
    assert audit_trial(replace(trial, positions=points, residuals=None), reference_from_trial(static())).findings == ()


def test_moments_in_which_nothing_is_seen():
    trial = walker()
    points = trial.positions.copy()
    points[100:200] = np.nan  # longer than the half second between moments that the direction is told by
    assert audit_trial(replace(trial, positions=points, residuals=None)).findings == ()


def test_notes_on_references_and_training_trials():
    swapped = changed(walker(), exchange(("LTH1", "LTH2")), 120, 180)
    (note,) = reference_from_trial(swapped, source="mine.c3d").notes
    assert "mine.c3d" in note and "LTH1" in note and "221-280" in note
    assert reference_from_trial(walker()).notes == ()


@pytest.fixture
def files(tmp_path):
    """A right trial, one with a swap, and a static, as C3D files."""
    trials = {"good": walker(), "bad": changed(walker(), exchange(("LTH1", "LTH2")), 120, 180), "static": static()}
    for name, trial in trials.items():
        io.write(tmp_path / f"{name}.c3d", trial)
    return {name: str(tmp_path / f"{name}.c3d") for name in trials}


def test_the_command_and_its_exit_codes(files, tmp_path, capsys):
    assert run(["audit", files["good"], "--strict", "--reference", files["static"]]) == 0
    assert "nothing found" in capsys.readouterr().out
    assert run(["audit", files["bad"]]) == 0
    assert run(["audit", files["good"], files["bad"], "--strict"]) == 4
    capsys.readouterr()
    table = tmp_path / "doubts.csv"
    assert run(["audit", files["bad"], "--json", "--csv", str(table), "--strict"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert [(f["kind"], f["first_frame"], f["last_frame"]) for f in told["findings"]] == [("swap", 221, 280)]
    assert table.read_text().splitlines()[1].split(",")[1:3] == ["swap", "LTH1 LTH2"]
    assert run(["audit", files["bad"], "--csv", str(table)]) != 0  # it is there
    assert run(["audit", files["bad"], "nowhere.c3d"]) == 3
    assert run(["audit", "nowhere.c3d"]) == 2
    assert run(["audit", files["bad"], "--reference-frame", "3"]) == 2


def test_a_model_that_ignores_the_names_sees_what_is_wrong_throughout(tmp_path, capsys):
    trial = io.read(SAMPLE)
    points = trial.positions.copy()
    a, b = trial.labels.index("LKNE"), trial.labels.index("LTHI")
    points[:, [a, b]] = points[:, [b, a]]
    io.write(tmp_path / "exchanged.c3d", replace(trial, positions=points, residuals=None))
    assert run(["audit", str(tmp_path / "exchanged.c3d"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert run(["audit", str(tmp_path / "exchanged.c3d"), "--model", "sample", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["kind"] == "exchanged" and set(found["labels"]) == {"LKNE", "LTHI"}


def test_a_mistake_in_real_data(shared_data):
    folder = shared_data / "opencap_subject4"
    pose = reference_from_trial(io.read(folder / "static1.trc"))
    found = audit_trial(io.read(folder / "walkingTI3.trc"), pose).findings
    assert any({"r_thigh3", "r_thigh5"} == set(f.labels) for f in found)
    assert audit_trial(io.read(folder / "DJ1.trc"), pose).findings == ()
