"""`aml bench`: what is counted, how figures come about; never how long something takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from automarkerlabel.cli import run
from automarkerlabel.errors import InputError, ProcessingError
from automarkerlabel.labellers.legacy.inputs import WINDOW
from automarkerlabel.models.legacy_lstm import LegacyLstm, LegacyLstmConfig
from automarkerlabel.workflows.bench import floor, made, processes, racers, report
from automarkerlabel.workflows.bench.floor import Floor, Work, work_of
from automarkerlabel.workflows.bench.labelling import Labelled


@pytest.fixture
def small_floor(monkeypatch) -> Floor:
    """A floor that is measured in no time."""
    monkeypatch.setattr(floor, "_COPY_BYTES", 1 << 16)
    monkeypatch.setattr(floor, "PRODUCTS", {"small": (8, 4, 2)})
    return Floor()


def test_the_work_of_a_linear_layer():
    model, x = nn.Linear(5, 3), torch.ones(10, 5)
    work = work_of(lambda: model(x).square().sum(), model, 10, "adamw")
    # Forwards 2 * 5 * 3 a window, and as much for the gradient of the weights; the input needs none.
    assert work.flop == 2 * 2 * 5 * 3
    # Kept: x and the output that is squared, written and read; ten moves of the 18 weights by ten windows.
    assert work.bytes == pytest.approx(2 * 4 * (5 + 3) + 10 * 4 * 18 / 10)
    assert model.weight.grad is None


def test_the_work_of_the_predecessors_network():
    config = LegacyLstmConfig(n_features=10, n_labels=4, max_len=6, n_cells=8, n_layers=2, n_hidden=5)
    model, x = LegacyLstm(config), torch.ones(3, 6, 10)
    lengths = torch.full((3,), 6)
    work = work_of(lambda: model(x, lengths).sum(), model, 3, "sgd")
    lstm = 2 * 6 * 4 * 8 * ((10 + 8) + (8 + 8))
    head = 2 * (6 * 8 * 5 + 5 * 4)
    # Backwards twice as much; what is not asked for, the gradient of the input and of the first state, may be left out.
    assert 2 * (lstm + head) < work.flop <= 3 * (lstm + head)


def test_the_floor_is_the_slower_of_products_and_memory(small_floor):
    small_floor.flop["float32"]["small"], small_floor.bytes = 100.0, 20.0
    assert small_floor.per_second(Work(flop=10, bytes=4)) == 5
    assert small_floor.per_second(Work(flop=50, bytes=4)) == 2


def test_the_floor_keeps_the_best_of_all_tries(small_floor, monkeypatch):
    taken = iter([2.0, 4.0, 8.0, 8.0, 1.0] + [1.0, 1.0, 1.0, 1.0, 0.5] + [9.0] * 5)
    monkeypatch.setattr(floor, "seconds", lambda function, tries: next(taken))
    rates = []
    for _ in range(3):
        small_floor.try_once()
        rates.append((small_floor.flop["float32"]["small"], small_floor.flop["bfloat16"]["small"], small_floor.bytes))
    n = 2 * 8 * 4 * 2
    assert rates == [(n / 2, n / 8, 2 * 65536), (n, n, 4 * 65536), (n, n, 4 * 65536)]


def test_ratios_are_taken_within_a_round(small_floor, monkeypatch):
    small_floor.flop["float32"]["small"], small_floor.bytes = 4000.0, 1e9
    monkeypatch.setattr(small_floor, "try_once", lambda: None)

    def racer(name: str, rates: list[float]) -> racers.Racer:
        each = iter(rates)
        return racers.Racer(
            name, "", 1, Path(), Work(10.0, 1.0), "float32", lambda: next(each), lambda: 200.0, lambda: 1000.0
        )

    # The first round warms up. Quick: two that count, the second on a machine twice as busy.
    found = [racer(racers.BASELINE, [1.0, 20.0, 10.0]), racer("hybrid", [1.0, 200.0, 140.0])]
    rows = report._training(report.Order(quick=True), found, small_floor, lambda what: None)
    assert [r["windows_per_s"] for r in rows] == [15, 170]
    assert [r["times_baseline"] for r in rows] == [1, 12]
    assert [(r["lowest"], r["highest"]) for r in rows] == [(10, 20), (140, 200)]
    assert [r["floor_windows_per_s"] for r in rows] == [400, 400]
    assert [r["share_of_floor"] for r in rows] == [0.05, 0.5]
    assert rows[1]["network_share_of_floor"] == 0.5 and rows[1]["batches_alone"] == 1000


def test_labelling_without_one_of_the_two():
    ways = [Labelled("a", None, lambda: 5.0), Labelled("b", lambda: 7.0, None)]
    rows = report._labelling(report.Order(quick=True), ways, 100, lambda what: None)
    assert [(r["frames_per_s"], r["frames_per_s_scored"]) for r in rows] == [(None, 5), (7, None)]


def test_the_baseline_is_the_predecessors_method(tmp_path):
    baseline = racers.predecessor(tmp_path, 1, 1)
    assert baseline.about == "120 frames at 240 Hz, batch 100"
    n_labels = made.labelled(0.1).n_columns
    assert (n_labels, WINDOW) == (62, 120)
    cells, layers = 256, 3
    lstm = 4 * cells * (5 * (n_labels - 1) + cells + 2) + (layers - 1) * 4 * cells * (2 * cells + 2)
    head = 240 * cells * 128 + 128 + 2 * 128 + 128 * n_labels + n_labels
    assert baseline.n_weights == lstm + head


def test_a_model_type_trains_in_rounds(tmp_path):
    trials = [made.labelled(2.0)]
    config = racers.make_config("hybrid")
    racer = racers._trajectory("hybrid", "hybrid", config, trials, tmp_path, 1, 1)
    assert racer.train() > 0 and racer.network() > 0 and racer.batches() > 0
    assert racer.model.is_file()
    n = racer.n_weights
    assert racer.work.bytes > 10 * 4 * n / 256 and racer.work.flop > 2 * n, "more than one sample each"


def test_the_launcher_tells_time_memory_and_exit_code():
    def launched(code: str) -> dict:
        command = [sys.executable, "-m", "automarkerlabel.workflows.bench.launcher", sys.executable, "-c", code]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    small, large = launched(""), launched("x = b'x' * (80 << 20)")
    assert small["code"] == large["code"] == 0 and large["seconds"] > 0
    if large["peak_bytes"] is not None:
        assert 75 << 20 < large["peak_bytes"] - small["peak_bytes"] < 100 << 20
        assert large["processor_seconds"] > 0
    assert launched("raise SystemExit(3)")["code"] == 3


def test_a_process_that_fails_is_named():
    jobs = {"fine": ["-c", ""], "broken": ["-c", "import sys; sys.exit('no such thing')"]}
    with pytest.raises(ProcessingError, match="broken: expected a process that ends well, found exit code 1: no such"):
        list(processes.run(jobs, 1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "weather"], "--only: expected some of floor, training"),
        (["--threads", "0"], "--threads: expected 1"),
    ],
)
def test_bad_options_are_one_line(options, said, capsys):
    assert run(["bench", *options]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(InputError):
        report.Order(threads=0)


def test_the_floor_as_a_table_and_as_json(small_floor, capsys):
    assert run(["bench", "--only", "floor", "--quick"]) == 0
    assert "GB/s of memory" in capsys.readouterr().out
    assert run(["bench", "--only", "floor", "--quick", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"machine", "floor"} and told["machine"]["threads"] == 1
    assert told["floor"]["flop_per_s"]["float32"]["small"] > 0


@pytest.mark.slow
def test_everything_at_once(monkeypatch, capsys):
    monkeypatch.setattr(report.Order, "n_steps", 1)
    assert run(["bench", "--quick", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = [r["name"] for r in told["training"]]
    assert names == ["predecessor", "same network", "lstm", "transformer", "hybrid", "matcher"]
    assert [r["name"] for r in told["labelling"]] == ["predecessor", "lstm", "transformer", "hybrid", "matcher"]
    assert {"import torch", "aml --help", "label, hybrid", "train, matcher"} <= {r["name"] for r in told["processes"]}
