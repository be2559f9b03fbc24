import json
import os
import subprocess
import sys

import pytest
import torch

from automarkerlabel.errors import InputError
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.training.distributed import ALONE, Group, joined
from tests.fixtures.places import SAMPLES, TOP

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

# Each process trains the same small task; memory seems to run out in the second process in its first step.
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {top!r})
import torch
from tests.training.test_trajectory import SETTINGS, task
from automarkerlabel.training.distributed import joined
from automarkerlabel.training.trajectory import Trainer

out = Path(sys.argv[1])
with joined("cpu") as group:
    trainer = Trainer(task(head_dropout=0.0, attention_dropout=0.0, dropout=0.0), SETTINGS, out, group=group)
    if group.rank == 1:
        forward, calls = trainer.model.forward, []
        def scarce(*args, **kwargs):
            calls.append(1)
            if len(calls) == 1:
                raise torch.OutOfMemoryError("out of memory")
            return forward(*args, **kwargs)
        trainer.model.forward = scarce
    reports = list(trainer.epochs())
    torch.save(dict(model=trainer.model.state_dict(), part=trainer.back_off.part,
                    val=[r.val_loss for r in reports], seen=[r.loss for r in reports]), f"{{out}}.{{group.rank}}")
"""


def run(command, folder) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TOP)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def test_two_processes_learn_what_one_does_and_agree_when_memory_runs_out(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(top=str(TOP)))
    run([sys.executable, str(script), "one.ckpt"], tmp_path)
    run([*TORCHRUN, str(script), "two.ckpt"], tmp_path)
    one, first, second = (torch.load(tmp_path / n) for n in ("one.ckpt.0", "two.ckpt.0", "two.ckpt.1"))
    assert one["part"] == 64 and first["part"] == second["part"] == 16  # of 32 windows each, halved once
    for name, tensor in one["model"].items():
        torch.testing.assert_close(first["model"][name], tensor, rtol=1e-3, atol=1e-4)
        assert torch.equal(first["model"][name], second["model"][name])
    assert first["val"] == second["val"] == pytest.approx(one["val"], rel=1e-3)
    assert first["seen"] == second["seen"] == pytest.approx(one["seen"], rel=1e-3)
    assert len((tmp_path / "two.ckpt.run" / "log.jsonl").read_text().splitlines()) == 4  # one process wrote them


def test_torchrun_trains_through_the_command_line(tmp_path):
    options = ["--epochs", "1", "--epoch-windows", "512", "--cells", "16", "--val-share", "0"]
    run([*TORCHRUN, "-m", "automarkerlabel", "train", str(SAMPLES / "train"), "-o", "m.ckpt", *options], tmp_path)
    assert len(json.loads((tmp_path / "m.ckpt.run" / "log.jsonl").read_text())) > 5
    assert store.load(tmp_path / "m.ckpt").config["cells"] == 16


def test_alone_everything_stays(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as group:
        assert group is ALONE and group.leads
    assert group.part_of(7) == slice(0, 7)
    assert group.sums(1.5, 2) == [1.5, 2] and group.least(3) == 3 and group.of_leader("x") == "x"
    assert group.any(True) and not group.any(False)


def test_parts_share_a_batch_out_without_a_rest():
    parts = [Group(rank, 3).part_of(8) for rank in range(3)]
    assert [list(range(8))[p] for p in parts] == [[0, 1], [2, 3, 4], [5, 6, 7]]


def test_one_gpu_for_many_processes_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(InputError, match="a GPU for each process"), joined("cuda:0"):
        pass
