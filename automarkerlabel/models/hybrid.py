"""`hybrid`: projection -> LSTM -> multi-head attention -> residual and layer norm -> head."""

from dataclasses import dataclass

from torch import Tensor, nn

from automarkerlabel.models.attention import Head, MultiHeadAttention


@dataclass(frozen=True)
class HybridConfig:
    """The LSTM's cells (also the width of projection and attention), layers and dropout; heads and dropout of the
    attention; the head's as in `LSTMConfig`."""

    cells: int = 128
    layers: int = 1
    dropout: float = 0.1
    heads: int = 4
    attention_dropout: float = 0.1
    head_width: int = 128
    pooling: str = "mean"
    norm: str = "layer"
    head_dropout: float = 0.1


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
        self.attention = MultiHeadAttention(config.cells, config.heads, config.attention_dropout)
        self.norm = nn.LayerNorm(config.cells)
        self.head = Head(
            config.cells, n_samples, config.head_width, n_classes, config.pooling, config.norm, config.head_dropout
        )

    def forward(self, x: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, list[Tensor]]:
        """x `(batch, time, n_features)`, mask `(batch, time)` -> class scores `(batch, n_classes)` and, if asked
        for, the attention `(batch, head, time, time)` in a list of one."""
        states, _ = self.lstm(self.project(x))  # (batch, time, cells)
        attended, weights = self.attention(states, mask, with_weights)
        states = self.norm(states + attended)
        return self.head(states, mask), [] if weights is None else [weights]
