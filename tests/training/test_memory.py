import pytest
import torch

from automarkerlabel.errors import TrainingError
from automarkerlabel.models import build, make_config
from automarkerlabel.training.memory import BackOff, bytes_per_window, is_out_of_memory, windows_that_fit


class Memory:
    """Holds `room` windows; more raise what torch raises."""

    def __init__(self, room, message="CUDA out of memory. Tried to allocate 2.00 GiB"):
        self.room, self.message, self.parts, self.restarts = room, message, [], 0

    def step(self, where):
        if where.stop - where.start > self.room:
            raise RuntimeError(self.message)
        self.parts.append((where.start, where.stop))

    def restart(self):
        self.parts, self.restarts = [], self.restarts + 1


@pytest.mark.parametrize("message", ["CUDA out of memory", "DefaultCPUAllocator: not enough memory: you tried to"])
def test_backs_off_until_it_fits_and_the_batch_stays_whole(message):
    memory, back_off = Memory(7, message), BackOff(20, 20)
    back_off.run(memory.step, memory.restart, 20)
    assert back_off.part == 5
    assert memory.parts == [(0, 5), (5, 10), (10, 15), (15, 20)]
    assert memory.restarts == 3
    back_off.run(memory.step, memory.restart, 20)
    assert memory.restarts == 4  # what was learnt is kept: no second try


def test_no_part_is_smaller_than_the_least():
    memory, back_off = Memory(3), BackOff(9, 2, least=2)
    back_off.run(memory.step, memory.restart, 9)
    assert memory.parts == [(0, 2), (2, 4), (4, 6), (6, 9)]
    with pytest.raises(TrainingError, match="room for 2 windows"):
        BackOff(4, 4, least=2).run(Memory(1).step, memory.restart, 4)


def test_one_window_too_many_is_said():
    memory = Memory(0)
    with pytest.raises(TrainingError, match="--preset light"):
        BackOff(4, 4).run(memory.step, memory.restart, 4)


def test_other_errors_pass():
    memory = Memory(0, "shapes do not match")
    with pytest.raises(RuntimeError, match="shapes"):
        BackOff(4, 4).run(memory.step, memory.restart, 4)


def test_what_counts_as_out_of_memory():
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))


def test_estimate_halves_until_within_its_share():
    assert windows_that_fit(256, 10, None) == 256
    assert windows_that_fit(256, 10, 5120) == 256
    assert windows_that_fit(256, 10, 5119) == 128
    assert windows_that_fit(5, 1000, 10) == 1


def test_bytes_per_window_grow_with_the_network():
    small = build("lstm", make_config("lstm", cells=16, projection=0), 8, 10, 3)
    large = build("lstm", make_config("lstm", cells=64, projection=0), 8, 10, 3)
    least = 10 * 16 * 4 * 2  # the states of two layers
    assert least < bytes_per_window(small, 10, 8) < bytes_per_window(large, 10, 8)
    assert large.training
