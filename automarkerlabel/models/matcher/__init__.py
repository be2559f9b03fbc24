"""The matcher: which point of a frame is which point of a labelled reference pose, for any marker set.

Attention within and between the two point sets gives a first answer; a second block reads that answer (where each
point would have to have moved, and whether the distances between matched points agree) and gives a better one. The
second block can be run again on its own answer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automarkerlabel.models.matcher.features import N_PAIR, N_POINT, Sets, describe
from automarkerlabel.models.matcher.layers import CrossAttention, SelfAttention, key_mask
from automarkerlabel.models.matcher.recycling import N_AGREEMENT, N_RECYCLED, recycled
from automarkerlabel.models.matcher.scores import Assignment, Rigidity, ScoreHead


@dataclass(frozen=True)
class MatcherConfig:
    """Sizes of the network.

    width          features of a point within the network.
    heads          attention heads.
    first_layers   layers before the first answer.
    second_layers  layers that improve it; 0: the first answer is the last.
    n_recycles     how often the second block runs when nothing else is asked.
    rigidity       whether the spread of distances between reference points is predicted.
    """

    width: int = 128
    heads: int = 4
    first_layers: int = 3
    second_layers: int = 3
    n_recycles: int = 2
    rigidity: bool = True


@dataclass(frozen=True, eq=False)
class MatchOutput:
    """What the network says of one batch.

    first      the answer before recycling.
    final      the answer.
    spread_mm  (B, M, M) expected size of the change of each distance between reference points; None: not predicted.
    """

    first: Assignment
    final: Assignment
    spread_mm: Tensor | None


class Block(nn.Module):
    """Layers of self- and cross-attention."""

    def __init__(self, config: MatcherConfig, n_layers: int) -> None:
        super().__init__()
        self.own = nn.ModuleList(SelfAttention(config.width, config.heads, N_PAIR) for _ in range(n_layers))
        self.between = nn.ModuleList(CrossAttention(config.width, config.heads) for _ in range(n_layers))

    def forward(self, x: Tensor, sets: Sets, bias: list[Tensor], across: list[Tensor]) -> Tensor:
        there = sets.exists[..., None].float()
        for own, between, near, far in zip(self.own, self.between, bias, across, strict=True):
            x = between(own(x, there, near, sets.pairs), there, far)
        return x


class Matcher(nn.Module):
    """Scores of every query point against every reference point, see `MatchOutput`."""

    def __init__(self, config: MatcherConfig) -> None:
        super().__init__()
        self.config = config
        width, n_layers = config.width, config.first_layers + config.second_layers
        self.embed = nn.Sequential(nn.Linear(N_POINT, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.which_set = nn.Parameter(0.02 * torch.randn(2, width))
        self.pair_bias = nn.Parameter(torch.randn(config.heads * n_layers, N_PAIR) * N_PAIR**-0.5)
        self.first = Block(config, config.first_layers)
        self.first_head = ScoreHead(width)
        if config.second_layers:
            self.recycle = nn.Sequential(nn.Linear(N_RECYCLED, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            self.agreement_bias = nn.Parameter(torch.zeros(config.heads * config.second_layers, N_AGREEMENT))
            self.answer_bias = nn.Parameter(torch.ones(config.second_layers, config.heads))
            self.second = Block(config, config.second_layers)
            self.second_head = ScoreHead(width)
        if config.rigidity:
            self.rigidity = Rigidity(width)

    def forward(self, query: Tensor, dt_s: Tensor, reference: Tensor, n_recycles: int | None = None) -> MatchOutput:
        """Match queries (B, W, N, 3) mm, `dt_s` (B,) seconds between the W frames, with references (B, M, 3) mm."""
        n, m = query.shape[2], reference.shape[1]
        mixed = torch.is_autocast_enabled(query.device.type)
        sets = describe(query, dt_s, reference, torch.bfloat16 if mixed else torch.float32)
        n_recycles = self.config.n_recycles if n_recycles is None else n_recycles
        hidden = key_mask(sets.exists)  # (2B, 1, 1, L)
        far = torch.cat([*hidden.chunk(2)[::-1]])  # the other set's
        bias = [b + hidden.to(b.dtype) for b in self._biases(self.pair_bias, sets.pairs)]
        n_first = self.config.first_layers
        x = self.embed(sets.points) + self.which_set.repeat_interleave(len(query), 0)[:, None]
        x = self.first(x, sets, bias[:n_first], [far] * n_first)
        first = final = self.first_head(x, sets.exists, n, m)
        y = x
        for left in range(n_recycles - 1, -1, -1) if self.config.second_layers else ():
            with torch.set_grad_enabled(torch.is_grad_enabled() and left == 0):  # only the last run is learnt from
                y = self._again(x, sets, final, bias[n_first:], far)
                final = self.second_head(y, sets.exists, n, m)
        spread = None
        if self.config.rigidity:
            spread = self.rigidity(y[len(query) :, :m], sets.pairs[len(query) :, :m, :m])
        return MatchOutput(first, final, spread)

    def _again(self, x: Tensor, sets: Sets, answer: Assignment, bias: list[Tensor], far: Tensor) -> Tensor:
        """Tokens (2B, L, D) after the second block, which knows the answer so far."""
        of_points, of_pairs, across = recycled(sets, answer)
        agreement = self._biases(self.agreement_bias, of_pairs.to(sets.pairs.dtype))
        bias = [a + b for a, b in zip(bias, agreement, strict=True)]
        towards = [w[:, None, None] * across[:, None] + far for w in self.answer_bias]  # (2B, H, L, L)
        y: Tensor = self.second(x + self.recycle(of_points), sets, bias, towards)
        return y

    def _biases(self, weights: Tensor, pairs: Tensor) -> list[Tensor]:
        """Weights (H layers, F) and pairs (2B, L, L, F) -> for each layer (2B, H, L, L)."""
        bias = weights @ pairs.flatten(1, 2).mT  # (2B, H layers, L L): heads apart in memory, as attention reads them
        bias = bias.reshape(*bias.shape[:2], *pairs.shape[1:3])
        return list(bias.chunk(len(weights) // self.config.heads, 1))
