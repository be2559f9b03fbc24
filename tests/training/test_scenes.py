import numpy as np
import pytest

from automarkerlabel.core.marker_set import MarkerSet, in_label_order
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.training.scenes import SceneSampler, mirrors
from automarkerlabel.training.settings import NO_AUGMENTATION, Augmentation
from tests.fixtures.figure import FIGURE, figure_trial

SET = MarkerSet(list(FIGURE))
WINDOWS = WindowConfig(n_neighbours=7)


def sampler(augmentation=NO_AUGMENTATION, trials=None, marker_set=SET):
    return SceneSampler(trials or [figure_trial()], marker_set, WINDOWS, augmentation)


def test_points_in_the_order_of_the_set_with_gaps_for_what_is_absent():
    trial = Trial(np.array([[[1, 1, 1], [2, 2, 2]]]), ["B", "A"], 100)
    points = in_label_order(trial, MarkerSet(["A", "X", "B"]))
    assert points[0, :, 0].tolist()[::2] == [2, 1]
    assert np.isnan(points[0, 1]).all()


def test_a_scene_gives_a_window_for_each_trajectory():
    batch = sampler().draw(3, np.random.default_rng(0))
    assert sorted(batch.target.tolist()) == sorted(list(range(8)) * 3)
    assert batch.mask.all()
    # The hand's nearest other point, 0.2 mm of noise apart, is where the figure has it, whatever the swing.
    toes = batch.features[batch.target == 6][:, 0, :, 3]
    assert toes.min() == pytest.approx(240, abs=2)  # from toe to toe


def test_a_forecast_is_the_way_against_the_neighbours_to_the_sample_after_the_window():
    # All stand; of eight points the head alone rises, 3 mm a frame at 60 Hz.
    points = np.tile(np.array(list(FIGURE.values()), np.float32), (60, 1, 1))
    points[:, 0, 2] += 3 * np.arange(60)
    trial = Trial(points, list(FIGURE), 60)
    plain = SceneSampler([trial], SET, WINDOWS, NO_AUGMENTATION).draw(6, np.random.default_rng(0))
    assert plain.ahead.shape == (len(plain), 0)
    batch = SceneSampler([trial], SET, WINDOWS, NO_AUGMENTATION, forecast=True).draw(20, np.random.default_rng(0))
    assert batch.features.shape[1] == batch.mask.shape[1] == WINDOWS.n_samples
    seen = np.isfinite(batch.ahead).all(1)
    assert 0.5 < seen.mean() <= 1  # scenes at the end of the trial have no next sample
    of_head = seen & (batch.target == 0)
    np.testing.assert_allclose(batch.ahead[of_head], [[0, 0, 180]] * of_head.sum(), atol=0.01)
    # To each of the others the head is one of seven neighbours.
    np.testing.assert_allclose(batch.ahead[seen & (batch.target != 0)][:, 2], -180 / 7, atol=0.01)


def test_the_ways_of_ghosts_and_of_hidden_markers_are_not_forecast():
    drawn = SceneSampler([figure_trial()], SET, WINDOWS, Augmentation(), forecast=True)
    batch = drawn.draw(30, np.random.default_rng(0))
    seen = np.isfinite(batch.ahead).all(1)
    assert not seen[batch.target == len(SET)].any()
    assert 0.3 < seen[batch.target < len(SET)].mean() < 1
    assert batch.mask[seen].any(1).all()


def test_the_same_seed_draws_the_same():
    a, b = (sampler(Augmentation()).draw(4, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(a.features, b.features)
    np.testing.assert_array_equal(a.target, b.target)


def test_batches_have_the_size_asked_for():
    batches = list(sampler(Augmentation()).batches(50, 7, np.random.default_rng(0)))
    assert [len(b) for b in batches] == [50] * 7
    assert all(np.isfinite(b.features).all() and b.mask[:, 0].all() for b in batches)


def test_ghosts_are_windows_without_a_label():
    batch = sampler(Augmentation(ghosts=4)).draw(40, np.random.default_rng(0))
    share = (batch.target == len(SET)).mean()
    assert 0.05 < share < 0.3


def test_cut_markers_keep_their_label_in_both_columns():
    only_cuts = Augmentation(0, 0, 0, 0, hidden=0, occluded=0, cut=0.5, ghosts=0)
    batch = sampler(only_cuts).draw(30, np.random.default_rng(0))
    assert len(batch) > 8 * 30
    total = np.bincount(batch.target, batch.mask.sum(1), minlength=8)
    assert total.tolist() == [30 * WINDOWS.n_samples] * 8  # not a sample is lost or doubled


def test_a_symmetric_figure_is_mirrored_and_an_unequal_one_is_not():
    points = in_label_order(figure_trial(), SET)
    assert mirrors([points], SET)
    crooked = points.copy()
    crooked[:, [1, 6]] += np.array([300, 0, 600], np.float32)
    crooked[:, 3] -= np.array([400, 0, 0], np.float32)
    assert not mirrors([crooked], SET)
    assert not mirrors([points], MarkerSet(list(FIGURE), pairs=()))


def test_mirror_images_are_true_to_the_figure():
    always = Augmentation(0, 1.0, 0, 0, hidden=0, occluded=0, cut=0, ghosts=0)
    mirrored = sampler(always).draw(20, np.random.default_rng(0))
    plain = sampler().draw(20, np.random.default_rng(0))
    for label in (1, 2, 6, 7):  # the others have two neighbours equally far
        a = mirrored.features[mirrored.target == label][:, 0, :, :3].mean(0)
        b = plain.features[plain.target == label][:, 0, :, :3].mean(0)
        np.testing.assert_allclose(a[:2], b[:2], atol=25)  # as in life, but for the swing of the hands


def test_a_one_sided_label_leaves_mirrored_scenes():
    names = [*FIGURE, "LTHI"]
    trial = figure_trial()
    thigh = np.tile(np.array([60.0, 160.0, 700.0], np.float32), (120, 1, 1))
    thigh[:, 0, 0] += trial.positions[:, 5, 0] + 110
    trial = Trial(np.concatenate([trial.positions, thigh], 1), names, 60)
    marker_set = MarkerSet(names)
    always = Augmentation(0, 1.0, 0, 0, hidden=0, occluded=0, cut=0, ghosts=0)
    drawn = sampler(always, [trial], marker_set).draw(10, np.random.default_rng(0))
    assert 8 not in drawn.target
    assert {0, 5} <= set(drawn.target.tolist())  # the middle ones stay


def test_trials_shorter_than_a_window_are_learnt_from():
    batch = sampler(trials=[figure_trial(n_frames=5)]).draw(2, np.random.default_rng(0))
    assert batch.mask.sum(1).tolist() == [2] * 16  # frames 0 and 4 at a step of four


def test_trials_without_the_labels_are_refused():
    with pytest.raises(TrialError, match="marker set"):
        sampler(marker_set=MarkerSet(["X", "Y"]))
