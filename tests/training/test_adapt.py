import json
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.trial import Trial
from automarkerlabel.models.checkpoints import PRETRAINED
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.training import adapt as work
from tests.fixtures.figure import figure_trial
from tests.fixtures.places import SAMPLES


@pytest.fixture
def short(monkeypatch):
    """A training of a moment: what is tested is what becomes of the files."""
    monkeypatch.setattr(work, "SETTINGS", work.replace(work.SETTINGS, epochs=1, epoch_windows=256))
    monkeypatch.setattr(work, "MATCHER_STEPS", 1)
    monkeypatch.setattr(work, "_MOST_CASES", 1)


def trial_file(folder: Path, name: str) -> Path:
    """A short piece of a labelled sample trial."""
    whole = io.read(SAMPLES / "train" / f"{name}.c3d")
    io.write(folder / f"{name}.c3d", Trial(whole.positions[:120], whole.labels, whole.rate_hz))
    return folder / f"{name}.c3d"


def test_a_model_of_trajectories_learns_and_keeps_excerpts(tmp_path, short, capsys):
    first, second = tmp_path / "first.ckpt", tmp_path / "second.ckpt"
    assert run(["adapt", "sample", str(trial_file(tmp_path, "turn")), "-o", str(first), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kept"] is None and told["n_kept"] == 0 and "was not measured" in told["notes"][0]
    assert told["corrected"]["before"] > 0.9 and told["corrected"]["after"] > 0.9
    old, new = store.load(PRETRAINED / "sample.ckpt"), store.load(first)
    assert new.marker_set.labels == old.marker_set.labels and new.temperature == old.temperature
    assert any(not np.array_equal(new.tensors[k], old.tensors[k]) for k in old.tensors)
    assert [k.path.name for k in new.kept] == ["turn.c3d"]
    assert run(["adapt", str(first), str(trial_file(tmp_path, "sit")), "-o", str(second)]) == 0
    said = capsys.readouterr()
    assert "kept of earlier ones" in said.out and "written" in said.out
    kept = store.load(second)
    assert [k.path.name for k in kept.kept] == ["turn.c3d", "sit.c3d"]
    assert kept.training["adapted"] == [["turn.c3d"], ["sit.c3d"]]
    assert not list(tmp_path.glob("*.run"))  # nothing but the model


def test_the_matcher_learns_and_labels_without_a_reference(tmp_path, short, capsys):
    out = tmp_path / "own.ckpt"
    assert run(["adapt", "matcher", str(trial_file(tmp_path, "turn")), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["corrected"]["after"] > 0.9
    assert run(["label", str(SAMPLES / "walk_unlabelled.c3d"), "--model", str(out), "--dry-run", "--json"]) == 0
    assert "own reference" in capsys.readouterr().out
    assert out.stat().st_size < 8_000_000  # without the moments of the optimiser


def test_what_cannot_be_adapted_is_said_in_one_line(tmp_path, short, capsys):
    strange = tmp_path / "strange.c3d"
    io.write(strange, figure_trial())
    assert run(["adapt", "sample", str(strange), "-o", str(tmp_path / "m.ckpt")]) == 2
    assert "train a model of this marker set" in capsys.readouterr().err
    good = str(trial_file(tmp_path, "turn"))
    taken = tmp_path / "taken.ckpt"
    taken.write_bytes(b"mine")
    assert run(["adapt", "sample", good, "-o", str(taken)]) == 2
    assert taken.read_bytes() == b"mine" and "--overwrite" in capsys.readouterr().err
    assert run(["adapt", str(tmp_path / "none.ckpt"), good]) == 2
