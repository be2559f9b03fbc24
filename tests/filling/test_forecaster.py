"""The forecaster: what it sees of a gap, how it rolls, what poses of other trials tell, and its file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, ModelError, TrialError
from automarkerlabel.filling import forecaster as store
from automarkerlabel.filling.fill import FillOptions, fill
from automarkerlabel.filling.forecaster import Forecaster, blend
from automarkerlabel.filling.forecaster_inputs import N_FACTS, N_KNOWN, UNIT_MM, frames_beside, rolls, stride, to_frames
from automarkerlabel.filling.regression import Foretold
from automarkerlabel.models.forecaster import ForecasterConfig, ForecasterModel
from automarkerlabel.training.forecaster import ForecastSettings, example_poses, train
from tests.fixtures.filling_cases import hidden, tumbling, turn

RATE = 100.0
TINY = ForecastSettings(windows=60, epochs=4, batch_size=16, cells=8)


def network(gate=100.0, push=(0.0, 0.0, 0.0)):
    """One that takes this share of the guess (as a logit), and moves each step by these shares of the last change
    before the gap, of the step of what is told, and of its own last answer, whatever it sees."""
    model = ForecasterModel(ForecasterConfig(N_FACTS, 4))
    with torch.no_grad():
        model.out.weight.zero_()
        model.out.bias.copy_(torch.tensor([*push, gate]))
    return model


def some_network(seed=0):
    torch.manual_seed(seed)
    model = ForecasterModel(ForecasterConfig(N_FACTS, 6)).eval()
    torch.nn.init.normal_(model.out.weight)
    return model


def still_mates(path, start, n_hidden, n_known=None):
    """What is told of a marker on `path` `(n_frames, 3)` by predictors that stand still, in space's own axes."""
    beside = frames_beside(RATE)
    measured = path[None, start - beside : start + n_hidden + beside].astype(float).copy()
    if n_known is not None:
        measured[:, : beside - n_known] = np.nan
    shape = measured.shape
    eye = np.broadcast_to(np.eye(3), (*shape, 3))
    return Foretold(np.zeros(shape), measured, eye, np.zeros(shape), beside, 100)


def parabola(n_frames=80):
    time = np.arange(n_frames, dtype=float)
    return np.stack([3 * time, 5 - 0.2 * time**2, 100 + time + 0.05 * time**2], axis=1)


# ---------------------------------------------------------------- what it sees, and the roll


def test_a_roll_adds_up_its_steps_and_a_share_of_the_guess():
    known = torch.zeros(1, N_KNOWN, 3)
    known[0, -1, 0] = 1.0  # the last change, and the first answer that is fed back
    motion, guess = torch.zeros(1, N_KNOWN + 2, 3), torch.tensor([[[0.0, 0, 4], [0, 0, 8]]])
    motion[0, N_KNOWN:, 1] = torch.tensor([10.0, 30.0])
    facts = torch.randn(1, N_KNOWN + 2, N_FACTS)
    found = network(0.0, (1.0, 0.5, 0.0)).eval()(facts, known, motion, guess)
    # 0.2 of the change and of half of each step of the motion; half of the guess
    torch.testing.assert_close(found, torch.tensor([[[0.2, 1.0, 2.0], [0.4, 3.0, 4.0]]]))
    found = network(-100.0, (0.0, 0.0, 5.0)).eval()(facts, known, motion, guess)
    torch.testing.assert_close(found[0, :, 0], torch.tensor([1.0, 2.0]))  # 0.2 * 5 times its last answer: 1, then 1 + 1


def drawn(n_steps=4):
    torch.manual_seed(3)
    sizes = (N_KNOWN + n_steps, N_FACTS), (N_KNOWN, 3), (N_KNOWN + n_steps, 3), (n_steps, 3)
    return [torch.randn(1, *size) for size in sizes]


def test_a_roll_goes_on_by_its_own_last_answer_and_never_looks_ahead():
    model, (facts, known, motion, guess) = some_network(), drawn()
    first = model(facts, known, motion, guess)
    later = facts.clone()
    later[:, -1] += 1
    assert torch.equal(model(later, known, motion, guess)[:, :3], first[:, :3])
    changed = guess.clone()
    changed[:, 0] += 1  # of the first answer, which is fed back
    assert ((model(facts, known, motion, changed) - first)[:, 1:].abs() > 1e-6).all()


def test_turned_inputs_give_the_same_answer_turned():
    model, (facts, known, motion, guess) = some_network(), drawn()
    about = torch.tensor(np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0], dtype=torch.float32)
    found = model(facts, *(x @ about for x in (known, motion, guess)))
    torch.testing.assert_close(found, model(facts, known, motion, guess) @ about, atol=1e-5, rtol=1e-4)


def test_each_roll_counts_less_the_farther_it_is_from_its_edge():
    frames = np.array([1, 2, 3])
    forward, backward = torch.full((1, 3, 3), 4.0), torch.full((1, 3, 3), 8.0)
    assert blend(torch.cat([forward, backward]), frames)[0, :, 0].tolist() == pytest.approx([5.0, 6.0, 7.0])


def test_between_steps_the_way_is_straight_and_begins_at_the_edge():
    expected = [[0.5, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    assert np.array_equal(to_frames(np.array([2, 4, 5])), np.array(expected, np.float32))
    assert [stride(x) for x in (30.0, 50.0, 100.0, 240.0)] == [1, 1, 2, 4]


@pytest.mark.parametrize("n_hidden", [1, 6, 15])
def test_with_the_whole_guess_a_parabola_is_met_at_its_steps(n_hidden):
    found = still_mates(parabola(), 30, n_hidden)
    sequence = rolls(found, RATE, 1.0)
    assert np.allclose((sequence.base + sequence.guess) * UNIT_MM, miss_of(found, sequence), atol=1e-4)
    rolled = Forecaster(network(), [], {}).rolled(found, RATE, 1.0)
    truth = found.measured[:, found.beside : found.beside + n_hidden]
    bend = 0.2 * (stride(RATE) / 2) ** 2 * 1.1  # between two steps it goes straight
    assert np.abs(found.bridged() + rolled - truth).max() < bend + 1e-4


def miss_of(found, sequence):
    """Of both directions at the steps, counted from the edge."""
    both = np.concatenate([found.measured, found.measured[:, ::-1]])
    near = found.beside - 1
    return both[:, near + sequence.frames] - both[:, near, None]


def test_without_a_far_edge_it_goes_straight_on_and_what_follows_does_not_matter():
    path = np.outer(np.arange(80.0), [1.0, -2.0, 0.5]) + 7
    other = path.copy()
    other[45:] += 1000
    model = Forecaster(network(), [], {})
    ahead = [model.ahead(still_mates(x, 30, 15), RATE, 1.0) for x in (path, other)]
    assert np.allclose(ahead[0], path[44], atol=1e-4) and np.array_equal(*ahead)


def test_reading_time_backward_gives_the_same_points():
    path = parabola() + 10 * np.sin(np.arange(80) / 5)[:, None]
    model, n_hidden, start = Forecaster(some_network(), [], {}), 12, 30
    forward = model.rolled(still_mates(path, start, n_hidden), RATE, 1.0)
    backward = model.rolled(still_mates(path[::-1], 80 - start - n_hidden, n_hidden), RATE, 1.0)
    assert np.abs(forward).max() > 0.1 and np.allclose(forward, backward[:, ::-1], atol=1e-5)


def test_what_is_not_seen_beside_the_gap_is_left_out():
    found = still_mates(parabola(), 30, 10, n_known=1)
    sequence = rolls(found, RATE, 1.0)
    assert np.isfinite(sequence.facts).all() and not sequence.known[0].any() and sequence.known[1].any()
    straight = rolls(found, RATE, 1.0, far_known=False)
    assert not straight.guess[0].any() and not straight.base.any()  # no speed is known


# ---------------------------------------------------------------- poses of other trials


def bending(n_frames=300, first=0):
    """A body on which D bends, and F four times as much, from a frame on."""
    truth = tumbling(n_frames)
    positions = truth.positions.astype(float)
    bend = 40 * np.sin(np.maximum(np.arange(n_frames) - first, 0) / 11)
    shape = turn(1.8 * np.arange(n_frames))
    positions[:, 3] += bend[:, None] * shape[:, :, 0]
    positions[:, 5] = positions[:, 1] + (50 + 4 * bend)[:, None] * shape[:, :, 1]
    return replace(truth, positions=positions.astype(np.float32))


def source(trial, name="other"):
    return Source(Path(f"{name}.c3d"), trial, "")


def forecaster(*trials):
    return Forecaster(network(-100.0), example_poses([source(x, str(n)) for n, x in enumerate(trials)]), {})


def off_mm(filled, truth):
    return np.linalg.norm(filled.trial.positions - truth.positions, axis=2)[filled.mask].mean()


def test_what_another_trial_shows_need_not_be_seen_in_this_one():
    """D is stiff here up to the gap and hidden while it bends; only the other trial shows that F tells how."""
    truth = bending(300, first=200)
    trial = hidden(truth, (3, 201, 270))
    wide = {"max_error_mm": 1000.0, "max_gap_s": 1.0}
    alone = off_mm(fill(trial, FillOptions(method="regression", **wide)), truth)
    known = off_mm(fill(trial, FillOptions(method="poses", **wide), forecaster(bending())), truth)
    assert known < 0.1 * alone and known < 2


def test_auto_chooses_among_the_models_methods_too():
    truth = bending()
    filled = fill(hidden(truth, (3, 100, 170), (5, 200, 202)), None, forecaster(bending()))
    assert {"poses", "forecast", "regression", "rigid", "spline"} == set(filled.gaps[0].errors_mm)
    best = min(filled.gaps[0].errors_mm, key=filled.gaps[0].errors_mm.get)
    assert filled.gaps[0].method == best and off_mm(filled, truth) < 1


def test_labels_that_the_model_does_not_know_leave_the_other_methods():
    truth = bending()
    trial = replace(hidden(truth, (3, 100, 170)), labels=[f"new {x}" for x in truth.labels])
    plain, filled = fill(trial), fill(trial, None, forecaster(bending()))
    assert plain.gaps[0].errors_mm["regression"] == pytest.approx(filled.gaps[0].errors_mm["regression"], rel=0.2)
    assert np.allclose(plain.trial.positions, filled.trial.positions, atol=1.0, equal_nan=True)


def test_poses_stand_by_label_and_estimates_are_none():
    trial = tumbling(120)
    residuals = np.full((120, 6), 0.3, np.float32)
    residuals[:60, 1] = 0  # filled by somebody
    kept = example_poses([source(replace(trial, residuals=residuals))])
    (points,) = Forecaster(network(), kept, {}).poses(["B", "X", "A"])
    assert points.shape == (60, 3, 3) and np.isnan(points[:, 1]).all() and np.isfinite(points[:, 2]).all()
    assert np.isnan(points[:30, 0]).all() and np.isfinite(points[31:, 0]).all()
    frames = np.linspace(0, 119, 60).astype(int)
    apart = np.linalg.norm(trial.positions[frames, 0] - trial.positions[frames, 1], axis=1)
    assert np.allclose(np.linalg.norm(points[:, 2] - points[:, 0], axis=1)[31:], apart[31:], atol=1e-2)


def test_many_trials_keep_fewer_poses_each():
    kept = example_poses([source(tumbling(100), str(n)) for n in range(400)])
    assert len(kept) == 300 and sum(k.trial.n_frames for k in kept) == 3000


# ---------------------------------------------------------------- training and the file


def shaking(n_frames=240, phase=0.0):
    """A body on which D sways smoothly and alone: nothing but its own motion tells it."""
    truth = tumbling(n_frames)
    positions = truth.positions.astype(float)
    positions[:, 3] += 15 * np.sin(np.arange(n_frames) / 40 + phase)[:, None] * turn(1.8 * np.arange(n_frames))[:, :, 0]
    return replace(truth, positions=positions.astype(np.float32))


def test_it_learns_to_go_on_smoothly_and_says_the_same_for_the_same_seed():
    sources = [source(shaking(phase=x), str(x)) for x in (0.0, 1.0, 2.0)]
    found = [[(e, m) for e, m in train(sources, TINY)] for _ in range(2)]
    first, last = found[0][0][0], found[0][-1][0]
    assert last.error_mm < 0.9 * last.poses_mm and last.error_mm < first.error_mm
    assert last == found[1][-1][0]
    one, two = (x[-1][1].network.state_dict() for x in found)
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_trials_that_cannot_be_learnt_from_are_refused():
    with pytest.raises(TrialError, match="a second or more"):
        next(train([source(tumbling(10))], TINY))
    with pytest.raises(TrialError, match="beside three others"):
        next(train([source(Trial(tumbling().positions[:, :2], ["A", "B"], RATE))], TINY))
    with pytest.raises(InputError, match="windows: expected more than 0"):
        ForecastSettings(windows=0)


def test_a_file_gives_back_the_same_answers(tmp_path):
    own = Forecaster(some_network(), example_poses([source(tumbling())]), {"seed": 1})
    own.save(tmp_path / "a.ckpt")
    again = store.load(tmp_path / "a.ckpt")
    found = still_mates(parabola(), 30, 12)
    assert np.array_equal(own.rolled(found, RATE, 1.0), again.rolled(found, RATE, 1.0))
    assert again.training == {"seed": 1}
    one, two = own.poses(list("ABC"))[0], again.poses(list("ABC"))[0]
    assert np.abs(one - two).max() <= 0.25 + 1e-3  # stored in half millimetres


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.ckpt"
    with pytest.raises(InputError, match="aml train --task forecast"):
        store.load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="found something else"):
        store.load(path)
    forecaster(tumbling()).save(path)
    whole = path.read_bytes()
    for old, new in ((b'"cells\\": 4', b'"cells\\": 9'), (b'format_version\\": 1', b'format_version\\": 7')):
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(ModelError, match=r"found it damaged|update automarkerlabel"):
            store.load(path)


# ---------------------------------------------------------------- the commands


def test_training_and_filling_by_command(tmp_path, capsys):
    folder, model = tmp_path / "train", tmp_path / "f.ckpt"
    folder.mkdir()
    for n in range(2):
        io.write(folder / f"{n}.c3d", shaking(phase=n))
    io.write(tmp_path / "gaps.c3d", hidden(shaking(phase=3.0), (3, 100, 112)))
    small = ["--epoch-windows", "40", "--epochs", "2", "--cells", "8", "--batch-size", "16"]
    assert run(["train", "--task", "forecast", str(folder), "-o", str(model), *small, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["epoch"] == 2 and told["error_mm"] > 0
    assert run(["train", "--task", "forecast", str(folder), "-o", str(model), *small]) == 2  # it is there
    assert run(["fill", str(tmp_path / "gaps.c3d"), "--model", str(model), "--method", "forecast", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gaps"][0]["method"] == "forecast"
    filled = io.read(tmp_path / "gaps_filled.c3d")
    assert filled.visible[100:112, 3].all() and (filled.residuals[100:112, 3] == 0).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["train", "x", "--task", "magic"], "expected label or forecast"),
        (["train", "x", "--task", "forecast", "--preset", "full"], "--preset"),
        (["train", "x", "--task", "forecast", "--n-neighbours", "3"], "--n-neighbours"),
        (["train", "--task", "forecast"], "labelled trials"),
        (["fill", "gaps.c3d", "--method", "poses"], "expected --model"),
        (["fill", "gaps.c3d", "--model", "none.ckpt"], "aml train --task forecast"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    io.write("gaps.c3d", hidden(tumbling(), (3, 100, 110)))
    assert run(options) != 0 and said in capsys.readouterr().err
