"""Each attention of the hybrid against its published formula, written out here in float64."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from automarkerlabel.errors import ModelError
from automarkerlabel.models import build, make_config
from automarkerlabel.models.attention.hierarchical import HierarchicalAttention, decimated, middle
from automarkerlabel.models.attention.multihead import MultiHeadAttention
from automarkerlabel.models.attention.score import BahdanauAttention, ConvAttention, LuongAttention
from automarkerlabel.models.attention.sparse import GhostBatchNorm, PiecewiseLinear, SparseSelection, sparsemax
from automarkerlabel.models.hybrid import ATTENTIONS, HybridConfig
from automarkerlabel.models.inputs import FEATURES, INPUTS_PER_NEIGHBOUR, N_FEATURES
from automarkerlabel.training.settings import ATTENTION_TYPES

BATCH, TIME, WIDTH, NEIGHBOURS = 4, 5, 8, 2
LENGTHS = [5, 1, 3, 4]
SEEN = FEATURES.index("seen")


def mask():
    return torch.arange(TIME) < torch.tensor(LENGTHS)[:, None]


def states(seed=0):
    return torch.randn(BATCH, TIME, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def inputs(seed=1):
    x = torch.randn(BATCH, TIME, NEIGHBOURS, INPUTS_PER_NEIGHBOUR, generator=torch.Generator().manual_seed(seed))
    x[..., SEEN] = 1
    return x.flatten(2).double()


def made(kind, *arguments):
    torch.manual_seed(0)
    return kind(*arguments).double().eval()


def weighted(scores, values):
    """Softmax of a row of scores, and the mean of the values by it."""
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    return weights, weights @ values


def test_the_names_of_the_settings_are_those_of_the_models():
    assert tuple(ATTENTIONS) == ATTENTION_TYPES
    assert HybridConfig().attention == "multihead"
    with pytest.raises(ModelError, match=r"attention: expected one of multihead, luong, .* found 'dot'"):
        make_config("hybrid", attention="dot")


def test_luong_general_score_and_attentional_vector():
    attention = made(LuongAttention, WIDTH, 0.0)
    h, w, combine = states().numpy(), attention.score.weight.detach().numpy(), attention.combine.weight.detach().numpy()
    found, weights = attention(states(), mask(), True)
    for n, length in enumerate(LENGTHS):
        for t in range(TIME):
            scores = np.array([h[n, t] @ w @ h[n, s] for s in range(length)])
            expected, context = weighted(scores, h[n, :length])
            np.testing.assert_allclose(weights[n, 0, t, :length].detach(), expected, rtol=1e-12)
            vector = np.tanh(combine @ np.concatenate([context, h[n, t]]))
            np.testing.assert_allclose(found[n, t].detach(), vector, rtol=1e-10, atol=1e-14)


def additive(score, queries, keys):
    w, u, v = (x.weight.detach().numpy() for x in (score.query, score.key, score.score))
    return np.array([[v[0] @ np.tanh(w @ q + u @ k) for k in keys] for q in queries])


def test_bahdanau_additive_score():
    attention = made(BahdanauAttention, WIDTH, 0.0)
    h = states().numpy()
    found, weights = attention(states(), mask(), True)
    for n, length in enumerate(LENGTHS):
        scores = additive(attention.score, h[n], h[n, :length])
        for t in range(TIME):
            expected, context = weighted(scores[t], h[n, :length])
            np.testing.assert_allclose(weights[n, 0, t, :length].detach(), expected, rtol=1e-12)
            np.testing.assert_allclose(found[n, t].detach(), context, rtol=1e-10, atol=1e-14)


def convolved(x, layer):
    """`(time, width)`: a dilated convolution with zeros beyond the ends, and ReLU."""
    weight, bias, dilation = layer.weight.detach().numpy(), layer.bias.detach().numpy(), layer.dilation[0]
    y = np.tile(bias, (len(x), 1))
    for t in range(len(x)):
        for k in range(3):
            if 0 <= t + (k - 1) * dilation < len(x):
                y[t] += weight[:, :, k] @ x[t + (k - 1) * dilation]
    return np.maximum(y, 0)


def test_conv_attends_to_pooled_dilated_convolutions():
    attention = made(ConvAttention, WIDTH, 0.0)
    assert [c.dilation[0] for c in attention.convolutions] == [1, 2]
    h = states().numpy()
    found, weights = attention(states(), mask(), True)
    for n, length in enumerate(LENGTHS):
        x = h[n, :length]
        for layer in attention.convolutions:
            x = convolved(x, layer)
        pools = [range(s, min(s + 2, length)) for s in range(0, length, 2)]
        project, bias = attention.project.weight.detach().numpy(), attention.project.bias.detach().numpy()
        keys = np.stack([project @ x[list(p)].max(0) + bias for p in pools])
        scores = additive(attention.score, h[n], keys)
        for t in range(TIME):
            expected, context = weighted(scores[t], keys)
            np.testing.assert_allclose(found[n, t].detach(), context, rtol=1e-9, atol=1e-12)
            shared = [expected[s // 2] / len(pools[s // 2]) for s in range(length)]
            np.testing.assert_allclose(weights[n, 0, t, :length].detach(), shared, rtol=1e-9)


def multi_head(attention, x, keys):
    """Multi-head attention of all samples over some: `(time, width)` and weights `(head, time, key)`."""
    q, k, v = (y.numpy() for y in attention.project_in(torch.from_numpy(x)).detach().chunk(3, -1))
    size = WIDTH // attention.n_heads
    heads, weights = [], []
    for h in range(attention.n_heads):
        own = slice(h * size, (h + 1) * size)
        scores = q[:, own] @ k[keys, own].T / np.sqrt(size)
        pairs = [weighted(row, v[keys, own]) for row in scores]
        weights.append([w for w, _ in pairs])
        heads.append([c for _, c in pairs])
    out = attention.project_out
    return np.concatenate(heads, -1) @ out.weight.detach().numpy().T + out.bias.detach().numpy(), np.array(weights)


def test_hierarchical_is_the_sum_of_short_and_long():
    attention = made(HierarchicalAttention, WIDTH, 2, 0.0)
    found, weights = attention(states(), mask(), True)
    # By hand: the middle half of 5, 1, 3 and 4 samples, and every other of them.
    short, long = [[1, 2, 3], [0], [0, 1], [1, 2]], [[0, 2, 4], [0], [0, 2], [0, 2]]
    assert [torch.nonzero(row).flatten().tolist() for row in middle(mask())] == short
    assert [torch.nonzero(row).flatten().tolist() for row in decimated(mask())] == long
    for n in range(BATCH):
        h = states()[n].numpy()
        near, of_near = multi_head(attention.short, h, short[n])
        far, of_far = multi_head(attention.long, h, long[n])
        np.testing.assert_allclose(found[n].detach(), near + far, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(weights[n, :2, :, short[n]].detach(), of_near, rtol=1e-9)
        np.testing.assert_allclose(weights[n, 2:, :, long[n]].detach(), of_far, rtol=1e-9)


# --- attention over samples in general ---------------------------------------------------------------------------

OF_SAMPLES = [
    (MultiHeadAttention, (WIDTH, 2, 0.0)),
    (LuongAttention, (WIDTH, 0.0)),
    (BahdanauAttention, (WIDTH, 0.0)),
    (ConvAttention, (WIDTH, 0.0)),
    (HierarchicalAttention, (WIDTH, 2, 0.0)),
]
every = pytest.mark.parametrize(("kind", "arguments"), OF_SAMPLES, ids=[k.__name__ for k, _ in OF_SAMPLES])


@every
def test_weights_sum_to_one_and_leave_padding_out(kind, arguments):
    weights = made(kind, *arguments)(states(), mask(), True)[1]
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:3], dtype=torch.float64))
    assert (weights.masked_select(~mask()[:, None, None]) == 0).all()


@every
def test_the_weights_asked_for_do_not_change_the_answer(kind, arguments):
    attention = made(kind, *arguments)
    torch.testing.assert_close(attention(states(), mask())[0], attention(states(), mask(), True)[0])
    assert attention(states(), mask())[1] is None


@every
def test_what_stands_in_padding_changes_nothing(kind, arguments):
    attention = made(kind, *arguments)
    other = torch.where(mask()[..., None], states(), torch.full_like(states(), 1e6))
    torch.testing.assert_close(attention(states(), mask())[0][mask()], attention(other, mask())[0][mask()])


@every
def test_a_window_of_one_sample(kind, arguments):
    found, weights = made(kind, *arguments)(states()[:, :1], mask()[:, :1], True)
    assert found.shape == (BATCH, 1, WIDTH)
    assert (weights == 1).all()


# --- the parts of the sparse selection ---------------------------------------------------------------------------


def on_the_simplex(z):
    """The nearest probability distribution to z: of the projections onto all faces of the simplex the nearest."""
    best, least = None, np.inf
    for r in range(1, len(z) + 1):
        for face in itertools.combinations(range(len(z)), r):
            p = np.zeros(len(z))
            p[list(face)] = z[list(face)] - (z[list(face)].sum() - 1) / r
            if p.min() >= 0 and ((p - z) ** 2).sum() < least:
                best, least = p, ((p - z) ** 2).sum()
    return best


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_sparsemax_is_the_projection_onto_the_simplex(spread):
    z = spread * np.random.default_rng(0).normal(size=(40, 6))
    expected = np.stack([on_the_simplex(row) for row in z])
    np.testing.assert_allclose(sparsemax(torch.from_numpy(z)), expected, atol=1e-12)


def test_sparsemax_with_ties_and_by_hand():
    z = torch.tensor([[1.0, 1.0, 1.0], [0.0, 5.0, 0.0], [0.5, 0.0, -1e9], [1.0, 0.0, 0.0]], dtype=torch.float64)
    expected = [[1 / 3, 1 / 3, 1 / 3], [0, 1, 0], [0.75, 0.25, 0], [1, 0, 0]]
    np.testing.assert_allclose(sparsemax(z), expected, atol=1e-12)


def test_sparsemax_has_exact_gradients():
    z = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(sparsemax, z)


def test_sparsemax_of_many_in_single_precision():
    z = torch.randn(200, 416, generator=torch.Generator().manual_seed(3)) * 3
    p = sparsemax(z)
    torch.testing.assert_close(p.sum(-1), torch.ones(200))
    assert (p >= 0).all()
    assert 1 <= (p > 0).sum(-1).float().mean() < 20


def test_calibration_is_piecewise_linear_between_keypoints():
    calibrate = PiecewiseLinear(2, bound=2.0, n_keypoints=5).double()
    x = torch.linspace(-3, 3, 31, dtype=torch.float64)[:, None].repeat(1, 2)
    torch.testing.assert_close(calibrate(x), x.clamp(-2, 2))  # at first what comes in goes out
    with torch.no_grad():
        calibrate.values.copy_(torch.tensor([[0.0, 3.0, -1.0, 2.0, 2.0], [5.0, 4.0, 3.0, 2.0, 1.0]]))
    found = calibrate(x).detach().numpy()
    for kind in range(2):
        expected = np.interp(x[:, kind], [-2, -1, 0, 1, 2], calibrate.values[kind].detach())
        np.testing.assert_allclose(found[:, kind], expected, atol=1e-12)
    calibrate(x).sum().backward()
    assert (calibrate.values.grad.abs().sum() > 0).all()


def test_ghost_batch_norm_normalises_each_virtual_batch_by_itself():
    norm = GhostBatchNorm(3, size=4).double().train()
    x = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 5 + 2
    found = norm(x).detach().numpy()
    running_mean, running_var = np.zeros(3), np.ones(3)
    for part in (slice(0, 4), slice(4, 8)):
        rows = x[part].numpy()
        np.testing.assert_allclose(found[part], (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5), rtol=1e-10)
        running_mean = 0.98 * running_mean + 0.02 * rows.mean(0)
        running_var = 0.98 * running_var + 0.02 * rows.var(0, ddof=1)
    norm.eval()
    np.testing.assert_allclose(norm(x).detach(), (x.numpy() - running_mean) / np.sqrt(running_var + 1e-5), rtol=1e-10)
    torch.testing.assert_close(norm(x[2:3]), norm(x)[2:3])  # whatever else is in the batch


@pytest.mark.parametrize("n", [2, 3, 7, 9])
def test_virtual_batches_of_any_rest_are_never_smaller_than_their_size(n):
    norm = GhostBatchNorm(3, size=3).train()
    sizes = []
    norm.norm.register_forward_hook(lambda module, given, out: sizes.append(len(given[0])))
    norm(torch.randn(n, 3))
    assert sum(sizes) == n
    assert min(sizes) >= min(n, 3)


def normed(norm, rows):
    """Batch norm in use: by running statistics."""
    inner = norm.norm
    scaled = (rows - inner.running_mean.numpy()) / np.sqrt(inner.running_var.numpy() + 1e-5)
    return scaled * inner.weight.detach().numpy() + inner.bias.detach().numpy()


def gated(x):
    a, b = np.split(x, 2, -1)
    return a / (1 + np.exp(-b))


def made_selection():
    selection = made(SparseSelection, NEIGHBOURS * INPUTS_PER_NEIGHBOUR, WIDTH)
    generator = torch.Generator().manual_seed(5)
    for module in selection.modules():  # as after some training, so that norms do not pass everything through
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.normal_(module.weight, 1, 0.2, generator=generator)
    return selection


def test_sparse_selection_is_the_published_sequence_of_steps():
    selection = made_selection()
    x, h = inputs(), states()
    found, importance = selection(x, h, mask(), True)
    assert importance.shape == (BATCH, TIME, NEIGHBOURS, N_FEATURES)
    matrix = {name: p.detach().numpy() for name, p in selection.named_parameters()}
    feature_of = [*range(N_FEATURES), *[FEATURES.index("distance")] * 6]  # waves are of the distance
    of_input = np.concatenate([np.array(feature_of) + N_FEATURES * n for n in range(NEIGHBOURS)])
    for n, t in ((0, 0), (0, 4), (2, 1)):
        row = x[n, t].numpy()
        values = normed(selection.norm, np.clip(row, -4, 4))
        guide = matrix["guide.weight"] @ h[n, t].numpy() + matrix["guide.bias"]
        prior, decided, total = np.ones(NEIGHBOURS * N_FEATURES), 0.0, 0.0
        for i, step in enumerate(selection.steps):
            a = prior * normed(step.choose_norm, matrix[f"steps.{i}.choose.weight"] @ guide)
            chosen = sparsemax(torch.from_numpy(a)).numpy()
            y = gated(normed(step.shared_norm, matrix["shared.weight"] @ (chosen[of_input] * values)))
            own = gated(normed(step.own_norm, matrix[f"steps.{i}.own.weight"] @ y))
            decision, guide = np.split((y + own) * np.sqrt(0.5), 2)
            decision = np.maximum(decision, 0)
            decided, total = decided + decision, total + decision.sum() * chosen
            prior = prior * (1.3 - chosen)
        expected = matrix["project.weight"] @ decided + matrix["project.bias"]
        np.testing.assert_allclose(found[n, t].detach(), expected, rtol=1e-5, atol=1e-6)  # the masks are float32
        np.testing.assert_allclose(importance[n, t].detach().flatten(), total / total.sum(), atol=1e-6)


def test_importance_sums_to_one_over_what_is_seen_and_is_nothing_elsewhere():
    x = inputs().unflatten(-1, (NEIGHBOURS, -1))
    x[0, :, 1] = 0  # never sees a second neighbour
    x[2, 1] = 0  # for a moment alone
    found, importance = made_selection()(x.flatten(2), states(), mask(), True)
    assert found.isfinite().all()
    total = importance.sum((2, 3))
    assert (total[~mask()] == 0).all() and total[2, 1] == 0
    assert importance[0, :, 1].abs().sum() == 0
    there = mask().clone()
    there[2, 1] = False
    torch.testing.assert_close(total[there], torch.ones_like(total[there]), check_dtype=False)


def test_the_selection_depends_on_no_padding_hidden_neighbour_or_other_window():
    selection = made_selection()
    x = inputs().unflatten(-1, (NEIGHBOURS, -1))
    x[0, :, 1, SEEN] = 0
    other = x.clone()
    other[0, :, 1, :SEEN] = 77.0
    other[~mask()] = -55.0
    before = selection(x.flatten(2), states(), mask())[0]
    torch.testing.assert_close(before, selection(other.flatten(2), states(), mask())[0])
    torch.testing.assert_close(before[2:3], selection(x.flatten(2)[2:3], states()[2:3], mask()[2:3])[0])


def test_padding_is_no_part_of_the_statistics_either():
    x, first, second = inputs(), made_selection().train(), made_selection().train()
    other = torch.where(mask()[..., None], x, torch.full_like(x, 100.0))
    torch.testing.assert_close(first(x, states(), mask())[0], second(other, states(), mask())[0])
    torch.testing.assert_close(first.norm.norm.running_mean, second.norm.norm.running_mean)


def test_inputs_that_are_no_neighbours_are_refused():
    with pytest.raises(ModelError, match="sparse: expected 13 inputs of each neighbour, found 10"):
        build("hybrid", make_config("hybrid", attention="sparse"), 10, TIME, 3)
