"""Commands that are killed, or find no room or no right to write: what was there stays as it was, and the next run does
what the broken one should have done."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from automarkerlabel.cli import run
from automarkerlabel.io.collect import find_trials
from tests.fixtures.faulty import Faults
from tests.fixtures.places import SAMPLES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults are brought about as Linux has them")
PRECIOUS = b"what stood there before"
LEFTOVER = re.compile(r"\.[^/]+\.[0-9a-f]{8}\.\w+")
TINY = ["--epochs", "1", "--epoch-windows", "128", "--batch-size", "32", "--cells", "8", "--head-width", "8",
        "--n-neighbours", "4", "--val-share", "0"]  # fmt: skip
QUICK = ("label", "fill", "export", "report")
STAGES = ("reading", "working", "writing", "renaming")


@dataclass
class Command:
    """A command on files in a folder of its own, whose output exists already and is to be replaced."""

    args: list[str]
    source: Path
    out: Path

    @classmethod
    def of(cls, name: str, folder: Path) -> "Command":
        source = folder / ("walk_unlabelled.c3d" if name == "label" else "walk_truth.c3d")
        suffix = {"export": ".trc", "report": ".html", "train": ".ckpt", "adapt": ".ckpt"}.get(name, ".c3d")
        if name in ("train", "adapt"):
            source = folder / "turn.c3d"
        place = SAMPLES / "train" if name in ("train", "adapt") else SAMPLES
        shutil.copy(place / source.name, source)
        out = folder / "out" / f"result{suffix}"
        out.parent.mkdir()
        given = {"adapt": ["sample", str(source)]}.get(name, [str(source)])
        more = {"label": ["--model", "sample", "--no-verify"], "fill": ["--no-verify"], "train": TINY}.get(name, [])
        return cls([name, *given, "-o", str(out), "--overwrite", *more], source, out)

    def stand(self) -> None:
        self.out.write_bytes(PRECIOUS)

    def left(self) -> list[str]:
        """What stands beside the output but itself and a training's own folder."""
        return sorted(x.name for x in self.out.parent.iterdir() if x != self.out and not x.name.endswith(".run"))


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    asked = Faults()
    yield asked
    asked.close()


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def killed(faults: Faults, name: str, stage: str, folder: Path, again: bool = True) -> None:
    command = Command.of(name, folder)
    command.stand()
    before = digest(command.source)
    answer = faults(
        fault=stage, args=command.args, source=str(command.source), out=str(command.out), bytes=4096
    )  # fmt: skip
    assert answer["signal"] in (9, 25), answer  # SIGKILL; SIGXFSZ where the kernel ended it in a write
    assert digest(command.source) == before
    assert command.out.read_bytes() == PRECIOUS
    assert all(LEFTOVER.fullmatch(x) for x in command.left()), command.left()
    if stage in ("writing", "renaming") and name in QUICK:  # others may be in the middle of a file elsewhere
        assert len(command.left()) == 1
    assert len(command.left()) < 2
    assert set(find_trials([folder])) <= {command.source, command.out}  # no later command takes a leftover for a trial
    if not again:
        return
    answer = faults(fault="none", args=command.args, source="", out=str(command.out))
    assert answer["code"] == 0, answer
    assert command.out.read_bytes() != PRECIOUS and command.out.stat().st_size > 4096
    assert digest(command.source) == before


@pytest.mark.parametrize(("name", "stage"), [*((x, "renaming") for x in QUICK), ("label", "writing")])
def test_a_killed_command_leaves_everything_as_it_was(faults: Faults, tmp_path: Path, name: str, stage: str) -> None:
    killed(faults, name, stage, tmp_path, again=(name, stage) == ("label", "writing"))


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", [*QUICK, "train", "adapt"])
def test_killed_at_every_stage(faults: Faults, tmp_path: Path, name: str, stage: str) -> None:
    killed(faults, name, stage, tmp_path)


def refused(answer: dict[str, object], command: Command, before: str) -> str:
    """Assert that a command failed in a line, and that all is as before; what it said."""
    assert (answer["signal"], answer["code"]) == (0, 2), answer
    said = str(answer["said"])
    assert "Traceback" not in said and re.search("cannot be (written|made)", said.replace("\n", " "))
    assert digest(command.source) == before
    return said


def no_room(faults: Faults, name: str, fault: str, folder: Path) -> None:
    command = Command.of(name, folder)
    command.stand()
    before = digest(command.source)
    answer = faults(fault=fault, args=command.args, source="", out=str(command.out), bytes=8192)
    if "skipped" in answer:
        pytest.skip(f"no small file system can be mounted here: {answer['skipped']}")
    reason = "no space left" if fault == "full disk" else "file too large"
    assert reason in refused(answer, command, before).replace("\n", " ")
    kept = [] if fault == "full disk" else [command.out.name]  # of an empty file system in place of the folder
    assert [x for x in answer["beside"] if not x.endswith(".run")] == kept
    assert command.out.read_bytes() == PRECIOUS


@pytest.mark.parametrize(("name", "fault"), [("label", "no room"), ("label", "full disk")])
def test_no_room_is_one_line_and_leaves_nothing(faults: Faults, tmp_path: Path, name: str, fault: str) -> None:
    no_room(faults, name, fault, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["no room", "full disk"])
@pytest.mark.parametrize("name", [*QUICK, "train", "adapt"])
def test_no_room_for_any_command(faults: Faults, tmp_path: Path, name: str, fault: str) -> None:
    no_room(faults, name, fault, tmp_path)


SLOW = [pytest.param(x, marks=pytest.mark.slow) for x in ("fill", "export", "report", "adapt")]


@pytest.mark.parametrize("name", ["label", "train", *SLOW])
def test_a_folder_that_cannot_be_written_is_one_line(faults: Faults, tmp_path: Path, name: str) -> None:
    command = Command.of(name, tmp_path)
    command.stand()
    before = digest(command.source)
    command.out.parent.chmod(0o555)
    try:
        answer = faults(fault="no right", args=command.args, source="", out=str(command.out))
    finally:
        command.out.parent.chmod(0o755)
    refused(answer, command, before)
    assert command.left() == [] and command.out.read_bytes() == PRECIOUS


def spellings(path: Path) -> dict[str, Path]:
    """Other names of a file."""
    folder = path.parent
    linked, hard = folder / f"linked{path.suffix}", folder / f"hard{path.suffix}"
    linked.symlink_to(path)
    os.link(path, hard)
    (folder.parent / "way").symlink_to(folder)
    return {
        "itself": path, "dots": folder / ".." / folder.name / path.name, "symbolic link": linked, "hard link": hard,
        "linked folder": folder.parent / "way" / path.name,
    }  # fmt: skip


@pytest.mark.parametrize("name", [*QUICK, "train", "adapt"])
def test_an_output_is_never_an_input(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    command = Command.of(name, tmp_path / "in")
    before = digest(command.source)
    for spelling, out in spellings(command.source).items():
        args = [str(out) if x == str(command.out) else x for x in command.args]
        assert run(args) == 2, spelling
        said = capsys.readouterr()
        assert not said.out and ("expected" in said.err or "would replace" in said.err), spelling
        assert digest(command.source) == before, spelling
