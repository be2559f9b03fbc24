"""Computed points are told from markers by their names."""

import pytest

from automarkerlabel import io
from automarkerlabel.errors import InputError
from automarkerlabel.io.computed_points import computed_columns
from tests.fixtures.places import DATA

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared data not there")

COMPUTED = [
    "L_HJC", "L_HJC_reg", "LHJC", "R.HipJC", "RKJC", "LAJC", "AnkleJoint", "L.AnkleJoint", "L.AnkleJointGround",
    "R.HeelGround", "L.MT5Ground", "MidASIS", "MidPSIS", "MidClavicle", "LEJC", "RSJC", "LWJC", "LHJC1",
    "LeftHipJointCenter", "R_KneeJointCentre", "CentreOfMass", "COM", "CentreOfMassFloor", "CenterOfMass",
    "LHipAngles", "RAbsAnkleAngle", "LKneeForce", "RAnkleMoment", "LHipPower", "LGroundReactionForce",
    "LNormalisedGRF", "RGroundReactionMoment", "GRF",
]  # fmt: skip

MARKERS = [
    "LFHD", "C7", "T10", "CLAV", "STRN", "LASI", "LANK", "LTHI", "LTOE", "R.Knee.Lat", "R.Ankle", "L.Ankle.Med",
    "V.Sacral", "R.Hip", "L_Shoulder", "Top.Head", "ACG", "COSTALD", "L_5meta", "PSUG", "FRM", "R_SAJ", "L_SNJ",
    "LKNE", "LKNE_med", "Chest", "TRXO", "PELO", "LTOA", "Ground", "TEMPD", "COMP1", "Force1", "Sacrum", "RATT",
    "XYP", "CLAV_AC", "R.PowerPoint", "RightForearm", "SWL", "Forehead", "LHEE", "LMT5", "RFOP", "Joint1", "AJ",
    "JC", "l met",
]  # fmt: skip


@pytest.mark.parametrize("label", COMPUTED)
def test_computed(label):
    assert computed_columns([label]) == {0}


@pytest.mark.parametrize("label", MARKERS)
def test_markers(label):
    assert computed_columns([label]) == frozenset()


def test_axes_need_all_four():
    assert computed_columns(["PELO", "PELA", "PELL", "LASI", "PELP"]) == {0, 1, 2, 4}
    assert computed_columns(["PELO", "PELA", "PELL", "LASI"]) == frozenset()


def test_what_the_file_and_the_user_add():
    assert computed_columns(["A", "B", "C"], ["B"]) == {1}
    assert computed_columns(["A1", "B1", "A2"], exclude="^A") == {0, 2}
    with pytest.raises(InputError, match=r"exclude: expected a regular expression, found '\('"):
        computed_columns(["A"], exclude="(")


@needs_data
@pytest.mark.parametrize(
    ("name", "n_markers", "some"),
    [
        ("pairs/pycgm_rom/Sample_Static.c3d", 39, {"HEDO", "TRXP", "LHipAngles", "RFootProgressAngles"}),
        ("pairs/robo/RoboStatic.c3d", 35, {"LFEO", "PELA", "LSpineAngles"}),
        ("pairs/rajagopal_walk/static_walk_1.trc", 47, {"L.MT5Ground", "R.KneeJoint", "MidASIS", "R_HJC"}),
        ("opencap_subject4/walking1.trc", 47, {"L_HJC", "R_HJC_reg"}),
        ("clouthier2021/KneeltoProne01.c3d", 62, set()),
        ("c3d_suite/others/many_analogs.c3d", 32, set()),
    ],
)
def test_real_files(name, n_markers, some):
    trial = io.read(DATA / name)
    assert len(trial.marker_columns) == n_markers
    assert some <= {trial.labels[c] for c in trial.computed}
