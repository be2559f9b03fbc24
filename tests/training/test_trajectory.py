import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import InputError, ModelError, TrainingError
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models import make_config
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.training.settings import Augmentation, TrainSettings
from automarkerlabel.training.task import Task
from automarkerlabel.training.trajectory import Trainer, squared_error
from tests.fixtures.figure import FIGURE, figure_trial

SMALL = {"cells": 32, "head_width": 32}
SETTINGS = TrainSettings(epochs=4, epoch_windows=512, batch_size=64, warmup_steps=5, learning_rate=4e-3)


def task(model_type="hybrid", labels=tuple(FIGURE), validation=True, **sizes):
    return Task(
        model_type,
        make_config(model_type, "light", **(sizes or SMALL)),
        WindowConfig(n_samples=4, n_neighbours=7),
        MarkerSet(labels),
        [figure_trial(seed=1), figure_trial(n_frames=60, speed_mm_s=0, seed=2)],
        [figure_trial(seed=3)] if validation else [],
        Augmentation(hidden=0.1, ghosts=2),
    )


def weights(trainer):
    return {k: v.clone() for k, v in trainer.model.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_it_learns_and_the_file_labels(tmp_path):
    trainer = Trainer(task(), SETTINGS, tmp_path / "m.ckpt")
    epochs = list(trainer.epochs())
    assert [e.epoch for e in epochs] == [1, 2, 3, 4]
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].val_accuracy > 0.5
    log = [json.loads(x) for x in (tmp_path / "m.ckpt.run" / "log.jsonl").read_text().splitlines()]
    assert [x["loss"] for x in log] == [e.loss for e in epochs]
    trial = figure_trial(turn_deg=70, seed=9)
    labelling = TrajectoryLabeller.of_file(tmp_path / "m.ckpt").label(trial)
    right = [labelling.label_of(n) == trial.labels[t.column] for n, t in enumerate(labelling.tracklets)]
    assert np.mean(right) >= 0.75


def test_a_resumed_run_is_the_unbroken_run(tmp_path):
    unbroken = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")
    figures = [e.val_loss for e in unbroken.epochs()]
    broken = Trainer(task(), SETTINGS, tmp_path / "b.ckpt")
    for epoch in broken.epochs():
        if epoch.epoch == 2:
            break
    resumed = Trainer(task(), SETTINGS, tmp_path / "b.ckpt")
    resumed.resume()
    assert [e.val_loss for e in resumed.epochs()] == figures[2:]
    assert_same(weights(resumed), weights(unbroken))
    a, b = store.load(tmp_path / "a.ckpt"), store.load(tmp_path / "b.ckpt")
    assert_same(a.tensors, b.tensors)


def test_an_interrupted_epoch_is_done_again(tmp_path):
    trainer = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")

    def stop(step, steps, loss):
        if trainer.epoch == 1 and step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(trainer.epochs(stop))
    resumed = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")
    resumed.resume()
    assert resumed.epoch == 1
    list(resumed.epochs())
    unbroken = Trainer(task(), SETTINGS, tmp_path / "b.ckpt")
    list(unbroken.epochs())
    assert_same(weights(resumed), weights(unbroken))


def test_another_run_is_not_resumed(tmp_path):
    with pytest.raises(ModelError, match="without --resume"):
        Trainer(task(), SETTINGS, tmp_path / "a.ckpt").resume()
    list(Trainer(task(), SETTINGS, tmp_path / "a.ckpt").epochs())
    with pytest.raises(ModelError, match="model_type lstm, found hybrid"):
        Trainer(task("lstm"), SETTINGS, tmp_path / "a.ckpt").resume()


def test_a_forecast_is_learnt_beside_the_labels(tmp_path):
    sizes = dict(SMALL, forecast=True, head_dropout=0.0, attention_dropout=0.0)
    trainer = Trainer(task(**sizes), replace(SETTINGS, forecast=1.0), tmp_path / "a.ckpt")
    report = next(trainer.epochs())
    log = json.loads((tmp_path / "a.ckpt.run" / "log.jsonl").read_text())
    assert log["val_forecast"] == report.val_forecast
    assert 0.5 < report.val_forecast < 2  # as good as to go with the neighbours: nothing is learnt yet
    assert store.load(tmp_path / "a.ckpt").tensors["forecast.weight"].shape == (3, 32)
    batch = next(trainer.sampler.batches(64, 1, np.random.default_rng(0)))
    for _ in range(200):
        trainer._step(batch)
    x, mask, target = trainer._tensors(batch)
    scores, (forecast,) = trainer.model(x, mask, with_forecast=True)
    ahead = trainer._ahead(batch)
    assert squared_error(forecast, ahead) < 0.3 * squared_error(torch.zeros_like(ahead), ahead)
    assert (scores.argmax(1) == target).float().mean() > 0.9


def test_the_error_of_a_forecast_by_hand():
    ahead = torch.tensor([[1.0, 2.0, 3.0], [float("nan")] * 3, [0.0, 0.0, 0.0]])
    forecast = torch.tensor([[1.0, 2.0, 0.0], [9.0, 9.0, 9.0], [0.0, 3.0, 3.0]], requires_grad=True)
    error = squared_error(forecast, ahead)
    assert error.item() == 9  # (9 + 18) / 3
    error.backward()
    assert forecast.grad[1].tolist() == [0, 0, 0]


def test_a_forecast_of_parts_makes_the_same_step_as_the_whole(tmp_path):
    sizes = {"dropout": 0.0, "attention_dropout": 0.0, "head_dropout": 0.0, "forecast": True}
    whole, parts = (Trainer(task(**sizes), replace(SETTINGS, forecast=2.0), tmp_path / x) for x in ("a", "b"))
    parts.back_off.part = 10
    batch = next(whole.sampler.batches(64, 1, np.random.default_rng(0)))
    assert parts._step(batch)[0] == pytest.approx(whole._step(batch)[0], rel=1e-5)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-3)


def test_weight_and_head_of_a_forecast_belong_together(tmp_path):
    for settings, sizes in ((replace(SETTINGS, forecast=1.0), SMALL), (SETTINGS, dict(SMALL, forecast=True))):
        with pytest.raises(InputError, match="forecast: expected a weight and a network that forecasts"):
            Trainer(task(**sizes), settings, tmp_path / "a.ckpt")
    assert not any("forecast" in name for name in Trainer(task(), SETTINGS, tmp_path / "a.ckpt").model.state_dict())


def test_a_run_of_an_earlier_version_without_newer_settings_goes_on(tmp_path):
    trainer = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")
    next(trainer.epochs())
    path = tmp_path / "a.ckpt.run" / "state.pt"
    state = torch.load(path, weights_only=True)
    told = json.loads(state["task"])
    del told["forecast"], told["config"]["attention"], told["config"]["forecast"]
    torch.save(state | {"task": json.dumps(told)}, path)
    again = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")
    again.resume()
    assert again.epoch == 1
    other = Trainer(task(**SMALL, attention="luong"), SETTINGS, tmp_path / "a.ckpt")
    with pytest.raises(ModelError, match="config"):
        other.resume()


@pytest.mark.parametrize("attention", ["conv", "sparse"])
def test_other_attentions_are_trained_stored_and_label(tmp_path, attention):
    trainer = Trainer(task(**SMALL, attention=attention), replace(SETTINGS, epochs=2), tmp_path / "m.ckpt")
    epochs = list(trainer.epochs())
    assert epochs[-1].loss < epochs[0].loss
    labeller = TrajectoryLabeller.of_file(tmp_path / "m.ckpt")
    part = next(labeller.attention(figure_trial(seed=9)))
    assert labeller.mechanism == attention
    assert set(part.arrays()) == {"frames", "neighbours", "importance" if attention == "sparse" else "attention"}
    assert part.neighbours.shape == (len(part.frames), 7)
    own = np.array([t.column for t in labeller.split(figure_trial(seed=9))])[part.tracklet]
    assert all(sorted([*n, c]) == list(range(8)) for n, c in zip(part.neighbours, own, strict=True))


def test_parts_of_a_batch_make_the_same_step_as_the_whole(tmp_path):
    whole = Trainer(task(dropout=0.0, attention_dropout=0.0, head_dropout=0.0), SETTINGS, tmp_path / "a.ckpt")
    parts = Trainer(task(dropout=0.0, attention_dropout=0.0, head_dropout=0.0), SETTINGS, tmp_path / "b.ckpt")
    parts.back_off.part = 10
    batch = next(whole.sampler.batches(64, 1, np.random.default_rng(0)))
    loss, correct = whole._step(batch)
    loss_in_parts, correct_in_parts = parts._step(batch)
    assert loss_in_parts == pytest.approx(loss, rel=1e-5)
    assert correct_in_parts == correct
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-3)


def test_running_out_of_memory_in_a_step_changes_nothing_but_the_parts(tmp_path, monkeypatch):
    plain = Trainer(task(dropout=0.0, attention_dropout=0.0, head_dropout=0.0), SETTINGS, tmp_path / "a.ckpt")
    tight = Trainer(task(dropout=0.0, attention_dropout=0.0, head_dropout=0.0), SETTINGS, tmp_path / "b.ckpt")
    forward = tight.model.forward

    def small_memory(x, mask, with_weights=False):
        if len(x) > 20:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate")
        return forward(x, mask, with_weights)

    monkeypatch.setattr(tight.model, "forward", small_memory)
    batch = next(plain.sampler.batches(64, 1, np.random.default_rng(0)))
    assert tight._step(batch)[0] == pytest.approx(plain._step(batch)[0], rel=1e-5)
    assert tight.back_off.part == 16


def test_losses_that_are_no_number_change_nothing_and_end_with_advice(tmp_path):
    trainer = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")
    before = weights(trainer)
    batch = next(trainer.sampler.batches(64, 1, np.random.default_rng(0)))
    batch.features[0, 0, 0, 0] = np.nan
    assert np.isnan(trainer._step(batch)[0])
    assert_same(weights(trainer), before)
    trainer._step = lambda batch: (float("nan"), 0)
    with pytest.raises(TrainingError, match="--learning-rate"):
        list(trainer.epochs())


def test_plateau_lowers_the_rate_and_patience_ends(tmp_path):
    settings = TrainSettings(
        epochs=50, epoch_windows=64, batch_size=64, schedule="plateau", plateau_patience=1, patience=4, warmup_steps=0
    )
    trainer = Trainer(task(validation=False), settings, tmp_path / "a.ckpt")
    trainer._step = lambda batch: (1.0, 0)  # nothing ever gets better
    epochs = list(trainer.epochs())
    assert len(epochs) == 5
    rates = [e.learning_rate for e in epochs]
    assert rates == pytest.approx([2e-3, 2e-3, 2e-3, 1e-3, 1e-3])
    assert [e.best for e in epochs] == [True, False, False, False, False]


def test_cosine_falls_to_nearly_nothing(tmp_path):
    trainer = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")
    trainer.epoch = 3
    assert trainer._learning_rate(7) < 0.01 * SETTINGS.learning_rate
    trainer.epoch = 0
    assert trainer._learning_rate(0) == pytest.approx(SETTINGS.learning_rate / 5, rel=0.01)


def test_sgd_of_the_paper(tmp_path):
    settings = TrainSettings(optimizer="sgd", learning_rate=0.078, momentum=0.65)
    optimizer = Trainer(task(), settings, tmp_path / "a.ckpt").optimizer
    assert isinstance(optimizer, torch.optim.SGD)
    assert (optimizer.defaults["lr"], optimizer.defaults["momentum"]) == (0.078, 0.65)


def test_start_from_takes_what_fits_and_each_label_its_own_row(tmp_path):
    first = Trainer(task(), SETTINGS, tmp_path / "a.ckpt")
    base = first.as_checkpoint({})
    other = ("NEW", *reversed(FIGURE))
    second = Trainer(task(labels=other), SETTINGS, tmp_path / "b.ckpt")
    fresh_row = second.model.head.layers[4].weight[0].clone()
    second.start_from(base)
    assert second.fresh == []
    old, new = first.model.head.layers[4].weight, second.model.head.layers[4].weight
    assert torch.equal(new[1], old[7])  # RTOE
    assert torch.equal(new[-1], old[-1])  # no label
    assert torch.equal(new[0], fresh_row)
    assert torch.equal(second.model.lstm.weight_ih_l0, first.model.lstm.weight_ih_l0)
    with pytest.raises(ModelError, match="expected a lstm model, found a hybrid"):
        Trainer(task("lstm"), SETTINGS, tmp_path / "c.ckpt").start_from(base)
