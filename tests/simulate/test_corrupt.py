import numpy as np
import pytest

from automarkerlabel.core.trial import Trial, runs
from automarkerlabel.errors import TrialError
from automarkerlabel.simulate.corrupt import SOMA_SETTINGS, Case, Corruption, labelled, make_case, make_soma_case

N_FRAMES, N_MARKERS = 400, 12
NOTHING = Corruption(cuts=0, occlude=0, ghosts=0, swaps=0, rotate=False)


def uniform_trial(extra_labels=()):
    """Marker m stands 100 mm from the next along x; all go 1 mm a frame along y, at 1 m height."""
    frame = np.arange(N_FRAMES, dtype=np.float32)
    positions = np.zeros((N_FRAMES, N_MARKERS, 3), np.float32)
    positions[..., 0] = 100 * np.arange(N_MARKERS)
    positions[..., 1] = frame[:, None]
    positions[..., 2] = 1000
    labels = [f"M{chr(65 + m)}" for m in range(N_MARKERS - len(extra_labels))]
    return Trial(positions, [*labels, *extra_labels], 100.0, first_frame=7)


def marker_at(case):
    """The marker whose place each visible point is at, told by its x, as a grid of -1 where hidden."""
    x = case.trial.positions[..., 0]
    return np.where(np.isnan(x), -1, np.round(np.nan_to_num(x) / 100)).astype(int)


def same(a: Case, b: Case) -> bool:
    return np.array_equal(a.trial.positions, b.trial.positions, equal_nan=True) and np.array_equal(a.truth, b.truth)


def test_nothing_but_names_and_order_is_lost_without_corruption():
    case = make_case(uniform_trial(), NOTHING)
    assert case.trial.labels == tuple(f"*{n}" for n in range(N_MARKERS))
    assert (case.trial.rate_hz, case.trial.first_frame) == (100.0, 7)
    assert np.array_equal(case.truth, marker_at(case))
    order = case.truth[0]
    assert sorted(order) == list(range(N_MARKERS)) and list(order) != sorted(order)
    assert np.array_equal(case.trial.positions, uniform_trial().positions[:, order])


def test_truth_follows_every_point_through_cuts_gaps_and_swaps():
    case = make_case(uniform_trial(), Corruption(ghosts=0, rotate=False))
    visible = case.trial.visible
    assert np.array_equal(case.truth, marker_at(case))
    assert case.trial.n_columns > N_MARKERS + 30
    # No label stands twice in a frame: a sorted frame without hidden points has no equal neighbours.
    ordered = np.sort(np.where(visible, case.truth, 1000 + np.arange(case.trial.n_columns)), axis=1)
    assert (np.diff(ordered, axis=1) > 0).all()
    assert all(len(runs(visible[:, c])) == 1 for c in range(case.trial.n_columns))
    assert visible.sum() / (N_FRAMES * N_MARKERS) == pytest.approx(0.95, abs=0.011)


def test_cuts_end_a_column_and_begin_another_without_a_gap():
    case = make_case(uniform_trial(), Corruption(cuts=20, occlude=0, ghosts=0, swaps=0, rotate=False))
    assert N_MARKERS + 15 < case.trial.n_columns <= N_MARKERS + 20
    assert case.trial.visible.sum() == N_FRAMES * N_MARKERS


def test_swaps_exchange_identities_at_the_frame_they_name():
    case = make_case(uniform_trial(), Corruption(cuts=0, occlude=0, ghosts=0, swaps=4, rotate=False))
    assert case.swaps.shape == (4, 3) and len(set(case.swaps[:, :2].ravel())) == 8
    for a, b, frame in case.swaps:
        first, second = case.truth[0, a], case.truth[0, b]
        assert abs(first - second) == 1  # 100 mm apart; the next but one is not within 200 mm
        assert (case.truth[:frame, a] == first).all() and (case.truth[frame:, a] == second).all()
        assert (case.truth[:frame, b] == second).all() and (case.truth[frame:, b] == first).all()
        assert 15 <= frame < N_FRAMES - 15
    changed = np.flatnonzero((np.diff(case.truth, axis=0) != 0).any(0))
    assert set(changed) == set(case.swaps[:, :2].ravel())


def test_ghosts_are_short_and_have_no_label():
    case = make_case(uniform_trial(), Corruption(cuts=0, occlude=0, ghosts=3, swaps=0, rotate=False))
    ghosts = (case.truth < 0).all(0)
    lengths = case.trial.visible[:, ghosts].sum(0)
    assert ghosts.sum() == 40  # 3 * 400 / 30
    assert lengths.min() >= 8 and lengths.max() < 60
    steps = np.linalg.norm(np.diff(case.trial.positions[:, ghosts], axis=0), axis=2)
    assert np.nanmax(steps) < 3  # half the marker's 1 mm, and a drift of 0.3 mm an axis
    assert np.array_equal(case.truth[:, ~ghosts], marker_at(case)[:, ~ghosts])


def test_rotation_keeps_heights_and_distances():
    case = make_case(uniform_trial(), Corruption(cuts=0, occlude=0, ghosts=0, swaps=0, rotate=True))
    back = case.trial.positions[:, np.argsort(case.truth[0])]
    assert not np.allclose(back, uniform_trial().positions, atol=1)
    np.testing.assert_allclose(back[..., 2], 1000)
    np.testing.assert_allclose(np.linalg.norm(back[:, 3] - back[:, 8], axis=1), 500, atol=0.01)
    y = np.array([0, 1, 0]) @ (back[1, 0] - back[0, 0])  # a right-handed turn: y stays 90° left of x
    x = np.array([1, 0, 0]) @ (back[0, 1] - back[0, 0]) / 100
    assert y == pytest.approx(x, abs=1e-3)


def test_hidden_markers_are_nowhere():
    case = make_case(uniform_trial(), Corruption(hidden_markers=3))
    assert len(case.labels) == N_MARKERS
    assert len(set(np.unique(case.truth)) - {-1}) == N_MARKERS - 3
    with pytest.raises(TrialError, match="fewer than the 12"):
        make_case(uniform_trial(), Corruption(hidden_markers=12))


def test_the_seed_decides():
    trial = uniform_trial()
    assert same(make_case(trial, Corruption(seed=3)), make_case(trial, Corruption(seed=3)))
    assert not same(make_case(trial, Corruption(seed=3)), make_case(trial, Corruption(seed=4)))
    assert np.array_equal(trial.positions, uniform_trial().positions)


def test_labels_choose_and_order_what_truth_speaks_of():
    case = make_case(uniform_trial(extra_labels=("*3",)), NOTHING, ["MC", "absent", "MA"])
    assert case.labels == ("MC", "absent", "MA")
    assert case.trial.n_columns == 2
    assert np.array_equal(np.array([2, -1, 0])[case.truth], marker_at(case))
    assert make_case(uniform_trial(extra_labels=("*3",)), NOTHING).trial.n_columns == N_MARKERS - 1
    with pytest.raises(TrialError, match="columns named by the labels"):
        make_case(uniform_trial(), NOTHING, ["other"])


def test_hidden_points_of_the_source_stay_hidden():
    positions = uniform_trial().positions.copy()
    positions[100:200, 4] = np.nan
    positions[:, 5] = np.nan
    case = make_case(Trial(positions, uniform_trial().labels, 100.0), NOTHING)
    assert case.trial.n_columns == N_MARKERS  # one without points, one in two parts
    assert not (case.truth[100:200] == 4).any() and not (case.truth == 5).any()
    assert ((case.truth == 4).sum(1) == np.r_[np.ones(100), np.zeros(100), np.ones(200)]).all()


@pytest.mark.parametrize("n_frames", [1, 2, 5, 11])
def test_short_trials_and_all_of_it(n_frames):
    trial = uniform_trial()
    short = Trial(trial.positions[:n_frames], trial.labels, 100.0)
    case = make_case(short, Corruption())
    assert case.trial.n_frames == n_frames and len(case.swaps) == 0
    assert make_soma_case(short, 5, 3, 50).trial.n_frames == n_frames


@pytest.mark.parametrize("wrong", [{"cuts": -1}, {"occlude": 1.0}, {"ghosts": -0.5}, {"seed": -1}, {"ghosts": np.inf}])
def test_impossible_corruption_is_refused(wrong):
    with pytest.raises(TrialError, match="corruption: expected"):
        Corruption(**wrong)


def test_soma_occlusions_hide_0_to_4_of_each_frame():
    case = make_soma_case(uniform_trial(), 5, 0, 0)
    hidden = N_MARKERS - case.trial.visible.sum(1)
    assert set(hidden) == {0, 1, 2, 3, 4}
    assert hidden.mean() == pytest.approx(2, abs=0.3)
    assert np.array_equal(case.truth, marker_at(case))


def test_soma_ghosts_share_columns_and_scatter_like_the_markers():
    case = make_soma_case(uniform_trial(), 0, 3, 0)
    ghosts = (case.truth < 0).all(0)
    assert ghosts.sum() == 3
    assert case.trial.visible[:, ghosts].sum(1).mean() == pytest.approx(2.1, abs=0.15)
    scatter = (
        case.trial.positions[:, ghosts] - np.array([550, 0, 1000]) - np.arange(N_FRAMES)[:, None, None] * [0, 1, 0]
    )
    assert np.nanstd(scatter[..., 0]) == pytest.approx(345, abs=35)  # 100 mm times the deviation of 0 .. 11
    assert np.nanmax(np.abs(scatter[..., 1:])) < 0.01


def test_soma_breaks_go_on_in_new_columns():
    case = make_soma_case(uniform_trial(), 0, 0, 50)
    assert case.trial.n_columns == N_MARKERS + 50
    assert case.trial.visible.sum() == N_FRAMES * N_MARKERS
    assert np.array_equal(case.truth, marker_at(case))


def test_soma_settings_are_its_five():
    assert SOMA_SETTINGS == ((0, 0, 0), (5, 0, 0), (0, 3, 0), (5, 3, 0), (5, 3, 50))
    for setting in SOMA_SETTINGS:
        assert same(make_soma_case(uniform_trial(), *setting, 1), make_soma_case(uniform_trial(), *setting, 1))
    with pytest.raises(TrialError, match="counts of 0 or more"):
        make_soma_case(uniform_trial(), -1, 0, 0)


def test_labelled_gives_every_point_its_true_name():
    case = make_case(uniform_trial(), Corruption(rotate=False, hidden_markers=1))
    trial = labelled(case)
    absent = (set(range(N_MARKERS)) - set(case.truth.ravel())).pop()
    names = [name for m, name in enumerate(case.labels) if m != absent]
    assert list(trial.labels[: N_MARKERS - 1]) == names
    assert all(name == f"*{n}" for n, name in enumerate(trial.labels[N_MARKERS - 1 :]))
    assert trial.visible.sum() == case.trial.visible.sum()
    place = 100 * np.array([m for m in range(N_MARKERS) if m != absent])
    shown = trial.visible[:, : N_MARKERS - 1]
    off = np.abs(trial.positions[:, : N_MARKERS - 1, 0] - place)
    assert (off[shown] < 0.01).all()
