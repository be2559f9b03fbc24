"""Attention of recurrent states by a score of their own: multiplicative, additive, and additive over convolutions.

Each is called as `attention(states, mask, with_weights)`: states `(batch, time, width)`, mask `(batch, time)` True
where there is a sample, samples first. It returns what was attended to, of the states' shape, and if asked for the
weights `(batch, 1, query sample, key sample)`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_KERNEL = 3
_DILATIONS = (1, 2)
_POOL = 2


class LuongAttention(nn.Module):
    """Multiplicative attention with the general score, h_t' W h_s, and the attentional vector tanh(W [context; h_t])
    (Luong et al. 2015, sections 3.1 and 3)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.score = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width, bias=False)

    def forward(self, states: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        scores = states @ self.score(states).transpose(1, 2)  # (batch, query, key)
        weights = masked_softmax(scores, mask)
        context = F.dropout(weights, self.dropout, self.training) @ states
        attended = torch.tanh(self.combine(torch.cat([context, states], -1)))
        return attended, weights[:, None] if with_weights else None


class AdditiveScore(nn.Module):
    """v' tanh(W query + U key) of every query and key (Bahdanau et al. 2015, appendix A.1.2)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, hidden, bias=False)
        self.key = nn.Linear(width, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """queries `(batch, query, width)`, keys `(batch, key, width)` -> `(batch, query, key)`."""
        both = self.query(queries)[:, :, None] + self.key(keys)[:, None]  # (batch, query, key, hidden)
        scores: Tensor = self.score(torch.tanh(both))[..., 0]
        return scores


class BahdanauAttention(nn.Module):
    """Additive attention: the context is the mean of the states, weighted by the softmax of their scores (Bahdanau et
    al. 2015, section 3.1)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.score = AdditiveScore(width, max(1, width // 2))

    def forward(self, states: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        weights = masked_softmax(self.score(states, states), mask)
        context = F.dropout(weights, self.dropout, self.training) @ states
        return context, weights[:, None] if with_weights else None


class ConvAttention(nn.Module):
    """Dilated convolutions over the states, max pooling by two, a dense projection, and additive attention of the
    states over what comes of it.

    The weight of a pool is shared out evenly to its samples; what a pool tells of them was also drawn from the three
    samples on either side.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, _KERNEL, padding=d * (_KERNEL // 2), dilation=d) for d in _DILATIONS
        )
        self.project = nn.Linear(width, width)
        self.score = AdditiveScore(width, max(1, width // 2))

    def forward(self, states: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        there = mask[:, None].to(states.dtype)  # (batch, 1, time)
        x = states.transpose(1, 2) * there  # (batch, width, time)
        for convolution in self.convolutions:
            x = convolution(x).relu() * there
        pooled = F.max_pool1d(x, _POOL, ceil_mode=True)  # none is below 0, so that padding is never the greatest
        keys = self.project(pooled.transpose(1, 2))  # (batch, pool, width)
        # Samples come first: a pool has some if it has its first.
        weights = masked_softmax(self.score(states, keys), mask[:, ::_POOL])  # (batch, query, pool)
        context = F.dropout(weights, self.dropout, self.training) @ keys
        return context, _shared_out(weights, mask)[:, None] if with_weights else None


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax of scores `(batch, query, key)` over the keys that are there, mask `(batch, key)`; one at least."""
    return scores.masked_fill(~mask[:, None], float("-inf")).softmax(-1)


def _shared_out(weights: Tensor, mask: Tensor) -> Tensor:
    """Weights of pools `(batch, query, pool)` as weights of samples `(batch, query, key)`."""
    there = mask.to(weights.dtype)
    in_pool = F.avg_pool1d(F.pad(there, (0, len(there[0]) % _POOL)), _POOL) * _POOL  # (batch, pool) samples
    each = (weights / in_pool.clamp(min=1)[:, None]).repeat_interleave(_POOL, -1)
    return each[..., : mask.shape[1]] * there[:, None]
