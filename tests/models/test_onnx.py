"""Models as ONNX: the graph says what the model says, for any number of windows and samples; what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from automarkerlabel.cli import run
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.tracklets import split
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, ModelError, OutputError, VerificationError
from automarkerlabel.labellers.load import SHIPPED_MATCHER
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models import build, config_dict, make_config
from automarkerlabel.models.attention.sparse import sorted_sparsemax, sparsemax
from automarkerlabel.models.checkpoints import find_model, onnx
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.checkpoints.onnx import export_onnx
from automarkerlabel.models.inputs import N_FEATURES, encode, n_inputs

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

WINDOWS = WindowConfig(n_samples=6, n_neighbours=4)
LABELS = ("A", "B", "C")
KINDS = [("lstm", {}), ("transformer", {}), ("lstm", {"pooling": "flatten", "norm": "batch"})]
KINDS += [("hybrid", {"attention": x}) for x in ("multihead", "luong", "bahdanau", "conv", "hierarchical", "sparse")]
KINDS += [("hybrid", {"forecast": True})]


def saved(folder: Path, kind: str = "lstm", **changes: object) -> Path:
    """A small model with drawn weights."""
    torch.manual_seed(0)
    sizes = {"width": 16, "feed_forward": 16} if kind == "transformer" else {"cells": 16}
    config = make_config(kind, "light", head_width=16, **{**sizes, **changes})
    network = build(kind, config, n_inputs(WINDOWS), WINDOWS.n_samples, len(LABELS) + 1)
    checkpoint = store.Checkpoint(
        kind, config_dict(config), vars(WINDOWS), MarkerSet(LABELS), [100.0, 100, 100, 200, 500, 900, 1],
        network.state_dict(), 2.5, 0.25,
    )  # fmt: skip
    store.save(checkpoint, folder / "m.ckpt")
    return folder / "m.ckpt"


@pytest.mark.parametrize(
    ("kind", "changes"), KINDS, ids=lambda x: x if isinstance(x, str) else "-".join(map(str, x.values()))
)
def test_every_type_says_what_the_model_says(tmp_path: Path, kind: str, changes: dict[str, object]) -> None:
    report = export_onnx(saved(tmp_path, kind, **changes), tmp_path / "m.onnx")
    assert (report.model_type, report.n_labels, len(report.checks)) == (kind, 3, 3)
    assert max(c.difference for c in report.checks) < 1e-5
    any_length = changes.get("pooling") != "flatten"
    assert [c.time for c in report.checks] == ([6, 3, 1] if any_length else [6, 6, 6])
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    labeller = TrajectoryLabeller.of_file(tmp_path / "m.ckpt")
    rng = np.random.default_rng(9)
    for batch, time in ((2, 6), (11, 4 if any_length else 6)):
        features = rng.normal(0, 200, (batch, time, 4, N_FEATURES)).astype(np.float32)
        features[..., -1] = 1
        mask = np.arange(time) < rng.integers(1, time + 1, batch)[:, None]
        found = session.run(None, {"features": features, "mask": mask})[0]
        x = torch.from_numpy(encode(features, labeller.scale))
        expected = labeller._log_probs(x, torch.from_numpy(mask))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-5)


def test_metadata_tells_all_that_is_needed(tmp_path: Path) -> None:
    export_onnx(saved(tmp_path), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == list(LABELS)
    assert WindowConfig(**json.loads(about["windows"])) == WINDOWS
    assert json.loads(about["calibration"]) == {"temperature": 2.5, "no_label_offset": 0.25, "confidence": {}}
    assert json.loads(about["features"])[:3] == ["x", "y", "z"]
    assert (about["format"], about["model_type"], about["source"]) == ("automarkerlabel onnx", "lstm", "m.ckpt")
    shapes = {x.name: x.shape for x in session.get_inputs()}
    assert shapes == {"features": ["batch", "time", 4, 7], "mask": ["batch", "time"]}


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "encode", lambda features, scale: encode(features, scale) * 1.01)
    with pytest.raises(VerificationError, match="expected what PyTorch gives"):
        export_onnx(saved(tmp_path), tmp_path / "m.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.ckpt"]


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    model = saved(tmp_path)
    with pytest.raises(ModelError, match="found a matcher, which is not written as ONNX"):
        export_onnx(SHIPPED_MATCHER, tmp_path / "m.onnx")
    with pytest.raises(OutputError, match=r"ends in \.onnx"):
        export_onnx(model, tmp_path / "m.trc")
    legacy = store.Checkpoint("legacy_lstm", {}, {}, MarkerSet(LABELS), [1.0], {})
    store.save(legacy, tmp_path / "old.ckpt")
    with pytest.raises(ModelError, match="found legacy_lstm, which is not written as ONNX"):
        export_onnx(tmp_path / "old.ckpt", tmp_path / "m.onnx")
    assert run(["export", "no-such", "--to", "onnx", "-o", str(tmp_path / "m.onnx")]) == 2
    assert "expected a model file or one of sample" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"expected onnxruntime, found none; install it: pip install 'auto.*\[onnx\]'"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(saved(tmp_path)), "--to", "onnx"]) == 0
    assert "largest difference from PyTorch by windows x samples: 1 x 6:" in capsys.readouterr().out
    assert (tmp_path / "m.onnx").is_file()


def test_it_labels_without_torch(tmp_path: Path) -> None:
    """The windows of a trial are made by numpy alone, and the graph says of them what the labeller says."""
    export_onnx(find_model("sample"), tmp_path / "s.onnx")
    rng = np.random.default_rng(0)
    positions = (rng.normal(0, 300, (1, 9, 3)) + np.arange(40)[:, None, None]).astype(np.float32)
    trial = Trial(positions, [""] * 9, 100)
    np.save(tmp_path / "p.npy", positions)
    code = """
import json, sys, numpy as np, onnxruntime
from automarkerlabel.features import cut_windows, gather, neighbour_features
from automarkerlabel.settings import WindowConfig
from automarkerlabel.tracklets import split
from automarkerlabel.trial import Trial
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
config = WindowConfig(**json.loads(session.get_modelmeta().custom_metadata_map["windows"]))
trial = Trial(np.load(sys.argv[2]), [""] * 9, 100)
windows = cut_windows(trial.visible, split(trial), trial.rate_hz, config)
rate = trial.rate_hz / config.step(trial.rate_hz)
features = neighbour_features(gather(trial.positions, windows), windows.column, rate, config.n_neighbours)[0]
np.save(sys.argv[3], session.run(None, {"features": features, "mask": windows.mask})[0])
assert "torch" not in sys.modules and "scipy" not in sys.modules
"""
    files = [str(tmp_path / x) for x in ("s.onnx", "p.npy", "out.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True)
    expected = TrajectoryLabeller.of_file("sample").raw_scores(trial, tracklets=split(trial))[1].log_probs
    np.testing.assert_allclose(np.load(files[2]), expected, atol=1e-4)


def test_sparsemax_by_sorting_is_sparsemax() -> None:
    scores = torch.randn(50, 9, generator=torch.Generator().manual_seed(0)) * 3
    scores[:20, 4:] = -1e9
    torch.testing.assert_close(sorted_sparsemax(scores), sparsemax(scores), atol=1e-6, rtol=0)
