import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automarkerlabel.core.trial import MM_PER_UNIT, UP_ROTATIONS, FileAxes, Trial, runs
from automarkerlabel.errors import TrialError


@pytest.mark.parametrize("up", UP_ROTATIONS)
def test_rotations_are_proper_and_bring_up_to_z(up):
    axes = FileAxes("mm", up)
    assert np.linalg.det(axes.rotation) == pytest.approx(1)
    pointing_up = np.zeros(3)
    pointing_up["xyz".index(up[-1])] = -1 if up[0] == "-" else 1
    assert axes.to_mm_z_up(pointing_up).tolist() == [0, 0, 1]


@given(
    st.sampled_from(sorted(MM_PER_UNIT)),
    st.sampled_from(sorted(UP_ROTATIONS)),
    st.lists(st.floats(-4096, 4096, width=16), min_size=3, max_size=3),
)
def test_there_and_back_is_the_same_point(units, up, point):
    axes = FileAxes(units, up)
    back = axes.to_file(axes.to_mm_z_up(np.array(point)))
    np.testing.assert_allclose(back, point, rtol=2e-7, atol=1e-12)


def test_metres_become_millimetres():
    assert FileAxes("m", "y").to_mm_z_up(np.array([1.0, 2.0, 3.0])).tolist() == [1000, -3000, 2000]


def test_a_point_with_one_bad_coordinate_is_hidden_and_noted():
    positions = np.zeros((2, 1, 3), np.float32)
    positions[1, 0, 1] = np.nan
    trial = Trial(positions, ["A"], 100)
    assert trial.visible.tolist() == [[True], [False]]
    assert np.isnan(trial.positions[1, 0]).all()
    assert "1 points" in trial.notes[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"positions": np.zeros((2, 3))}, "shape"),
        ({"labels": ["A", "B"]}, "labels"),
        ({"rate_hz": 0.0}, "rate"),
        ({"rate_hz": float("nan")}, "rate"),
        ({"residuals": np.zeros((1, 1))}, "residuals"),
        ({"computed": frozenset({4})}, "computed"),
        ({"subjects": ["a", "b"]}, "subjects"),
    ],
)
def test_contradictions_are_refused(arguments, said):
    good = {"positions": np.zeros((2, 1, 3)), "labels": ["A"], "rate_hz": 100.0}
    with pytest.raises(TrialError, match=said):
        Trial(**{**good, **arguments})


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        (np.zeros((0, 2, 3)), "frame"),
        (np.zeros((3, 0, 3)), "markers"),
        (np.full((3, 2, 3), np.nan), "visible"),
    ],
)
def test_nothing_to_label_is_said(positions, said):
    trial = Trial(positions, ["A", "B"][: positions.shape[1]], 100)
    with pytest.raises(TrialError, match=said):
        trial.require_points()


def test_computed_columns_alone_are_no_markers():
    with pytest.raises(TrialError, match="markers"):
        Trial(np.zeros((1, 1, 3)), ["LHJC"], 100, computed=frozenset({0})).require_points()


@given(st.lists(st.booleans(), max_size=30))
def test_runs_cover_exactly_the_true_places(mask):
    covered = np.zeros(len(mask), bool)
    for start, stop in runs(np.array(mask, bool)):
        assert start < stop
        assert not covered[max(0, start - 1) : stop].any()  # runs neither overlap nor touch
        covered[start:stop] = True
    assert covered.tolist() == mask


def test_points_by_label():
    points = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    trial = Trial(points, ["LKNE", "RKNE", "LKNE"], 100.0, subjects=["Ann", "Ann", "Bob"])
    np.testing.assert_array_equal(trial.points("RKNE"), points[:, 1])
    np.testing.assert_array_equal(trial.points("Bob:LKNE"), points[:, 2])
    np.testing.assert_array_equal(trial.points(["Ann:LKNE", "RKNE"]), points[:, :2])
    assert trial.points([]).shape == (2, 0, 3)
    with pytest.raises(TrialError, match=r"one column of LKNE, found Ann:LKNE, Bob:LKNE"):
        trial.points("LKNE")
    with pytest.raises(TrialError, match=r"found 'RKNEE'; near: .*RKNE"):
        trial.points("RKNEE")
    with pytest.raises(TrialError, match=r"found 'x'$"):
        trial.points("x")
