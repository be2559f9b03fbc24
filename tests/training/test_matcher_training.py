"""Training of the matcher: it learns, goes on where it stopped, and its file holds what it says."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from automarkerlabel.errors import ModelError, TrainingError
from automarkerlabel.models.checkpoints import matcher as store
from automarkerlabel.models.matcher import Matcher, MatcherConfig
from automarkerlabel.models.matcher.batch import MatchBatch
from automarkerlabel.training.matcher import MatchSettings, MatchTrainer

TINY = MatcherConfig(width=32, heads=2, first_layers=1, second_layers=1)
QUICK = MatchSettings(learning_rate=3e-3, warmup_steps=20, log_steps=10, averaging=0.9, mixed_precision=False)


def toy(step: int, n_samples: int = 16) -> MatchBatch:
    """A fixed figure of six points, each of its own in height, seen in any order, with one ghost far below."""
    random = torch.Generator().manual_seed(step)
    figure = torch.tensor([[0, 0, 0], [100, 0, 300], [0, 200, 600], [0, -200, 900], [150, 0, 1200], [0, 0, 1500.0]])
    reference = figure + 10 * torch.randn(n_samples, 6, 3, generator=random)
    ghost = torch.tensor([0.0, 600, 400]) + 20 * torch.randn(n_samples, 1, 3, generator=random)
    points = torch.cat([figure + 10 * torch.randn(n_samples, 6, 3, generator=random), ghost], 1)
    order = torch.stack([torch.randperm(7, generator=random) for _ in range(n_samples)])
    query = points.gather(1, order[..., None].expand(-1, -1, 3))
    match = torch.where(order == 6, -1, order)
    return MatchBatch(query[:, None].repeat(1, 5, 1, 1), torch.full((n_samples,), 0.1), reference, match)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lines(path) -> list[dict[str, float]]:
    return [json.loads(x) for x in path.with_name(path.name + ".log.jsonl").read_text().splitlines()]


def test_it_learns_a_toy_problem_and_its_ghosts(tmp_path):
    path = tmp_path / "state.ckpt"
    heard = []
    trainer = MatchTrainer(toy, path, TINY, QUICK)
    trainer.train(until_step=120, on_log=heard.append)
    log = lines(path)
    assert [x["step"] for x in log] == list(range(10, 130, 10)) == [x.step for x in heard]
    assert log[-1]["loss"] < 0.3 * log[0]["loss"]
    assert log[-1]["accuracy"] > 0.98 and log[-1]["accuracy_first"] > 0.95 and log[-1]["ghosts"] > 0.95
    assert log[-1]["samples_per_s"] > 0 and log[-1]["skipped_steps"] == 0
    # What is loaded to label with is the moving average, and as good.
    matcher, training = store.load_matcher(path)
    assert training["step"] == 120 and training["samples"] == 120 * 16
    batch = toy(999)
    with torch.no_grad():
        found = matcher(batch.query, batch.dt_s, batch.reference).final.rows.argmax(2)
    assert (found == torch.where(batch.match < 0, 6, batch.match)).float().mean() > 0.98


def test_a_resumed_run_ends_where_the_unbroken_one_does(tmp_path):
    path = tmp_path / "state.ckpt"
    unbroken = MatchTrainer(toy, path, TINY, QUICK)
    unbroken.train(until_step=6)
    resumed = MatchTrainer(toy, path, settings=QUICK)
    assert resumed.step == 6
    resumed.train(until_step=12)
    unbroken.path = tmp_path / "other.ckpt"
    unbroken.train(until_step=12)
    a, b = resumed.matcher.state_dict(), unbroken.matcher.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert all(torch.equal(resumed.average[k], unbroken.average[k]) for k in a)
    assert resumed.samples == unbroken.samples == 12 * 16


def test_saving_keeps_weights_whole_and_average_close(tmp_path):
    trainer = MatchTrainer(toy, tmp_path / "state.ckpt", TINY, QUICK)
    trainer.train(until_step=5)
    _, tensors, training = store.read(trainer.path)
    weights = store.with_prefix(tensors, store.WEIGHTS)
    assert all(torch.equal(v, weights[k]) for k, v in trainer.matcher.state_dict().items())
    loaded, _ = store.load_matcher(trainer.path)
    assert all(torch.equal(v, trainer.average[k]) for k, v in loaded.state_dict().items())
    assert training["settings"]["learning_rate"] == 3e-3
    n_weights = sum(p.numel() for p in trainer.matcher.parameters())
    assert trainer.path.stat().st_size < 1.3 * 10 * n_weights  # 4 bytes for weights, 2 for each of three others


def test_shipped_weights_load_as_they_were(tmp_path):
    trainer = MatchTrainer(toy, tmp_path / "state.ckpt", TINY, QUICK, note={"data": "toy"})
    trainer.train(until_step=2)
    store.save_matcher(tmp_path / "shipped.ckpt", trainer.averaged(), trainer.provenance())
    loaded, training = store.load_matcher(tmp_path / "shipped.ckpt")
    assert loaded.config == TINY and training["note"] == {"data": "toy"}
    assert all(torch.equal(v, trainer.average[k]) for k, v in loaded.state_dict().items())


def test_the_learning_rate_warms_up_stays_and_cools_down(tmp_path):
    trainer = MatchTrainer(toy, tmp_path / "state.ckpt", TINY, QUICK)
    rates = []
    for trainer.step in range(100):
        rates.append(trainer._learning_rate(until_step=100, cool_down=10))
    assert rates[0] == pytest.approx(3e-3 / 20) and rates[20:90] == [3e-3] * 70
    assert rates[95] == pytest.approx(1.5e-3) and rates[99] == pytest.approx(3e-4)


def test_a_signal_saves_and_stops(tmp_path):
    def interrupting(step: int) -> MatchBatch:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return toy(step)

    before = signal.getsignal(signal.SIGTERM)
    trainer = MatchTrainer(interrupting, tmp_path / "state.ckpt", TINY, QUICK)
    trainer.train(until_step=100)
    assert store.read(trainer.path)[2]["step"] == 4
    assert signal.getsignal(signal.SIGTERM) is before


def test_minutes_end_it(tmp_path):
    trainer = MatchTrainer(toy, tmp_path / "state.ckpt", TINY, QUICK)
    trainer.train(minutes=0)
    assert trainer.step <= 1 and trainer.path.is_file()


def test_losses_that_are_no_numbers_end_the_training(tmp_path):
    trainer = MatchTrainer(toy, tmp_path / "state.ckpt", TINY, QUICK)
    with torch.no_grad():
        trainer.matcher.which_set.fill_(float("nan"))
    kept = trainer.matcher.embed[0].weight.clone()
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        trainer.train(until_step=100)
    assert torch.equal(trainer.matcher.embed[0].weight, kept)


def test_half_precision_trains(tmp_path):
    trainer = MatchTrainer(toy, tmp_path / "state.ckpt", TINY, replace(QUICK, mixed_precision=True, log_steps=1))
    trainer.train(until_step=30)
    log = lines(trainer.path)
    assert log[-1]["loss"] < log[0]["loss"]


def test_another_config_is_refused(tmp_path):
    MatchTrainer(toy, tmp_path / "state.ckpt", TINY, QUICK).save()
    with pytest.raises(ModelError, match="name another file"):
        MatchTrainer(toy, tmp_path / "state.ckpt", replace(TINY, width=64), QUICK)


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x08" + bytes(100)])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.ckpt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="expected a matcher's file"):
        store.load_matcher(path)


def test_files_that_lie_are_refused(tmp_path):
    path = tmp_path / "state.ckpt"
    with pytest.raises(ModelError, match="found none"):
        store.load_matcher(path)
    save_file({"x": torch.zeros(1)}, path, {"format": "pt"})
    with pytest.raises(ModelError, match="a matcher of this package"):
        store.load_matcher(path)
    weights = {store.WEIGHTS + k: v for k, v in Matcher(TINY).state_dict().items()}
    store.write(path, replace(TINY, width=16), weights, {})
    with pytest.raises(ModelError, match="resized"):
        store.load_matcher(path)
    del weights[store.WEIGHTS + "which_set"]
    store.write(path, TINY, weights, {})
    with pytest.raises(ModelError, match="'which_set' missing"):
        store.load_matcher(path)
