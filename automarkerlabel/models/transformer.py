"""`transformer`: projection -> sinusoidal positions -> encoder -> head."""

from dataclasses import dataclass

from torch import Tensor, nn

from automarkerlabel.models.attention.multihead import Head, MultiHeadAttention, sinusoidal_positions


@dataclass(frozen=True)
class TransformerConfig:
    """Width, heads, layers, feed-forward width and dropout of the encoder; the head's as in `LSTMConfig`."""

    width: int = 128
    heads: int = 4
    layers: int = 2
    feed_forward: int = 256
    attention_dropout: float = 0.1
    head_width: int = 128
    pooling: str = "mean"
    norm: str = "layer"
    head_dropout: float = 0.1


class EncoderLayer(nn.Module):
    """Attention and feed-forward, each with a residual and a layer norm after it (Vaswani et al. 2017)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.width, config.heads, config.attention_dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(config.width, config.feed_forward),
            nn.ReLU(),
            nn.Dropout(config.attention_dropout),
            nn.Linear(config.feed_forward, config.width),
        )
        self.norm_attention = nn.LayerNorm(config.width)
        self.norm_feed_forward = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.attention_dropout)

    def forward(self, x: Tensor, mask: Tensor, with_weights: bool) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(x, mask, with_weights)
        x = self.norm_attention(x + self.dropout(attended))
        x = self.norm_feed_forward(x + self.dropout(self.feed_forward(x)))
        return x, weights


class TransformerModel(nn.Module):
    has_attention = True

    def __init__(self, config: TransformerConfig, n_features: int, n_samples: int, n_classes: int) -> None:
        super().__init__()
        self.project = nn.Linear(n_features, config.width)
        self.positions: Tensor
        self.register_buffer("positions", sinusoidal_positions(n_samples, config.width), persistent=False)
        self.dropout = nn.Dropout(config.attention_dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.head = Head(
            config.width, n_samples, config.head_width, n_classes, config.pooling, config.norm, config.head_dropout
        )

    def forward(self, x: Tensor, mask: Tensor, with_weights: bool = False) -> tuple[Tensor, list[Tensor]]:
        """x `(batch, time, n_features)`, mask `(batch, time)` -> class scores `(batch, n_classes)` and, if asked
        for, each layer's attention `(batch, head, time, time)`."""
        states = self.dropout(self.project(x) + self.positions[: x.shape[1]])
        collected = []
        for layer in self.encoder:
            states, weights = layer(states, mask, with_weights)
            if weights is not None:
                collected.append(weights)
        return self.head(states, mask), collected
