"""The predecessor's network (Clouthier et al. 2021): three LSTM layers over a window, then two linear layers.

Its parameters carry the predecessor's names, so that its state dicts load as they are. It is trained with `forward`;
`predict` gives the same numbers without gradients, several times faster.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_GATES = 4  # input, forget, cell, output


@dataclass(frozen=True)
class LegacyLstmConfig:
    """Sizes of the network.

    n_features  numbers a frame.
    n_labels    classes; *no label* is not among them.
    max_len     frames to which the outputs of the LSTM are padded.
    """

    n_features: int
    n_labels: int
    max_len: int = 240
    n_cells: int = 256
    n_layers: int = 3
    n_hidden: int = 128
    dropout: float = 0.17


class LegacyLstm(nn.Module):
    """Windows of varying length to logits over labels."""

    def __init__(self, config: LegacyLstmConfig) -> None:
        super().__init__()
        self.config = config
        self.lstm = nn.LSTM(config.n_features, config.n_cells, config.n_layers, dropout=config.dropout)
        self.fc = nn.Sequential(
            nn.Linear(config.max_len * config.n_cells, config.n_hidden),
            nn.BatchNorm1d(config.n_hidden),
            nn.ReLU(),
            nn.Linear(config.n_hidden, config.n_labels),
        )

    def forward(self, windows: Tensor, lengths: Tensor) -> Tensor:
        """Logits `(n_windows, n_labels)` of windows `(n_windows, n_frames, n_features)`, padded at their ends."""
        packed = nn.utils.rnn.pack_padded_sequence(windows, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=self.config.max_len
        )
        logits: Tensor = self.fc(states.flatten(1))  # (n_windows, max_len * n_cells), frame by frame
        return logits

    @torch.inference_mode()
    def predict(self, windows: Tensor, lengths: Tensor) -> Tensor:
        """Log-probabilities `(n_windows, n_labels)` of `windows` `(n_frames, n_windows, n_features)`, longest first.

        All windows advance together, a frame and a layer at a time: the products of inputs and states are one, nothing
        larger than a frame is kept, and windows that have ended drop out. Dropout and batch statistics are off.

        Raises `ValueError` if lengths are not descending or beyond max_len.
        """
        n_cells = self.config.n_cells
        sizes = lengths.tolist()
        if sizes != sorted(sizes, reverse=True) or (sizes and sizes[0] > min(self.config.max_len, len(windows))):
            raise ValueError(f"lengths: expected descending ones up to {min(self.config.max_len, len(windows))}")
        layers = [self._joined_weights(layer) for layer in range(self.config.n_layers)]
        n = len(sizes)
        # What enters each layer: its input beside its own state of the frame before.
        entering = [windows.new_zeros(n, weight.shape[1]) for weight, _ in layers]
        cells = [windows.new_zeros(n, n_cells) for _ in layers]
        first, norm, relu, last = self.fc
        assert isinstance(first, nn.Linear) and isinstance(norm, nn.BatchNorm1d)
        hidden = first.bias.expand(n, -1).clone()
        active = n
        for frame in range(sizes[0] if sizes else 0):
            while sizes[active - 1] <= frame:
                active -= 1
            entering[0][:active, : self.config.n_features] = windows[frame, :active]
            for layer, (weight, bias) in enumerate(layers):
                gates = _product(entering[layer][:active], weight, bias)  # (active, 4 * n_cells)
                state = _advance(gates, cells[layer][:active], entering[layer][:active, -n_cells:])
                if layer + 1 < len(layers):
                    entering[layer + 1][:active, :n_cells] = state
            hidden[:active].addmm_(state, first.weight[:, frame * n_cells : (frame + 1) * n_cells].t())
        logits: Tensor = last(relu(F.batch_norm(hidden, norm.running_mean, norm.running_var, norm.weight, norm.bias)))
        return logits.log_softmax(1)

    def _joined_weights(self, layer: int) -> tuple[Tensor, Tensor]:
        """Weight `(4 * n_cells, n_in + n_cells)` and bias of a layer for input and state side by side.

        Those of the cell gate are doubled, since tanh(x) = 2 sigmoid(2x) - 1: one function then serves all gates.
        """
        weight = torch.cat([getattr(self.lstm, f"weight_{side}_l{layer}") for side in ("ih", "hh")], 1)
        bias = getattr(self.lstm, f"bias_ih_l{layer}") + getattr(self.lstm, f"bias_hh_l{layer}")
        n_cells = self.config.n_cells
        weight[2 * n_cells : 3 * n_cells] *= 2
        bias[2 * n_cells : 3 * n_cells] *= 2
        return weight, bias


def _product(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """rows @ weight.T + bias, `(n_rows, n_out)`; where it can, as a 1 × 1 convolution over n_rows × 1 points.

    That is the same product, but oneDNN's, which is two to four times as fast as MKL's on processors not by Intel.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return F.linear(rows, weight, bias)
    # (1, n_in, n_rows, 1) and (n_out, n_in, 1, 1), channels last: in memory as they were.
    picture = rows[None, :, None, :].permute(0, 3, 1, 2)
    kernel = weight[:, None, None, :].permute(0, 3, 1, 2)
    out = torch.mkldnn_convolution(picture, kernel, bias, padding=[0, 0], stride=[1, 1], dilation=[1, 1], groups=1)
    return out.permute(0, 2, 3, 1).reshape(len(rows), -1)


def _advance(gates: Tensor, cell: Tensor, state: Tensor) -> Tensor:
    """One LSTM step: overwrites `gates`, and `cell` and `state` `(n_windows, n_cells)` with the new ones."""
    enter, forget, half_cell, leave = gates.sigmoid_().chunk(_GATES, 1)
    # cell = forget * cell + enter * tanh(...), with tanh as 2 * half_cell - 1.
    cell.mul_(forget).addcmul_(enter, half_cell, value=2).sub_(enter)
    return torch.mul(leave, torch.mul(cell, 2).sigmoid_().mul_(2).sub_(1), out=state)


def config_of(state: Mapping[str, Tensor]) -> LegacyLstmConfig:
    """The config that fits a state dict, by the shapes of its tensors.

    Raises `ValueError`, in words, if the tensors are not those of this network.
    """
    needed = ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "fc.0.weight", "fc.3.weight")
    missing = [name for name in needed if name not in state or state[name].ndim != 2]
    if missing:
        raise ValueError(f"no matrix {missing[0]}")
    n_cells = state["lstm.weight_hh_l0"].shape[1]
    n_hidden, n_flat = state["fc.0.weight"].shape
    n_layers = sum(name.startswith("lstm.weight_ih_l") for name in state)
    if n_cells == 0 or n_flat % n_cells:
        raise ValueError(f"fc.0 of width {n_flat}, no multiple of {n_cells} cells")
    config = LegacyLstmConfig(
        n_features=state["lstm.weight_ih_l0"].shape[1],
        n_labels=state["fc.3.weight"].shape[0],
        max_len=n_flat // n_cells,
        n_cells=n_cells,
        n_layers=n_layers,
        n_hidden=n_hidden,
    )
    with torch.device("meta"):  # shapes only
        wanted = {name: tensor.shape for name, tensor in LegacyLstm(config).state_dict().items()}
    found = {name: tensor.shape for name, tensor in state.items()}
    if wanted != found:
        odd = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))[0]
        raise ValueError(f"{odd} of shape {_shape(found.get(odd))} instead of {_shape(wanted.get(odd))}")
    return config


def _shape(size: torch.Size | None) -> str:
    return "none" if size is None else str(tuple(size))
