"""A stiff cloud of markers on two sides, as a pose and turned about in motion: what was exchanged or moved is told."""

import numpy as np
import pytest

from automarkerlabel.audit.distances import Distances, relative_size
from automarkerlabel.audit.handedness import Hands
from automarkerlabel.audit.pose import compared
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.simulate.dataset import NamedMotion, simulate, worn_set

# Five pairs of left and right (mm, mirrored at y = 0 but for a little) and three in the middle.
LEFT = np.array([(0, 150, 1400), (60, 210, 1200), (-40, 190, 1010), (30, 120, 900), (90, 160, 640)], np.float64)
POSE = np.concatenate([LEFT, LEFT * (1, -1, 1) + (4, 2, -3), [(100, 5, 1300), (-90, -4, 1350), (-70, 3, 950)]])
PAIRS = np.stack([np.arange(5), np.arange(5, 10)], 1)
HERE = np.arange(len(POSE))
UNKNOWN = np.zeros((len(POSE), len(POSE)), np.bool_)


def motion(pose=POSE, n_moments: int = 60):
    """`(n_moments, n_labels, 3)`: the pose turned about the upright axis as it walks, with 0.5 mm of noise."""
    angle = np.linspace(0, 2, n_moments)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([c, -s, 0 * c], 1), np.stack([s, c, 0 * c], 1), np.tile([0.0, 0, 1], (n_moments, 1))], 1)
    points = np.einsum("tij,nj->tni", turn, pose) + np.arange(n_moments)[:, None, None] * np.array([20.0, 0, 0])
    return (points + np.random.default_rng(0).normal(0, 0.5, points.shape)).astype(np.float32)


def told(points, same=UNKNOWN):
    return compared(points, Distances.of_motion(points), POSE.astype(np.float32), PAIRS, same)


def exchanged(*pairs):
    source = HERE.copy()
    for a, b in pairs:
        source[[a, b]] = source[[b, a]]
    return source


def test_nothing_is_told_of_the_pose_itself():
    found = told(motion())
    np.testing.assert_array_equal(found.source, HERE)
    assert found.moved == () and not found.nats.any()


@pytest.mark.parametrize("pairs", [[(1, 2)], [(3, 12)], [(0, 5), (1, 6)], [(1, 6), (2, 7), (3, 8), (4, 9)]])
def test_exchanged_labels_are_told(pairs):
    source = exchanged(*pairs)
    found = told(motion()[:, source])
    np.testing.assert_array_equal(found.source, source)
    assert found.moved == () and (found.nats[source != HERE] > 0).all()


def test_the_name_of_an_absent_label_is_told():
    points = motion()
    points[:, 1], points[:, 2] = points[:, 2], np.nan
    found = told(points)
    np.testing.assert_array_equal(found.source, exchanged((1, 2)))
    assert found.moved == ()


@pytest.mark.parametrize("by", [(45, 0, 0), (0, -40, 30), (-20, 30, -40)])
def test_a_marker_put_elsewhere_is_told_with_how_far(by):
    pose = POSE.copy()
    pose[2] += by
    found = told(motion(pose))
    np.testing.assert_array_equal(found.source, HERE)
    (moved,) = found.moved
    assert moved.label == 2 and moved.by_mm == pytest.approx(np.linalg.norm(by), abs=3)
    there = np.linalg.norm(POSE[moved.mate] - POSE[2])
    assert moved.then_mm == pytest.approx(there, abs=0.1)
    assert moved.now_mm == pytest.approx(np.linalg.norm(POSE[moved.mate] - pose[2]), abs=2)


def test_segments_tell_who_moved_where_a_joint_moved_others():
    # Nine are one segment; the other four are beyond a joint that took them 40 mm down, and 2 was put elsewhere.
    one = (HERE % 5 < 3) | (HERE >= 10)
    pose = POSE.copy()
    pose[~one] += (0, 0, -40)
    pose[2] += (45, 0, 0)
    (moved,) = told(motion(pose), one[:, None] == one).moved
    assert moved.label == 2 and moved.by_mm == pytest.approx(45, abs=4)
    assert 2 not in {m.label for m in told(motion(pose)).moved}  # not known: others are blamed


def test_hands_speak_for_the_right_side():
    hands = Hands(motion(), POSE.astype(np.float32))
    assert hands.nats(HERE) == pytest.approx(3.0 * len(POSE), abs=1)  # nearly all of them agree
    mirrored = exchanged(*PAIRS.tolist())
    assert hands.nats(mirrored) < 0
    assert hands.nats(exchanged(*PAIRS[:2].tolist())) < hands.nats(HERE) - 5


def test_hands_of_points_that_are_hidden_say_nothing():
    points = motion()
    points[:, 3:] = np.nan
    assert Hands(points, POSE.astype(np.float32)).nats(HERE) == 0.0


def test_no_marker_is_told_to_be_elsewhere_twice():
    """A simulated walk in which two places of one marker are as good: it was moved to and fro between them."""
    worn = worn_set("hbm")
    walk, static = (simulate(worn, NamedMotion(m, m), s, 3.0, 100.0, 8) for m, s in (("walk", 908), ("static", 909)))
    reference = reference_from_trial(static)
    columns = dict(labelled_columns(walk))
    points = np.full((30, len(reference.labels), 3), np.nan, np.float32)
    for n, label in enumerate(reference.labels):
        if label in columns:
            points[:, n] = walk.positions[::10, columns[label]][:30]
    own = Distances.of_motion(points)
    pose = reference.positions * np.float32(relative_size(own, reference.positions))
    unknown = np.zeros((len(pose), len(pose)), np.bool_)
    moved = [m.label for m in compared(points, own, pose, np.zeros((0, 2), np.int64), unknown).moved]
    assert moved and len(set(moved)) == len(moved)
