"""The matcher network: what it must not depend on, and that it answers with probabilities."""

from dataclasses import replace

import pytest
import torch

from automarkerlabel.models.matcher import Matcher, MatcherConfig, MatchOutput
from automarkerlabel.models.matcher.batch import MIDDLE, MatchBatch
from automarkerlabel.models.matcher.features import describe, fourier, radial
from automarkerlabel.models.matcher.loss import loss, truth
from automarkerlabel.models.matcher.recycling import recycled
from automarkerlabel.models.matcher.scores import Assignment

SMALL = MatcherConfig(width=32, heads=2, first_layers=1, second_layers=1)
NAN = float("nan")


def scene(n_samples: int = 3, n: int = 9, m: int = 8, seed: int = 0) -> MatchBatch:
    """Queries that are the reference's points, moving; the last one a ghost."""
    random = torch.Generator().manual_seed(seed)
    reference = 300 * torch.randn(n_samples, m, 3, generator=random)
    match = torch.stack([torch.randperm(m, generator=random) for _ in range(n_samples)])
    match = torch.cat([match, torch.full((n_samples, n - m), -1)], 1)
    placed = reference.gather(1, match.clamp(min=0)[..., None].expand(-1, -1, 3))
    placed[:, m:] = 300 * torch.randn(n_samples, n - m, 3, generator=random)
    query = placed[:, None] + 10 * torch.randn(n_samples, 5, n, 3, generator=random)
    return MatchBatch(query, torch.full((n_samples,), 0.1), reference, match)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    torch.manual_seed(0)
    made = Matcher(SMALL).eval()
    with torch.no_grad():  # as if trained: every part has a say
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


@torch.no_grad()
def answer(matcher: Matcher, batch: MatchBatch, n_recycles: int = 2) -> MatchOutput:
    return matcher(batch.query, batch.dt_s, batch.reference, n_recycles)


def assert_same(a: Assignment, b: Assignment, tolerance: float = 2e-4) -> None:
    torch.testing.assert_close(a.rows, b.rows, atol=tolerance, rtol=1e-5)
    torch.testing.assert_close(a.columns, b.columns, atol=tolerance, rtol=1e-5)


def test_rows_and_columns_are_probabilities(matcher):
    result = answer(matcher, scene())
    for found in (result.first, result.final):
        assert found.rows.shape == (3, 9, 9) and found.columns.shape == (3, 10, 8)
        torch.testing.assert_close(found.rows.exp().sum(2), torch.ones(3, 9))
        torch.testing.assert_close(found.columns.exp().sum(1), torch.ones(3, 8))
        torch.testing.assert_close(found.scores, found.rows[:, :, :8] + found.columns[:, :9])
        torch.testing.assert_close(found.no_match, found.rows[:, :, 8])


def test_the_order_of_points_does_not_matter(matcher):
    batch = scene()
    plain = answer(matcher, batch)
    q, r = torch.randperm(9), torch.randperm(8)
    mixed = answer(matcher, replace(batch, query=batch.query[:, :, q], reference=batch.reference[:, r]))
    expected = Assignment(
        plain.final.rows[:, q][:, :, [*r.tolist(), 8]], plain.final.columns[:, [*q.tolist(), 9]][:, :, r]
    )
    assert_same(mixed.final, expected)
    torch.testing.assert_close(mixed.spread_mm, plain.spread_mm[:, r][:, :, r], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("more_queries", "more_references"), [(1, 0), (0, 4), (6, 2)])
def test_padding_changes_nothing(matcher, more_queries, more_references):
    batch = scene()
    plain = answer(matcher, batch)
    query = torch.cat([batch.query, torch.full((3, 5, more_queries, 3), NAN)], 2)
    reference = torch.cat([batch.reference, torch.full((3, more_references, 3), NAN)], 1)
    padded = answer(matcher, replace(batch, query=query, reference=reference))
    there = Assignment(
        padded.final.rows[:, :9, [*range(8), 8 + more_references]],
        padded.final.columns[:, [*range(9), 9 + more_queries], :8],
    )
    torch.testing.assert_close(there.rows, plain.final.rows, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(there.columns, plain.final.columns, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded.spread_mm[:, :8, :8], plain.spread_mm, atol=1e-3, rtol=1e-5)


def test_samples_do_not_see_each_other(matcher):
    batch = scene()
    alone = answer(matcher, MatchBatch(batch.query[1:2], batch.dt_s[1:2], batch.reference[1:2], batch.match[1:2]))
    together = answer(matcher, batch)
    torch.testing.assert_close(together.final.rows[1:2], alone.final.rows, atol=1e-4, rtol=1e-5)


def test_where_the_body_stands_does_not_matter(matcher):
    batch = scene()
    moved = replace(
        batch,
        query=batch.query + torch.tensor([512.0, -256.0, 64.0]),
        reference=batch.reference - torch.tensor([128.0, 1024.0, 32.0]),
    )
    assert_same(answer(matcher, moved).final, answer(matcher, batch).final, tolerance=2e-3)


def test_a_walk_at_constant_speed_changes_nothing(matcher):
    """Velocities are about the set's median, so that a treadmill looks like the ground."""
    batch = scene()
    walk = torch.arange(5.0)[:, None, None] * torch.tensor([128.0, 0, 0])
    moving = replace(batch, query=batch.query + walk)
    assert_same(answer(matcher, moving).final, answer(matcher, batch).final, tolerance=2e-3)


@pytest.mark.parametrize(("n_queries", "n_references"), [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_few_or_no_points_give_numbers(matcher, n_queries, n_references):
    batch = scene()
    batch.query[0, :, n_queries:] = NAN
    batch.reference[0, n_references:] = NAN
    result = matcher(batch.query, batch.dt_s, batch.reference, 1)
    total, figures = loss(result, batch)
    matcher.zero_grad()
    total.backward()
    assert torch.isfinite(result.final.rows).all() and torch.isfinite(result.final.columns).all()
    assert all(torch.isfinite(p.grad).all() for p in matcher.parameters() if p.grad is not None)
    assert figures.loss > 0


def test_a_set_of_one_column(matcher):
    batch = scene(n=1, m=1)
    assert torch.isfinite(answer(matcher, batch).final.rows).all()


def test_without_a_second_block_the_first_answer_is_the_last():
    output = Matcher(replace(SMALL, second_layers=0, rigidity=False))(*_inputs(scene()))
    assert output.final is output.first and output.spread_mm is None


def test_each_recycling_changes_the_answer(matcher):
    batch = scene()
    once, twice = answer(matcher, batch, 1), answer(matcher, batch, 2)
    assert torch.equal(once.first.rows, twice.first.rows)
    assert not torch.allclose(once.final.rows, twice.final.rows, atol=1e-4)


def test_half_precision_gives_nearly_the_same(matcher):
    batch = scene()
    with torch.autocast("cpu", torch.bfloat16):
        half = answer(matcher, batch).first.rows
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, answer(matcher, batch).first.rows, atol=0.15, rtol=0.05)


def test_every_weight_is_learnt():
    matcher = Matcher(SMALL)
    batch = scene()
    loss(matcher(*_inputs(batch)), batch)[0].backward()
    assert [name for name, p in matcher.named_parameters() if p.grad is None] == []


def test_truth_of_both_sides():
    """Two queries: the first is column 2; the second says column 0, which is hidden. The third is not there."""
    query = torch.zeros(1, 5, 3, 3)
    query[0, :, 1] = 10.0
    query[0, MIDDLE, 2] = NAN
    reference = torch.tensor([[[NAN] * 3, [5.0] * 3, [0.0] * 3]])
    found = truth(MatchBatch(query, torch.tensor([0.1]), reference, torch.tensor([[2, 0, 1]])))
    assert found.query.tolist() == [[True, True, False]]
    assert found.reference.tolist() == [[False, True, True]]
    assert found.rows.tolist() == [[2, 3, 3]]
    assert found.columns.tolist() == [[3, 3, 0]]


def test_loss_of_a_sure_right_answer_is_zero():
    batch = scene(n_samples=1, n=2, m=1)
    batch = replace(batch, match=torch.tensor([[0, -1]]))
    rows = torch.tensor([[[0.0, -50.0], [-50.0, 0.0]]])
    columns = torch.tensor([[[0.0], [-50.0], [-50.0]]])
    sure = Assignment(rows, columns)
    total, figures = loss(MatchOutput(sure, sure, None), batch)
    assert float(total) == 0 and figures.accuracy == 1 and figures.ghosts == 1
    wrong = Assignment(rows.flip(2), columns)
    total, figures = loss(MatchOutput(wrong, wrong, None), batch)
    assert float(total) == 25 and figures.accuracy == 0 and figures.ghosts == 0  # half of (50 + 50) / 2


def test_rigidity_loss_is_least_at_the_true_change():
    """Two points 100 mm apart in the reference and 120 in the frame: the best guess is 20."""
    query = torch.tensor([[0.0, 0, 0], [120.0, 0, 0]]).expand(1, 5, 2, 3)
    reference = torch.tensor([[[0.0, 0, 0], [100.0, 0, 0]]])
    batch = MatchBatch(query, torch.tensor([0.1]), reference, torch.tensor([[0, 1]]))
    sure = Assignment(torch.zeros(1, 2, 3), torch.zeros(1, 3, 2))
    losses = [loss(MatchOutput(sure, sure, torch.full((1, 2, 2), mm)), batch)[1].rigidity for mm in (5.0, 20.0, 80.0)]
    assert losses[1] == min(losses)
    assert losses[1] == pytest.approx(1 + torch.tensor(20.0).log().item())


def test_features_of_a_known_pair():
    """Two queries 300 mm apart in every frame, of which the second moves 0.1 m a frame faster."""
    query = torch.full((1, 5, 2, 3), 0.0)
    query[0, :, 1, 0] = 300 + 100 * (torch.arange(5.0) - MIDDLE)
    sets = describe(query, torch.tensor([0.1]), torch.full((1, 1, 3), NAN))
    assert sets.exists.tolist() == [[True, True], [False, False]]
    assert sets.distances[0].tolist() == [[0, 300], [300, 0]]
    assert float(sets.distances[1].abs().sum()) == 0 and float(sets.pairs[1].abs().sum()) == 0
    difference = sets.positions[0, 1] - sets.positions[0, 0]
    torch.testing.assert_close(difference, torch.tensor([0.6, 0.0, 0.0]))
    speed = sets.points[0, :, 34:42]  # after 3 positions, 30 of their Fourier features and the height
    torch.testing.assert_close(speed[1] - speed[0], torch.tensor([1.0, 0, 0, 0, 1.0, 0, 0, 0]))
    assert speed[:, [3, 7]].tolist() == [[1, 1], [1, 1]]


def test_helper_features():
    assert radial(torch.tensor([1.0]), torch.tensor([1.0, 3.0]), 2.0)[0].tolist() == pytest.approx(
        [1, 0.6065], abs=1e-4
    )
    assert fourier(torch.tensor([0.0]), (1.0, 2.0)).tolist() == [0, 0, 1, 1]


def test_recycling_finds_the_exchanged_pair():
    """Three points in a row; the answer exchanges the first two. Their distances to the third disagree, and where
    they would have moved shows the exchange."""
    line = torch.tensor([[0.0, 0, 0], [400.0, 0, 0], [1000.0, 0, 0]])
    sets = describe(line.expand(1, 5, 3, 3), torch.tensor([0.1]), line[None])
    certain = torch.full((3, 3), -50.0)
    certain[[0, 1, 2], [1, 0, 2]] = 0.0
    nothing = torch.full((3, 1), -50.0)
    found = Assignment(torch.cat([certain, nothing], 1)[None], torch.cat([certain, nothing.mT], 0)[None])
    of_points, of_pairs, across = recycled(sets, found)
    torch.testing.assert_close(across[0], certain.exp(), atol=1e-6, rtol=0)
    assert of_points[0, :, 0].tolist() == pytest.approx([0.8, -0.8, 0.0], abs=1e-5)
    agrees = of_pairs[0, :, :, 0]  # 1 where the distances are the same
    assert float(agrees[0, 1]) == pytest.approx(1, abs=1e-4)
    assert float(agrees[0, 2]) < 0.1 and float(agrees[1, 2]) < 0.1


def _inputs(batch: MatchBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return batch.query, batch.dt_s, batch.reference
