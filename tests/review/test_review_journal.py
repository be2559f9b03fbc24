"""The journal: what is on disk after each edit, and how a review goes on from it."""

import json
import os
from pathlib import Path

import pytest

from automarkerlabel import io
from automarkerlabel.errors import FileFormatError, InputError, OutputError
from automarkerlabel.review.editing.journal import Journal, set_aside
from automarkerlabel.review.editing.opening import Asked, opened
from automarkerlabel.review.editing.save import outputs_for
from automarkerlabel.review.editing.state import PERSON
from tests.fixtures.figure import figure_trial
from tests.fixtures.review_cases import begin, walk_file

HEADS = {"trial": "walk.c3d"}


@pytest.fixture
def walk(tmp_path) -> Path:
    return walk_file(tmp_path)


def test_a_journal_is_there_again_line_by_line(tmp_path):
    path = tmp_path / "j.jsonl"
    journal = Journal.begun(path, HEADS)
    journal.append({"op": "undo"})
    journal.append({"op": "rename", "label": "\u2028</script>"})
    journal.close()
    again = Journal(path)
    assert again.head == {"journal": 1, **HEADS}
    assert again.entries == [{"op": "undo"}, {"op": "rename", "label": "\u2028</script>"}]
    again.close()


@pytest.mark.parametrize("rest", [b"{", b'{"op":"un', b'{"op":"undo"}', b"\xff\x00"])
def test_a_line_that_was_cut_off_is_as_if_it_had_never_been(tmp_path, rest):
    path = tmp_path / "j.jsonl"
    Journal.begun(path, HEADS).close()
    whole = path.read_bytes()
    path.write_bytes(whole + rest)
    journal = Journal(path)
    assert journal.entries == []
    journal.append({"op": "redo"})
    journal.close()
    assert path.read_bytes() == whole + b'{"op":"redo"}\n'


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[]\n", b"hello\n", b'{"journal":2}\n', b'{"a":1}\n', b"{" * 90000 + b"\n"]
)
def test_other_files_are_no_journals(tmp_path, content):
    path = tmp_path / "j.jsonl"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="--fresh"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"journal":1}\n{"op":\n{"op":"undo"}\n')
    with pytest.raises(FileFormatError, match="line 2"):
        Journal(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps an open file from being opened again")
def test_one_at_a_time(tmp_path):
    path = tmp_path / "j.jsonl"
    first = Journal.begun(path, HEADS)
    with pytest.raises(InputError, match="another aml review"):
        Journal(path)
    with pytest.raises(InputError, match="another aml review"):
        set_aside(path)
    first.close()
    assert set_aside(path).name == "j.1.jsonl"


def test_an_edit_that_cannot_be_written_did_not_happen(walk, monkeypatch):
    session = begin(walk)
    before, size = session.history.now, session.outputs.journal.stat().st_size

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("automarkerlabel.io.json_lines.os.fsync", full)
    with pytest.raises(OutputError, match="make room"):
        session.edit({"op": "accept", "column": 0, "frame": 0})
    monkeypatch.undo()
    assert session.history.now == before and session.outputs.journal.stat().st_size == size
    session.edit({"op": "accept", "column": 1, "frame": 0})
    session.close()
    again = begin(walk)
    assert [p.column for p in again.history.now.pieces if p.by == PERSON] == [1]
    again.close()


def test_a_review_goes_on_where_it_ended(walk):
    session = begin(walk)
    session.edit({"op": "split", "column": 0, "frame": 5})
    session.edit({"op": "clear", "column": 0, "frame": 0})
    session.save()
    session.edit({"op": "accept", "column": 1, "frame": 0})
    session.undo()
    states, at, view = session.history.states, session.history.at, session.view()
    session.close()
    told: list[str] = []
    again = opened(Asked(walk, outputs_for(walk, None)), told.append)
    assert (again.history.states, again.history.at) == (states, at)
    assert again.view() == view and not again.history.unsaved
    assert "going on from" in told[0] and "2 edits and 1 undone" in told[0]
    again.redo()
    assert again.history.unsaved
    again.close()


def test_a_journal_of_another_file_is_refused_and_set_aside_on_request(walk):
    session = begin(walk)
    journal = session.outputs.journal
    assert journal.name == "walk.c3d.review.jsonl"
    session.close()
    io.write(walk, figure_trial(30), overwrite=True)
    before = journal.read_bytes()
    with pytest.raises(InputError, match=r"journal of walk\.c3d as it is now, found that of another file .*--fresh"):
        begin(walk)
    told: list[str] = []
    opened(Asked(walk, outputs_for(walk, None), fresh=True), told.append).close()
    aside = walk.with_name("walk.c3d.review.1.jsonl")
    assert aside.read_bytes() == before and str(aside) in told[0]
    with pytest.raises(InputError, match="--units mm"):
        begin(walk, units="mm")


def test_a_journal_that_does_not_fit_its_trial_is_refused(walk):
    session = begin(walk)
    session.edit({"op": "accept", "column": 0, "frame": 0})
    journal = session.outputs.journal
    session.close()
    lines = journal.read_text().splitlines()
    for line in (
        '{"op":"accept","column":77,"frame":0}',
        '{"op":"undo"}',
        '{"op":"relabel","labels":[],"pieces":[],"cuts":[]}',
    ):
        head = lines[:1] if "undo" in line else lines
        journal.write_text("\n".join([*head, line]) + "\n")
        with pytest.raises(FileFormatError, match=f"line {len(head) + 1}"):
            begin(walk)
    head = json.loads(lines[0])
    journal.write_text(json.dumps(head | {"pieces": head["pieces"][1:]}) + "\n")
    with pytest.raises(FileFormatError, match="--fresh"):
        begin(walk)
