import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.core import tracklets
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.models import inputs
from automarkerlabel.models.inputs import FEATURES, cut_windows, gather, neighbour_features, next_step
from tests.fixtures.figure import figure_trial

X, Y, Z, DISTANCE, SPEED, ACCELERATION, SEEN = range(len(FEATURES))


def features_of(trial, n_neighbours=7, config=None):
    config = config or WindowConfig(rate_hz=15, n_samples=8, n_neighbours=n_neighbours)
    windows = cut_windows(trial.visible, tracklets.split(trial), trial.rate_hz, config)
    rate = trial.rate_hz / config.step(trial.rate_hz)
    return windows, *neighbour_features(gather(trial.positions, windows), windows.column, rate, config.n_neighbours)


def test_windows_cover_a_tracklet_from_end_to_end():
    visible = np.ones((100, 1), bool)
    windows = cut_windows(visible, [Tracklet(0, 0, 100)], 60, WindowConfig(rate_hz=15, n_samples=8))
    # 8 samples 4 frames apart: 32 frames a window, so four windows over 100 frames.
    assert windows.frames[0].tolist() == [0, 4, 8, 12, 16, 20, 24, 28]
    assert windows.spans()[:, 0].tolist() == [0, 23, 45, 68]
    assert windows.mask.all()


def test_samples_in_a_gap_are_left_out_and_a_window_never_stays_empty():
    visible = np.ones((40, 1), bool)
    visible[5:35] = False
    windows = cut_windows(visible, [Tracklet(0, 0, 40)], 60, WindowConfig(rate_hz=15, n_samples=4))
    assert windows.frames.tolist()[0] == [0, 4, -1, -1]
    assert all(row[0] >= 0 for row in windows.frames.tolist())
    assert windows.frames.tolist()[1][0] in (4, 35)  # the visible frames nearest to a window that fell into the gap


def test_a_slow_file_keeps_its_own_rate():
    windows = cut_windows(np.ones((4, 1), bool), [Tracklet(0, 0, 4)], 10, WindowConfig(rate_hz=30, n_samples=4))
    assert windows.frames.tolist() == [[0, 1, 2, 3]]


def test_neighbours_come_by_distance_with_values_derived_by_hand():
    # A point at rest, one 300 mm away at rest, one 100 mm above that rises at 60 mm/s.
    points = np.zeros((1, 4, 3, 3), np.float32)
    points[0, :, 1] = [0, 300, 0]
    points[0, :, 2, 2] = 100 + 6.0 * np.arange(4)
    values, columns = neighbour_features(points, np.array([0]), 10.0, 3)
    assert columns.tolist() == [[2, 1, -1]]
    np.testing.assert_allclose(values[0, :, 0, Z], [100, 106, 112, 118])
    np.testing.assert_allclose(values[0, :, 0, SPEED], 60, rtol=1e-4)
    np.testing.assert_allclose(values[0, :, 0, ACCELERATION], 0, atol=1e-2)
    # The middle of the neighbours lies towards the second point: it is straight ahead, on +x.
    np.testing.assert_allclose(values[0, 0, 1, :4], [300, 0, 0, 300], atol=1e-4)
    assert (values[0, :, 2] == 0).all()


def test_the_next_step_is_told_against_the_neighbours_in_the_axes_of_the_window():
    # The middle of the neighbours lies on +y of the room, which is +x of the window. To the next sample, 0.1 s later,
    # all go 50 mm along x of the room; the point itself goes 5 mm further along y, one of two neighbours 4 mm up.
    points = np.zeros((1, 3, 3, 3), np.float32)
    points[0, :, 1], points[0, :, 2] = [100, 300, 0], [-100, 300, 0]
    pair = points[:, 1:].copy()
    pair[0, 1] += np.array([[50, 5, 0], [50, 0, 4], [50, 0, 0]], np.float32)
    found = next_step(points, pair, np.array([0]), np.array([[1, 2, -1]]), np.array([10.0], np.float32))
    np.testing.assert_allclose(found, [[50, 0, -20]], atol=1e-4)  # mm/s


@pytest.mark.parametrize("hidden", [np.s_[0, 0, 0], np.s_[0, 1, 0], np.s_[0, 1, 1:], np.s_[0, 0, 1:]])
def test_a_next_step_that_is_not_seen_is_no_number(hidden):
    points = np.random.default_rng(0).normal(0, 100, (1, 3, 3, 3)).astype(np.float32)
    pair = points[:, 1:].copy()
    pair[hidden] = np.nan
    found = next_step(points, pair, np.array([0]), np.array([[1, 2]]), np.array([10.0], np.float32))
    assert np.isnan(found).all()


def test_a_hidden_neighbour_is_zero_and_unseen():
    points = np.zeros((1, 2, 2, 3), np.float32)
    points[0, :, 1, 0] = 50
    points[0, 1, 1] = np.nan
    values, _ = neighbour_features(points, np.array([0]), 10.0, 1)
    assert values[0, :, 0, SEEN].tolist() == [1, 0]
    assert (values[0, 1] == 0).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(-180, 180))
def test_turning_the_trial_about_the_vertical_changes_nothing(angle):
    _, straight, _ = features_of(figure_trial())
    _, turned, _ = features_of(figure_trial(turn_deg=angle))
    np.testing.assert_allclose(turned, straight, atol=0.5, rtol=2e-3)


def test_moving_the_trial_changes_nothing(figure):
    moved = type(figure)(figure.positions + np.float32(1000), figure.labels, figure.rate_hz)
    np.testing.assert_allclose(features_of(moved)[1], features_of(figure)[1], atol=0.5, rtol=2e-3)


def test_order_of_columns_does_not_matter(figure):
    order = np.array([3, 1, 4, 0, 7, 5, 6, 2])
    shuffled = type(figure)(figure.positions[:, order], [figure.labels[i] for i in order], figure.rate_hz)
    windows, values, columns = features_of(figure)
    windows_2, values_2, columns_2 = features_of(shuffled)
    for new, old in enumerate(order):
        np.testing.assert_array_equal(values[windows.column == old], values_2[windows_2.column == new])
        np.testing.assert_array_equal(columns[windows.column == old], order[columns_2[windows_2.column == new]])


def test_left_and_right_differ_in_the_sign_of_y_alone(figure):
    quiet = np.tile(figure.positions[:1], (120, 1, 1))
    quiet[:, 4] = quiet[:, 3] * np.array([1, -1, 1], np.float32)  # the noise apart, an exact mirror image
    for left, right in ((1, 2), (6, 7)):
        quiet[:, right] = quiet[:, left] * np.array([1, -1, 1], np.float32)
    quiet[:, [0, 5], 1] = 0
    windows, values, _ = features_of(type(figure)(quiet, figure.labels, 60))
    left, right = values[windows.column == 6], values[windows.column == 7]
    np.testing.assert_allclose(left * np.array([1, -1, 1, 1, 1, 1, 1]), right, atol=1e-2)
    assert np.abs(left[..., Y]).max() > 50


def test_scale_is_the_root_mean_square():
    values = np.zeros((1, 1, 2, len(FEATURES)), np.float32)
    values[0, 0, 0] = [3, 4, 0, 5, 2, 8, 1]
    scale = inputs.feature_scale(values)
    assert scale[:3] == pytest.approx([np.sqrt(25 / 3)] * 3)
    assert scale[3:].tolist() == [5, 2, 8, 1]


def test_encoding_has_the_width_it_says(figure):
    config = WindowConfig(n_neighbours=5)
    _, values, _ = features_of(figure, config=config)
    encoded = inputs.encode(values, inputs.UNIT_SCALE)
    assert encoded.shape == (len(values), config.n_samples, inputs.n_inputs(config))
    assert np.isfinite(encoded).all()
