"""Names of neighbours exchanged throughout, told by distances; the body's distances stand in the poses below."""

import numpy as np
import pytest

from automarkerlabel.audit.distances import Distances, apart
from automarkerlabel.labellers.matcher.evidence import put_right
from automarkerlabel.labellers.matcher.permuted import permuted, strangeness
from automarkerlabel.labellers.matcher.windows import MatchWindows

# Two arms of a ring each: elbow, two of the wrist, two of the hand; a trunk of four. No two distances agree.
ARM = np.array([[0, 0, 0], [30, 20, -240], [-25, 15, -255], [35, -10, -320], [-30, -5, -345]], np.float32)
TRUNK = np.array([[90, 0, 250], [-100, 20, 200], [0, 130, 330], [10, -150, 320]], np.float32)
HERE, THERE, OTHER_SIDE = np.array([[0, 250, 0], [0, -260, 10], [1.1, -1, 0.95]])
POSE = np.concatenate([ARM + HERE, ARM * OTHER_SIDE + THERE, TRUNK]).astype(np.float32)
LEFT, RIGHT = np.arange(5), np.arange(5, 10)
NO_PRIOR = np.zeros((len(POSE), len(POSE)))


def moving(seed: int = 0, n: int = 60, noise: float = 0.5) -> np.ndarray:
    """`(n, 14, 3)`: the arms turn about their elbows, both hands coming together in front; the trunk stands."""
    rng = np.random.default_rng(seed)
    points = np.repeat(POSE[None], n, 0)
    for arm, sign in ((LEFT, -1.0), (RIGHT, 1.0)):
        for k in range(n):
            a = sign * (0.6 + 0.2 * np.sin(k / 9))
            turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
            points[k, arm] = (POSE[arm] - POSE[arm[0]]) @ turn.T + POSE[arm[0]]
    return (points + rng.normal(0, noise, points.shape)).astype(np.float32)


def test_right_names_stay():
    source, nats = permuted(moving(), POSE, NO_PRIOR)
    assert source.tolist() == list(range(len(POSE))) and nats == 0


@pytest.mark.parametrize("ring", [(1, 2), (1, 3), (2, 4, 3), (1, 2, 3, 4), (0, 1, 2, 3, 4), (10, 11), (6, 8, 9)])
@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_a_ring_moved_on_by_one_is_moved_back_though_something_else_speaks_for_it(ring, prior):
    wrong = np.arange(len(POSE))
    wrong[list(ring)] = np.roll(ring, 1)  # label ring[k] has the points of the label before
    against = np.zeros_like(NO_PRIOR)
    against[list(ring), np.roll(ring, -1)] = prior  # the points that ring[k] has in truth carry the next name now
    source, nats = permuted(moving()[:, wrong], POSE, against)
    assert wrong[source].tolist() == list(range(len(POSE)))
    assert nats > 10


def test_a_row_moved_on_whose_last_is_left_over_is_moved_back():
    places = moving()
    places[:, 1:5] = places[:, 0:4].copy()  # elbow's points carry the first wrist's name, and so on
    places[:, 0] = np.nan
    source, _ = permuted(places, POSE, NO_PRIOR)
    assert source[:4].tolist() == [1, 2, 3, 4]


def test_another_persons_distances_count_as_little_as_they_fit():
    rng = np.random.default_rng(1)
    other = (POSE + rng.normal(0, 12, POSE.shape)).astype(np.float32)
    own = Distances.of_motion(moving())
    assert strangeness(own, apart(POSE)) < 1 < 5 < strangeness(own, apart(other))
    source, nats = permuted(moving(), other, NO_PRIOR)
    assert source.tolist() == list(range(len(POSE))) and nats == 0


def test_evidence_is_renamed_with_the_labels():
    """The network takes the four of the left hand and wrist for one another, in a ring, in every window."""
    places, ring = moving(n=20), np.array([1, 2, 3, 4])
    n = len(POSE)
    called = np.arange(n)
    called[ring] = np.roll(ring, 1)  # what the network calls each point
    log_probs = np.full((20, n, n + 1), -5.0)
    log_probs[:, np.arange(n), called] = -0.1
    positions = np.repeat(places[:, None], 5, 1)
    windows = MatchWindows(np.tile(np.arange(n), (20, 1)), positions, np.arange(20) * 10, 0.1, 100.0)
    found = put_right(windows, log_probs, called, POSE)
    assert found is not None
    renamed, assigned = found
    assert assigned.tolist() == list(range(n))
    assert (renamed[..., :-1].argmax(2) == np.arange(n)).all()
    right = np.full((20, n, n + 1), -5.0)
    right[:, np.arange(n), np.arange(n)] = -0.1
    assert put_right(windows, right, np.arange(n), POSE) is None
