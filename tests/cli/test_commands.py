"""The command line through its real entry point."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.trial import Trial
from tests.fixtures.figure import FIGURE, figure_trial
from tests.fixtures.places import TOP

SMALL = ["--cells", "48", "--head-width", "32", "--n-neighbours", "7", "--n-samples", "4", "--epoch-windows", "1500"]
SMALL += ["--batch-size", "64", "--hidden", "0.1", "--learning-rate", "4e-3"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """A folder with three labelled trials, one without labels, and a model trained on the three."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "train").mkdir()
    for n in range(3):
        io.write(folder / "train" / f"t{n}.c3d", figure_trial(seed=n, speed_mm_s=300.0 * n, turn_deg=40 * n))
    truth = figure_trial(seed=7, turn_deg=100)
    names = [f"*{n}" for n in range(8)]
    io.write(folder / "unlabelled.c3d", Trial(truth.positions[:, ::-1], names, truth.rate_hz))
    assert run(["train", str(folder / "train"), "-o", str(folder / "m.ckpt"), "--epochs", "8", *SMALL]) == 0
    return folder


def out_of(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_label_writes_beside_the_trial_and_tells(lab, capsys):
    assert run(["label", str(lab / "unlabelled.c3d"), "--model", str(lab / "m.ckpt"), "--json", "--overwrite"]) == 0
    summary = out_of(capsys)
    assert summary["output"] == str(lab / "unlabelled_labelled.c3d")
    labelled = io.read(lab / "unlabelled_labelled.c3d")
    source = io.read(lab / "unlabelled.c3d")
    assert len(set(labelled.labels) & set(FIGURE)) >= 6
    # Every input point is there, bit for bit.
    flat = {p.tobytes() for p in source.positions.reshape(-1, 3)}
    assert flat == {p.tobytes() for p in labelled.positions.reshape(-1, 3)[labelled.visible.ravel()]}
    right = [x for x in FIGURE if x in labelled.labels and np.array_equal(
        labelled.positions[:, labelled.labels.index(x)], source.positions[:, 7 - list(FIGURE).index(x)]
    )]  # fmt: skip
    assert len(right) >= 6


def test_an_output_is_kept_unless_told(lab, capsys):
    out = lab / "kept.c3d"
    out.write_bytes(b"precious")
    command = ["label", str(lab / "unlabelled.c3d"), "--model", str(lab / "m.ckpt"), "-o", str(out)]
    assert run(command) == 2
    assert out.read_bytes() == b"precious"
    assert "--overwrite" in capsys.readouterr().err
    assert run([*command, "--overwrite"]) == 0
    assert io.read(out).n_frames == 120


def test_the_input_is_never_the_output(lab, capsys):
    source = lab / "unlabelled.c3d"
    before = source.read_bytes()
    assert run(["label", str(source), "--model", str(lab / "m.ckpt"), "-o", str(source), "--overwrite"]) == 2
    assert source.read_bytes() == before


def test_dry_run_writes_nothing(lab, tmp_path, capsys):
    out = tmp_path / "x.c3d"
    model = str(lab / "m.ckpt")
    assert run(["label", str(lab / "unlabelled.c3d"), "--model", model, "-o", str(out), "--dry-run", "--json"]) == 0
    assert out_of(capsys)["output"] is None
    assert list(tmp_path.iterdir()) == []


def test_many_trials_with_a_row_each_and_exit_3_when_some_fail(lab, tmp_path, capsys):
    bad = tmp_path / "bad.c3d"
    bad.write_text("no motion here")
    out = tmp_path / "out"
    out.mkdir()
    command = ["label", str(lab / "unlabelled.c3d"), str(bad), "--model", str(lab / "m.ckpt"), "-o", str(out)]
    assert run([*command, "--csv", str(tmp_path / "rows.csv")]) == 3
    assert [p.name for p in out.iterdir()] == ["unlabelled_labelled.c3d"]
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text().splitlines()))
    assert rows[0]["error"] == ""
    assert "bad.c3d" in rows[1]["error"]
    assert run(["label", str(bad), str(bad.with_name("gone.c3d")), "--model", str(lab / "m.ckpt"), "-o", str(out)]) == 1


def test_to_another_format_and_back(lab, tmp_path, capsys):
    trc = tmp_path / "x.trc"
    assert run(["label", str(lab / "unlabelled.c3d"), "--model", str(lab / "m.ckpt"), "-o", str(trc)]) == 0
    assert run(["export", str(trc), "--to", "csv"]) == 0
    assert run(["export", str(tmp_path / "x.csv"), "-o", str(tmp_path / "y.c3d")]) == 0
    a, b = io.read(trc), io.read(tmp_path / "y.c3d")
    assert a.labels == b.labels
    np.testing.assert_allclose(a.positions, b.positions, atol=1e-3)


def test_dump_attention(lab, tmp_path, capsys):
    out = tmp_path / "a.h5"
    command = ["label", str(lab / "unlabelled.c3d"), "-o", str(tmp_path / "x.c3d"), "--dump-attention", str(out)]
    assert run([*command, "--model", str(lab / "m.ckpt")]) == 0
    with h5py.File(out) as file:
        group = file["unlabelled"]
        attention, frames = group["windows/attention"][:], group["windows/frames"][:]
        assert list(group.attrs["labels"]) == list(FIGURE)
        assert attention.shape == (len(frames), 1, 4, 4, 4)
        np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-5)
        assert group["tracklets"].shape == (8, 3)
        assert group.attrs["mechanism"] == "multihead"
        spans, neighbours = group["windows/span"][:], group["windows/neighbours"][:]
        assert (spans[:, 0] == frames[:, 0]).all() and (spans[:, 1] == frames.max(1) + 1).all()
        own = group["tracklets"][:, 0][group["windows/tracklet"][:]]
        assert (neighbours != own[:, None]).all() and neighbours.max() < len(group.attrs["columns"])


def test_dump_of_a_sparse_selection(lab, tmp_path):
    model, out = tmp_path / "sparse.ckpt", tmp_path / "a.h5"
    train = ["train", str(lab / "train"), "-o", str(model), "--attention", "sparse", "--forecast", "0.5"]
    assert run([*train, "--epochs", "1", *SMALL]) == 0
    command = ["label", str(lab / "unlabelled.c3d"), "-o", str(tmp_path / "x.c3d"), "--dump-attention", str(out)]
    assert run([*command, "--model", str(model)]) == 0
    with h5py.File(out) as file:
        group = file["unlabelled"]
        importance, frames = group["windows/importance"][:], group["windows/frames"][:]
        assert group.attrs["mechanism"] == "sparse"
        assert list(group.attrs["features"]) == ["x", "y", "z", "distance", "speed", "acceleration", "seen"]
        assert importance.shape == (*frames.shape, group["windows/neighbours"].shape[1], 7)
        assert "attention" not in group["windows"]
        np.testing.assert_allclose(importance[frames >= 0].sum((1, 2)), 1, atol=1e-5)
        hidden = group["windows/neighbours"][:] < 0
        assert importance.swapaxes(1, 2)[hidden].sum() == 0


def test_an_lstm_has_no_attention_to_dump(lab, tmp_path, capsys):
    model = tmp_path / "lstm.ckpt"
    assert run(["train", str(lab / "train"), "-o", str(model), "--model-type", "lstm", "--epochs", "1", *SMALL]) == 0
    capsys.readouterr()
    out = tmp_path / "x.c3d"
    command = ["label", str(lab / "unlabelled.c3d"), "-o", str(out), "--dump-attention", str(tmp_path / "a.h5")]
    assert run([*command, "--model", str(model)]) == 2
    said = capsys.readouterr().err
    assert "transformer or hybrid" in said
    assert not out.exists()


def test_eval_compares_models_side_by_side(lab, tmp_path, capsys):
    again = tmp_path / "again.ckpt"
    again.write_bytes((lab / "m.ckpt").read_bytes())
    command = ["eval", str(lab / "train"), "--model", str(lab / "m.ckpt"), "--model", str(again), "--json"]
    assert run([*command, "--cuts", "2", "--swaps", "0", "--ghosts", "1"]) == 0
    report = out_of(capsys)
    first, second = report["means"]
    assert first["accuracy"] == second["accuracy"] > 0.5
    assert set(report["markers"][str(again)]) == set(FIGURE)
    assert run([*command, "--protocol", "soma"]) == 0
    assert [m["setting"] for m in out_of(capsys)["means"]][::2] == [
        "soma 0,0,0", "soma 5,0,0", "soma 0,3,0", "soma 5,3,0", "soma 5,3,50",
    ]  # fmt: skip


def test_resume_and_from(lab, tmp_path, capsys):
    out = str(tmp_path / "m.ckpt")
    start = ["train", str(lab / "train"), "-o", out, *SMALL]
    assert run([*start, "--epochs", "1"]) == 0
    assert run([*start, "--epochs", "2"]) == 2  # a model is there already
    assert "--overwrite" in capsys.readouterr().err
    assert run([*start, "--epochs", "2", "--resume", "--json"]) == 0
    assert out_of(capsys)["epoch"] == 2
    other = str(tmp_path / "n.ckpt")
    more = ["train", str(lab / "train"), "-o", other, "--from", out, *SMALL, "--epochs", "1", "--json"]
    assert run(more) == 0
    assert out_of(capsys)["accuracy"] > 0.3


def test_settings_from_a_file_and_the_command_line_wins(lab, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text("epochs = 5\nbatch_size = 32\nepoch_windows = 64\ncells = 16\n")
    out = str(tmp_path / "m.ckpt")
    assert run(["train", str(lab / "train"), "-o", out, "--config", str(config), "--epochs", "1", "--json"]) == 0
    assert out_of(capsys)["epochs"] == 1
    assert run(["info", out, "--json"]) == 0
    facts = out_of(capsys)
    assert (facts["training"]["settings"]["batch_size"], facts["config"]["cells"]) == (32, 16)
    config.write_text("epoch = 5\n")
    assert run(["train", str(lab / "train"), "-o", out, "--config", str(config), "--overwrite"]) == 2


def test_info_of_everything(lab, capsys):
    assert run(["info", str(lab / "unlabelled.c3d"), str(lab / "m.ckpt"), "--json"]) == 0
    trial, model = out_of(capsys)
    assert (trial["kind"], model["kind"]) == ("trial", "model")
    assert model["labels"] == list(FIGURE)
    assert run(["info", str(lab / "m.ckpt")]) == 0
    assert "hybrid" in capsys.readouterr().out


def test_models_list(capsys):
    assert run(["models", "list", "--json"]) == 0
    assert "sample" in out_of(capsys)


def test_test_models(capsys):
    assert run(["test-models"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "Testing LSTM architecture... ✓ PASSED",
        "Testing TRANSFORMER architecture... ✓ PASSED",
        "Testing HYBRID architecture... ✓ PASSED",
        "Testing HYBRID LUONG architecture... ✓ PASSED",
        "Testing HYBRID BAHDANAU architecture... ✓ PASSED",
        "Testing HYBRID CONV architecture... ✓ PASSED",
        "Testing HYBRID HIERARCHICAL architecture... ✓ PASSED",
        "Testing HYBRID SPARSE architecture... ✓ PASSED",
        "Testing MATCHER architecture... ✓ PASSED",
        "",
        "ALL TESTS PASSED ✓✓✓",
    ]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.mkdir(), "folder"),
        (lambda p: p.write_text("text"), "C3D"),
        (lambda p: None, "none"),
        (lambda p: io.write(p, Trial(np.zeros((10, 0, 3)), [], 100)), "markers"),
        (lambda p: io.write(p, Trial(np.full((10, 2, 3), np.nan), ["*0", "*1"], 100)), "hidden"),
        (lambda p: (io.write(p, figure_trial()), p.write_bytes(p.read_bytes()[:5000])), "cut"),
    ],
    ids=["folder", "text", "missing", "no markers", "all hidden", "cut in the middle"],
)
def test_bad_input_is_one_line_and_leaves_nothing(lab, tmp_path, capsys, make, said):
    trial = tmp_path / "x.c3d"
    make(trial)
    before = sorted(tmp_path.iterdir())
    assert run(["label", str(trial), "--model", str(lab / "m.ckpt")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert captured.err.startswith("aml: ")
    assert said.lower() in captured.err.lower()
    assert sorted(tmp_path.iterdir()) == before


def test_errors_have_a_json_twin(tmp_path, capsys):
    assert run(["label", str(tmp_path / "x.c3d"), "--model", "sample", "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["exit_code"] == 2
    assert json.loads(captured.out)["error"] in captured.err


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["label"], ["label", "x.c3d", "--nonsense"], ["train", "x", "--epochs", "many"], ["eval", "x"]],
)
def test_bad_usage_is_one_line_and_exit_2(arguments, capsys):
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert len(captured.err.strip().splitlines()) == 1
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--min-confidence", "2"], "0 to 1"),
        (["--model", "nosuch"], "nosuch"),
        (["--units", "furlong"], "furlong"),
        (["--up", "w"], "w"),
        (["--exclude", "("], "exclude"),
        (["--device", "toaster"], "toaster"),
        (["--training-values", "x.pickle"], "no --training-values"),
    ],
)
def test_bad_options_of_label(lab, capsys, options, said):
    base = ["label", str(lab / "unlabelled.c3d"), "--dry-run"]
    model = [] if "--model" in options else ["--model", str(lab / "m.ckpt")]
    assert run([*base, *model, *options]) == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(lab, tmp_path, capsys, monkeypatch):
    from automarkerlabel.training.trajectory import Trainer

    step = Trainer._step

    def stop_in_the_second_epoch(self, batch):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(Trainer, "_step", stop_in_the_second_epoch)
    out = tmp_path / "m.ckpt"
    assert run(["train", str(lab / "train"), "-o", str(out), "--epochs", "3", *SMALL]) == 130
    assert "--resume" in capsys.readouterr().err
    monkeypatch.undo()
    command = ["train", str(lab / "train"), "-o", str(out), "--epochs", "3", *SMALL, "--resume", "--json"]
    assert run(command) == 0
    assert out_of(capsys)["epoch"] == 3


def test_the_module_and_the_shim_are_the_command():
    shim = TOP / "cli.py"
    for command in (["-m", "automarkerlabel"], [str(shim)]):
        done = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True)
        assert done.returncode == 0
        assert done.stdout.startswith("automarkerlabel ")


def test_an_output_never_replaces_an_input_or_another_output(lab, tmp_path, capsys):
    model, source = str(lab / "m.ckpt"), tmp_path / "a.c3d"
    source.write_bytes((lab / "unlabelled.c3d").read_bytes())
    labelled = tmp_path / "a_labelled.c3d"
    labelled.write_bytes(source.read_bytes())
    before = {p: p.read_bytes() for p in (source, labelled)}
    base = ["label", str(source), "--model", model, "--overwrite"]
    for more in (
        ["-o", str(tmp_path / "x.c3d"), "--csv", str(source)],
        ["--csv", str(labelled)],
        ["--dump-attention", str(labelled)],
        [str(labelled)],  # a second input that is the first one's output
    ):
        assert run([*base, *more]) == 2, more
        assert {p: p.read_bytes() for p in (source, labelled)} == before
    assert run(["train", str(tmp_path), "-o", str(source), "--overwrite"]) == 2
    assert source.read_bytes() == before[source]


def test_keep_labels_keeps_every_name_that_is_there(lab, tmp_path, capsys):
    truth = figure_trial(seed=7)
    names = ["HEAD", "BALL", "*0", "*1", "*2", "*3", "*4", "*5"]
    source, out = tmp_path / "part.c3d", tmp_path / "out.c3d"
    io.write(source, Trial(truth.positions, names, truth.rate_hz))
    assert run(["label", str(source), "--model", str(lab / "m.ckpt"), "-o", str(out), "--keep-labels"]) == 0
    result = io.read(out)
    for name, column in (("HEAD", 0), ("BALL", 1)):
        np.testing.assert_array_equal(result.positions[:, result.labels.index(name)], truth.positions[:, column])


def test_one_trial_that_fails_unexpectedly_does_not_end_a_batch(lab, tmp_path, capsys, monkeypatch):

    from automarkerlabel.labellers.trajectory import TrajectoryLabeller

    label, calls = TrajectoryLabeller.label, []

    def fails_once(self, *arguments):
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError("no room")
        return label(self, *arguments)

    monkeypatch.setattr(TrajectoryLabeller, "label", fails_once)
    trials = [str(lab / "unlabelled.c3d"), str(lab / "train" / "t0.c3d")]
    command = ["label", *trials, "--model", str(lab / "m.ckpt"), "-o", str(tmp_path), "--csv", str(tmp_path / "r.csv")]
    assert run(command) == 3
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [bool(r["error"]) for r in rows] == [False, True]


def test_a_csv_that_cannot_be_written_is_said_before_the_work(lab, tmp_path, capsys):
    command = ["label", str(lab / "unlabelled.c3d"), "--model", str(lab / "m.ckpt"), "-o", str(tmp_path / "x.c3d")]
    assert run([*command, "--csv", str(tmp_path / "gone" / "r.csv")]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ["--noise-mm", "nan"], ["--seed", "-1"], ["--clip", "-1"], ["--epoch-windows", "-5"], ["--mirror", "1.5"],
        ["--preset", "paper", "--batch-size", "1"], ["--rate-hz", "0"], ["--learning-rate", "inf"],
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(lab, tmp_path, capsys, options):
    assert run(["train", str(lab / "train"), "-o", str(tmp_path / "m.ckpt"), *options]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("line", ['epochs = "three"', "epochs = 1.5", 'mixed_precision = "no"', "seed = true"])
def test_settings_of_another_type_in_a_file(lab, tmp_path, capsys, line):
    (tmp_path / "c.toml").write_text(line)
    command = ["train", str(lab / "train"), "-o", str(tmp_path / "m.ckpt"), "--config", str(tmp_path / "c.toml")]
    assert run(command) == 2
    assert "expected a" in capsys.readouterr().err


def test_a_damaged_state_is_one_line(lab, tmp_path, capsys):
    out = tmp_path / "m.ckpt"
    (tmp_path / "m.ckpt.run").mkdir()
    (tmp_path / "m.ckpt.run" / "state.pt").write_bytes(b"damaged")
    assert run(["train", str(lab / "train"), "-o", str(out), "--resume", *SMALL]) == 2
    assert "damaged" in capsys.readouterr().err
