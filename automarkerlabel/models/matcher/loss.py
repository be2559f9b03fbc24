"""What the matcher is trained on, and how right it is."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from automarkerlabel.models.matcher import MatchOutput
from automarkerlabel.models.matcher.batch import MIDDLE, MatchBatch
from automarkerlabel.models.matcher.scores import Assignment

_FIRST_WEIGHT = 0.5
_RIGIDITY_WEIGHT = 0.05


@dataclass(frozen=True, eq=False)
class Truth:
    """query (B, N) bool and reference (B, M) bool: the points that are there; rows (B, N) and columns (B, M) int64:
    the counterpart of each, the number of the other set's points for *no match*."""

    query: Tensor
    reference: Tensor
    rows: Tensor
    columns: Tensor


@dataclass(frozen=True)
class Figures:
    """Loss, shares of right answers (before and after recycling) of points with a counterpart, share of ghosts that
    were told; not a number where there is no such point."""

    loss: float
    accuracy_first: float
    accuracy: float
    ghosts: float
    rigidity: float


def truth(batch: MatchBatch) -> Truth:
    """Who is who. A counterpart that is hidden counts as none."""
    query = batch.query[:, MIDDLE].isfinite().all(-1)  # (B, N)
    reference = batch.reference.isfinite().all(-1)  # (B, M)
    n, m = query.shape[1], reference.shape[1]
    seen = reference.gather(1, batch.match.clamp(min=0)) & (batch.match >= 0) & query
    rows = torch.where(seen, batch.match, m)
    columns = torch.full_like(reference, n, dtype=torch.int64)
    columns = F.pad(columns, (0, 1))  # those without a counterpart write into the last one
    columns = columns.scatter(1, rows, torch.arange(n, device=rows.device).expand_as(rows))[:, :m]
    return Truth(query, reference, rows, columns)


def loss(output: MatchOutput, batch: MatchBatch) -> tuple[Tensor, Figures]:
    """The loss to minimise, and figures to show."""
    known = truth(batch)
    total = _assignment_loss(output.final, known)
    if output.first is not output.final:
        total = total + _FIRST_WEIGHT * _assignment_loss(output.first, known)
    rigidity = torch.zeros(())
    if output.spread_mm is not None:
        rigidity = _rigidity_loss(output.spread_mm, batch, known)
        total = total + _RIGIDITY_WEIGHT * rigidity
    m = known.reference.shape[1]
    matched, ghosts = known.query & (known.rows < m), known.query & (known.rows == m)
    figures = Figures(
        float(total.detach()),
        _accuracy(output.first, known, matched),
        _accuracy(output.final, known, matched),
        _accuracy(output.final, known, ghosts),
        float(rigidity.detach()),
    )
    return total, figures


def _assignment_loss(answer: Assignment, known: Truth) -> Tensor:
    """Mean negative log-likelihood of the right answers, of both sides alike."""
    rows = -answer.rows.gather(2, known.rows[..., None])[..., 0]
    columns = -answer.columns.gather(1, known.columns[:, None])[:, 0]
    return 0.5 * (_mean(rows, known.query) + _mean(columns, known.reference))


def _rigidity_loss(spread_mm: Tensor, batch: MatchBatch, known: Truth) -> Tensor:
    """Negative log-likelihood of the change of distance between matched reference points, Laplace distributed."""
    n = known.query.shape[1]
    found = known.columns < n  # (B, M)
    index = known.columns.clamp(max=n - 1)[..., None].expand(-1, -1, 3)
    moved = batch.query[:, MIDDLE].gather(1, index)  # (B, M, 3): the reference points in the frame to match
    change = (_apart(moved) - _apart(batch.reference)).abs()
    pairs = found[:, :, None] & found[:, None, :]
    pairs = pairs & ~torch.eye(pairs.shape[1], dtype=torch.bool, device=pairs.device)
    change = torch.where(pairs, change, 0.0)
    return _mean(change / spread_mm + spread_mm.log(), pairs)


def _apart(points: Tensor) -> Tensor:
    """(B, M, 3) -> (B, M, M) mm."""
    return (points[:, :, None] - points[:, None]).square().sum(-1).sqrt()


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return torch.where(where, values, 0.0).sum() / where.sum().clamp(min=1)


def _accuracy(answer: Assignment, known: Truth, where: Tensor) -> float:
    right = answer.rows.detach().argmax(-1) == known.rows
    return float(right[where].float().mean()) if bool(where.any()) else float("nan")
