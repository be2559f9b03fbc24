"""`hybrid`: projection -> LSTM -> attention -> residual and layer norm -> head."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automarkerlabel.errors import ModelError
from automarkerlabel.models.attention.hierarchical import HierarchicalAttention
from automarkerlabel.models.attention.multihead import Head, MultiHeadAttention
from automarkerlabel.models.attention.score import BahdanauAttention, ConvAttention, LuongAttention
from automarkerlabel.models.attention.sparse import SparseSelection


@dataclass(frozen=True)
class HybridConfig:
    """The LSTM's cells (also the width of projection and attention), layers and dropout; heads and dropout of the
    attention; the head's as in `LSTMConfig`; a key of `ATTENTIONS`; and whether a second head forecasts.

    Raises `ModelError` for an attention that is not known.
    """

    cells: int = 128
    layers: int = 1
    dropout: float = 0.1
    heads: int = 4
    attention_dropout: float = 0.1
    head_width: int = 128
    pooling: str = "mean"
    norm: str = "layer"
    head_dropout: float = 0.1
    attention: str = "multihead"
    forecast: bool = False

    def __post_init__(self) -> None:
        if self.attention not in ATTENTIONS:
            raise ModelError(f"attention: expected one of {', '.join(ATTENTIONS)}, found {self.attention!r}")


# Each from the config and the number of inputs of a sample.
ATTENTIONS: dict[str, Callable[[HybridConfig, int], nn.Module]] = {
    "multihead": lambda c, _: MultiHeadAttention(c.cells, c.heads, c.attention_dropout),
    "luong": lambda c, _: LuongAttention(c.cells, c.attention_dropout),
    "bahdanau": lambda c, _: BahdanauAttention(c.cells, c.attention_dropout),
    "conv": lambda c, _: ConvAttention(c.cells, c.attention_dropout),
    "hierarchical": lambda c, _: HierarchicalAttention(c.cells, c.heads, c.attention_dropout),
    "sparse": lambda c, n_inputs: SparseSelection(n_inputs, c.cells),
}


class HybridModel(nn.Module):
    has_attention = True

    def __init__(self, config: HybridConfig, n_features: int, n_samples: int, n_classes: int) -> None:
        super().__init__()
        self.project = nn.Linear(n_features, config.cells)
        self.lstm = nn.LSTM(
            config.cells,
            config.cells,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.attention = ATTENTIONS[config.attention](config, n_features)
        self.norm = nn.LayerNorm(config.cells)
        self.head = Head(
            config.cells, n_samples, config.head_width, n_classes, config.pooling, config.norm, config.head_dropout
        )
        self.forecast = nn.Linear(config.cells, 3) if config.forecast else None

    def forward(
        self, x: Tensor, mask: Tensor, with_weights: bool = False, with_forecast: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """x `(batch, time, n_features)`, mask `(batch, time)` -> class scores `(batch, n_classes)` and a list of what
        else is asked for: the attention `(batch, head, time, time)`, of `sparse` the importance `(batch, time,
        neighbour, feature)`; then the forecast `(batch, 3)` of a model that has one, see `features.next_step`."""
        states, _ = self.lstm(self.project(x))  # (batch, time, cells)
        # The sparse selection looks at what the states were made of.
        attends_to = (x, states) if isinstance(self.attention, SparseSelection) else (states,)
        attended, weights = self.attention(*attends_to, mask, with_weights)
        states = self.norm(states + attended)
        asked = [] if weights is None else [weights]
        if with_forecast:
            assert self.forecast is not None
            last = mask.sum(1) - 1
            asked.append(self.forecast(states[torch.arange(len(states), device=states.device), last]))
        return self.head(states, mask), asked
