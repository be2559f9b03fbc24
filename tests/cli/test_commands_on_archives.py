"""Archives on the command line: `aml label`, `aml fill` and `aml audit` of many files."""

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.errors import InputError
from automarkerlabel.filling.fill import FillOptions
from automarkerlabel.io import Reading
from automarkerlabel.labellers.request import LabelRequest
from automarkerlabel.workflows.audit import AuditOptions
from automarkerlabel.workflows.batch.jobs import AuditWork, FillWork, LabelWork
from automarkerlabel.workflows.label import LabelOptions
from tests.fixtures.figure import figure_trial
from tests.fixtures.places import SAMPLES

LABEL = ["label", "in/**/*.c3d", "--model", "sample"]


@pytest.fixture
def archive(tmp_path, monkeypatch) -> Path:
    """The current folder, with two trials of equal names in `in`, and `out`."""
    monkeypatch.chdir(tmp_path)
    for subject in ("s1", "s2"):
        (tmp_path / "in" / subject).mkdir(parents=True)
        (tmp_path / "in" / subject / "walk.c3d").write_bytes((SAMPLES / "walk_unlabelled.c3d").read_bytes())
    (tmp_path / "out").mkdir()
    return tmp_path


def made(folder: Path) -> dict[str, bytes]:
    return {x.relative_to(folder).as_posix(): x.read_bytes() for x in folder.rglob("*") if x.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_processes_write_the_same_bytes_and_another_run_what_is_left(archive, capsys):
    (archive / "in" / "s2" / "bad.c3d").write_text("no motion here")
    (archive / "here").mkdir()
    assert run([*LABEL, "-o", "here"]) == 3
    command = [*LABEL, "-o", "out", "--manifest", "m.jsonl", "--csv", "rows.csv", "--review", "review.csv"]
    capsys.readouterr()
    assert run([*command, "--jobs", "2"]) == 3
    assert made(archive / "out") == made(archive / "here")
    assert set(made(archive / "out")) == {"s1/walk_labelled.c3d", "s2/walk_labelled.c3d"}
    told = capsys.readouterr()
    assert "3 trials: 2 done, 1 failed" in told.err and f"in{os.sep}s2{os.sep}bad.c3d: expected a C3D" in told.err
    first = rows(archive / "rows.csv")
    assert [bool(row["error"]) for row in first] == [False, False, True]
    # The same command again: the tables are its own, what failed is tried again, all else left.
    (archive / "in" / "s2" / "bad.c3d").write_bytes((SAMPLES / "walk_unlabelled.c3d").read_bytes())
    before = made(archive / "out")
    assert run(command) == 0
    assert "2 done before, 1 done, 0 failed" in capsys.readouterr().err
    assert {name: made(archive / "out")[name] for name in before} == before
    second = rows(archive / "rows.csv")
    assert [row["trial"] for row in second] == [str(Path(f"in/{x}.c3d")) for x in ("s1/walk", "s2/bad", "s2/walk")]
    assert second[0] == first[0] and second[1]["error"] == ""
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [len(t["found"]) for t in told["trials"]] == [39, 39, 39] and told["failed"] == []


def test_outputs_beside_the_trials_are_not_labelled_again(archive, capsys):
    assert run(LABEL) == 0
    before = made(archive / "in")
    capsys.readouterr()
    assert run(LABEL) == 1  # both exist
    assert "2 of the files found are outputs of others" in capsys.readouterr().err
    assert run([*LABEL, "--overwrite"]) == 0
    assert made(archive / "in") == before


def test_a_manifest_and_its_options(archive, capsys):
    (archive / "other.csv").write_text("precious")
    for more, said in (
        (["--manifest", "m.jsonl", "--dry-run"], "a dry run does nothing"),
        (["--manifest", "m.jsonl", "--csv", "other.csv"], "exists already"),
        (["--manifest", "gone/m.jsonl"], "does not exist"),
        (["--manifest", "in/s1/walk.c3d"], "found one of them"),
        (["--jobs", "0"], "--jobs: expected 1 or more"),
        (["--jobs", "2", "--cluster", "tcp://x:1"], "expected no --jobs"),
    ):
        assert run([*LABEL, "-o", "out", *more]) == 2, more
        assert said in capsys.readouterr().err, more
    assert made(archive / "out") == {} and (archive / "other.csv").read_text() == "precious"
    assert run([*LABEL, "-o", "out", "--manifest", "m.jsonl"]) == 0
    before = made(archive / "out")
    assert run([*LABEL, "-o", "out", "--manifest", "m.jsonl", "--min-confidence", "0.9"]) == 2
    assert "outputs of 2 trials" in capsys.readouterr().err
    assert run(["label", "in/s1/walk.c3d", "--model", "sample", "-o", "out/s1", "--manifest", "m.jsonl"]) == 0
    assert "1 trials: 1 done before" in capsys.readouterr().err
    assert made(archive / "out") == before


def test_fill_and_audit_of_many(archive, capsys):
    for subject in ("s1", "s2"):
        io.write(archive / "in" / subject / "walk.trc", figure_trial(60))
    (archive / "in" / "s2" / "bad.trc").write_text("no motion here")
    assert run(["fill", "in/**/*.trc", "-o", "out", "--jobs", "2", "--csv", "gaps.csv"]) == 3
    assert set(made(archive / "out")) == {"s1/walk_filled.trc", "s2/walk_filled.trc"}
    assert "3 trials: 2 done, 1 failed" in capsys.readouterr().err
    assert run(["fill", "in/s2/*.trc", "-o", "out", "--overwrite", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert [Path(t["trial"]).name for t in told["trials"]] == ["walk.trc"] and len(told["failed"]) == 1
    assert run(["audit", "in/**/*.trc", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert [t["trial"] for t in told] == [str(Path(f"in/{x}.trc")) for x in ("s1/walk", "s2/walk", "s2/bad")]
    assert run(["audit", "in/**/*.mat"]) == 2


def test_work_can_travel():
    wanted = LabelRequest(reference=Path("static.c3d"))
    for work in (
        LabelWork(wanted, LabelOptions(rename={"a": "b"})), AuditWork(AuditOptions(wanted)),
        FillWork(FillOptions(), Reading()),
    ):  # fmt: skip
        assert pickle.loads(pickle.dumps(work)) == work


def test_a_digest_tells_what_labels_depend_on(tmp_path, monkeypatch):
    monkeypatch.setenv("AML_MARKER_SETS", str(tmp_path))
    reference = tmp_path / "static.c3d"
    reference.write_bytes((SAMPLES / "static.c3d").read_bytes())
    usual = LabelWork(LabelRequest(reference=reference), LabelOptions()).digest()
    assert (
        LabelWork(LabelRequest(reference=reference), LabelOptions(overwrite=True, verify=False), "cpu").digest()
        == usual
    )
    other = [
        LabelWork(LabelRequest(reference=reference), LabelOptions(min_confidence=0.9)),
        LabelWork(LabelRequest(reference=reference, reference_frame=3), LabelOptions()),
        LabelWork(LabelRequest(), LabelOptions()),
        LabelWork(LabelRequest(marker_set="plug-in-gait"), LabelOptions()),
        LabelWork(LabelRequest(model="sample"), LabelOptions()),
    ]
    assert len({usual, *(x.digest() for x in other)}) == 6
    reference.write_bytes(b"another trial")
    assert LabelWork(LabelRequest(reference=reference), LabelOptions()).digest() != usual
    before = other[2].digest()
    (tmp_path / "ours.toml").write_text("a new set")  # which may be found to be the likeliest
    assert other[2].digest() != before
    with pytest.raises(InputError, match="gone"):
        LabelWork(LabelRequest(reference=tmp_path / "gone.c3d"), LabelOptions()).digest()


def started(archive: Path, *more: str) -> subprocess.Popen:
    """`aml label` of ten trials in two processes, for the caller to stop in mid-run, when the first is done."""
    for n in range(4):
        for subject in ("s1", "s2"):
            (archive / "in" / subject / f"walk{n}.c3d").write_bytes((SAMPLES / "walk_unlabelled.c3d").read_bytes())
    command = [sys.executable, "-m", "automarkerlabel", *LABEL, "-o", "out", "--jobs", "2", "--manifest", "m.jsonl"]
    manifest = archive / "m.jsonl"
    process = subprocess.Popen([*command, *more], stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (manifest.exists() and '"done"' in manifest.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    return process


def finished(archive: Path) -> None:
    """The same command again does the rest; every output is whole."""
    assert run([*LABEL, "-o", "out", "--manifest", "m.jsonl"]) == 0
    outputs = made(archive / "out")
    assert len(outputs) == 10 and len(set(outputs.values())) == 1 and not any("/." in name for name in outputs)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_sigkill_in_mid_run_loses_nothing(archive):
    process = started(archive)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finished(archive)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_workers_end_when_whoever_started_them_is_killed(archive):
    process = started(archive)
    process.kill()  # alone: its workers find out
    _, told = process.communicate(timeout=60)  # which is when the last of them lets go of stderr
    assert "Traceback" not in told
    finished(archive)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_all_and_says_how_to_go_on(archive):
    process = started(archive, "--csv", "rows.csv")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in told and "Traceback" not in told
    n = len(rows(archive / "rows.csv"))
    assert 0 < n < 10 and n <= len(made(archive / "out")) <= n + 2
    finished(archive)
