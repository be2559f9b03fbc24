"""The matcher's answers: log-probabilities of matches and of *no match*, and how rigid pairs of points are."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automarkerlabel.models.matcher.features import N_PAIR
from automarkerlabel.models.matcher.layers import HIDDEN

_RANK = 16
_LEAST_MM = 1.0


@dataclass(frozen=True, eq=False)
class Assignment:
    """Log-probabilities, float32. Where there is no point, a row or column holds no meaning.

    rows     (B, N, M + 1) of each query point over the reference points and, last, *no match*.
    columns  (B, N + 1, M) of each reference point over the query points and, last, *no match*.
    """

    rows: Tensor
    columns: Tensor

    @property
    def scores(self) -> Tensor:
        """(B, N, M) log-score of a match: the sum of what both sides say."""
        return self.rows[..., :-1] + self.columns[:, :-1]

    @property
    def no_match(self) -> Tensor:
        """(B, N) log-probability that a query point has no counterpart."""
        return self.rows[..., -1]

    def likelihood(self) -> Tensor:
        """(B, N, M) the geometric mean of what both sides say; 0 where there is no pair."""
        return (0.5 * self.scores).exp()


class ScoreHead(nn.Module):
    """Similarity of projected points, against each point's own logit of *no match*."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, width)
        self.nothing = nn.Linear(width, 1)

    def forward(self, x: Tensor, exists: Tensor, n: int, m: int) -> Assignment:
        """x (2B, L, D), exists (2B, L): the stacked sets, of which the first n and m points are real columns."""
        x = self.norm(x)
        queries, references = self.project(x).float().chunk(2)
        nothing_q, nothing_r = self.nothing(x).float().chunk(2)  # (B, L, 1)
        there_q, there_r = exists[:, :, None].chunk(2)
        with torch.autocast(x.device.type, enabled=False):
            similar = queries[:, :n] @ references[:, :m].mT * x.shape[-1] ** -0.5
        similar = similar.masked_fill(~(there_q[:, :n] & there_r[:, :m].mT), HIDDEN)
        rows = torch.cat([similar, nothing_q[:, :n]], 2).log_softmax(2)
        columns = torch.cat([similar, nothing_r[:, :m].mT], 1).log_softmax(1)
        return Assignment(rows, columns)


class Rigidity(nn.Module):
    """The mean size of the change of the distance between two reference points, in mm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 2 * _RANK)
        self.of_pair = nn.Linear(N_PAIR, 1)
        nn.init.constant_(self.of_pair.bias, math.log(30.0))

    def forward(self, x: Tensor, pairs: Tensor) -> Tensor:
        """(B, M, M) mm from points (B, M, D) and pairs (B, M, M, F); symmetric, at least 1 mm."""
        together, apart = self.project(x).float().chunk(2, -1)
        of_pair = self.of_pair(pairs).float()[..., 0]
        with torch.autocast(x.device.type, enabled=False):
            logs = (apart @ apart.mT - together @ together.mT) * _RANK**-0.5
            logs = logs + of_pair
            spread: Tensor = _LEAST_MM + (0.5 * (logs + logs.mT)).clamp(-5, 8).exp()
        return spread
