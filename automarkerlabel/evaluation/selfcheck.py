"""A check of every architecture on the machine at hand: builds, learns, saves, loads, answers the same."""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import AutoMarkerLabelError
from automarkerlabel.models import MODELS, build, config_dict, make_config
from automarkerlabel.models.checkpoints import load_model
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.checkpoints.matcher import load_matcher, save_matcher
from automarkerlabel.models.hybrid import ATTENTIONS, HybridConfig
from automarkerlabel.models.inputs import FEATURES, INPUTS_PER_NEIGHBOUR, n_inputs
from automarkerlabel.models.matcher import Matcher, MatcherConfig
from automarkerlabel.models.matcher.batch import MIDDLE
from automarkerlabel.models.matcher.loss import loss as matcher_loss
from automarkerlabel.simulate.samples import MatchSampler, SampleSettings

_MATCHER = "matcher"
_STEPS = 200
_MATCHER_STEPS = 120
_LEARNT = 0.95
_N_WINDOWS = 24


@dataclass(frozen=True)
class Check:
    """How one architecture did; `detail` says what failed."""

    name: str
    passed: bool
    detail: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def names() -> list[str]:
    """The architectures in the order in which they are checked: model types, each other attention of the hybrid, and
    the matcher."""
    return [*MODELS, *(f"hybrid {a}" for a in ATTENTIONS if a != HybridConfig.attention), _MATCHER]


def check(name: str, device: str = "cpu") -> Check:
    """Check one architecture; whatever goes wrong is told in the result."""
    started = time.perf_counter()
    try:
        detail = _matcher_problem(device) if name == _MATCHER else _problem(name, torch.device(device))
    except (AutoMarkerLabelError, RuntimeError, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
    return Check(name, not detail, detail, time.perf_counter() - started)


def _problem(name: str, device: torch.device) -> str:
    """What is wrong with an architecture, "" for nothing."""
    torch.manual_seed(0)
    name, _, attention = name.partition(" ")
    windows = WindowConfig(n_neighbours=4)
    labels = MarkerSet([f"M{n}" for n in range(5)])
    config = make_config(name, "light", **({"attention": attention} if attention else {}))
    model = build(name, config, n_inputs(windows), windows.n_samples, len(labels) + 1).to(device)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(_N_WINDOWS, windows.n_samples, n_inputs(windows), generator=generator)
    x[..., FEATURES.index("seen") :: INPUTS_PER_NEIGHBOUR] = 1
    x = x.to(device)
    lengths = torch.randint(1, windows.n_samples + 1, (_N_WINDOWS, 1), generator=generator)
    mask = (torch.arange(windows.n_samples) < lengths).to(device)
    target = (torch.arange(_N_WINDOWS) % (len(labels) + 1)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(_STEPS):
        loss = F.cross_entropy(model(x, mask)[0], target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        scores, weights = model(x, mask, with_weights=True)
        if not bool((scores.argmax(1) == target).all()):
            right = int((scores.argmax(1) == target).sum())
            return f"expected to learn {_N_WINDOWS} windows by heart, found {right} right"
        if MODELS[name].model.has_attention != bool(weights):
            return f"expected attention weights: {MODELS[name].model.has_attention}, found {len(weights)} layers"
        if problem := _weights_problem(weights, mask, attention == "sparse"):
            return problem
        if not torch.allclose(model(x, mask)[0], scores, atol=1e-4):
            return "expected the same scores with and without attention weights, found others"
    again = _saved_and_loaded(store.Checkpoint(
        name, config_dict(config), asdict(windows), labels, np.ones(1).tolist(),
        {k: v.cpu() for k, v in model.state_dict().items()},
    )).to(device)  # fmt: skip
    with torch.inference_mode():
        if not torch.equal(again(x, mask)[0], model(x, mask)[0]):
            return "expected the same scores after saving and loading, found others"
    return ""


def _weights_problem(weights: list[torch.Tensor], mask: torch.Tensor, sparse: bool) -> str:
    """What is wrong with attention over samples, or with the importance of the sparse selection, both of four axes."""
    for layer in weights:
        # Importance has samples on its second axis, `(batch, time, neighbour, feature)`, and sums over the rest.
        total = layer.sum((2, 3))[mask] if sparse else layer.sum(-1)
        if not torch.allclose(total, torch.ones(1, device=layer.device), atol=1e-5):
            return "expected attention weights that sum to one, found others"
        padding = layer[~mask] if sparse else layer.masked_select(~mask[:, None, None])
        if float(padding.abs().sum()) > 0:
            return "expected no attention to padding, found some"
    return ""


def _matcher_problem(device: str) -> str:
    """What is wrong with the matcher, "" for nothing: it learns one simulated batch by heart."""
    torch.manual_seed(0)
    settings = SampleSettings((10, 10), 60, n_ghosts=1, other_subject_share=0.0)
    batch = MatchSampler(settings).batch(0).to(device)
    matcher = Matcher(MatcherConfig(width=48, heads=2, first_layers=1, second_layers=1)).to(device)
    optimizer = torch.optim.AdamW(matcher.parameters(), lr=3e-3)
    for _ in range(_MATCHER_STEPS):
        total, figures = matcher_loss(matcher(batch.query, batch.dt_s, batch.reference, 1), batch)
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    if not figures.accuracy > _LEARNT:
        return f"expected to learn a batch by heart, found {figures.accuracy:.2f} of the points right"
    matcher.eval()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "matcher.safetensors"
        save_matcher(path, matcher, {})
        again, _ = load_matcher(path)
        first, second = (m(batch.query, batch.dt_s, batch.reference) for m in (matcher, again.to(device)))
        if not torch.equal(first.final.rows, second.final.rows):
            return "expected the same scores after saving and loading, found others"
        there = batch.query[:, MIDDLE].isfinite().all(-1)
        if not torch.allclose(first.final.rows.exp().sum(-1)[there], torch.ones(1, device=device), atol=1e-4):
            return "expected probabilities that sum to one, found others"
    return ""


def _saved_and_loaded(checkpoint: store.Checkpoint) -> torch.nn.Module:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ckpt"
        store.save(checkpoint, path)
        return load_model(store.load(path)).eval()
