"""An option that what is asked for cannot use is an error that names it, also where its value is the default."""

import pytest

from automarkerlabel.cli import run
from tests.fixtures.places import SAMPLES

WALK, STATIC, TRAIN = (str(SAMPLES / x) for x in ("walk_unlabelled.c3d", "static.c3d", "train"))
FORECAST, MATCHER = ["train", TRAIN, "--task", "forecast"], ["train", TRAIN, "--model-type", "matcher"]
HYBRID = ["train", TRAIN, "--model-type", "hybrid"]
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
    ],
    ids=lambda x: x if isinstance(x, str) else x[0],
)  # fmt: skip
def test_the_option_is_named_and_nothing_is_written(command, option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = option.split()
    assert run([*command, *words]) == 2
    said = capsys.readouterr().err
    named = words[-2] if len(words) == 4 else words[0]  # the first of two may belong
    name = named.removeprefix("--")
    assert said.count("\n") == 1 and (named in said or name.replace("-", "_") in said)
    assert list(tmp_path.iterdir()) == []
