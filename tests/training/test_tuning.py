"""`aml tune`: what is searched, the study in its file, and that its best settings train the same again."""

import json
import sys
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.fixtures.figure import figure_trial
from tests.fixtures.places import TOP

pytest.importorskip("optuna")

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import InputError, OutputError, ProcessingError
from automarkerlabel.io.collect import read_labelled
from automarkerlabel.models import MODELS, make_config
from automarkerlabel.models.checkpoints.trajectory import load
from automarkerlabel.training.settings import NetworkSettings, TrainSettings
from automarkerlabel.training.tuning import results, search
from automarkerlabel.training.tuning.space import SPACE, Choice, Search, customary, searched
from automarkerlabel.training.tuning.study import Finished, Standing

SMALL = {
    "epochs": 1, "epoch_windows": 256, "batch_size": 64, "cells": 16, "n_neighbours": 7, "n_samples": 4, "heads": 2,
    "layers": 1, "head_width": 16,
}  # fmt: skip
OPTIONS = [x for name, value in SMALL.items() for x in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def trials(tmp_path_factory) -> Path:
    """A folder with three labelled trials."""
    folder = tmp_path_factory.mktemp("trials")
    for n in range(3):
        io.write(folder / f"t{n}.c3d", figure_trial(seed=n, speed_mm_s=300.0 * n, turn_deg=40 * n))
    return folder


@pytest.fixture
def wanted(trials, tmp_path) -> Search:
    """A search of two short trials."""
    sources = read_labelled(sorted(trials.glob("*.c3d")))
    return Search(tmp_path / "s.db", tmp_path / "s.toml", sources, fixed=SMALL, trials=2)


def test_what_is_searched_are_settings_that_the_type_has_and_that_are_not_held():
    known = {f.name for cls in (TrainSettings, WindowConfig, NetworkSettings) for f in fields(cls)}
    assert set(SPACE) <= known
    assert "width" in searched("transformer", {}) and "cells" not in searched("transformer", {})
    assert "cells" in searched("hybrid", {}) and "projection" not in searched("hybrid", {})
    assert "heads" not in searched("lstm", {})
    assert set(searched("hybrid", {})) - set(searched("hybrid", {"cells": 64, "layers": 1})) == {"cells", "layers"}


def test_the_page_about_tuning_names_each_range():
    page = (TOP / "docs" / "tune.md").read_text(encoding="utf-8")
    rows = {}
    for line in page.splitlines():
        if line.startswith("| `"):
            name, where, types = (x.strip() for x in line.strip("|").split("|"))
            rows[name.strip("`")] = (where, types)
    assert set(rows) == set(SPACE)
    for name, where in SPACE.items():
        if isinstance(where, Choice):
            text = ", ".join(map(str, where.values))
        else:
            text = f"{where.low:g} to {where.high:g}" + (", in the logarithm" if where.log else "")
            text += f", in steps of {where.step}" if (where.step or 1) > 1 else ""
        having = [kind for kind in MODELS if name in searched(kind, {})]
        assert rows[name] == (text, "all" if len(having) == len(MODELS) else ", ".join(having))


def test_heads_always_divide_the_width_that_they_share():
    for name in ("cells", "width"):
        widths, heads = SPACE[name], SPACE["heads"]
        assert isinstance(widths, Choice) and isinstance(heads, Choice)
        assert all(width % n == 0 for width in widths.values for n in heads.values)


@pytest.mark.parametrize("model_type", list(MODELS))
def test_the_first_trial_is_the_preset(wanted, model_type):
    free = replace(wanted, model_types=(model_type,), fixed={})
    first = customary(free, model_type)
    assert first["learning_rate"] == TrainSettings().learning_rate
    assert first["n_neighbours"] == WindowConfig().n_neighbours
    own = {name: value for name, value in first.items() if name in searched(model_type, {})}
    assert set(own) == set(searched(model_type, {})), "all defaults lie in their ranges"
    network = {k: v for k, v in own.items() if k in make_config(model_type).__dataclass_fields__}
    assert make_config(model_type, **network) == make_config(model_type)


def test_a_study_is_gone_on_with_and_its_best_written(wanted):
    first = search.run(wanted)
    assert [t.state for t in first.trials] == ["complete", "complete"]
    assert first.trials[0].settings["learning_rate"] == TrainSettings().learning_rate
    told = []
    second = search.run(replace(wanted, trials=3), told.append)
    assert second.trials[:2] == first.trials and len(second.trials) == 3
    assert len(told[0].trials) == 2 and len(told[-1].trials) == 3
    assert second.best == min(second.trials, key=lambda t: t.loss)
    assert tomllib.loads(wanted.best.read_text()) == second.best.settings


def test_a_finished_study_needs_no_more_trials(wanted):
    before = search.run(wanted)
    assert search.run(wanted).trials == before.trials


def test_time_that_is_up_waits_for_one_complete_trial(wanted):
    standing = search.run(replace(wanted, trials=None, minutes=0, fixed=SMALL | {"epochs": 2}))
    assert [t.state for t in standing.trials] == ["complete"]
    assert standing.left_s == 0


def test_the_best_is_the_lowest_complete_loss():
    def trial(number: int, state: str, loss: float | None) -> Finished:
        return Finished(number, state, loss, 0.5, 1.0, {})

    standing = Standing((trial(0, "complete", 2.0), trial(1, "pruned", 1.0), trial(2, "complete", 1.5),
                         trial(3, "failed", None)), 1.0, None)  # fmt: skip
    assert standing.best is standing.trials[2]
    assert Standing(standing.trials[1:2], 1.0, None).best is None


def test_trials_that_all_fail_end_the_search_with_the_reason(wanted):
    hopeless = replace(wanted, fixed=SMALL | {"learning_rate": 1e30, "epoch_windows": 64 * 20, "warmup_steps": 0})
    with pytest.raises(ProcessingError, match="5 in a row that fail: expected finite losses"):
        search.run(hopeless)
    assert not wanted.best.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_types": ("matcher",)}, "model_type: expected some of hybrid"),
        ({"jobs": 0}, "jobs: expected 1 or more, found 0"),
        ({"minutes": float("nan")}, "minutes: expected"),
        ({"trials": None}, "expected --minutes or --trials"),
        ({"pruner": "best"}, "pruner: expected one of median"),
        ({"val_share": 0.0}, "val_share: expected more than 0"),
    ],
)
def test_searches_that_make_no_sense(wanted, change, said):
    with pytest.raises(InputError, match=said):
        replace(wanted, **change)


def test_a_study_of_something_else_is_refused(wanted, tmp_path):
    search.run(wanted)
    with pytest.raises(InputError, match=r"expected a study with held settings .*'epochs': 2"):
        search.run(replace(wanted, fixed=SMALL | {"epochs": 2}))
    with pytest.raises(InputError, match="expected a study with trials"):
        search.run(replace(wanted, sources=wanted.sources[:2]))
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="expected a study of aml tune, found another file"):
        search.run(replace(wanted, study=other))
    assert other.read_bytes() == b"not a database" * 100


def test_a_toml_file_of_someone_else_is_kept(wanted):
    wanted.best.write_text("epochs = 3\n")
    with pytest.raises(OutputError, match="expected no file or one by aml tune"):
        search.run(wanted)
    assert wanted.best.read_text() == "epochs = 3\n"


def test_train_with_the_best_settings_is_the_same_training(trials, tmp_path, capsys):
    study, best, model = tmp_path / "s.db", tmp_path / "found.toml", tmp_path / "m.ckpt"
    types = ["--model-type", "lstm", "--model-type", "hybrid"]
    held = ["--n-samples", "4", "--epochs", "1", "--epoch-windows", "256", "--batch-size", "64", "--cells", "16"]
    command = ["tune", str(trials), "-o", str(study), "--best", str(best), *types, "--trials", "3", *held, "--json"]
    assert run(command) == 0
    told = json.loads(capsys.readouterr().out)
    winner = told["best"]
    assert told["config"] == str(best) and len(told["trials"]) == 3
    assert {t["settings"]["model_type"] for t in told["trials"][:2]} == {"lstm", "hybrid"}
    assert run(["train", str(trials), "--config", str(best), "-o", str(model), "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["val_loss"] == winner["loss"], "bit for bit: same settings, trials and seed"
    stored = load(model)
    settings = dict(winner["settings"])
    assert stored.model_type == settings.pop("model_type") and settings.pop("preset") == "light"
    found = stored.training["settings"] | stored.windows | stored.config
    assert {name: found[name] for name in settings} == settings


def test_what_is_given_wins_over_the_model_type_of_a_file(trials, tmp_path, capsys):
    config, model = tmp_path / "c.toml", tmp_path / "m.ckpt"
    config.write_text('model_type = "lstm"\npreset = "light"\nepochs = 1\nepoch_windows = 64\nbatch_size = 64\n')
    assert run(["train", str(trials), "--config", str(config), "-o", str(model), "--model-type", "hybrid"]) == 0
    assert load(model).model_type == "hybrid"
    config.write_text('model_type = "nosuch"\n')
    assert run(["train", str(trials), "--config", str(config), "-o", str(tmp_path / "x.ckpt")]) == 2
    assert "'nosuch'" in capsys.readouterr().err


def test_tune_tells_and_draws(trials, tmp_path, capsys):
    command = ["tune", str(trials), "-o", str(tmp_path / "s.db"), "--trials", "2", *OPTIONS]
    assert run([*command, "--plots", str(tmp_path / "plots")]) == 0
    told = capsys.readouterr()
    assert "trial 0  complete  loss" in told.err and "trials/min" in told.err
    assert "aml train DATA --config" in told.out
    pictures = {p.name: p.read_bytes()[:8] for p in (tmp_path / "plots").iterdir()}
    assert set(pictures) == {"history.png", "epochs.png", "importance_hybrid.png", "slice_hybrid.png"}
    assert set(pictures.values()) == {b"\x89PNG\r\n\x1a\n"}


def test_ctrl_c_keeps_what_is_finished(trials, tmp_path, capsys, monkeypatch):
    prepare, calls = search.trajectory_plan.prepare, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return prepare(*arguments)

    monkeypatch.setattr(search.trajectory_plan, "prepare", interrupted)
    command = ["tune", str(trials), "-o", str(tmp_path / "s.db"), *OPTIONS]
    assert run([*command, "--trials", "5"]) == 130
    assert "finished trials are kept in" in capsys.readouterr().err
    assert tomllib.loads((tmp_path / "s.toml").read_text())["epochs"] == 1
    assert run([*command, "--trials", "2", "--json"]) == 0
    assert [t["state"] for t in json.loads(capsys.readouterr().out)["trials"]] == ["complete", "failed", "complete"]


@pytest.mark.parametrize(("package", "options"), [("optuna", []), ("matplotlib", ["--plots", "plots"])])
def test_a_missing_package_is_one_line(trials, tmp_path, capsys, monkeypatch, package, options):
    monkeypatch.setitem(sys.modules, package, None)
    assert run(["tune", str(trials), "-o", str(tmp_path / "s.db"), *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pip install 'automarkerlabel[tune]'" in said


def test_pictures_need_a_complete_trial(wanted, tmp_path):
    with pytest.raises(InputError, match="expected a trial that is complete, found none"):
        results.draw(wanted, tmp_path / "plots")


@pytest.mark.slow
def test_processes_share_a_study(wanted):
    standing = search.run(replace(wanted, trials=6, jobs=2))
    assert len([t for t in standing.trials if t.state != "failed"]) >= 6
    assert [t.number for t in standing.trials] == list(range(len(standing.trials)))
