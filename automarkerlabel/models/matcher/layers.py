"""The matcher's layers: attention within a set, with what is known of each pair, and attention between the sets.

The sets are stacked, 2B of L points, queries first, and share all weights.
"""

import torch
from torch import Tensor, nn

# Instead of minus infinity: a row in which all is masked stays a number.
HIDDEN = -1e4


def key_mask(exists: Tensor) -> Tensor:
    """(2B, L) bool -> (2B, 1, 1, L): what to add to attention scores so that padding gets no weight."""
    return torch.zeros_like(exists, dtype=torch.float32).masked_fill(~exists, HIDDEN)[:, None, None]


def other_set(x: Tensor) -> Tensor:
    """(2B, ...) -> (2B, ...): for each set the tensor of the set that it is matched with."""
    queries, references = x.chunk(2)
    return torch.cat([references, queries])


class FeedForward(nn.Module):
    """Two layers with a residual around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(self.up(self.norm(x)).relu())
        return x + y


class SelfAttention(nn.Module):
    """Attention within each set; besides the other points' values it gathers the features of the pairs."""

    def __init__(self, width: int, heads: int, n_pair: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width + heads * n_pair, width)

    def forward(self, x: Tensor, exists: Tensor, bias: Tensor, pairs: Tensor) -> Tensor:
        """x (S, L, D), exists (S, L, 1) numbers, bias (S, H, L, L) with padding masked, pairs (S, L, L, F)."""
        n_sets, size, _ = x.shape
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        weights = attention(split(q, self.heads), split(k, self.heads), bias)  # (S, H, L, L)
        values = merge(weights @ split(v * exists.to(v.dtype), self.heads))  # (S, L, D)
        of_pairs = weights.transpose(1, 2) @ pairs.to(weights.dtype)  # (S, L, H, L) @ (S, L, L, F)
        gathered = torch.cat([values, of_pairs.reshape(n_sets, size, -1)], -1)
        y: Tensor = self.out(gathered)
        return x + y


class CrossAttention(nn.Module):
    """Attention from each set to the one it is matched with, and the feed-forward step after both attentions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed = FeedForward(width)

    def forward(self, x: Tensor, exists: Tensor, bias: Tensor) -> Tensor:
        """x (S, L, D), exists (S, L, 1) numbers, bias (S, 1 or H, 1 or L, L): the other set's padding masked."""
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        k, v = other_set(k), other_set(v * exists.to(v.dtype))
        weights = attention(split(q, self.heads), split(k, self.heads), bias)
        y: Tensor = self.feed(x + self.out(merge(weights @ split(v, self.heads))))
        return y


def attention(q: Tensor, k: Tensor, bias: Tensor) -> Tensor:
    """Weights (S, H, L, L) of queries and keys (S, H, L, D/H)."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    weights: Tensor = (scores + bias).float().softmax(-1)  # faster than in bfloat16
    return weights.to(scores.dtype)


def split(x: Tensor, heads: int) -> Tensor:
    """(S, L, D) -> (S, H, L, D/H)."""
    n_sets, size, width = x.shape
    return x.reshape(n_sets, size, heads, width // heads).transpose(1, 2)


def merge(x: Tensor) -> Tensor:
    """(S, H, L, D/H) -> (S, L, D)."""
    return x.transpose(1, 2).flatten(2)
