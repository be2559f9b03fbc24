"""An option that what is asked for cannot use is an error that names it, also where its value is the default."""

import pytest
from typer.main import get_command

from automarkerlabel.cli import app, run
from automarkerlabel.cli.options import named_as_typed
from automarkerlabel.review.editing import serve
from tests.fixtures.places import SAMPLES

WALK, STATIC, TRAIN = (str(SAMPLES / x) for x in ("walk_unlabelled.c3d", "static.c3d", "train"))
FORECAST, MATCHER = ["train", TRAIN, "--task", "forecast"], ["train", TRAIN, "--model-type", "matcher"]
HYBRID = ["train", TRAIN, "--model-type", "hybrid"]
TRUTH, SET = str(SAMPLES / "walk_truth.c3d"), str(SAMPLES / "MarkerSet.xml")
TYPED = {"--no-rotate": "--rotate"}
LEGACY = ["train", TRAIN, "--from", "a.ckpt", "--training-values", "v.pickle"]


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *((FORECAST, x) for x in (
            "--val-share 0.08", "--val-share 0.1", "--val-by trial", "--model-type hybrid", "--preset light",
            "--from a.ckpt", "--resume", "--device auto", "--steps 3", "--motion walk", "--simulate plug-in-gait",
            "--marker-set m.xml", "--noise-mm 0.5", "--cells 8 --n-samples 8", "--config c.toml",
        )),
        *((MATCHER, x) for x in (
            "--val-share 0.08", "--val-by trial", "--preset light", "--marker-set m.xml", "--simulate plug-in-gait",
            "--epochs 3", "--noise-mm 0.5",
        )),
        *((HYBRID, x) for x in ("--steps 3", "--minutes 1", "--cool-down 3", "--batch-points 100")),
        *((LEGACY, x) for x in (
            "--val-share 0.08", "--val-by trial", "--model-type hybrid", "--preset light", "--simulate plug-in-gait",
            "--motion walk",
        )),
        (["label", WALK, "--reference", STATIC, "-o", "o.c3d"], "--heading 0"),
        (["label", WALK, "--model", "sample", "-o", "o.c3d"], "--heading 45"),
        (["label", WALK, "--model", "sample", "-o", "o.c3d"], "--reference " + STATIC),
        (["label", WALK, "-o", "o.c3d"], "--reference-frame 1"),
        (["label", WALK, "-o", "o.c3d"], "--training-values v.pickle"),
        (["label", WALK, "-o", "o.c3d", "--dry-run"], "--manifest m.jsonl"),
        (["label", WALK, "-o", "o.c3d", "--dry-run"], "--dump-attention a.h5"),
        (["label", WALK, "--model", "sample", "-o", "o.c3d"], "--reference-frame 1"),
        (["label", WALK, "--model", "sample", "-o", "o.c3d"], "--subjects 2"),
        (["label", WALK, "--model", "sample", "-o", "o.c3d"], "--subject Ann=plug-in-gait"),
        (["label", WALK, "--subject", "Ann=plug-in-gait", "-o", "o.c3d"], "--subjects 2"),
        (["label", WALK, "--subject", "Ann=plug-in-gait", "-o", "o.c3d"], "--reference " + STATIC),
        *((["train", TRAIN, "--val", STATIC, "--model-type", "hybrid"], x) for x in (
            "--val-share 0.08", "--val-by trial",
        )),
        *((["train", "--simulate", "plug-in-gait", "--model-type", "hybrid"], x) for x in (
            "--units mm", "--up z", "--exclude C7", "--rename r.toml", "--val-by trial",
        )),
        (["train", "--model-type", "matcher", "--steps", "1"], "--units mm"),
        (["train", TRAIN, "--model-type", "lstm"], "--heads 4"),
        *((["tune", TRAIN, "-o", "s.db", "--val", STATIC], x) for x in ("--val-share 0.08", "--val-by trial")),
        *((["simulate", "-o", "out", "--marker-set", "plug-in-gait"], x) for x in (
            "--cuts 50", "--occlude 0.05", "--ghosts 3", "--swaps 4", "--hidden-markers 0", "--rotate", "--no-rotate",
        )),
        *((["eval", TRUTH, "--model", "sample", "--protocol", "soma"], x) for x in (
            "--cuts 50", "--occlude 0.05", "--ghosts 3", "--swaps 4", "--hidden-markers 0", "--rotate",
        )),
        *((["eval", TRUTH, "--model", "sample", "--calibrate", "--out", "c.ckpt"], x) for x in (
            "--protocol own", "--min-confidence 0.5",
        )),
        (["eval", TRUTH, "--model", "sample"], "-o c.ckpt"),
        (["explain", TRUTH, "--model", "sample", "--json"], "--overwrite"),
        *((["report", TRUTH, "-o", "r.html"], x) for x in ("--heading 0", "--min-confidence 0.5", "--device cpu")),
        *((["export", "sample", "--to", "onnx", "-o", "s.onnx"], x) for x in (
            "--units mm", "--up z", "--exclude C7", "--to-units mm", "--to-up y", "--rotate-deg 0", "--frames 1:2",
            "--labels C7", "--named", "--rename r.toml", "--prefix Ann", "--no-prefix", "--tidy",
        )),
        *((["export", TRUTH, "-o", "o.csv"], x) for x in ("--to-units mm", "--to-up z")),
        (["export", TRUTH, "-o", "o.trc"], "--tidy"),
        *((["info", SET], x) for x in ("--units mm", "--up z", "--exclude C7")),
        (["audit", TRUTH], "--device auto"),
        (["audit", TRUTH], "--reference-frame 1"),
        *((["marker-sets", "add", SET, "--name", "ours"], x) for x in (
            "--frame 1", "--units mm", "--up z", "--exclude C7",
        )),
        (["fill", TRUTH, "-o", "o.c3d"], "--method poses"),
        *((["review", TRUTH, "-o", "o.c3d"], x) for x in ("--heading 0", "--min-confidence 0", "--device cpu")),
        (["review", WALK, "-o", "o.c3d", "--labels", TRUTH], "--keep-labels"),
    ],
    ids=lambda x: x if isinstance(x, str) else x[0],
)  # fmt: skip
def test_the_option_is_named_and_nothing_is_written(command, option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = option.split()
    monkeypatch.setenv("AML_MARKER_SETS", str(tmp_path))
    monkeypatch.setattr(serve, "serve", lambda *_: pytest.fail("the page is served"))
    assert run([*command, *words]) == 2
    said = capsys.readouterr().err
    named = words[-2] if len(words) == 4 else words[0]  # the first of two may belong
    assert said.count("\n") == 1 and said.startswith("aml: ") and TYPED.get(named, named) in said.split(": expected")[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "message", "said"),
    [
        ("label", "n_subjects: expected 1 to 12, found 0", "--subjects: expected 1 to 12, found 0"),
        ("label", "subjects: expected NAME=FILE, found x", "--subject: expected NAME=FILE, found x"),
        ("simulate", "subjects: expected 1 or more, found 0", "--subjects: expected 1 or more, found 0"),
        ("train", "resume and base: expected one of them", "--resume and --from: expected one of them"),
        ("export", "to_units, to_up: expected with .c3d", "--to-units, --to-up: expected with .c3d"),
        ("export", "to_units, sideways: expected with .c3d", "to_units, sideways: expected with .c3d"),
        ("label", "walk.c3d: expected a trial", "walk.c3d: expected a trial"),
        ("label", "out/up: expected a trial", "out/up: expected a trial"),
        ("label", "cells: expected one or more", "cells: expected one or more"),
    ],
)
def test_a_message_names_the_option_of_its_own_command(command, message, said):
    assert named_as_typed(message, get_command(app).commands[command]) == said
