"""Parts that the trajectory models share: sinusoidal positions, multi-head attention, the classifying head."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoidal_positions(n_samples: int, width: int) -> Tensor:
    """`(n_samples, width)` sines and cosines of Vaswani et al. 2017, section 3.5."""
    position = torch.arange(n_samples, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    table = torch.zeros(n_samples, width)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)[:, : width // 2]
    return table


class MultiHeadAttention(nn.Module):
    """Self-attention over the samples of a window (Vaswani et al. 2017), blind to padded samples."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        if width % n_heads:
            raise ValueError(f"attention width: expected a multiple of {n_heads} heads, found {width}")
        self.n_heads = n_heads
        self.dropout = dropout
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """x `(batch, time, width)`, mask `(batch, time)` True where there is a sample; at least one in a row.

        Returns the same shape as x, and the weights `(batch, head, time, time)` if asked for.
        """
        batch, time, width = x.shape
        qkv = self.project_in(x).view(batch, time, 3, self.n_heads, width // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, head, time, width / head)
        keys = mask[:, None, None, :]
        weights = None
        if with_weights:
            scores = (q @ k.transpose(-1, -2)) / math.sqrt(width // self.n_heads)
            weights = scores.masked_fill(~keys, float("-inf")).softmax(-1)
            y = F.dropout(weights, self.dropout, self.training) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, keys, self.dropout if self.training else 0.0)
        y = y.transpose(1, 2).reshape(batch, time, width)
        return self.project_out(y), weights


class Head(nn.Module):
    """From the samples' states to class scores.

    `pooling` "mean" averages the samples that are there; "flatten" lays all `n_samples` states side by side with
    zeros for those that are not, as the predecessor did. Then Linear, norm, ReLU, dropout, Linear.
    """

    def __init__(
        self, width: int, n_samples: int, hidden: int, n_classes: int, pooling: str, norm: str, dropout: float
    ) -> None:
        super().__init__()
        if pooling not in ("mean", "flatten") or norm not in ("batch", "layer"):
            raise ValueError(f"head: expected pooling mean or flatten and norm batch or layer, found {pooling}, {norm}")
        self.flatten = pooling == "flatten"
        self.layers = nn.Sequential(
            nn.Linear(width * n_samples if self.flatten else width, hidden),
            nn.BatchNorm1d(hidden) if norm == "batch" else nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states `(batch, time, width)`, mask `(batch, time)` -> class scores `(batch, n_classes)`."""
        there = mask[..., None].to(states.dtype)
        states = states * there
        pooled = states.flatten(1) if self.flatten else states.sum(1) / there.sum(1)
        scores: Tensor = self.layers(pooled)
        return scores
