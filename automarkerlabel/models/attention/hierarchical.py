"""Multi-head attention on a short and on a long sequence, summed."""

import torch
from torch import Tensor, nn

from automarkerlabel.models.attention.multihead import MultiHeadAttention

_STRIDE = 2


class HierarchicalAttention(nn.Module):
    """Every sample attends to the middle half of the window at its full rate and, with weights of their own, to every
    other sample of the whole window; the two are summed.

    Both come from one window of samples, of which those that are missing are left out: a longer past and future needs
    a window of more samples. The shape is MHA(short) + MHA(long), as in fusionlab's HierarchicalAttention.
    """

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.short = MultiHeadAttention(width, n_heads, dropout)
        self.long = MultiHeadAttention(width, n_heads, dropout)

    def forward(self, states: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """states `(batch, time, width)`, mask `(batch, time)` True where there is a sample, samples first.

        Returns the same shape as states, and the weights `(batch, 2 heads, time, time)` if asked for: the heads of the
        short sequence, then those of the long one.
        """
        short, of_short = self.short(states, middle(mask), with_weights)
        long, of_long = self.long(states, decimated(mask), with_weights)
        return short + long, torch.cat([of_short, of_long], 1) if with_weights else None


def middle(mask: Tensor) -> Tensor:
    """The middle half of the samples that are there, at least one."""
    n = mask.sum(1, keepdim=True)
    length = (n + 1) // 2
    first = (n - length) // 2
    index = torch.arange(mask.shape[1], device=mask.device)
    return (index >= first) & (index < first + length)


def decimated(mask: Tensor) -> Tensor:
    """Every other of the samples that are there, from the first on."""
    return mask & (torch.arange(mask.shape[1], device=mask.device) % _STRIDE == 0)
