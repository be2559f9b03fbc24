"""Many files: patterns, layout, processes that die, and what another run has left to do."""

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from automarkerlabel.errors import FileFormatError, InputError, ModelError, OutputError, ProcessingError
from automarkerlabel.io.outputs import Found, found, make_folders, outputs_for, placed, refuse_collisions
from automarkerlabel.workflows.batch.batch import Where, outcomes
from automarkerlabel.workflows.batch.json_values import plain, rebuilt
from automarkerlabel.workflows.batch.manifest import Manifest
from automarkerlabel.workflows.batch.task import Outcome
from tests.fixtures.archive_work import DyingAtTheStart, Obeying, tasks_saying


def touched(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return [folder / name for name in names]


def test_a_pattern_finds_files_at_any_depth_and_nothing_twice(tmp_path, monkeypatch):
    touched(tmp_path, "data/b/walk.c3d", "data/a/walk.c3d", "data/a/deep/run.c3d", "data/run.c3d", "data/a/.hidden.c3d")
    (tmp_path / "data" / "folder.c3d").mkdir()
    monkeypatch.chdir(tmp_path)
    every = found([Path("data/**/*.c3d"), Path("data/run.c3d"), Path("data/*.c3d")])
    assert every == [
        Found(Path("data/a/deep/run.c3d"), Path("a/deep")), Found(Path("data/a/walk.c3d"), Path("a")),
        Found(Path("data/b/walk.c3d"), Path("b")), Found(Path("data/run.c3d"), Path(".")),
    ]  # fmt: skip
    assert found([Path("data/run.c3d"), Path("data/?un.c3d")]) == [Found(Path("data/run.c3d"))]
    assert [x.folder for x in found([tmp_path / "data" / "[ab]" / "walk.c3d"])] == [Path("a"), Path("b")]
    with pytest.raises(InputError, match=r"data/\*\.trc: expected files that fit"):
        found([Path("data/*.trc")])


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path):
    (named,) = touched(tmp_path, "walk[1].c3d")
    assert found([named]) == [Found(named)]


def test_folders_are_kept_below_the_output_folder(tmp_path):
    touched(tmp_path, "in/s1/walk.c3d", "in/s2/walk.c3d", "in/walk.mat")
    (tmp_path / "out").mkdir()
    inputs = placed([tmp_path / "in/**/*.*"], tmp_path / "out", "labelled")
    names = ["s1/walk_labelled.c3d", "s2/walk_labelled.c3d", "walk_labelled.c3d"]
    assert inputs.outputs == [tmp_path / "out" / name for name in names]
    refuse_collisions(inputs.outputs, inputs.sources)
    make_folders(inputs.outputs, tmp_path / "out")
    assert sorted(x.name for x in (tmp_path / "out").iterdir()) == ["s1", "s2"]
    reports = inputs.beside(tmp_path / "out", "report", ".html")
    assert reports[0] == tmp_path / "out/s1/walk_report.html"
    named = outputs_for(inputs.sources, tmp_path / "out")  # as if the shell had found them
    with pytest.raises(OutputError, match="keep their folders"):
        refuse_collisions(named, inputs.sources)


def test_outputs_of_an_earlier_run_are_no_inputs(tmp_path):
    touched(tmp_path, "walk.c3d", "walk_labelled.c3d", "out/walk_labelled.c3d", "s/other_labelled.c3d")
    beside = placed([tmp_path / "**/*.c3d"], None, "labelled")
    # `out/walk_labelled.c3d` is no output without -o, and `s/other_labelled.c3d` is one of nothing.
    assert [x.relative_to(tmp_path).as_posix() for x in beside.sources] == [
        "out/walk_labelled.c3d", "s/other_labelled.c3d", "walk.c3d"
    ]  # fmt: skip
    assert beside.n_left_out == 1
    below = placed([tmp_path / "**/*.c3d"], tmp_path / "out", "labelled")
    assert (tmp_path / "out/walk_labelled.c3d") not in below.sources
    named = placed([tmp_path / "walk.c3d", tmp_path / "walk_labelled.c3d"], None, "labelled")
    with pytest.raises(OutputError, match="found one of them"):
        refuse_collisions(named.outputs, named.sources)


def run(work, tasks, where=None, manifest=None) -> tuple[dict[str, Outcome], list[str]]:
    """Outcomes by the name of the file, and what was told."""
    told: list[str] = []
    found = outcomes(work, tasks, where or Where(), manifest, told.append)
    return {x.task.source.name: x for x in found}, told


@pytest.mark.parametrize("where", [Where(), Where(jobs=2)], ids=["here", "two processes"])
def test_a_failure_is_of_one_file_alone(tmp_path, where):
    tasks = tasks_saying(tmp_path, "one", "fail", "surprise", "two", "three")
    came, told = run(Obeying(tmp_path), tasks, where)
    assert {name: x.value for name, x in came.items()} == {
        "a0": "ONE", "a1": None, "a2": None, "a3": "TWO", "a4": "THREE"
    }  # fmt: skip
    assert came["a1"].why == f"{tasks[1].source}: expected better, found this"
    assert came["a2"].why.startswith(f"{tasks[2].source}: unexpected KeyError")
    assert (tmp_path / "a4.out").read_text() == "THREE"
    assert told == ["note: a note"]
    assert len(list(tmp_path.glob("ready-*"))) <= (where.jobs or 1)


def test_a_file_alone_raises_what_fails_it(tmp_path):
    with pytest.raises(InputError, match="expected better"):
        run(Obeying(tmp_path), tasks_saying(tmp_path, "fail"))
    with pytest.raises(InputError, match="expected better"):
        run(Obeying(tmp_path), tasks_saying(tmp_path, "fail"), Where(jobs=3))


def test_a_process_that_dies_takes_its_file_alone(tmp_path):
    tasks = tasks_saying(tmp_path, "die", "one", "die once", "two", "three", "four")
    came, told = run(Obeying(tmp_path), tasks, Where(jobs=2))
    assert sorted(x.value or "" for x in came.values()) == ["", "DIE ONCE", "FOUR", "ONE", "THREE", "TWO"]
    assert isinstance(came["a0"].error, ProcessingError)
    assert "died, twice (SIGKILL, as when memory runs out)" in came["a0"].why
    assert sum("tried again at the end" in line for line in told) == 2
    # Every one was replaced, and what they left half-written is gone.
    assert len(list(tmp_path.glob("ready-*"))) >= 4
    assert not (tmp_path / "a0.out").exists() and not list(tmp_path.glob(".a*"))


def test_processes_that_cannot_begin_end_the_run(tmp_path):
    tasks = tasks_saying(tmp_path, "one", "two", "three")
    with pytest.raises(ModelError, match="model: expected one"):
        run(Obeying(tmp_path, broken=True), tasks, Where(jobs=2))
    with pytest.raises(ModelError, match="model: expected one"):
        run(Obeying(tmp_path, broken=True), tasks)
    with pytest.raises(ProcessingError, match="died while it loaded the model"):
        run(DyingAtTheStart(), tasks, Where(jobs=2))
    assert not list(tmp_path.glob("*.out"))


def test_who_stops_ends_the_processes_and_leaves_nothing_half_written(tmp_path):
    tasks = tasks_saying(tmp_path, "one", "wait")
    found = outcomes(Obeying(tmp_path), tasks, Where(jobs=2), None, lambda text: None)
    assert next(found).value == "ONE"
    while not (tmp_path / "waiting").exists():
        time.sleep(0.01)
    found.close()
    for ready in tmp_path.glob("ready-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(ready.name.split("-")[1]), 0)
    assert sorted(x.name for x in tmp_path.glob("*.out")) == ["a0.out"]
    assert not list(tmp_path.glob(".a*"))


@pytest.mark.parametrize("where", [{"jobs": 0}, {"jobs": 2, "cluster": "tcp://x:1"}])
def test_where_that_makes_no_sense(where):
    with pytest.raises(InputError, match="jobs"):
        Where(**where)


def test_another_run_does_what_is_left(tmp_path):
    tasks = tasks_saying(tmp_path, "one", "fail", "two", "three")
    path = tmp_path / "m.jsonl"
    with Manifest(path, "model A") as manifest:
        came, _ = run(Obeying(tmp_path), tasks, manifest=manifest)
        assert [x.before for x in came.values()] == [False] * 4
    tasks[1].source.write_text("mended")
    (tmp_path / "a2.out").unlink()
    with Manifest(path, "model A") as manifest:
        came, _ = run(Obeying(tmp_path), tasks, manifest=manifest)
        assert {name for name, x in came.items() if x.before} == {"a0", "a3"}
        assert (came["a1"].value, came["a2"].value) == ("MENDED", "TWO")
        assert manifest.summary(tasks[0], str) == "ONE"
    with Manifest(path, "model A") as manifest:
        assert all(manifest.is_done(task) for task in tasks)
        elsewhere = replace(tasks[0], outputs=(tmp_path / "elsewhere",))
        assert not manifest.is_done(elsewhere)


def test_an_input_that_changed_is_done_anew(tmp_path):
    tasks = tasks_saying(tmp_path, "one", "two")
    with Manifest(tmp_path / "m.jsonl", "model A") as manifest:
        run(Obeying(tmp_path), tasks, manifest=manifest)
        tasks[0].source.write_text("One")  # as long as before
        os.utime(tasks[0].source, ns=(1, 1))
        assert [manifest.is_done(task) for task in tasks] == [False, True]


def test_another_model_does_all_anew_but_writes_over_nothing(tmp_path):
    tasks = tasks_saying(tmp_path, "one", "two")
    with Manifest(tmp_path / "m.jsonl", "model A") as manifest:
        run(Obeying(tmp_path), tasks, manifest=manifest)
    with Manifest(tmp_path / "m.jsonl", "model B") as manifest:
        with pytest.raises(InputError, match=r"outputs of 2 trials .* --overwrite"):
            run(Obeying(tmp_path), tasks, manifest=manifest)
        came, _ = run(Obeying(tmp_path), [replace(t, overwrite=True) for t in tasks], manifest=manifest)
        assert not any(x.before for x in came.values())
        assert all(manifest.is_done(task) for task in tasks)


def test_what_a_killed_run_left_may_be_written_over_and_nothing_else(tmp_path):
    ours, theirs = tasks_saying(tmp_path, "one", "two")
    theirs.written[0].write_text("precious")
    with Manifest(tmp_path / "m.jsonl", "A") as manifest:
        assert not manifest.begin(ours).overwrite
        assert not manifest.begin(theirs).overwrite
    ours.written[0].write_text("made just before the kill")
    with Manifest(tmp_path / "m.jsonl", "A") as manifest:
        assert manifest.begin(ours).overwrite
        assert not manifest.begin(theirs).overwrite
        manifest.failed(ours, "why")
    with Manifest(tmp_path / "m.jsonl", "A") as manifest:
        assert not manifest.begin(ours).overwrite


@pytest.mark.parametrize("rest", [b"{", b'{"state":"done","fi', b"\xff\xfe"])
def test_a_line_that_a_kill_cut_off_never_was(tmp_path, rest):
    (task,) = tasks_saying(tmp_path, "one")
    path = tmp_path / "m.jsonl"
    with Manifest(path, "A") as manifest:
        run(Obeying(tmp_path), [task], manifest=manifest)
    before = path.read_bytes()
    path.write_bytes(before + rest)
    with Manifest(path, "A") as manifest:
        assert manifest.is_done(task)
        manifest.failed(task, "why")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [x.get("state") for x in lines] == [None, "begun", "done", "failed"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"[1]\n", b"text\n", b'{"manifest":2}\n', b'{"manifest":1}\n{"state":"done"}\n', b'{"a":1}\n'],
)
def test_other_files_are_no_manifests(tmp_path, content):
    path = tmp_path / "m.jsonl"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="another"):
        Manifest(path, "A")
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps an open file from being opened again")
def test_one_run_at_a_time(tmp_path):
    with (
        Manifest(tmp_path / "m.jsonl", "A"),
        pytest.raises(InputError, match="found another run that writes on it"),
    ):
        Manifest(tmp_path / "m.jsonl", "A")


def test_figures_of_another_version_are_refused(tmp_path):
    (task,) = tasks_saying(tmp_path, "one")
    with Manifest(tmp_path / "m.jsonl", "A") as manifest:
        manifest.begin(task)
        manifest.done(task, {"new": 1})
        with pytest.raises(FileFormatError, match="begin another manifest"):
            manifest.summary(task, Inner)


@dataclass(frozen=True)
class Inner:
    name: str
    fit: float


@dataclass(frozen=True)
class Outer:
    one: Inner | None
    many: tuple[Inner, ...]
    pair: tuple[int, str]
    texts: tuple[str, ...] = ()


def test_figures_come_back_as_they_were():
    outer = Outer(None, (Inner("a", 1.0), Inner("b", 0.25)), (3, "x"), ("p", "q"))
    assert rebuilt(Outer, json.loads(json.dumps(plain(outer)))) == outer
    assert plain(Inner("a", float("nan"))) == {"name": "a", "fit": None}
    again = rebuilt(Inner, {"name": "a", "fit": None})
    assert again.fit != again.fit
