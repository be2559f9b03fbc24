"""A plate of mates that turns about and walks, and a marker on it or off it: its place can be told by hand."""

import numpy as np
import pytest

from automarkerlabel.audit.distances import Distances
from automarkerlabel.audit.rigid_bodies import carried, stiff_mates
from tests.audit.test_pose import motion

# The label first, in the plane of its four mates and within them; the last marker is on another segment.
PLATE = np.array([(10, 20, 0), (80, 0, 0), (-80, 0, 0), (0, 90, 0), (0, -90, 0), (0, 0, 400)], np.float64)
SAME = np.zeros((6, 6), np.bool_)
SAME[:5, :5] = True
MATES = np.arange(1, 5)


def worn(offset):
    pose = PLATE.copy()
    pose[0] += offset
    return motion(pose)


@pytest.mark.parametrize("offset", [(0, 0, 50), (0, 0, -50), (40, -30, 0)])
def test_a_marker_that_was_put_elsewhere_is_told_in_the_pose(offset):
    where, nats = carried(worn(offset), PLATE, 0, MATES)
    np.testing.assert_allclose(where, PLATE[0] + offset, atol=1)
    # 50 mm by a scale of 5 mm and its reach of about 0.5: 3 ln(1 + (50 / 5.6)^2 / 3) = 10.
    assert nats == pytest.approx(10, abs=0.5)


def test_out_of_the_plane_distances_hardly_change():
    now = np.linalg.norm(PLATE[MATES] - PLATE[0] - (0, 0, 50), axis=1)
    then = np.linalg.norm(PLATE[MATES] - PLATE[0], axis=1)
    assert np.abs(now - then).max() < 16  # so that they alone do not tell


def test_a_marker_in_its_place_says_nothing():
    where, nats = carried(worn((0, 0, 0)), PLATE, 0, MATES)
    np.testing.assert_allclose(where, PLATE[0], atol=1)
    assert nats < 0.1


def test_a_mate_that_is_elsewhere_is_told_more_surely_than_those_it_misleads():
    points = worn((0, 0, 0))
    bent = PLATE.copy()
    bent[1] += (0, 0, 60)
    _, alone = carried(points, bent, 0, MATES)
    _, moved = carried(points, bent, 1, np.array([0, 2, 3, 4]))
    assert moved > 5 and alone < moved / 2


def test_mates_share_the_segment_and_are_three_at_least():
    points = worn((0, 0, 0))
    own = Distances.of_motion(points)
    assert sorted(stiff_mates(own, PLATE, 0, SAME)) == MATES.tolist()
    unknown = PLATE.copy()
    unknown[3:5] = np.nan
    assert len(stiff_mates(own, unknown, 0, SAME)) == 0
    assert len(stiff_mates(own, PLATE, 5, SAME)) == 0


def test_what_is_not_seen_together_tells_nothing():
    points = worn((0, 0, 50))
    points[::2, 0], points[1::2, 1] = np.nan, np.nan
    assert carried(points, PLATE, 0, MATES) is None
