"""A cluster: a scheduler and worker processes of this machine, some of which are killed."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from automarkerlabel.cli import run
from automarkerlabel.errors import InputError, ModelError, ProcessingError
from automarkerlabel.workflows.batch.batch import Where, outcomes
from automarkerlabel.workflows.batch.cluster import on_cluster
from automarkerlabel.workflows.batch.manifest import Manifest
from tests.fixtures.archive_work import DyingAtTheStart, Obeying, tasks_saying
from tests.fixtures.places import SAMPLES

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes, looked after by nannies; a task whose worker dies is given up."""
    settings = {"distributed.scheduler.allowed-failures": 0}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs="CRITICAL"
        ) as made,
    ):
        yield made


def done_on(cluster, work, tasks, manifest=None):
    told: list[str] = []
    where = Where(cluster=cluster.scheduler_address, key=str(work))
    return {x.task.source.name: x for x in outcomes(work, tasks, where, manifest, told.append)}, told


def test_each_file_is_one_task_and_a_failure_its_own(cluster, tmp_path):
    tasks = tasks_saying(tmp_path, "one", "fail", "surprise", "two", "three")
    came, told = done_on(cluster, Obeying(tmp_path), tasks)
    assert [came[f"a{n}"].value for n in range(5)] == ["ONE", None, None, "TWO", "THREE"]
    assert "expected better" in came["a1"].why and "unexpected KeyError" in came["a2"].why
    assert told == ["note: a note"]
    assert len(list(tmp_path.glob("ready-*"))) <= 2  # each process got ready once


def test_workers_that_are_killed_are_replaced_and_their_files_done(cluster, tmp_path):
    tasks = tasks_saying(tmp_path, "die once", *["one"] * 5)
    came, _ = done_on(cluster, Obeying(tmp_path), tasks)
    assert [came[f"a{n}"].value for n in range(6)] == ["DIE ONCE", *["ONE"] * 5]
    assert (tmp_path / "died-a0").exists() and not list(tmp_path.glob(".a*"))


def test_a_file_that_kills_its_workers_fails_alone_and_is_tried_again_by_another_run(cluster, tmp_path):
    tasks, path = tasks_saying(tmp_path, "die", "one"), tmp_path / "m.jsonl"
    with Manifest(path, "A") as manifest:
        came, _ = done_on(cluster, Obeying(tmp_path), tasks, manifest)
    assert isinstance(came["a0"].error, ProcessingError) and "the workers that had it died" in came["a0"].why
    assert came["a1"].value == "ONE"
    tasks[0].source.write_text("mended")
    with Manifest(path, "A") as manifest:
        came, _ = done_on(cluster, Obeying(tmp_path), tasks, manifest)
    assert [came[f"a{n}"].before for n in range(2)] == [False, True]
    assert came["a0"].value == "MENDED" and (tmp_path / "a0.out").read_text() == "MENDED"


def test_what_workers_cannot_begin_ends_the_run(cluster, tmp_path):
    with pytest.raises(ModelError, match="model: expected one"):
        done_on(cluster, Obeying(tmp_path, broken=True), tasks_saying(tmp_path, "one", "two"))


def test_workers_that_die_before_they_begin_end_the_run(cluster, tmp_path):
    with pytest.raises(ProcessingError, match="die before the first one is done"):
        done_on(cluster, DyingAtTheStart(), tasks_saying(tmp_path, *["one"] * 6))


def test_a_file_that_workers_do_not_see_is_said_so(cluster, tmp_path):
    first, second = tasks_saying(tmp_path, "one", "two")
    second.source.unlink()
    came, _ = done_on(cluster, Obeying(tmp_path), [first, second])
    assert "expected a file that all workers see, found none on" in came["a1"].why


def test_who_stops_leaves_nothing_waiting(cluster, tmp_path):
    tasks = tasks_saying(tmp_path, "one", *["two"] * 40)
    found = outcomes(Obeying(tmp_path), tasks, Where(cluster=cluster.scheduler_address, key="x"), None, lambda x: None)
    next(found)
    found.close()
    deadline = time.monotonic() + 20
    while cluster.scheduler.tasks and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not cluster.scheduler.tasks


def test_no_scheduler_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("automarkerlabel.workflows.batch.cluster._PATIENCE_S", 0.2)
    for address in ("tcp://127.0.0.1:9", "nonsense", "nonsense://x"):
        with pytest.raises(InputError, match="expected the address of a Dask scheduler"):
            next(on_cluster(Obeying(tmp_path), "", iter(()), address, print))


def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'automarkerlabel\[cluster\]'"):
        next(on_cluster(Obeying(tmp_path), "", iter(()), "tcp://127.0.0.1:9", print))


SAMPLE = SAMPLES / "walk_unlabelled.c3d"


def label_archive(folder: Path, address: str, *names: str) -> None:
    """Label copies of the sample on a cluster; all come out as in this process."""
    for name in names:
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_bytes(SAMPLE.read_bytes())
    (folder / "out").mkdir()
    assert run(["label", f"in/{names[0]}", "--model", "sample", "-o", "here.c3d"]) == 0
    command = ["label", "in/**/*.c3d", "--model", "sample", "-o", "out", "--cluster", address, "--manifest", "m.jsonl"]
    assert run(command) == 0
    made = {x.relative_to(folder / "out").as_posix(): x.read_bytes() for x in folder.glob("out/*/*")}
    assert set(made) == {name.replace(".c3d", "_labelled.c3d") for name in names}
    assert set(made.values()) == {(folder / "here.c3d").read_bytes()}
    assert not list(folder.glob("out/**/.*"))


def test_labels_of_a_cluster_are_those_of_this_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0", silence_logs="CRITICAL"
    ) as threads:
        label_archive(tmp_path, threads.scheduler_address, "s1/walk.c3d", "s2/walk.c3d", "s2/run.c3d")


@pytest.mark.slow
def test_all_is_labelled_though_a_worker_is_killed(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    killed = []

    def kill() -> None:
        while not list(tmp_path.glob("out/*/*")):
            time.sleep(0.02)
        killed.append(next(iter(cluster.workers.values())).pid)
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    label_archive(tmp_path, cluster.scheduler_address, *(f"s{n % 2}/walk{n}.c3d" for n in range(8)))
    killer.join()
    assert killed
