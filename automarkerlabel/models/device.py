"""The device of a network: which there is, how many threads, and in which precision it computes best.

Threads are measured, since small operations on threads that wait for each other can be ten times slower.
"""

import os
import time
from collections.abc import Callable

import torch
from torch import nn

from automarkerlabel.errors import InputError

_SMALL_MODEL = 1_000_000  # weights; networks below it label no faster with more than one thread
_TRIES = 3


def set_for_labelling(model: nn.Module) -> None:
    """One thread for a small network, unless OMP_NUM_THREADS says otherwise."""
    if "OMP_NUM_THREADS" not in os.environ and sum(p.numel() for p in model.parameters()) < _SMALL_MODEL:
        torch.set_num_threads(1)


def choose_for_training(step: Callable[[], object]) -> int:
    """Set, and return, the thread count with which `step` takes the least time: one, or as many as torch would use.

    OMP_NUM_THREADS, where it is set, is left as it is.
    """
    most = torch.get_num_threads()
    if most == 1 or "OMP_NUM_THREADS" in os.environ:
        return most
    seconds = {}
    for n in (1, most):
        torch.set_num_threads(n)
        step()  # the first one warms up
        started = time.perf_counter()
        for _ in range(_TRIES):
            step()
        seconds[n] = time.perf_counter() - started
    # More threads take cores from the preparation of batches; they have to be worth it.
    chosen = most if seconds[most] < 0.75 * seconds[1] else 1
    torch.set_num_threads(chosen)
    return chosen


def keep_or_choose(chosen: int, choose: Callable[[], int]) -> int:
    """Set the count that a run chose before, or choose one (`chosen` is 0). A resumed run keeps it, since sums in
    another order would not be the unbroken run's."""
    if not chosen:
        return choose()
    torch.set_num_threads(chosen)
    return chosen


def has_bfloat16(device: str) -> bool:
    """Whether the device computes in bfloat16 faster than in float32, by what it says of itself: a measurement would
    depend on its load, and a resumed run might go on otherwise than it began."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    told = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # no public name for it yet
    return bool(told and told())


def as_device(name: str) -> str:
    """A device that is there: "auto" takes a GPU if there is one. Raises `InputError` for one that is not."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device: expected auto, cpu, cuda or cuda:N that is there, found {name!r}") from error
    return str(device)
