"""The machine's floor: how fast it multiplies matrices and moves memory, and how much of both some work needs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from automarkerlabel.training.memory import bytes_kept

# Rows, inputs and outputs of products: a large one, and what the networks of `racers` are made of.
PRODUCTS = {
    "large": (2048, 2048, 2048),
    "windows into hybrid": (2048, 416, 128),
    "a frame of hybrid's LSTM": (256, 128, 512),
    "a frame of the predecessor's LSTM": (100, 256, 1024),
    "windows into the predecessor's LSTM": (12_000, 305, 1024),
}
KINDS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_COPY_BYTES = 256 << 20
_GATES = 4
_FLOAT_BYTES = 4
# Of each weight in a step: read forwards and backwards, its gradient written, then what the optimiser reads and writes.
_MOVES = {"adamw": 3 + 7, "sgd": 3 + 5}


@dataclass(frozen=True)
class Work:
    """What a step needs for each of its windows: multiplications and additions in matrix products, and bytes moved:
    what the backward pass keeps, written and read once, and the share of weights, gradients and optimiser's state."""

    flop: float
    bytes: float


class Floor:
    """Rates of this machine: the best of all tries so far. Call `try_once` in each round of a measurement.

    flop   floating-point operations a second by kind of number and product.
    bytes  bytes a second read and written by copying what no cache holds.
    """

    def __init__(self) -> None:
        self.flop: dict[str, dict[str, float]] = {kind: dict.fromkeys(PRODUCTS, 0.0) for kind in KINDS}
        self.bytes = 0.0
        self._ways = {
            (kind, name): _ways(*shape, dtype) for kind, dtype in KINDS.items() for name, shape in PRODUCTS.items()
        }
        self._source = torch.ones(_COPY_BYTES // _FLOAT_BYTES)
        self._target = torch.zeros_like(self._source)

    def try_once(self) -> None:
        """Time each product and a copy."""
        with torch.inference_mode():
            for (kind, name), ways in self._ways.items():
                rows, n_in, n_out = PRODUCTS[name]
                rate = 2.0 * rows * n_in * n_out / min(seconds(way, 3) for way in ways)
                self.flop[kind][name] = max(self.flop[kind][name], rate)
            copied = 2.0 * _COPY_BYTES / seconds(lambda: self._target.copy_(self._source), 3)
            self.bytes = max(self.bytes, copied)

    def best_flop(self, kind: str = "float32") -> float:
        """Operations a second of the fastest product."""
        return max(self.flop[kind].values())

    def per_second(self, work: Work, kind: str = "float32") -> float:
        """Windows a second that the machine could do at most, products and memory at full rate at the same time."""
        return 1.0 / max(work.flop / self.best_flop(kind), work.bytes / self.bytes)


def _ways(rows: int, n_in: int, n_out: int, dtype: torch.dtype) -> tuple[Callable[[], Tensor], ...]:
    """A product by torch, and the same as oneDNN's 1 x 1 convolution, which is faster on some processors."""
    a, weight = torch.ones(rows, n_in, dtype=dtype), torch.ones(n_out, n_in, dtype=dtype)
    picture, kernel = a.t()[None, :, :, None], weight[:, :, None, None]
    return lambda: F.linear(a, weight), lambda: F.conv2d(picture, kernel)


def seconds(function: Callable[[], object], tries: int) -> float:
    """The shortest of several tries, after one to warm up: what others on the machine take away shows in the rest."""
    function()
    times = []
    for _ in range(tries):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def work_of(forward: Callable[[], Tensor], model: nn.Module, n_windows: int, optimizer: str) -> Work:
    """Count the work of a training step on `n_windows` windows; `forward` gives a loss. No weight changes."""
    kept = bytes_kept(forward, model)
    with FlopCounterMode(display=False, custom_mapping=dict(_lstm_operations())) as counter:
        forward().backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)
    n_weights = sum(p.numel() for p in model.parameters())
    moved = 2.0 * kept + _MOVES[optimizer] * _FLOAT_BYTES * n_weights
    return Work(counter.get_total_flops() / n_windows, moved / n_windows)


def _lstm_operations() -> Iterator[tuple[Any, Callable[..., int]]]:
    """oneDNN's LSTM layer, which torch's counter does not know: inputs and states into four gates; backwards twice."""

    def forward(x: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
        n_gates, n_in = weight
        return int(2 * x[0] * x[1] * n_gates * (n_in + n_gates // _GATES))

    for name, times in (("mkldnn_rnn_layer", 1), ("mkldnn_rnn_layer_backward", 2)):
        operation = getattr(torch.ops.aten, name, None)
        if operation is not None:
            yield operation, lambda *a, _times=times, **k: _times * forward(*a, **k)
