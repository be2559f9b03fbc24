"""What a review writes, and what `aml adapt` learns from it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.errors import FileFormatError, InputError, OutputError
from automarkerlabel.review.editing import corrections
from automarkerlabel.review.editing.corrections import Unsure, digest, without_unsure
from automarkerlabel.review.editing.edits import Rename, plain
from automarkerlabel.review.editing.save import outputs_for
from automarkerlabel.review.editing.state import METHOD
from tests.fixtures.figure import FIGURE
from tests.fixtures.review_cases import begin, trial, walk_file


@pytest.fixture
def walk(tmp_path) -> Path:
    return walk_file(tmp_path)


def test_saved_trials_hold_every_point_bit_for_bit(walk):
    session = begin(walk)
    source = walk.read_bytes()
    session.edit({"op": "rename", "column": 8, "frame": 16, "label": "HEAD"})
    session.edit({"op": "swap", "column": 1, "column2": 2, "frame": 20})
    done = session.save()
    view = session.view()
    assert view["editing"]["unsaved"] is False and "walk_reviewed.c3d; corrections: " in view["editing"]["message"]
    assert walk.read_bytes() == source
    before, after = io.read(walk), io.read(done["written"])
    assert sorted(x for x in after.labels) == sorted(FIGURE) and after.first_frame == 11
    place = {x: n for n, x in enumerate(after.labels)}
    for frame in range(40):
        for column in range(9):
            point = before.positions[frame, column]
            if np.isnan(point).any():
                continue
            label = before.labels[column] if column < 8 else "HEAD"
            if frame >= 20:
                label = {"LSHO": "RSHO", "RSHO": "LSHO"}.get(label, label)
            assert after.positions[frame, place[label]].tobytes() == point.tobytes()
    assert after.visible.sum() == before.visible.sum()
    session.close()


def test_corrections_tell_what_a_person_named(walk):
    session = begin(walk)
    session.edit({"op": "rename", "column": 8, "frame": 16, "label": "HEAD"})
    session.edit({"op": "accept", "column": 3, "frame": 0})
    done = session.save()
    found = corrections.read(Path(done["corrections"]))
    assert (found.trial, found.reviewed) == ("walk.c3d", "walk_reviewed.c3d")
    assert found.trial_sha256 == digest(walk) and found.reviewed_sha256 == digest(Path(done["written"]))
    assert [(n.column, n.first_frame, n.last_frame, n.label, n.before) for n in found.named] == [
        ("LHND", 11, 50, "LHND", ("LHND",)), ("*0", 26, 35, "HEAD", (None,)),
    ]  # fmt: skip
    assert found.unsure == ()
    session.close()


def test_a_file_of_others_is_never_written_over(walk):
    session = begin(walk)
    session.edit({"op": "accept", "column": 0, "frame": 0})
    session.save()
    session.save()  # one's own is
    out = session.outputs.trial
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        session.save()
    assert out.read_bytes() == b"precious"
    session.close()
    with pytest.raises(OutputError, match="exists already"):
        begin(walk)
    out.unlink()
    session = begin(walk)
    walk.write_bytes(walk.read_bytes() + b"\0")
    with pytest.raises(InputError, match="found it changed"):
        session.save()
    assert not out.exists()
    session.close()
    with pytest.raises(OutputError, match="input"):
        begin(walk, outputs=outputs_for(walk, walk), fresh=True)


def test_corrections_that_fail_do_not_lock_the_trial_out(walk, monkeypatch):
    session = begin(walk)
    session.edit({"op": "accept", "column": 0, "frame": 0})

    def full(*_: object) -> None:
        raise OutputError("no space")

    monkeypatch.setattr(corrections, "write", full)
    with pytest.raises(OutputError, match="no space"):
        session.save()
    assert session.view()["editing"]["unsaved"] is True
    monkeypatch.undo()
    assert Path(session.save()["corrections"]).is_file()
    session.close()


def test_labels_that_are_not_sure_become_points_without_a_name():
    made = trial()
    bare = without_unsure(
        replace(made, labels=("A", "B", "C", "D")), [Unsure("A", 103, 104, 0.5), Unsure("X", 1, 2, 0.1)]
    )
    assert bare.labels == ("A", "B", "C", "D", "*unsure 0")
    assert np.isnan(bare.positions[2:4, 0]).all() and not np.isnan(bare.positions[[1, 4], 0]).any()
    np.testing.assert_array_equal(bare.positions[2:4, 4], made.positions[2:4, 0])
    assert bare.visible.sum() == made.visible.sum()


def test_adapt_learns_from_corrections_what_was_looked_at(walk):
    session = begin(walk)
    pieces = session.history.now.pieces
    low = [replace(p, by=METHOD, confidence=0.7) if p.label in ("LTOE", "RTOE") else p for p in pieces]
    session.history.states[0] = replace(session.history.now, pieces=tuple(low))
    right = next(p for p in low if p.label == "RTOE")
    session.edit(plain(Rename(right.column, right.start, "RTOE")))
    done = session.save()
    session.close()
    [source] = corrections.sources_of([Path(done["corrections"])], None, None, None)
    assert source.path == Path(done["written"])
    seen = {x: int(source.trial.visible[:, c].sum()) for c, x in enumerate(source.trial.labels)}
    assert (seen["LTOE"], seen["RTOE"], seen["*unsure 0"]) == (0, 40, 40)
    Path(done["written"]).write_bytes(b"other")
    with pytest.raises(InputError, match="found it changed"):
        corrections.sources_of([Path(done["corrections"])], None, None, None)
    Path(done["written"]).unlink()
    with pytest.raises(InputError, match="keep the two together"):
        corrections.sources_of([Path(done["corrections"])], None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("corrections"), lambda v: v.update(corrections=2), lambda v: v.update(named=[{}]),
        lambda v: v.update(unsure=[{"label": 1}]), lambda v: v.pop("trial"), lambda v: v.update(more="x"),
        lambda v: v.update(trial=5), lambda v: v.update(read_with=[]), lambda v: v.update(reviewed="../x.c3d"),
    ],
)  # fmt: skip
def test_other_files_are_no_corrections(walk, change):
    session = begin(walk)
    path = Path(session.save()["corrections"])
    session.close()
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(FileFormatError, match="expected"):
        corrections.sources_of([path], None, None, None)


def test_where_things_go(tmp_path):
    source = tmp_path / "walk.trc"
    assert outputs_for(source, None).trial == tmp_path / "walk_reviewed.trc"
    assert outputs_for(tmp_path / "walk.mat", None).trial == tmp_path / "walk_reviewed.c3d"
    with pytest.raises(OutputError, match=r"ends in \.c3d"):
        outputs_for(source, tmp_path / "walk.parquet").check({})
    (tmp_path / "out").mkdir()
    found = outputs_for(source, tmp_path / "out")
    assert found.trial == tmp_path / "out" / "walk_reviewed.trc"
    assert found.journal == tmp_path / "out" / "walk.trc.review.jsonl"
    assert outputs_for(source, tmp_path / "x.c3d").corrections == tmp_path / "x_corrections.json"
