"""Going on with the predecessor's training, on a network of 8 cells for the 8 points of the figure."""

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, ModelError, TrainingError, TrialError
from automarkerlabel.io.marker_sets.opensim import read_marker_set
from automarkerlabel.labellers.legacy.inputs import LONGEST_WINDOW
from automarkerlabel.labellers.legacy.model import LegacyParts, convert, resume_parts
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.legacy_lstm import LegacyLstm, LegacyLstmConfig
from automarkerlabel.training.legacy.trainer import LegacySettings, LegacyTrainer
from automarkerlabel.training.legacy.windows import TrainingWindows, facing_pairs
from tests.fixtures.figure import FIGURE, figure_trial

SET = MarkerSet(tuple(FIGURE), name="figure")
SMALL = LegacyLstmConfig(n_features=35, n_labels=8, max_len=LONGEST_WINDOW, n_cells=8, n_layers=2, n_hidden=12)
SCALE = [400.0, 5.0, 0.5]
TEN = LegacySettings(epochs=4, batch_size=10)
KEYS = {"epoch", "model_state_dict", "optimizer_state_dict", "running_loss", "loss", "rng_state"}


def source(trial: Trial, name: str = "t.c3d") -> Source:
    return Source(Path(name), trial, "someone")


def trials() -> list[Source]:
    return [
        source(figure_trial(n_frames=240, seed=1)),
        source(figure_trial(n_frames=130, speed_mm_s=0, turn_deg=70, seed=2)),
        source(figure_trial(n_frames=60, seed=3)),
    ]


def network() -> LegacyLstm:
    torch.manual_seed(5)
    return LegacyLstm(SMALL)


def parts() -> LegacyParts:
    config = asdict(SMALL) | {"scale": SCALE}
    return LegacyParts(dict(network().state_dict()), config, SCALE, tuple(SET.labels), SET)


def trainer(out: Path, settings: LegacySettings = TEN) -> LegacyTrainer:
    return LegacyTrainer(parts(), trials(), settings, out)


def without(trial: Trial, *labels: str) -> Trial:
    positions = trial.positions.copy()
    positions[:, [trial.labels.index(x) for x in labels]] = np.nan
    return Trial(positions, trial.labels, trial.rate_hz)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return store.load(path).tensors


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


# Windows.


def test_windows_are_those_of_every_label_and_shorter_trials_are_padded() -> None:
    windows = TrainingWindows(trials(), SET, SCALE)
    # 240 frames are two windows of 120; 130 are one, since the rest would be shorter than 12; 60 are one.
    assert len(windows) == 8 * (2 + 1 + 1)
    inputs, lengths, labels = windows.batch([0, 1, 2, 16, 31])
    assert inputs.shape == (5, 130, 35)
    assert lengths.tolist() == [120, 120, 120, 130, 60]
    assert labels.tolist() == [0, 0, 1, 0, 7]
    assert not inputs[4, 60:].any() and inputs[4, :60].abs().sum(1).min() > 0
    # HEAD stands still relative to its nearest neighbour, a shoulder: (-90, ±190, -200) mm from it.
    assert inputs[0, :120, 0].mul(SCALE[0]).numpy() == pytest.approx(-90, abs=2)
    assert inputs[0, :120, 1].mul(SCALE[0]).abs().numpy() == pytest.approx(190, abs=2)


def test_windows_do_not_depend_on_heading_or_on_the_order_of_columns() -> None:
    plain, turned = figure_trial(seed=1), figure_trial(seed=1, turn_deg=130)
    shuffled = Trial(turned.positions[:, ::-1], turned.labels[::-1], turned.rate_hz)
    wanted = TrainingWindows([source(plain)], SET, SCALE).batch(range(8))
    found = TrainingWindows([source(shuffled)], SET, SCALE).batch(range(8))
    torch.testing.assert_close(found[0], wanted[0], atol=2e-2, rtol=0)
    assert found[2].tolist() == wanted[2].tolist()


def test_shoulders_tell_the_heading_and_then_other_pairs() -> None:
    assert facing_pairs(MarkerSet(("LTOE", "RTOE", "LSHO", "RSHO")))[0] == ("LSHO", "RSHO")
    assert facing_pairs(MarkerSet(("LANK", "RANK", "RAC", "LAC")))[0] == ("LAC", "RAC")
    assert facing_pairs(MarkerSet(("L.Heel", "R.Heel", "L.Acromium", "R.Acromium")))[0] == ("L.Acromium", "R.Acromium")
    assert facing_pairs(MarkerSet(("LSHOE", "RSHOE", "LKNE", "RKNE")))[0] == ("LSHOE", "RSHOE")
    assert facing_pairs(MarkerSet(("A", "B"))) == []
    trial = without(figure_trial(turn_deg=90), "RSHO")
    found = TrainingWindows([source(trial)], SET, SCALE).batch(range(2))[0]
    wanted = TrainingWindows([source(without(figure_trial(), "RSHO"))], SET, SCALE).batch(range(2))[0]
    torch.testing.assert_close(found, wanted, atol=2e-2, rtol=0)


def test_gaps_stay_open_and_other_points_are_neighbours() -> None:
    trial = figure_trial(n_frames=100)
    positions = trial.positions.copy()
    positions[40:43, 0] = np.nan
    ghosts = positions[:, [0, 0]] + np.array([[[10], [900]]], np.float32)
    trial = Trial(np.concatenate([positions, ghosts], 1), [*trial.labels, "*1", "*2"], trial.rate_hz)
    windows = TrainingWindows([source(trial)], SET, SCALE)
    spans = [(w[1], w[2]) for w in windows.trials[0].windows.tolist() if w[0] == 0]
    assert spans == [(0, 40), (43, 100)]
    inputs, _, labels = windows.batch([0])
    assert labels.tolist() == [0]  # a ghost is no window of its own, but the nearest neighbour
    assert len(windows) == 9
    assert inputs[0, :40, :3].mul(SCALE[0]).numpy() == pytest.approx(10, abs=2)


def test_trials_that_cannot_be_learnt_from_are_named() -> None:
    stranger = Trial(figure_trial().positions, [f"X{n}" for n in range(8)], 60)
    with pytest.raises(TrialError, match=r"odd\.c3d: expected points with labels of marker set figure.*found others"):
        TrainingWindows([source(figure_trial()), source(stranger, "odd.c3d")], SET, SCALE)
    one_sided = without(figure_trial(), "LSHO", "LHND", "LTOE")
    with pytest.raises(TrialError, match=r"odd\.c3d: expected a frame with a left and a right label"):
        TrainingWindows([source(one_sided, "odd.c3d")], SET, SCALE)
    lone = without(figure_trial(), *[x for x in FIGURE if x not in ("LSHO", "RSHO")])
    assert len(TrainingWindows([source(lone)], SET, SCALE)) == 2
    with pytest.raises(TrialError, match="at least two windows of 3 or more frames, found 0"):
        TrainingWindows([source(figure_trial(n_frames=2))], SET, SCALE)


# Training.


def test_it_learns_and_the_file_labels(tmp_path: Path) -> None:
    short = [source(figure_trial(n_frames=40, seed=n, turn_deg=40 * n)) for n in range(6)]
    one = LegacyTrainer(parts(), short, LegacySettings(epochs=25, batch_size=16), tmp_path / "m.ckpt")
    epochs = list(one.epochs())
    assert [e.epoch for e in epochs] == list(range(1, 26))
    assert epochs[-1].loss < 0.3 * epochs[0].loss
    log = [json.loads(x) for x in (tmp_path / "m.ckpt.run" / "log.jsonl").read_text().splitlines()]
    assert [x["loss"] for x in log] == [e.loss for e in epochs]
    trial = figure_trial(n_frames=40, seed=9)
    labelling = TrajectoryLabeller.of_file(tmp_path / "m.ckpt").label(trial)
    right = [labelling.label_of(n) == trial.labels[t.column] for n, t in enumerate(labelling.tracklets)]
    assert len(right) == 8
    assert np.mean(right) >= 0.75


def test_a_resumed_run_is_the_unbroken_run(tmp_path: Path) -> None:
    losses = [e.loss for e in trainer(tmp_path / "a.ckpt").epochs()]
    first = trainer(tmp_path / "b.ckpt", LegacySettings(epochs=2, batch_size=10))
    list(first.epochs())
    torch.rand(3)  # what others draw in between changes nothing
    second = trainer(tmp_path / "b.ckpt")
    second.resume()
    assert second.epoch == 2
    assert [e.loss for e in second.epochs()] == losses[2:]
    assert_same(weights(tmp_path / "b.ckpt"), weights(tmp_path / "a.ckpt"))
    a, b = (torch.load(tmp_path / f"{x}.ckpt.run" / "training.ckpt", weights_only=True) for x in "ab")
    assert a["running_loss"] == b["running_loss"] and len(a["running_loss"]) == 4 * 4
    assert torch.equal(a["rng_state"], b["rng_state"])


def test_an_interrupted_epoch_is_done_again(tmp_path: Path) -> None:
    list(trainer(tmp_path / "a.ckpt").epochs())
    broken = trainer(tmp_path / "b.ckpt")

    def stop(step: int, steps: int, loss: float) -> None:
        if broken.epoch == 1 and step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(broken.epochs(stop))
    resumed = trainer(tmp_path / "b.ckpt")
    resumed.resume()
    assert resumed.epoch == 1
    list(resumed.epochs())
    assert_same(weights(tmp_path / "a.ckpt"), weights(tmp_path / "b.ckpt"))


def predecessors_loop(state: dict[str, Any], n_epochs: int) -> dict[str, Any]:
    """From and to a training checkpoint: batches as its loader draws them, mean cross-entropy, SGD."""
    net = LegacyLstm(SMALL)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.078, momentum=0.65)
    windows = TrainingWindows(trials(), SET, SCALE)
    loader = DataLoader(range(len(windows)), batch_size=10, shuffle=True, collate_fn=windows.batch)
    net.load_state_dict(state["model_state_dict"])
    optimizer.load_state_dict(state["optimizer_state_dict"])
    running_loss = list(state["running_loss"])
    torch.set_rng_state(state["rng_state"])
    for _ in range(state["epoch"], n_epochs):
        for data, lengths, labels in loader:
            loss = torch.nn.functional.cross_entropy(net(data, lengths), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_loss.append(loss.item())
    return {
        "epoch": n_epochs,
        "model_state_dict": net.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "running_loss": running_loss,
        "loss": loss,  # with its gradient, as it happens
        "rng_state": torch.get_rng_state(),
    }


def test_the_predecessors_checkpoint_goes_on_here_and_ours_there(tmp_path: Path) -> None:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.078, momentum=0.65)
    start = {
        "epoch": 0, "model_state_dict": net.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
        "running_loss": [], "rng_state": torch.Generator().manual_seed(1).get_state(),
    }  # fmt: skip
    torch.save(predecessors_loop(start, 2), tmp_path / "theirs.ckpt")
    unbroken = predecessors_loop(torch.load(tmp_path / "theirs.ckpt", weights_only=True), 4)
    ours = trainer(tmp_path / "m.ckpt", LegacySettings(epochs=3, batch_size=10))
    ours.start_from(tmp_path / "theirs.ckpt")
    assert ours.epoch == 2
    assert [e.epoch for e in ours.epochs()] == [3]
    state = torch.load(tmp_path / "m.ckpt.run" / "training.ckpt", weights_only=True)
    assert state.keys() == KEYS
    assert float(state["loss"]) == pytest.approx(state["running_loss"][-1])
    assert resume_parts(tmp_path / "m.ckpt.run" / "training.ckpt").epoch == 3
    there = predecessors_loop(state, 4)
    assert there["running_loss"] == pytest.approx(unbroken["running_loss"], rel=1e-4)
    for name, wanted in unbroken["model_state_dict"].items():
        torch.testing.assert_close(there["model_state_dict"][name], wanted, atol=1e-5, rtol=1e-4)
    assert torch.equal(there["rng_state"], unbroken["rng_state"])


def test_rate_and_momentum_are_the_checkpoints_unless_told(tmp_path: Path) -> None:
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.3)
    state = {"epoch": 1, "model_state_dict": net.state_dict(), "optimizer_state_dict": optimizer.state_dict()}
    state |= {"rng_state": torch.get_rng_state(), "running_loss": [], "loss": torch.tensor(1.0)}
    torch.save(state, tmp_path / "theirs.ckpt")
    kept, told = trainer(tmp_path / "a"), trainer(tmp_path / "b", LegacySettings(learning_rate=0.5))
    for one in (kept, told):
        one.start_from(tmp_path / "theirs.ckpt")
    assert [(t.learning_rate, t.optimizer.param_groups[0]["momentum"]) for t in (kept, told)] == [
        (0.01, 0.3),
        (0.5, 0.3),
    ]
    torch.save(net.state_dict(), tmp_path / "weights.ckpt")
    plain = trainer(tmp_path / "c")
    plain.start_from(tmp_path / "weights.ckpt")
    assert (plain.epoch, plain.learning_rate) == (0, 0.078)


def test_other_states_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="without --resume"):
        trainer(tmp_path / "a.ckpt").resume()
    list(trainer(tmp_path / "a.ckpt").epochs())
    with pytest.raises(ModelError, match="expected a run with batch_size 7, found 10"):
        trainer(tmp_path / "a.ckpt", LegacySettings(epochs=9, batch_size=7)).resume()
    with pytest.raises(InputError, match=r"more than the 4 finished epochs of .* found 4"):
        trainer(tmp_path / "a.ckpt").resume()
    path = tmp_path / "a.ckpt.run" / "training.ckpt"
    state = torch.load(path, weights_only=True)
    torch.save(state["model_state_dict"], path)
    with pytest.raises(ModelError, match="expected a training checkpoint"):
        trainer(tmp_path / "a.ckpt", LegacySettings(epochs=9, batch_size=10)).resume()
    (tmp_path / "a.ckpt.run" / "run.json").write_text("[]")
    with pytest.raises(ModelError, match="expected facts of an earlier run"):
        trainer(tmp_path / "a.ckpt", LegacySettings(epochs=9, batch_size=10)).resume()
    adam = torch.optim.Adam(network().parameters()).state_dict()
    wide = torch.optim.SGD([torch.nn.Parameter(torch.zeros(3)) for _ in network().parameters()], momentum=0.1)
    for p in wide.param_groups[0]["params"]:
        p.grad = torch.ones(3)
    wide.step()
    for change in ({"optimizer_state_dict": adam}, {"optimizer_state_dict": {}}, {"rng_state": torch.zeros(3)},
                   {"optimizer_state_dict": wide.state_dict()}):  # fmt: skip
        torch.save(state | change, path)
        with pytest.raises(ModelError, match=r"expected .*, found (an|one of an)other"):
            trainer(tmp_path / "b.ckpt", LegacySettings(epochs=9)).start_from(path)


def test_losses_that_are_no_number_change_nothing_and_end_with_advice(tmp_path: Path) -> None:
    one = trainer(tmp_path / "a.ckpt")
    before = {k: v.clone() for k, v in one.model.state_dict().items()}
    inputs, lengths, labels = one.windows.batch(range(10))
    inputs[0, 0, 0] = np.nan
    assert np.isnan(one._step(inputs, lengths, labels)[0])
    assert_same(one.model.state_dict(), before)
    one.windows.scale = [np.nan, 1.0, 1.0]
    one.settings = LegacySettings(epochs=9, batch_size=10)
    with pytest.raises(TrainingError, match="--learning-rate"):
        list(one.epochs())


def test_running_out_of_memory_makes_parts_of_two_at_least(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(tmp_path / "a.ckpt")
    forward, sizes = one.model.forward, []

    def small_memory(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if len(x) > most:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        sizes.append(len(x))
        return forward(x, lengths)

    monkeypatch.setattr(one.model, "forward", small_memory)
    most = 4
    assert np.isfinite(one._step(*one.windows.batch(range(10)))[0])
    assert one.back_off.part == 3 and sizes == [2, 3, 2, 3]
    assert int(one.model.fc[1].num_batches_tracked) == 4
    most = 1
    with pytest.raises(TrainingError, match="2 windows at a time"):
        one._step(*one.windows.batch(range(10)))


def test_a_single_window_at_the_end_is_left_out(tmp_path: Path) -> None:
    one = trainer(tmp_path / "a.ckpt", LegacySettings(epochs=1, batch_size=31))  # of 32 windows
    assert [e.loss is not None for e in one.epochs()] == [True]
    assert len(one.running_loss) == 1


# The command line.


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with the predecessor's three files and two labelled trials."""
    (tmp_path / "trials").mkdir()
    for n in range(2):
        io.write(tmp_path / "trials" / f"t{n}.c3d", figure_trial(n_frames=240, seed=n, turn_deg=50 * n))
    torch.save(network().state_dict(), tmp_path / "theirs.ckpt")
    with (tmp_path / "values.pickle").open("wb") as file:
        pickle.dump({"scaleVals": SCALE, "segdists": {"mean": [], "std": []}, "max_len": SMALL.max_len}, file)
    put_marker_set(tmp_path / "set.xml", list(FIGURE))
    return tmp_path


def put_marker_set(path: Path, labels: list[str]) -> None:
    markers = "".join(f'<Marker name="{x}"></Marker>' for x in labels)
    path.write_text(f"<OpenSimDocument><MarkerSet><objects>{markers}</objects></MarkerSet></OpenSimDocument>")


def command(lab: Path, *more: str, base: str | None = "theirs.ckpt") -> list[str]:
    files = ["--training-values", str(lab / "values.pickle"), "--marker-set", str(lab / "set.xml")]
    files += ["--from", str(lab / base)] if base else []
    return ["train", str(lab / "trials"), "-o", str(lab / "m.ckpt"), *files, *more]


def test_train_goes_on_and_resumes(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(lab, "--epochs", "1", "--batch-size", "16", "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["epoch"], result["labels"], result["skipped_steps"]) == (1, 8, 0)
    assert run(command(lab, "--epochs", "2")) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(command(lab, "--epochs", "2", "--batch-size", "16", "--resume", base=None)) == 0
    assert "turned to face +x by LSHO and RSHO" in capsys.readouterr().err
    resumed = weights(lab / "m.ckpt")
    assert run(command(lab, "--epochs", "2", "--batch-size", "16", "--overwrite")) == 0
    assert_same(weights(lab / "m.ckpt"), resumed)
    theirs = "m.ckpt.run/training.ckpt"
    assert run(command(lab, "--epochs", "3", "--overwrite", base=theirs)) == 2  # would be its own input
    assert (lab / theirs).exists()
    model = str(lab / "m.ckpt")
    assert run(["label", str(lab / "trials" / "t0.c3d"), "--model", model, "-o", str(lab / "l.c3d")]) == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--optimizer", "adamw"], "found optimizer"),
        (["--val-share", "0.5"], "--val-share"),
        (["--model-type", "lstm"], "--model-type"),
        (["--epochs", "0"], "epochs: expected at least 1"),
        (["--batch-size", "1"], "--batch-size: expected at least 2"),
        (["--resume"], "--resume and --from"),
    ],
)
def test_what_does_not_apply_is_refused(
    lab: Path, more: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(lab, *more)) == 2
    assert told in capsys.readouterr().err
    assert not (lab / "m.ckpt").exists() and not (lab / "m.ckpt.run").exists()


def test_files_that_do_not_fit_get_one_line_with_both_sides(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def complaint(arguments: list[str]) -> str:
        assert run(arguments) == 2
        err = capsys.readouterr().err
        assert len(err.strip().splitlines()) <= 4  # one line, folded
        return " ".join(err.split())

    assert "--from" in complaint(command(lab, base=None))
    assert "found none" in complaint(command(lab, "--resume", base=None))
    put_marker_set(lab / "set.xml", [*FIGURE, "LELB"])
    said = complaint(command(lab))
    assert "9 labels" in said and "found one for 8" in said
    put_marker_set(lab / "set.xml", [f"X{n}" for n in range(8)])
    said = complaint(command(lab))
    assert "X0" in said and "HEAD" in said
    assert "expected a checkpoint of the predecessor" in complaint(command(lab, base="values.pickle"))
    assert not (lab / "m.ckpt").exists()


def test_a_step_of_the_real_network(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "clouthier2021"
    marker_set = read_marker_set(folder / "MarkerSet.xml")
    values = folder / "trainingvals_sim_add9_2020-09-15.pickle"
    real = convert(folder / "legacy" / "model_2026-11-21.ckpt", values, marker_set)
    whole = io.read(folder / "KneeltoProne01.c3d")
    short = Trial(whole.positions[:80], whole.labels, whole.rate_hz, computed=whole.computed)
    one = LegacyTrainer(real, [source(short)], LegacySettings(epochs=1, batch_size=100), tmp_path / "m.ckpt")
    one.model.train()
    for _ in range(2):
        loss, _ = one._step(*one.windows.batch(range(0, len(one.windows), 8)))
        assert 0 < loss < 20
    assert all(torch.isfinite(x).all() for x in one.model.state_dict().values())
