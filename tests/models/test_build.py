import pytest
import torch

from automarkerlabel.errors import ModelError
from automarkerlabel.evaluation import selfcheck
from automarkerlabel.models import MODELS, build, config_dict, make_config
from automarkerlabel.models.attention.multihead import MultiHeadAttention, sinusoidal_positions
from automarkerlabel.models.hybrid import ATTENTIONS
from automarkerlabel.models.inputs import INPUTS_PER_NEIGHBOUR

BATCH, TIME, WIDTH, CLASSES = 5, 6, 2 * INPUTS_PER_NEIGHBOUR, 4
NAMES = [*MODELS, *(f"hybrid {a}" for a in ATTENTIONS if a != "multihead")]  # and the attention of a hybrid
EVERY = [(name, preset) for name in NAMES for preset in ("light", "full", "paper")]


def made(name, preset="light", **changes):
    torch.manual_seed(0)
    name, _, attention = name.partition(" ")
    if attention:
        changes["attention"] = attention
    return build(name, make_config(name, preset, **changes), WIDTH, TIME, CLASSES).eval()


def batch():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(BATCH, TIME, WIDTH, generator=generator)
    x[..., 6::INPUTS_PER_NEIGHBOUR] = 1  # neighbours are seen
    mask = torch.arange(TIME) < torch.tensor([6, 1, 3, 4, 6])[:, None]
    return x, mask


@pytest.mark.parametrize(("name", "preset"), EVERY)
def test_every_model_answers_with_a_score_for_each_class(name, preset):
    scores, weights = made(name, preset)(*batch())
    assert scores.shape == (BATCH, CLASSES)
    assert weights == []


@pytest.mark.parametrize(("name", "preset"), EVERY)
def test_padding_has_no_influence(name, preset):
    x, mask = batch()
    other = torch.where(mask[..., None], x, torch.full_like(x, 100.0))
    model = made(name, preset)
    torch.testing.assert_close(model(x, mask)[0], model(other, mask)[0])


@pytest.mark.parametrize("name", [n for n, kind in MODELS.items() if kind.model.has_attention])
def test_attention_weights_sum_to_one_over_samples_that_are_there(name):
    x, mask = batch()
    model = made(name)
    scores, layers = model(x, mask, with_weights=True)
    assert layers
    torch.testing.assert_close(scores, model(x, mask)[0])
    for weights in layers:
        assert weights.shape == (BATCH, 4, TIME, TIME)
        torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, 4, TIME))
        assert weights[1, :, :, 1:].abs().max() == 0  # the second window has one sample


@pytest.mark.parametrize(("name", "preset"), EVERY)
def test_gradients_reach_every_weight(name, preset):
    model = made(name, preset).train()
    model(*batch())[0].square().sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before batch or layer norm shifts all alike: batch norm takes it away.
    assert without in ([], ["head.layers.0.bias"])


def test_a_forecast_is_a_head_of_its_own_that_only_the_last_sample_feeds():
    plain, model = made("hybrid"), made("hybrid", forecast=True)
    more = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in plain.parameters())
    assert more == 3 * 128 + 3
    x, mask = batch()
    assert model(x, mask)[1] == []
    scores, (weights, forecast) = model(x, mask, with_weights=True, with_forecast=True)
    assert (weights.shape, forecast.shape) == ((BATCH, 4, TIME, TIME), (BATCH, 3))
    torch.testing.assert_close(scores, model(x, mask)[0])
    states = []
    model.norm.register_forward_hook(lambda module, given, out: states.append(out))
    forecast = model(x, mask, with_forecast=True)[1][0]
    last = torch.stack([states[0][n, length - 1] for n, length in enumerate(mask.sum(1))])
    torch.testing.assert_close(forecast, last @ model.forecast.weight.T + model.forecast.bias)


def test_attention_is_the_published_formula():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2, 0.0).double()
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    q, k, v = attention.project_in(x).split(8, -1)
    heads = []
    for h in (slice(0, 4), slice(4, 8)):
        scores = q[..., h] @ k[..., h].transpose(1, 2) / 2  # the root of four
        heads.append(scores.exp() / scores.exp().sum(-1, keepdim=True) @ v[..., h])
    expected = attention.project_out(torch.cat(heads, -1))
    for with_weights in (False, True):
        torch.testing.assert_close(attention(x, torch.ones(1, 3, dtype=torch.bool), with_weights)[0], expected)


def test_sinusoidal_positions_of_the_paper():
    table = sinusoidal_positions(4, 6)
    assert table[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert table[3, 2] == pytest.approx(torch.sin(torch.tensor(3 / 10000 ** (2 / 6))).item())


def test_the_paper_preset_has_the_sizes_of_the_ancestor_and_its_extension():
    lstm, transformer, hybrid = (config_dict(make_config(n, "paper")) for n in ("lstm", "transformer", "hybrid"))
    for config in (lstm, hybrid):
        assert (config["cells"], config["layers"], config["dropout"], config["head_width"]) == (256, 3, 0.17, 128)
    assert (transformer["width"], transformer["heads"], transformer["layers"]) == (256, 8, 3)
    assert (transformer["feed_forward"], transformer["attention_dropout"]) == (512, 0.1)
    assert (hybrid["heads"], hybrid["attention_dropout"]) == (8, 0.1)
    assert {c["pooling"] for c in (lstm, transformer, hybrid)} == {"flatten"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: make_config("gru"), "lstm, transformer, hybrid"),
        (lambda: make_config("lstm", "huge"), "preset"),
        (lambda: make_config("lstm", heads=3), "heads"),
        (lambda: make_config("lstm", forecast=True), "forecast: expected none with lstm"),
        (lambda: build("hybrid", make_config("hybrid", heads=3), WIDTH, TIME, CLASSES), "3 heads"),
        (lambda: build("hybrid", make_config("lstm"), WIDTH, TIME, CLASSES), "HybridConfig"),
    ],
)
def test_what_does_not_fit_is_named(call, said):
    with pytest.raises(ModelError, match=said):
        call()


def test_the_self_check_looks_at_everything_and_notices_a_broken_model(monkeypatch):
    # That all of them pass is seen in test_cli.py.
    assert selfcheck.names() == [*NAMES, "matcher"]
    assert selfcheck.check("hybrid").passed
    monkeypatch.setattr("automarkerlabel.models.lstm.LSTMModel.forward", lambda self, x, mask, with_weights=False: (
        self.head(x.new_zeros(*x.shape[:2], self.lstm.hidden_size).requires_grad_(), mask), [],
    ))  # fmt: skip
    result = selfcheck.check("lstm")
    assert not result.passed
    assert "by heart" in result.detail
