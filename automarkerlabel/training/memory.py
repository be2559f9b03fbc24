"""How many windows fit into memory at once, by an estimate beforehand and by backing off when it was too high."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from automarkerlabel.errors import TrainingError

_SHARE = 0.5  # of the free memory that the estimate may fill: gradients, the allocator and others need the rest


def bytes_per_window(model: nn.Module, n_samples: int, n_features: int) -> int:
    """Bytes that the backward pass of one window keeps, counted on a batch of four on the model's device."""
    device = next(model.parameters()).device
    x = torch.zeros(4, n_samples, n_features, device=device)
    mask = torch.ones(4, n_samples, dtype=torch.bool, device=device)
    training = model.training
    model.eval()  # batch statistics stay as they are; dropout masks are small beside the rest
    kept = bytes_kept(lambda: model(x, mask), model)
    model.train(training)
    return max(1, (kept + x.numel() * x.element_size()) // 4)


def bytes_kept(forward: Callable[[], object], model: nn.Module) -> int:
    """Bytes beside the weights that a forward pass keeps for the backward pass."""
    weights = {p.data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = max(tensor.untyped_storage().nbytes(), kept.get(tensor.data_ptr(), 0))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
        answer = forward()  # what is kept lives as long as this, and with it has an address of its own
    del answer
    return sum(kept.values())


def free_bytes(device: torch.device) -> int | None:
    """Free memory of the device, None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def windows_that_fit(batch_size: int, per_window: int, free: int | None) -> int:
    """The largest `batch_size / 2**n`, rounded up, whose estimate stays within its share of the free memory.

    >>> windows_that_fit(100, per_window=1000, free=60_000)
    25
    """
    size = batch_size
    while free is not None and size > 1 and size * per_window > free * _SHARE:
        size = -(-size // 2)
    return size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or on the CPU."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "not enough memory" in text)
    )


class BackOff:
    """Splits a batch into parts that fit; halves the part when memory runs out. The effective batch stays the same."""

    def __init__(self, batch_size: int, part: int, least: int = 1, agree: Callable[[bool], bool] = bool) -> None:
        """`least` windows have to be in a part: two, where a network normalises over them.

        `agree` says whether any of the processes that train together has run out of memory.
        """
        self.least, self.agree = least, agree
        self.part = max(least, min(part, batch_size))

    def run(self, step: Callable[[slice], None], restart: Callable[[], None], size: int) -> None:
        """Call `step` on the parts of a batch of `size`; when memory runs out, `restart` and try smaller parts.

        Raises `TrainingError` if the smallest part does not fit.
        """
        while True:
            restart()
            failed: BaseException | None = None
            try:
                # Of equal sizes, or one apart, so that no rest is smaller than the least.
                n_parts = max(1, min(-(-size // self.part), size // self.least))
                for n in range(n_parts):
                    step(slice(n * size // n_parts, (n + 1) * size // n_parts))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                failed = error
            if not self.agree(failed is not None):
                return
            if self.part <= self.least:
                raise TrainingError(
                    f"memory: expected room for {self.least} windows at a time, found none;"
                    " use a smaller model (--preset light) or close other programs"
                ) from failed
            self.part = max(self.least, -(-self.part // 2))
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
