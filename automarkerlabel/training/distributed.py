"""Training in several processes at once, started by torchrun: each learns from its part of every batch.

All processes draw the same batches and take the same decisions; gradients are summed before each step, so that the
weights are those of one process with the same batches, but for the order in which numbers are added and for what each
process draws itself (dropout). The process of rank 0 leads: it alone validates and writes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from automarkerlabel.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes that train together; alone, each of its methods returns what it is given."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def part_of(self, n: int) -> slice:
        """This process's share of `n` things.

        >>> Group(rank=1, size=2).part_of(5)
        slice(2, 5, None)
        """
        return slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)

    def sum_gradients(self, model: nn.Module) -> None:
        """Replace each gradient by its sum over all processes."""
        if self.size == 1:
            return
        for p in model.parameters():
            if p.requires_grad and p.grad is None:
                p.grad = torch.zeros_like(p)
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        together = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(together)
        for gradient, part in zip(gradients, torch.split(together, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def sums(self, *values: float) -> list[float]:
        """Each value summed over all processes."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def least(self, value: int) -> int:
        """The least of the processes' values."""
        return int(self._reduced((value,), dist.ReduceOp.MIN)[0])

    def any(self, happened: bool) -> bool:
        """Whether it happened in any process."""
        return self.sums(happened)[0] > 0

    def of_leader(self, value: T) -> T:
        """What rank 0 has."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, device=torch.device(self.device))
        return box[0]

    def _reduced(self, values: tuple[float, ...], how: Any) -> list[float]:
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, how)
        return [float(x) for x in tensor]


ALONE = Group()


def is_one_of_many() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """The group that torchrun started this process in; `ALONE` if it did not.

    device  `cpu`, or `cuda`: each process then takes the GPU of its place on the machine.

    Raises `InputError` for a single GPU named, and where there are more processes than GPUs.
    """
    if not is_one_of_many():
        yield ALONE
        return
    place = "cpu"
    if device != "cpu":
        local, n_gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if device != "cuda" or local >= n_gpus:
            raise InputError(
                f"device: expected cpu, or cuda with a GPU for each process of this machine, found {device}"
                f" and {n_gpus} GPUs"
            )
        place = f"cuda:{local}"
        torch.cuda.set_device(place)
    dist.init_process_group("gloo" if place == "cpu" else "nccl")
    try:
        yield Group(dist.get_rank(), dist.get_world_size(), place)
    finally:
        dist.destroy_process_group()
