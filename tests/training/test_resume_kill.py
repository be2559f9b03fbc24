"""Killed by SIGKILL at moments drawn at random, resumed until done: the weights of the unbroken run, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from automarkerlabel.io.files import atomic, remove_leftovers
from automarkerlabel.models.checkpoints import matcher as store
from automarkerlabel.training.matcher import MatchTrainer, log_path
from automarkerlabel.training.task import trim_log
from automarkerlabel.training.trajectory import Trainer
from tests.fixtures.places import SAMPLES
from tests.training.test_matcher_training import QUICK, TINY, toy
from tests.training.test_trajectory import SETTINGS, task

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
TRAIN = SAMPLES / "train"
HYBRID = ["--model-type", "hybrid", "--epochs", "5", "--epoch-windows", "768", "--batch-size", "32", "--cells", "16",
          "--head-width", "16", "--n-neighbours", "8"]  # fmt: skip
UNCALIBRATED = ["--val-share", "0"]
MATCHER = ["--model-type", "matcher", "--batch-points", "240", "--steps", "60"]
LIMIT_S = 300.0


@dataclass
class Run:
    """A training of the sample trials into `out`; `temporary` says what the files of its state are called while they
    are written, `state` where it is when it can be resumed."""

    out: Path
    options: list[str]
    state: Path
    temporary: str
    kills: list[str] = field(default_factory=list)

    def start(self) -> "subprocess.Popen[bytes]":
        resume = ["--resume"] if self.state.exists() else []
        command = [sys.executable, "-m", "automarkerlabel", "train", *map(str, TRIALS), "-o", str(self.out), "--json"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen([*command, *self.options, *resume], env=environment, **quiet)

    def finish(self) -> float:
        """Go on to the end; returns the seconds from when it could be resumed."""
        process = self.start()
        began = self._wait(process, self.state.exists)
        _, said = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, said.decode()
        return time.monotonic() - began

    def kill_after(self, seconds: float) -> bool:
        """Kill it so long after it could be resumed; whether it was still at work."""
        process = self.start()
        began = self._wait(process, self.state.exists)
        return self._kill(process, lambda: time.monotonic() - began >= seconds, f"after {seconds:.3f} s")

    def kill_while_writing(self, n: int) -> bool:
        """Kill it while it writes its state or model for the `n`th time."""
        process, seen = self.start(), set[str]()

        def writing() -> bool:
            seen.update(x.name for x in self.state.parent.glob(self.temporary))
            seen.update(x.name for x in self.out.parent.glob(f".{self.out.stem}.*"))
            return len(seen) >= n

        return self._kill(process, writing, f"in write {n}")

    def _kill(self, process: "subprocess.Popen[bytes]", now: Callable[[], bool], when: str) -> bool:
        self._wait(process, now, 0.0)
        process.kill()
        _, said = process.communicate()
        killed = process.returncode == -signal.SIGKILL
        assert killed or process.returncode == 0, said.decode()
        left = len(self.leftovers())
        self.kills.append(f"{when}{'' if killed else ' (done before)'}{f', {left} files half written' * bool(left)}")
        return killed

    def _wait(self, process: "subprocess.Popen[bytes]", ready: Callable[[], bool], pause: float = 0.002) -> float:
        limit = time.monotonic() + LIMIT_S
        while not ready() and process.poll() is None:
            assert time.monotonic() < limit
            time.sleep(pause)
        return time.monotonic()

    def leftovers(self) -> set[Path]:
        return {*self.state.parent.glob(self.temporary), *self.out.parent.glob(f".{self.out.stem}.*")}

    def weights(self) -> dict[str, torch.Tensor]:
        return load_file(self.out)


TRIALS = [TRAIN / "walk1.c3d", TRAIN / "squat.c3d", TRAIN / "reach.c3d"]


def hybrid(folder: Path, options: list[str]) -> Run:
    out = folder / "m.ckpt"
    return Run(out, [*HYBRID, *options], folder / "m.ckpt.run" / "state.pt", ".state.*")


def matcher(folder: Path, options: list[str]) -> Run:
    out = folder / "m.ckpt"
    return Run(out, [*MATCHER, *options], out, ".m.*")


def assert_same(broken: Run, unbroken: Run) -> None:
    a, b = broken.weights(), unbroken.weights()
    assert a.keys() == b.keys() and len(a) > 5
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different, (different, broken.kills)
    assert not broken.leftovers()


def drawn(seed: int | None = None) -> np.random.Generator:
    seed = int(time.time()) if seed is None else seed
    print(f"seed {seed}")  # shown by pytest where a test fails
    return np.random.default_rng(seed)


def made(kind: Callable[[Path, list[str]], Run], tmp_path: Path, options: list[str]) -> tuple[Run, Run]:
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    return kind(tmp_path / "unbroken", options), kind(tmp_path / "broken", options)


def test_a_killed_training_is_resumed_to_the_same_weights(tmp_path):
    """Killed once, in the midst of an epoch or while a file is written."""
    rng = drawn()
    unbroken, broken = made(hybrid, tmp_path, UNCALIBRATED)
    seconds = unbroken.finish()
    if rng.random() < 0.5:
        killed = broken.kill_after(float(rng.uniform(0, 0.5 * seconds)))
    else:
        killed = broken.kill_while_writing(int(rng.integers(1, 5)))
    assert killed, broken.kills
    broken.finish()
    assert_same(broken, unbroken)
    log = (broken.state.parent / "log.jsonl").read_text().splitlines()
    assert len(log) == 5  # no epoch twice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "n_kills"),
    [(hybrid, UNCALIBRATED, 20), (hybrid, ["--norm", "batch"], 8), (matcher, [], 12)],
)
def test_many_kills(tmp_path, kind, options, n_kills):
    """At any moment from start to calibration, every other one while a file is written."""
    rng = drawn()
    unbroken, broken = made(kind, tmp_path, options)
    seconds = unbroken.finish()
    killed = 0
    for n in range(n_kills):
        if n % 2:
            killed += broken.kill_while_writing(int(rng.integers(1, 4)))
        else:
            killed += broken.kill_after(float(rng.uniform(0, 2 * seconds / n_kills)))
    print(killed, broken.kills)
    assert killed > 2
    broken.finish()
    assert_same(broken, unbroken)


def test_a_training_that_ends_in_its_first_epoch_is_resumed(tmp_path):
    """Also with the part of a batch that fitted, in which gradients were added up."""
    runs = [Trainer(task(), SETTINGS, tmp_path / name) for name in ("a.ckpt", "b.ckpt")]
    for trainer in runs:
        trainer.back_off.part = 24

    def stop(step, steps, loss):
        if step == 3:
            raise KeyboardInterrupt

    list(runs[0].epochs())
    with pytest.raises(KeyboardInterrupt):
        list(runs[1].epochs(stop))
    resumed = Trainer(task(), SETTINGS, tmp_path / "b.ckpt")
    assert resumed.back_off.part == 64
    resumed.resume()
    assert (resumed.epoch, resumed.back_off.part) == (0, 24)
    list(resumed.epochs())
    a, b = runs[0].model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_matcher_goes_on_from_the_last_step_that_was_saved(tmp_path):
    settings = replace(QUICK, save_steps=4, log_steps=1)

    def breaking(step):
        if step == 10:
            raise KeyboardInterrupt
        return toy(step)

    unbroken = MatchTrainer(toy, tmp_path / "a.ckpt", TINY, settings)
    unbroken.train(until_step=14)
    with pytest.raises(KeyboardInterrupt):  # nothing is saved on the way out
        MatchTrainer(breaking, tmp_path / "b.ckpt", TINY, settings).train(until_step=14)
    resumed = MatchTrainer(toy, tmp_path / "b.ckpt", settings=settings)
    assert resumed.step == 8
    resumed.train(until_step=14)
    a, b = (store.read(tmp_path / name)[1] for name in ("a.ckpt", "b.ckpt"))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    steps = [json.loads(x)["step"] for x in log_path(tmp_path / "b.ckpt").read_text().splitlines()]
    assert steps == list(range(1, 15))


def test_what_a_killed_writer_leaves_is_removed(tmp_path):
    path = tmp_path / "m.ckpt"
    path.write_text("whole")
    other = [tmp_path / ".m.notes.ckpt", tmp_path / ".n.0123abcd.ckpt", tmp_path / "m.0123abcd.ckpt"]
    for x in other:
        x.write_text("other")
    with atomic(path) as temporary:
        left = temporary.with_name(temporary.name)
        (tmp_path / "kept").write_bytes(b"")
        temporary.write_text("half")
        assert left.exists()
        os.link(left, tmp_path / ".m.89abcdef.ckpt")
    remove_leftovers(path)
    assert not (tmp_path / ".m.89abcdef.ckpt").exists()
    assert path.read_text() == "half" and all(x.exists() for x in other)


def test_a_log_is_cut_to_what_was_saved(tmp_path):
    path = tmp_path / "log.jsonl"
    trim_log(path, "epoch", 3)
    assert not path.exists()
    path.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n{"epo')
    trim_log(path, "epoch", 2)
    assert path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'
    trim_log(path, "epoch", 0)
    assert path.read_text() == ""
