"""The matcher at the command line, with a tiny one that learnt in seconds to match the figure of eight points."""

import csv
import json
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers import load
from automarkerlabel.marker_sets import catalogue as marker_catalogue
from automarkerlabel.models import MODELS
from automarkerlabel.models.matcher import MatcherConfig
from automarkerlabel.simulate.samples import SampleSettings
from automarkerlabel.training.matcher import MatchSettings, MatchTrainer
from automarkerlabel.training.matcher_samples import TrialSampler
from automarkerlabel.training.settings import MODEL_TYPES, TRAJECTORY_TYPES
from tests.fixtures.figure import FIGURE, figure_trial

LABELS = list(FIGURE)


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """A folder with a static trial, an unlabelled one, labelled trials to tune on, and the tiny matcher."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "labelled").mkdir()
    trials = [figure_trial(seed=n, speed_mm_s=300.0 * n, turn_deg=40 * n) for n in range(3)]
    for n, trial in enumerate(trials):
        io.write(folder / "labelled" / f"t{n}.c3d", trial)
    io.write(folder / "static.c3d", figure_trial(60, speed_mm_s=0, seed=9))
    truth = figure_trial(seed=7, turn_deg=100)
    io.write(folder / "walk.c3d", Trial(truth.positions[:, ::-1], [f"*{n}" for n in range(8)], truth.rate_hz))
    sources = [Source(folder / f"t{n}", t, "x") for n, t in enumerate(trials)]
    # Headings far off, too: else so small a network takes any heading for the right one.
    sampler = TrialSampler(sources, SampleSettings(points_per_batch=400, n_ghosts=1, heading_deg=40))
    settings = MatchSettings(warmup_steps=10, learning_rate=4e-3, mixed_precision=False, averaging=0.95)
    MatchTrainer(sampler.batch, folder / "tiny.ckpt", MatcherConfig(32, 2, 2, 1), settings).train(200, cool_down=80)
    return folder


@pytest.fixture(autouse=True)
def shipped(lab, tmp_path, monkeypatch):
    """The tiny matcher in place of the one that comes along, few marker sets that do, and those in a test's folder."""
    monkeypatch.setattr(load, "SHIPPED_MATCHER", lab / "tiny.ckpt")
    monkeypatch.setenv("AML_MARKER_SETS", str(tmp_path / "sets"))
    monkeypatch.setattr(marker_catalogue, "built_in_names", lambda: ["ior-lower", "plug-in-gait", "plug-in-gait-lower"])


def label(*arguments: object) -> int:
    return run(["label", *(str(a) for a in arguments)])


def out_of(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def right_labels(path: Path, source: Path) -> list[str]:
    """Labels of `path` whose points are those that carry them in truth: the source's columns in reverse order."""
    labelled, points = io.read(path), io.read(source).positions
    return [
        x for x in LABELS if x in labelled.labels and np.array_equal(
            labelled.positions[:, labelled.labels.index(x)], points[:, 7 - LABELS.index(x)]
        )
    ]  # fmt: skip


def test_one_static_trial_labels_another(lab, tmp_path, capsys):
    out = tmp_path / "walk.c3d"
    assert label(lab / "walk.c3d", "--reference", lab / "static.c3d", "-o", out, "--json") == 0
    summary = out_of(capsys)
    assert right_labels(out, lab / "walk.c3d") == LABELS
    assert summary["by"] == "reference static.c3d"
    assert summary["found"] == LABELS
    assert summary["n_labels"] == summary["match"]["n_found"] == 8
    assert summary["mean_confidence"] > 0.9
    assert summary["seconds"] > 0
    assert label(lab / "walk.c3d", "--reference", lab / "static.c3d", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "8 of 8 labels found" in said
    assert "by reference static.c3d, in" in said


def test_a_frame_of_the_reference_is_counted_as_its_file_does(lab, tmp_path, capsys):
    static = figure_trial(60, speed_mm_s=0)
    late = tmp_path / "late.c3d"
    io.write(late, Trial(static.positions, static.labels, static.rate_hz, first_frame=101))
    command = [lab / "walk.c3d", "--reference", late, "--dry-run", "--json"]
    assert label(*command, "--reference-frame", 160) == 0
    assert out_of(capsys)["by"] == "reference late.c3d, frame 160"
    assert label(*command, "--reference-frame", 60) == 2
    assert "from 101 to 160, found 60" in capsys.readouterr().err
    assert label(lab / "walk.c3d", "--reference-frame", 1) == 2
    assert "--reference-frame: expected --reference" in capsys.readouterr().err


def test_labels_that_the_trial_lacks_are_named_once_and_optional_ones_not(lab, tmp_path, capsys):
    full = figure_trial(seed=3)
    keep = [n for n, x in enumerate(LABELS) if x not in ("HEAD", "LHND")]
    poor = tmp_path / "poor.c3d"
    io.write(poor, Trial(full.positions[:, keep], [f"*{n}" for n in keep], full.rate_hz))
    assert label(poor, "--reference", lab / "static.c3d", "--dry-run") == 0
    said = capsys.readouterr()
    assert "note: poor.c3d: not found: HEAD, LHND" in said.err
    assert "missing" not in said.out
    sets = ["marker-sets", "add", str(lab / "static.c3d"), "--name", "ours", "--static-only", "HEAD|LHND"]
    assert run(sets) == 0
    capsys.readouterr()
    assert label(poor, "--reference", lab / "static.c3d", "--marker-set", "ours", "--dry-run", "--json") == 0
    summary = out_of(capsys)
    assert summary["missing"] == summary["optional"] == ["HEAD", "LHND"]
    assert summary["notes"] == []


def test_excluded_labels_are_no_part_of_the_reference(lab, tmp_path, capsys):
    out = tmp_path / "walk.c3d"
    command = [lab / "walk.c3d", "--reference", lab / "static.c3d", "-o", out, "--exclude", "HND$"]
    assert label(*command, "--json") == 0
    assert out_of(capsys)["n_labels"] == 6
    assert "LHND" not in io.read(out).labels


def test_units_and_up_speak_for_the_trial_alone(lab, tmp_path, capsys):
    trial = io.read(lab / "walk.c3d")
    metres = tmp_path / "metres.csv"
    io.write(metres, Trial(trial.positions / 1000, trial.labels, trial.rate_hz))
    command = [metres, "--reference", lab / "static.c3d", "--dry-run", "--json"]
    assert label(*command, "--units", "m") == 0
    assert out_of(capsys)["found"] == LABELS


def test_kept_names_are_held(lab, tmp_path, capsys):
    trial = io.read(lab / "walk.c3d")
    named = tmp_path / "named.c3d"
    io.write(named, Trial(trial.positions, ["RTOE", "mine", *trial.labels[2:]], trial.rate_hz))
    out = tmp_path / "out.c3d"
    assert label(named, "--reference", lab / "static.c3d", "-o", out, "--keep-labels") == 0
    labels = io.read(out).labels
    assert "mine" in labels
    assert set(LABELS) - set(labels) == {"LTOE"}  # its column is called something else, and stays so


def test_many_trials_with_one_that_fails(lab, tmp_path, capsys):
    bad = tmp_path / "bad.c3d"
    bad.write_text("nothing")
    rows = tmp_path / "rows.csv"
    command = [lab / "walk.c3d", bad, lab / "labelled" / "t1.c3d", "--reference", lab / "static.c3d", "--dry-run"]
    assert label(*command, "--csv", rows) == 3
    found = list(csv.DictReader(rows.read_text().splitlines()))
    assert [r["by"] for r in found] == ["reference static.c3d", "reference static.c3d", ""]
    assert found[2]["error"]


def test_a_trial_may_be_its_own_reference_but_never_the_output(lab, capsys):
    static = lab / "static.c3d"
    assert label(static, "--reference", static, "--dry-run", "--json") == 0
    assert out_of(capsys)["found"] == LABELS
    before = static.read_bytes()
    assert label(lab / "walk.c3d", "--reference", static, "-o", static, "--overwrite") == 2
    assert static.read_bytes() == before


@pytest.mark.parametrize("reference", [["--reference", "static.c3d"], ["--marker-set", "walked"], []])
def test_the_dump_of_a_match_has_the_scores_of_points_and_reference(lab, tmp_path, monkeypatch, capsys, reference):
    monkeypatch.chdir(lab)
    assert run(["marker-sets", "add", "static.c3d", "--name", "walked"]) == 0
    out = tmp_path / "a.h5"
    assert label("walk.c3d", "-o", tmp_path / "x.c3d", "--dump-attention", out, *reference) == 0
    with h5py.File(out) as file:
        group = file["walk"]
        assert group.attrs["mechanism"] == "matcher"
        assert set(group.attrs["labels"]) == set(LABELS)
        scores, tracklet = group["windows/log_probs"][:], group["windows/tracklet"][:]
        np.testing.assert_allclose(np.exp(scores).sum(1), 1, rtol=1e-4)
        assert group["windows/span"].shape == (len(scores), 2)
        best = np.array([scores[tracklet == n, :-1].mean(0).argmax() for n in range(8)])
        columns = group["tracklets"][:, 0]
        assert [group.attrs["labels"][k] for k in best] == [LABELS[7 - c] for c in columns]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reference", "walk.c3d"], "walk.c3d: expected a labelled trial as reference"),
        (["--reference", "gone.c3d"], "gone.c3d: expected a file"),
        (["--marker-set", "nosuch"], "marker set: expected one of"),
        (["--reference", "static.c3d", "--marker-set", "nosuch"], "marker set: expected one of"),
        (["--model", "sample", "--reference", "static.c3d"], "--reference: expected the matcher, found sample"),
        (["--model", "nosuch"], "nosuch: expected a model file"),
        (["--reference", "static.c3d", "--training-values", "x.pickle"], "--training-values: expected none"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(lab, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(lab)
    out = tmp_path / "out.c3d"
    assert label("walk.c3d", "-o", out, *arguments) == 2
    error = capsys.readouterr().err
    assert said in " ".join(error.split())
    assert error.count("aml:") == 1
    assert not out.exists()


def test_an_installation_without_the_matcher_says_so(lab, monkeypatch, capsys):
    monkeypatch.setattr(load, "SHIPPED_MATCHER", lab / "gone.safetensors")
    assert label(lab / "walk.c3d") == 2
    assert "expected the matcher that comes with the package" in capsys.readouterr().err


def test_a_known_set_labels_without_a_reference(lab, capsys):
    assert run(["marker-sets", "add", str(lab / "static.c3d"), "--name", "ours"]) == 0
    capsys.readouterr()
    assert label(lab / "walk.c3d", "--marker-set", "ours", "--dry-run", "--json") == 0
    summary = out_of(capsys)
    assert summary["by"] == "marker set ours"
    assert summary["found"] == LABELS


def test_the_set_is_found_where_nothing_is_said(lab, capsys):
    assert run(["marker-sets", "add", str(lab / "static.c3d"), "--name", "ours"]) == 0
    part = [str(lab / "static.c3d"), "--name", "legs", "--exclude", "HEAD|HND"]
    assert run(["marker-sets", "add", *part]) == 0  # part of the other set
    capsys.readouterr()
    assert label(lab / "walk.c3d", "--dry-run", "--json") == 0
    summary = out_of(capsys)
    assert summary["by"] == "marker set ours"
    assert summary["found"] == LABELS
    fits = [c["fit"] for c in summary["candidates"]]
    assert fits == sorted(fits, reverse=True)
    assert label(lab / "walk.c3d", lab / "labelled" / "t1.c3d", "--dry-run") == 0
    said = capsys.readouterr()
    assert "marker sets found: ours in 2" in said.err
    assert "by marker set ours (fit" in said.out


def test_a_trial_that_wears_none_of_the_sets_is_refused_with_the_closest(lab, tmp_path, capsys):
    strewn = np.random.default_rng(0).uniform(0, 2000, (120, 30, 3)).astype(np.float32)
    io.write(tmp_path / "strewn.c3d", Trial(strewn, [f"*{n}" for n in range(30)], 60.0))
    out = tmp_path / "out.c3d"
    assert label(tmp_path / "strewn.c3d", "-o", out) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.count(" labels)") == 3
    assert "--reference FILE" in said
    assert "--marker-set NAME" in said
    assert not out.exists()


def test_tuning_keeps_a_reference_and_goes_on(lab, tmp_path, capsys):
    out = tmp_path / "tuned.ckpt"
    train = ["train", str(lab / "labelled"), "-o", str(out), "--model-type", "matcher", "--batch-points", "80"]
    assert run([*train, "--steps", "2", "--learning-rate", "1e-5"]) == 0
    assert "3 trials of 8 labels" in capsys.readouterr().err
    assert run([*train, "--steps", "3"]) == 2  # a matcher is there already
    assert "--overwrite" in capsys.readouterr().err
    assert run([*train, "--steps", "4", "--learning-rate", "1e-5", "--resume", "--json"]) == 0
    assert out_of(capsys)["steps"] == 4
    assert label(lab / "walk.c3d", "--model", out, "--dry-run", "--json") == 0
    summary = out_of(capsys)
    assert summary["by"].startswith("tuned.ckpt and its own reference, t")
    assert summary["found"] == LABELS
    assert run(["info", str(out), "--json"]) == 0
    facts = out_of(capsys)
    assert (facts["model_type"], facts["step"], facts["note"]["from"]) == ("matcher", 4, "tiny.ckpt")
    assert sorted(facts["own_reference"]["labels"]) == sorted(LABELS)


def test_training_on_simulated_bodies_alone(tmp_path, capsys):
    out = tmp_path / "m.ckpt"
    train = ["train", "-o", str(out), "--model-type", "matcher", "--batch-points", "40"]
    assert run([*train, "--steps", "1"]) == 0
    assert run([*train, "--resume", "--minutes", "0.0001"]) == 0
    assert run([*train, "--resume", "--from", str(out)]) == 2
    assert run(["info", str(out)]) == 0


def test_ctrl_c_saves(tmp_path, monkeypatch, capsys):
    out = tmp_path / "m.ckpt"
    step = MatchTrainer._one_step

    def stopping(self, rate):
        signal.raise_signal(signal.SIGINT)
        return step(self, rate)

    monkeypatch.setattr(MatchTrainer, "_one_step", stopping)
    assert run(["train", "-o", str(out), "--model-type", "matcher", "--batch-points", "40"]) == 130
    assert out.exists()
    assert "--resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model-type", "matcher", "--preset", "paper"], "--preset: expected none with --model-type matcher"),
        (["--model-type", "matcher", "--cells", "3"], "--cells: expected none with --model-type matcher"),
        (["--model-type", "matcher", "--cool-down", "9"], "--cool-down: expected at most the number of --steps"),
        (["--model-type", "matcher", "--steps", "0"], "--steps: expected more than 0"),
        (["--model-type", "matcher", "--from", "sample"], "sample: expected a matcher to start from"),
        (["--model-type", "matcher", "--resume"], "expected the matcher of an earlier run"),
        (["--model-type", "cnn"], "--model-type: expected one of hybrid, lstm, transformer, matcher, found 'cnn'"),
        (["--model-type", "hybrid", "--steps", "3"], "--steps: expected --model-type matcher"),
    ],
)
def test_training_refuses_what_does_not_go_together(tmp_path, capsys, arguments, said):
    assert run(["train", "-o", str(tmp_path / "m.ckpt"), *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_trials_that_do_not_tell_left_from_right_cannot_be_tuned_on(tmp_path, capsys):
    trial = figure_trial(speed_mm_s=0)
    io.write(tmp_path / "t.c3d", Trial(trial.positions, [f"P{n}x" for n in range(8)], trial.rate_hz))
    command = ["train", str(tmp_path / "t.c3d"), "-o", str(tmp_path / "m.ckpt"), "--model-type", "matcher"]
    assert run(command) == 2
    assert "which way it faces" in " ".join(capsys.readouterr().err.split())


def test_the_matcher_is_measured_beside_a_model(lab, capsys):
    command = ["eval", str(lab / "labelled"), "--reference", str(lab / "static.c3d"), "--json"]
    broken = ["--cuts", "2", "--swaps", "0", "--ghosts", "1"]
    assert run([*command, *broken]) == 0
    report = out_of(capsys)
    assert [m["model"] for m in report["means"]] == ["matcher"]
    assert report["means"][0]["accuracy"] > 0.9
    assert run([*command, *broken, "--model", "sample"]) == 0
    assert [m["model"] for m in out_of(capsys)["means"]] == ["sample", "matcher"]


def test_models_list_shows_the_matcher(capsys):
    assert run(["models", "list", "--json"]) == 0
    assert out_of(capsys)["matcher"]["model_type"] == "matcher"
    assert run(["models", "list"]) == 0
    assert "matcher" in capsys.readouterr().out


def test_the_model_types_are_those_that_there_are():
    assert set(TRAJECTORY_TYPES) == set(MODELS)
    assert set(MODEL_TYPES) - set(MODELS) == {"matcher"}
