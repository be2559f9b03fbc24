import pytest
import torch
from torch import nn

from automarkerlabel.models import device


@pytest.fixture
def two_threads(monkeypatch):
    """A machine on which torch would use two threads; the list says which counts were set."""
    counts = [2]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: counts[-1])
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    return counts


@pytest.mark.parametrize(("one_s", "two_s", "chosen"), [(0.002, 0.02, 1), (0.02, 0.002, 2), (0.01, 0.009, 1)])
def test_the_faster_count_is_chosen_and_more_threads_have_to_be_worth_it(
    two_threads, monkeypatch, one_s, two_s, chosen
):
    now = [0.0]

    def step():
        now[0] += one_s if two_threads[-1] == 1 else two_s

    monkeypatch.setattr(device.time, "perf_counter", lambda: now[0])
    assert device.choose_for_training(step) == chosen
    assert two_threads[-1] == chosen


def test_the_person_may_say_it(two_threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert device.choose_for_training(lambda: pytest.fail("nothing is to be measured")) == 2
    device.set_for_labelling(nn.Linear(2, 2))
    assert two_threads == [2]


def test_small_networks_label_on_one_thread(two_threads):
    device.set_for_labelling(nn.Linear(2000, 2000))
    assert two_threads == [2]
    device.set_for_labelling(nn.Linear(2, 2))
    assert two_threads == [2, 1]
