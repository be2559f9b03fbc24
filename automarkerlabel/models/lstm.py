"""`lstm`: the architecture of Clouthier et al. 2021. Input -> LSTM -> head."""

from dataclasses import dataclass

from torch import Tensor, nn

from automarkerlabel.models.attention.multihead import Head


@dataclass(frozen=True)
class LSTMConfig:
    """Cells and layers of the LSTM, its dropout, and the head's width, pooling, norm and dropout."""

    cells: int = 128
    layers: int = 2
    dropout: float = 0.1
    head_width: int = 128
    pooling: str = "mean"
    norm: str = "layer"
    head_dropout: float = 0.1
    projection: int = 0  # 0: none, as in the paper


class LSTMModel(nn.Module):
    """Padding stands behind the samples, so what a forward LSTM says of a sample never depends on it."""

    has_attention = False

    def __init__(self, config: LSTMConfig, n_features: int, n_samples: int, n_classes: int) -> None:
        super().__init__()
        width = config.projection or n_features
        self.project = nn.Linear(n_features, width) if config.projection else nn.Identity()
        self.lstm = nn.LSTM(
            width, config.cells, config.layers, batch_first=True, dropout=config.dropout if config.layers > 1 else 0.0
        )
        self.head = Head(
            config.cells, n_samples, config.head_width, n_classes, config.pooling, config.norm, config.head_dropout
        )

    def forward(self, x: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, list[Tensor]]:
        """x `(batch, time, n_features)`, mask `(batch, time)` -> class scores `(batch, n_classes)`, no weights."""
        states, _ = self.lstm(self.project(x))  # (batch, time, cells)
        return self.head(states, mask), []
