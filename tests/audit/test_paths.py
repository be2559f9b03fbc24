"""Two markers side by side walk straight on; then one label has the points of the other, which is hidden."""

import numpy as np

from automarkerlabel.audit.paths import Kinks

START, STOP = 20, 40
TAKES = ((0,), (1,))  # the points of label 0 are those of label 1


def straight(n_frames: int = 60):
    """`(n_frames, 3 labels, 3)`: 10 mm a frame, 80 mm apart, with 0.2 mm of noise."""
    points = np.zeros((n_frames, 3, 3))
    points[..., 0] = 10.0 * np.arange(n_frames)[:, None]
    points[..., 1] = 80.0 * np.arange(3)
    return (points + np.random.default_rng(0).normal(0, 0.2, points.shape)).astype(np.float32)


def taken():
    points = straight()
    points[START:STOP, 0] = points[START:STOP, 1]
    points[START:STOP, 1] = np.nan
    return points


def test_straight_paths_are_taken_up_by_none():
    assert list(Kinks(straight(), 100.0).taken_up()) == []


def test_a_gap_beside_a_path_that_goes_on_is_none_either():
    points = straight()
    points[START:STOP, 1] = np.nan
    assert list(Kinks(points, 100.0).taken_up()) == []


def test_a_path_is_taken_up_where_the_other_label_ceases_and_given_back_where_it_returns():
    found = list(Kinks(taken(), 100.0).taken_up())
    assert {x for x, _ in found} == {TAKES}
    assert len(found) == 2 and all(nats > 4 for _, nats in found)


def test_changes_are_likeliest_in_their_frames():
    on, off = Kinks(taken(), 100.0).for_change(TAKES)
    assert int(on.argmax()) == START and int(off.argmax()) == STOP
    assert on[START] > 12 and off[STOP] > 12  # the leap, and the other label gone at once
    assert on[STOP] < 4 and off[START] < 4
