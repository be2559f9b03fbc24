"""The predecessor's files and network: read safely, its own numbers reproduced."""

import io
import math
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import AutoMarkerLabelError, FileFormatError, InputError, ModelError, TrialError
from automarkerlabel.io.marker_sets.opensim import read_marker_set
from automarkerlabel.labellers.legacy import inputs
from automarkerlabel.labellers.legacy import model as legacy
from automarkerlabel.models.legacy_lstm import LegacyLstm, LegacyLstmConfig, config_of
from tests.fixtures.places import DATA as REAL

DATA = REAL / "clouthier2021"
MODEL = DATA / "legacy" / "model_2026-11-21.ckpt"
VALUES = DATA / "trainingvals_sim_add9_2020-09-15.pickle"
EXPECTED = DATA / "legacy" / "expected_S09_KneeltoRun02.npz"
needs_data = pytest.mark.skipif(not EXPECTED.exists(), reason="shared data not there")

LABELS = ("A", "B", "C", "D")
SMALL = LegacyLstmConfig(n_features=15, n_labels=4, max_len=140, n_cells=8, n_hidden=6)
SET = MarkerSet(LABELS, segments=("arm", "arm", "leg", "leg"), name="small")


def small_network(seed: int = 0) -> LegacyLstm:
    torch.manual_seed(seed)
    network = LegacyLstm(SMALL).eval()
    network.fc[1].running_mean.uniform_(-1, 1)
    network.fc[1].running_var.uniform_(0.5, 2)
    return network


def small_model() -> legacy.LegacyModel:
    return legacy.LegacyModel(asdict(SMALL) | {"scale": [100.0, 1.0, 0.1]}, small_network().state_dict(), SET)


def put_model(tmp_path: Path, content: Any = None) -> Path:
    torch.save(small_network().state_dict() if content is None else content, tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


def walk(n_frames: int = 150, n_columns: int = 5) -> Trial:
    """Points that drift apart slowly, all seen."""
    rng = np.random.default_rng(0)
    start, speed = rng.uniform(-500, 500, (n_columns, 3)), rng.uniform(-1, 1, (n_columns, 3))
    positions = start + speed * np.arange(n_frames)[:, None, None]
    return Trial(positions.astype(np.float32), ["" for _ in range(n_columns)], 240)


# The network.


def test_predict_is_forward_without_training() -> None:
    network = small_network()
    lengths = torch.tensor([140, 120, 120, 5, 3])
    windows = torch.randn(5, 140, 15)
    for n, length in enumerate(lengths.tolist()):
        windows[n, length:] = 0
    with torch.no_grad():
        wanted = network(windows, lengths).log_softmax(1)
    for mode in (True, False):
        found = network.train(mode).predict(windows.transpose(0, 1), lengths)
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


def test_predict_wants_the_longest_first() -> None:
    with pytest.raises(ValueError, match="descending"):
        small_network().predict(torch.zeros(4, 2, 15), torch.tensor([3, 4]))


def test_the_config_is_told_by_the_shapes() -> None:
    state = small_network().state_dict()
    assert config_of(state) == SMALL
    with pytest.raises(ValueError, match="no matrix lstm"):
        config_of({})
    with pytest.raises(ValueError, match=r"fc.3.bias of shape \(3,\) instead of \(4,\)"):
        config_of(state | {"fc.3.bias": torch.zeros(3)})
    with pytest.raises(ValueError, match="extra of shape"):
        config_of(state | {"extra": torch.zeros(3)})


# Preparation.


def visible_path(*frames: int, n: int = 100) -> np.ndarray:
    seen = np.zeros(n, np.bool_)
    seen[list(frames)] = True
    return seen


def test_columns_are_cut_where_another_point_was_nearer_or_the_gap_is_long() -> None:
    positions = np.zeros((200, 2, 3), np.float32)
    positions[:, 1, 0] = 100  # stands 100 mm from where column 0 is
    positions[10:20, 0] = np.nan
    positions[20:, 0, 1] = 99  # comes back 99 mm away: the other was farther
    positions[30:32, 0] = np.nan
    positions[32:, 0, 1] = 99 + 101  # now 101 mm, and the other was sqrt(100² + 99²) away
    positions[40:45, 0] = np.nan
    positions[45:, 0, 1] = 600  # 400 mm: farther than the other
    positions[50:110, 0] = np.nan  # 60 frames
    positions[112:171, 0] = np.nan  # 59 frames
    trial = Trial(positions, ["", ""], 100)
    found = [(p.column, p.start, p.stop) for p in inputs.cut(trial)]
    assert found == [(0, 0, 40), (0, 45, 50), (0, 110, 200), (1, 0, 200)]
    assert [inputs.long_enough(p) for p in inputs.cut(Trial(positions[:2], ["", ""], 100))] == [False] * 2


def test_a_lone_column_is_cut_only_at_long_gaps() -> None:
    positions = np.zeros((200, 2, 3), np.float32)
    positions[:, 1] = np.nan
    positions[10:20, 0] = np.nan
    positions[20:, 0] = 1e4
    positions[50:150, 0] = np.nan
    assert [(p.start, p.stop) for p in inputs.cut(Trial(positions, ["", ""], 100))] == [(0, 50), (150, 200)]


def test_computed_columns_are_neither_cut_nor_neighbours() -> None:
    positions = np.zeros((50, 2, 3), np.float32)
    positions[10:20, 0] = np.nan
    positions[20:, 0] = 10
    trial = Trial(positions, ["A", "LHJC"], 100, computed=frozenset({1}))
    assert [(p.column, p.start, p.stop) for p in inputs.cut(trial)] == [(0, 0, 50)]


def test_gaps_are_begun_to_be_filled_and_constants_stay() -> None:
    positions = np.full((60, 2, 3), 7, np.float32)
    positions[:5, 0] = np.nan  # before the first
    positions[10:14, 0] = np.nan  # filled whole
    positions[20:26, 0] = np.nan  # filled in its first four
    positions[55:, 0] = np.nan  # after the last
    positions[:, 1] = np.nan
    out = inputs.smooth(positions, 100)
    seen = ~np.isnan(out[..., 0])
    assert np.flatnonzero(~seen[:, 0]).tolist() == [0, 1, 2, 3, 4, 24, 25, 55, 56, 57, 58, 59]
    assert not seen[:, 1].any()
    np.testing.assert_allclose(out[seen], 7, rtol=1e-5)


def test_the_filter_halves_its_cutoff_twice_and_keeps_time() -> None:
    # Forward and back, a 6 Hz sine passes with 1/sqrt(2) twice, 1/2, and without delay.
    t = np.arange(2000) / 200
    wave = np.repeat(np.sin(2 * np.pi * 6 * t)[:, None, None], 3, 2).astype(np.float32)
    out = inputs.smooth(wave, 200)
    np.testing.assert_allclose(out[500:1500], wave[500:1500] / 2, atol=1e-3)


def test_short_trials_are_filtered_and_low_rates_refused() -> None:
    assert np.isfinite(inputs.smooth(np.ones((1, 1, 3), np.float32), 100)).all()
    with pytest.raises(TrialError, match="more than 12 frames a second"):
        inputs.smooth(np.ones((10, 1, 3), np.float32), 12)


@pytest.mark.parametrize(
    ("run", "windows"),
    [
        (2, []),
        (3, [(0, 3)]),
        (131, [(0, 131)]),
        (132, [(0, 120), (120, 132)]),
        (251, [(0, 120), (120, 251)]),
        (252, [(0, 120), (120, 240), (240, 252)]),
    ],
)
def test_windows(run: int, windows: list[tuple[int, int]]) -> None:
    visible = np.zeros((300, 2), np.bool_)
    visible[:run, 0] = True
    visible[280:, 1] = True
    if run < 280:
        assert len(inputs.cut_windows(visible)) == 0  # nobody else is seen
    visible[:, 1] = True
    assert [tuple(w[1:]) for w in inputs.cut_windows(visible).tolist() if w[0] == 0] == windows


def test_neighbours_are_the_nearest_of_many_and_the_most_visible_of_few() -> None:
    points = torch.zeros(10, 8, 3)
    points[:, :, 0] = torch.tensor([0.0, 60, 10, 50, 20, 40, 30, 70])
    window = np.array([[0, 0, 10]])
    # Seven others are seen throughout, more than three labels: the two nearest.
    assert sorted(inputs.choose_neighbours(points, window, 2)[0].tolist()) == [2, 4]
    points[5:, 1:6] = torch.nan
    points[6:, 3] = points[5, 3] = 0
    # Two others are seen throughout, column 3 in all but none missing: three in all, no more than three labels.
    points[9, 3] = torch.nan
    assert inputs.choose_neighbours(points, window, 3)[0].tolist()[2] == 3


def test_the_input_of_a_window_by_hand() -> None:
    """Trajectory 0 rests at 0; 1 stands 10 mm up, 2 moves from 20 mm on with 1, then 2, then 3 mm a frame along x."""
    planes = torch.zeros(3, 4, 3)
    planes[2, :, 1] = 10
    planes[0, :, 2] = torch.tensor([20.0, 21, 23, 26])
    out = inputs.network_input(
        planes, torch.tensor([0]), torch.arange(4)[None], torch.tensor([[2, 1]]), [10.0, 2.0, 4.0]
    )[:, 0]
    nearer, farther = out[:, :5], out[:, 5:]
    np.testing.assert_allclose(nearer, [[0, 0, 1, 0, 0]] * 4)
    np.testing.assert_allclose(farther[:, 0], [2, 2.1, 2.3, 2.6])
    np.testing.assert_allclose(farther[:, 3], [0.5, 0.5, 1, 1.5])
    np.testing.assert_allclose(farther[:, 4], [0.25] * 4)


def test_a_hidden_neighbour_stands_at_the_mean_of_those_seen() -> None:
    planes = torch.zeros(3, 3, 4)
    planes[0, :, 1:] = torch.tensor([10.0, 30, torch.nan])
    out = inputs.network_input(
        planes, torch.tensor([0]), torch.arange(3)[None], torch.tensor([[1, 2, 3]]), [1.0, 1.0, 1.0]
    )
    assert out[0, 0, ::5].tolist() == [10, 20, 30]


# The model.


def test_scores_are_probabilities_of_every_tracklet() -> None:
    trial = walk()
    tracklets, scores = small_model().scores(trial)
    assert [(t.column, t.start, t.stop) for t in tracklets] == [(n, 0, 150) for n in range(5)]
    assert scores.tracklet.tolist() == [n for n in range(5) for _ in range(2)]
    assert scores.frames[:2].tolist() == [[0, 120], [120, 150]]
    np.testing.assert_allclose(np.exp(scores.log_probs).sum(1), 1, rtol=1e-5)
    # A uniform guess of five classes, after all are divided by 1 + 1/5.
    np.testing.assert_allclose(scores.log_probs[:, -1], math.log(0.2 / 1.2), rtol=1e-6)


def test_heading_turns_the_trial_about_z() -> None:
    trial = walk()
    turned = np.stack([-trial.positions[..., 1], trial.positions[..., 0], trial.positions[..., 2]], 2)
    model = small_model()
    wanted = model.scores(Trial(turned, trial.labels, 240))[1]
    found = model.scores(trial, heading_deg=90)[1]
    np.testing.assert_allclose(found.log_probs, wanted.log_probs, atol=1e-4)
    assert np.abs(found.log_probs - model.scores(trial)[1].log_probs).max() > 1e-3


def test_short_pieces_are_kept_without_evidence() -> None:
    trial = walk()
    positions = trial.positions.copy()
    positions[2:100, 0] = np.nan
    tracklets, scores = small_model().scores(Trial(positions, trial.labels, 240))
    assert (tracklets[0].start, tracklets[0].stop) == (0, 2)
    assert scores.n_tracklets == 6
    assert 0 not in scores.tracklet


def test_fewer_columns_than_labels_and_a_single_point() -> None:
    model = small_model()
    trial = walk(30, 2)
    assert len(model.scores(trial)[1].log_probs) == 2
    assert len(model.scores(Trial(trial.positions[:, :1], [""], 240))[1].log_probs) == 0


def test_frames_without_any_neighbour_are_dropped() -> None:
    filtered = walk(60, 2).positions.copy()
    filtered[10:20, 1] = np.nan
    windows, found = small_model().score_windows(filtered)
    assert windows.tolist() == [[0, 0, 60], [1, 0, 10], [1, 20, 60]]
    joined = np.delete(filtered, np.s_[10:20], 0)
    np.testing.assert_allclose(found[0], small_model().score_windows(joined)[1][0], atol=1e-6)


def test_a_model_that_does_not_fit_is_refused_in_words() -> None:
    state = small_network().state_dict()
    config = asdict(SMALL) | {"scale": [1.0, 1.0, 1.0]}
    for change, labels, message in (
        ({"n_cells": 9}, SET, "another size"),
        ({"scale": [1.0]}, SET, "3 scales"),
        ({}, MarkerSet(("A", "B"), name="pair"), "network of 2 labels for pair, found 4"),
    ):
        with pytest.raises(ModelError, match=message):
            legacy.LegacyModel(config | change, state, labels)
    with pytest.raises(ModelError, match="found 'scale'"):
        legacy.LegacyModel(asdict(SMALL), state, SET)


# Its files.


def test_a_state_dict_and_a_training_checkpoint_give_the_same_network(tmp_path: Path) -> None:
    config, tensors = legacy.load_checkpoint(put_model(tmp_path))
    assert config == SMALL
    again = legacy.load_checkpoint(put_model(tmp_path, training_checkpoint()))[1]
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def training_checkpoint() -> dict[str, Any]:
    """As the predecessor leaves it after an epoch."""
    network = small_network().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.078, momentum=0.65)
    network(torch.randn(4, 10, 15), torch.tensor([10, 10, 9, 8])).sum().backward()
    network.load_state_dict(small_network().state_dict())
    optimizer.step()
    network.load_state_dict(small_network().state_dict())
    return {
        "epoch": 3,
        "model_state_dict": network.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "running_loss": [2.0, 1.5],
        "loss": torch.tensor(1.25),
        "rng_state": torch.get_rng_state(),
    }


def test_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    content = training_checkpoint()
    parts = legacy.resume_parts(put_model(tmp_path, content))
    assert (parts.epoch, parts.running_loss) == (3, [2.0, 1.5])
    network = LegacyLstm(SMALL)
    network.load_state_dict(parts.tensors)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    optimizer.load_state_dict(parts.optimizer_state)
    assert optimizer.param_groups[0]["momentum"] == 0.65
    momentum = next(iter(optimizer.state_dict()["state"].values()))["momentum_buffer"]
    assert torch.equal(momentum, content["optimizer_state_dict"]["state"][0]["momentum_buffer"])
    torch.set_rng_state(parts.rng_state)
    with pytest.raises(ModelError, match="found none with epoch"):
        legacy.resume_parts(put_model(tmp_path))


class Mischief:
    """Unpickled by Python as it is, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_checkpoints_of_others_get_one_clear_line(tmp_path: Path) -> None:
    made = tmp_path / "made"
    state = small_network().state_dict()
    huge = torch.zeros(1).expand(8 * 140, 6).T  # claims more than it holds
    for content, message in (
        ({"model_state_dict": Mischief(made)}, "found a file that holds none"),
        ([1, 2], "found a file with a list"),
        ({"config": 1, "weights": 2}, "found a file with config, weights"),
        ({"layer": torch.zeros(2)}, "found no matrix lstm.weight_ih_l0"),
        (state | {"fc.3.bias": torch.zeros(9)}, "fc.3.bias of shape"),
        (state | {"fc.0.weight": huge.expand(6, 8 * 140)}, "larger than the file"),
    ):
        with pytest.raises(ModelError) as caught:
            legacy.load_checkpoint(put_model(tmp_path, content))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    for junk in (b"", b"hello", bytes(range(256))):
        (tmp_path / "junk.ckpt").write_bytes(junk)
        with pytest.raises(ModelError):
            legacy.load_checkpoint(tmp_path / "junk.ckpt")
    with pytest.raises(InputError, match="expected a file"):
        legacy.load_checkpoint(tmp_path)
    assert not made.exists()


def put_values(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "values.pickle"
    path.write_bytes(content if isinstance(content, bytes) else as_the_predecessor(content))
    return path


def as_the_predecessor(content: Any) -> bytes:
    """A pickle whose arrays are named as by numpy 1."""
    return pickle.dumps(content, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def plain_values() -> dict[str, Any]:
    matrices = [np.array([[0.0, 5.0], [5.0, 0.0]])] * 2
    return {
        "scaleVals": np.array([100.0, 1.0, 0.1, 9.0, 9.0, 9.0]),
        "segdists": {"mean": matrices, "std": matrices, "nframes": 7},
        "max_len": 140,
    }


@pytest.mark.parametrize("numpy_2", [False, True])
def test_training_values_are_read(tmp_path: Path, numpy_2: bool) -> None:
    content = as_the_predecessor(plain_values())
    if numpy_2:
        content = content.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    values = legacy.load_training_values(put_values(tmp_path, content))
    assert (values.scale, values.max_len) == ((100, 1, 0.1), 140)
    np.testing.assert_array_equal(values.segment_means[1], [[0, 5], [5, 0]])


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    storage = io.BytesIO()
    torch.save(Mischief(made), storage)

    class Hidden:
        def __reduce__(self) -> tuple[Any, ...]:
            return (torch.storage._load_from_bytes, (storage.getvalue(),))

    for content, message in (
        (plain_values() | {"x": Mischief(made)}, "open is not allowed"),
        (plain_values() | {"x": Hidden()}, "weights_only|Weights only"),
        (b"cos\nsystem\n(S'touch " + str(made).encode() + b"'\ntR.", "system is not allowed"),
    ):
        with pytest.raises(FileFormatError, match=message) as caught:
            legacy.load_training_values(put_values(tmp_path, content))
        assert "\n" not in str(caught.value)
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"hello", "damaged"),
        (pickle.dumps([1]), "found others"),
        (as_the_predecessor({"scaleVals": [1, 2, 3]}), "found others"),
        (as_the_predecessor(plain_values() | {"scaleVals": [1.0, 0.0, 1.0]}), "above 0"),
        (as_the_predecessor(plain_values() | {"x": np.array([object])}), "damaged"),
        (as_the_predecessor(plain_values())[:-20], "damaged"),
        (b"\x80\x03]r\xff\xff\xff\x7f.", "a memo larger than the file"),
    ],
)
def test_other_training_values_get_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        legacy.load_training_values(put_values(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_our_errors_leave_the_pickle(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good = as_the_predecessor(plain_values())
    for _ in range(500):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), rng.integers(1, 4)):
            bad[at] = rng.integers(256)
        try:
            legacy.load_training_values(put_values(tmp_path, bytes(bad)))
        except AutoMarkerLabelError as error:
            assert "\n" not in str(error)


def test_three_files_become_one_model(tmp_path: Path) -> None:
    model, values = put_model(tmp_path), put_values(tmp_path, plain_values())
    parts = legacy.convert(model, values, SET)
    assert (parts.labels, parts.scale) == (LABELS, [100, 1, 0.1])
    legacy.LegacyModel(parts.config, parts.tensors, parts.marker_set)
    with pytest.raises(ModelError, match="the 3 labels of marker set other, found one for 4"):
        legacy.convert(model, values, MarkerSet(("A", "B", "C"), name="other"))
    with pytest.raises(ModelError, match=r"in the 4 segments of marker set unnamed, found 2"):
        legacy.convert(model, values, MarkerSet(LABELS, segments=("a", "b", "c", "d")))
    with pytest.raises(ModelError, match="max_len 140 as in"):
        legacy.convert(model, put_values(tmp_path, plain_values() | {"max_len": 240}), SET)


# Its own numbers.


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(EXPECTED) as file:
        return {name: file[name] for name in file.files}


@needs_data
def test_its_preparation(expected: dict[str, np.ndarray]) -> None:
    filtered = inputs.smooth(expected["trajectories"], 240)
    np.testing.assert_allclose(filtered, expected["filtered"], rtol=0, atol=1e-3)
    windows = inputs.cut_windows(~np.isnan(filtered[..., 0]))
    assert len(windows) == 1437
    assert {tuple(w) for w in expected["windows"].tolist()} <= {tuple(w) for w in windows.tolist()}


@needs_data
def test_its_import(expected: dict[str, np.ndarray]) -> None:
    from automarkerlabel import io as trial_io

    trial = trial_io.read(DATA / "S09_KneeltoRun02.c3d")
    pieces = [piece for piece in inputs.cut(trial) if inputs.long_enough(piece)]
    np.testing.assert_array_equal(inputs.trajectories(trial, pieces), expected["trajectories"])


@needs_data
@pytest.mark.parametrize(("source", "tolerance"), [("filtered", 1e-5), ("trajectories", 1e-3)])
def test_its_inputs_and_probabilities(expected: dict[str, np.ndarray], source: str, tolerance: float) -> None:
    """The sampled windows alone, one at a time: the whole trial takes seconds."""
    parts = legacy.convert(MODEL, VALUES, read_marker_set(DATA / "MarkerSet.xml"))
    model = legacy.LegacyModel(parts.config, parts.tensors, parts.marker_set)
    np.testing.assert_allclose(model.scale, expected["scale_values"][:3])
    filtered = expected["filtered"] if source == "filtered" else inputs.smooth(expected["trajectories"], 240)
    windows = expected["windows"]
    chosen = inputs.choose_neighbours(torch.from_numpy(filtered), windows, 61)
    wanted = torch.from_numpy(expected["neighbours"].astype(np.int64))
    assert torch.equal(chosen.sort(1)[0], wanted.sort(1)[0])
    planes = torch.from_numpy(filtered).permute(2, 0, 1).contiguous()
    order = np.argsort(windows[:, 1] - windows[:, 2], kind="stable")
    frames = [inputs.n_frames_used(planes.permute(1, 2, 0), windows[n].tolist(), chosen[n]) for n in order]
    given = model._inputs(planes, torch.from_numpy(windows[order, 0]), frames, chosen[order])
    for place, n in enumerate(order.tolist()):
        if n % 10 == 0:
            off = np.abs(given[: len(frames[place]), place].numpy() - expected[f"input_{n}"]).reshape(-1, 5).max(0)
            # A float32 of a metre or two has steps of 1e-4 mm: 1e-4 of a mean speed, 2e-3 of a mean acceleration.
            assert (off < [1e-5, 1e-5, 1e-5, 5e-4, 1e-2]).all()
    log_probs = model.network.predict(given, torch.tensor([len(x) for x in frames])).numpy()
    np.testing.assert_allclose(np.exp(log_probs), expected["probabilities"][order], rtol=0, atol=tolerance)
