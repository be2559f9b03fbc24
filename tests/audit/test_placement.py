"""Places found from distances alone: each can be told by hand."""

import numpy as np
import pytest

from automarkerlabel.audit.distances import Distances, apart
from automarkerlabel.audit.placement import N_WITNESSES, Held, against, place, witnesses

MATES = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100], [80, 90, 70]], np.float64)
STIFF = np.full(5, 1.0)


HOME = np.array([60.0, 40, 50])


def held(now, loose=0.0, same=False):
    """Distances that keep within `loose` of `now`."""
    return Held(now - loose, now + loose, np.full(len(now), same))


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
    found, left = place(held(distances(where)), distances(where), STIFF, MATES, HOME)
    np.testing.assert_allclose(found, where, atol=0.5)
    assert left <= float(held(distances(where)).against(distances(where)).sum()) + 1e-3


def test_one_distance_over_a_joint_does_not_move_the_place():
    now = distances((60, 40, 50))
    now[4] += 60
    found, _ = place(held(now), now, STIFF, MATES, HOME)
    np.testing.assert_allclose(found, (60, 40, 50), atol=3)


def test_distances_that_meet_nowhere_still_give_a_place():
    found, left = place(held(np.full(5, 10.0)), np.full(5, 10.0), STIFF, MATES, HOME)
    assert np.isfinite(found).all() and np.isfinite(left)


def test_witnesses_are_near_stiff_and_known():
    places = np.array([[0, 0, 0], *([60.0 * (n + 1), 0, 0] for n in range(8))])
    then = apart(places)
    spread = np.full(then.shape, 3.0)
    centre = then.copy()
    spread[0, 1] = 60.0  # near, but loose
    centre[0, 2] = np.nan  # not seen together
    then[0, 3] = np.nan  # not in the pose
    own = Distances(centre, spread, np.zeros((9, 6), np.int64), centre, centre)
    same = np.zeros(then.shape, np.bool_)
    assert set(witnesses(own, then, 0, same).tolist()) == {4, 5, 6, 7, 8} and N_WITNESSES == 5
    same[0, 1] = same[0, 2] = True
    assert witnesses(own, then, 0, same)[0] == 1  # loose, but of the segment; 2 is not known


def test_of_two_places_that_fit_alike_the_nearer_is_taken():
    flat = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0], [100, 100, 0]], np.float64)
    now = np.linalg.norm(flat - (40, 60, 50), axis=1)  # as far from (40, 60, -50)
    for height in (50.0, -50.0):
        found, _ = place(held(now), now, np.full(4, 1.0), flat, np.array([40, 60, 1.2 * height]))
        np.testing.assert_allclose(found, (40, 60, height), atol=0.5)


def test_a_joint_that_passes_the_angle_of_the_pose_says_nothing_and_a_segment_keeps_its_distances():
    then = np.array([200.0])
    loose, stiff = (held(np.array([220.0]), 30, same).against(then).item() for same in (False, True))
    at_home = [held(then, 30, same).against(then).item() for same in (False, True)]
    assert loose == pytest.approx(at_home[0])  # 190 to 250 mm in motion, 200 in the pose: as if it were 170 to 230
    mates = np.arange(1, 2)
    own = Distances(*(np.array([[np.nan, x], [x, np.nan]]) for x in (220.0, 20.0)), np.zeros((2, 1), np.int64),
                    *(np.array([[np.nan, x], [x, np.nan]]) for x in (190.0, 250.0)))  # fmt: skip
    of = [Held.of_label(own, 0, mates, np.full((2, 2), same)) for same in (False, True)]
    assert (of[0].low.item(), of[0].high.item()) == (190, 250)
    assert (of[1].low.item(), of[1].high.item()) == (215, 225)  # flesh, no joint
    assert of[1].against(then).item() - of[1].against(np.array([220.0])).item() > 1 > stiff - loose
