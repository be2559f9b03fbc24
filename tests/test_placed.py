"""Places found from distances alone: each can be told by hand."""

import numpy as np
import pytest

from automarkerlabel.decide.consistency import Distances, apart
from automarkerlabel.decide.placed import N_WITNESSES, against, place, witnesses

MATES = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100], [80, 90, 70]], np.float64)
STIFF = np.full(5, 1.0)


def distances(where):
    return np.linalg.norm(MATES - np.array(where, np.float64), axis=1)


def test_a_distance_that_holds_costs_least_and_no_single_one_decides():
    now = np.array([200.0, 203, 230, 300, 400])
    cost = against(now, np.full(5, 200.0), STIFF)
    assert (np.diff(cost) > 0).all()
    assert cost[-1] - cost[0] < 6  # there may be a joint
    far = against(now * 2, np.full(5, 400.0), STIFF)
    assert far[-1] - far[0] < cost[-1] - cost[0]  # the likelier the farther


def test_what_moves_anyway_says_less():
    stiff, loose = (against(np.array([150.0, 190]), np.full(2, 150.0), np.full(2, s)) for s in (1.0, 20.0))
    assert np.diff(stiff) > 3 * np.diff(loose) > 0


@pytest.mark.parametrize("where", [(60, 40, 50), (-20, 30, 45), (150, 150, 20)])
def test_the_place_is_where_the_distances_meet(where):
    found, left = place(distances(where), STIFF, MATES)
    np.testing.assert_allclose(found, where, atol=0.5)
    assert left <= float(against(distances(where), distances(where), STIFF).sum()) + 1e-3


def test_one_distance_over_a_joint_does_not_move_the_place():
    now = distances((60, 40, 50))
    now[4] += 60
    found, _ = place(now, STIFF, MATES)
    np.testing.assert_allclose(found, (60, 40, 50), atol=3)


def test_distances_that_meet_nowhere_still_give_a_place():
    found, left = place(np.full(5, 10.0), STIFF, MATES)
    assert np.isfinite(found).all() and np.isfinite(left)


def test_witnesses_are_near_stiff_and_known():
    places = np.array([[0, 0, 0], *([60.0 * (n + 1), 0, 0] for n in range(8))])
    then = apart(places)
    spread = np.full(then.shape, 3.0)
    centre = then.copy()
    spread[0, 1] = 60.0  # near, but loose
    centre[0, 2] = np.nan  # not seen together
    then[0, 3] = np.nan  # not in the pose
    own = Distances(centre, spread, np.zeros((9, 6), np.int64))
    assert set(witnesses(own, then, 0).tolist()) == {4, 5, 6, 7, 8} and N_WITNESSES == 5
