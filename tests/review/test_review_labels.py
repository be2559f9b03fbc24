"""The labels that a review begins with, and the rest labelled anew."""

from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.tracklets import split
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.review.editing.edits import Rename, Split
from automarkerlabel.review.editing.initial_labels import state_given
from automarkerlabel.review.editing.relabel import relabelled
from automarkerlabel.review.editing.session import Relabelling
from automarkerlabel.review.editing.state import GIVEN, PERSON, State, check
from tests.fixtures.figure import FIGURE, figure_trial
from tests.fixtures.places import SAMPLES
from tests.fixtures.review_cases import LABELS, begin, state, told, trial, walk_file


@pytest.fixture
def walk(tmp_path) -> Path:
    return walk_file(tmp_path)


def test_labels_of_a_file_are_found_in_the_columns_of_the_trial(walk):
    labelled = io.read(walk)
    names = [f"*{n}" for n in range(9)]
    bare = replace(labelled, positions=labelled.positions[:, ::-1], labels=names, residuals=None)
    found, notes = state_given(bare, labelled, "walk.c3d")
    assert notes == ()
    assert {(p.column, p.label) for p in found.pieces} == {(8 - n, x) for n, x in enumerate(FIGURE)} | {(0, None)}
    assert {p.by for p in found.pieces if p.label} == {GIVEN}
    with pytest.raises(TrialError, match="40 frames, found 39"):
        state_given(bare, replace(labelled, positions=labelled.positions[1:], residuals=None), "x")
    with pytest.raises(TrialError, match="found 0 %"):
        state_given(bare, replace(labelled, positions=labelled.positions + 1), "x")
    with pytest.raises(TrialError, match="without a name"):
        state_given(bare, bare, "x")


def test_a_column_whose_given_label_changes_is_cut_there():
    made = trial()
    points = np.full((10, 2, 3), np.nan, np.float32)
    points[:4, 0], points[4:, 1], points[:, 1] = made.positions[:4, 0], made.positions[4:, 0], points[:, 1]
    points[4:, 1] = made.positions[4:, 0]
    found, _ = state_given(made, Trial(points, ["A", "B"], 10.0), "x")
    assert told(found)[:2] == [(0, 0, 4, "A"), (0, 4, 10, "B")]
    assert [(c.column, c.frame, c.before, c.after) for c in found.labelling().cuts] == [(0, 4, "A", "B")]


def test_filled_gaps_of_a_file_are_counted():
    made = trial()
    points = made.positions[:, :2].copy()
    points[4:6, 1] = 5
    _, notes = state_given(made, Trial(points, ["A", "B"], 10.0), "filled.c3d")
    assert notes == ("2 labelled points of filled.c3d are not in the trial (filled gaps?)",)


def test_what_is_held_stays_when_the_rest_is_labelled_anew():
    """The method gives every column that has no name the next letter; it is shown only what nobody holds."""
    made = trial()
    before = Rename(2, 0, "NEW").apply(Split(0, 5).apply(state(), made).state, made).state
    before = replace(before, pieces=tuple(replace(p, by=PERSON) if p.column == 3 else p for p in before.pieces))
    seen: list[Trial] = []

    def label(arranged: Trial) -> Labelling:
        seen.append(arranged)
        tracklets = split(arranged)
        free = [c for c, x in enumerate(arranged.labels) if x.startswith("*")]
        assigned = np.array([free.index(t.column) if t.column in free else -1 for t in tracklets])
        ones = np.full(len(tracklets), 0.6, np.float32)
        return Labelling(("A", "B", "C"), tracklets, assigned, ones, np.full(len(tracklets), -1))

    found = relabelled(before, made, label)
    check(found, made)
    assert list(seen[0].labels) == ["NEW", "held without a label 3", "*0", "*1", "*2"]
    assert seen[0].visible.sum() == made.visible.sum()
    assert told(found) == [
        (0, 0, 5, "A"), (0, 5, 10, "B"), *((1, a, b, "C") for a, b in spans(found, 1)),
        (2, 0, 10, "NEW"), (3, 4, 6, None),
    ]  # fmt: skip
    assert [p for p in found.pieces if p.held] == [p for p in before.pieces if p.held]
    assert found.labels == ("A", "B", "C", *LABELS, "NEW")
    assert relabelled(replace(before, pieces=tuple(replace(p, by=GIVEN) for p in before.pieces)), made, label).pieces
    assert len(seen) == 1  # nothing to label, nothing asked


def spans(state: State, column: int) -> list[tuple[int, int]]:
    return [(p.start, p.stop) for p in state.pieces if p.column == column]


def test_relabelling_by_the_matcher_keeps_what_is_held_and_mends_the_rest(tmp_path):
    source = tmp_path / "walk.c3d"
    source.write_bytes((SAMPLES / "walk_unlabelled.c3d").read_bytes())
    session = begin(source, wanted={"model": "sample"})
    first = session.history.now
    longest = max((p for p in first.pieces if p.label), key=lambda p: p.stop - p.start)
    session.edit({"op": "rename", "column": longest.column, "frame": longest.start, "label": "STICK"})
    session.edit({"op": "clear", "column": first.pieces[0].column, "frame": first.pieces[0].start})
    session.relabel()
    now = session.history.now
    check(now, session.trial)
    assert [p for p in now.pieces if p.held] == [p for p in session.history.states[-2].pieces if p.held]
    before = {(p.column, p.start, p.stop): p.label for p in first.pieces}
    same = sum(before.get((p.column, p.start, p.stop)) == p.label for p in now.pieces)
    assert same > 0.9 * len(now.pieces)
    assert session.view()["editing"]["message"].startswith("labelled anew")
    session.close()
    again = begin(source)  # the way to label is in the journal
    assert again.history.now == now and again.relabelling is not None and "sample" in again.relabelling.by
    again.undo()
    again.undo()
    again.undo()
    assert again.history.now == first
    again.close()


def test_labels_of_another_file_are_held_and_the_rest_is_labelled(tmp_path):
    """Of the true labels one is taken away; labelled anew, it is found again, and nothing else changes."""
    source, lacking = tmp_path / "walk.c3d", tmp_path / "lacking.c3d"
    source.write_bytes((SAMPLES / "walk_unlabelled.c3d").read_bytes())
    truth = io.read(SAMPLES / "walk_truth.c3d")
    io.write(lacking, replace(truth, labels=["*0" if x == "SACR" or x == "T10" else x for x in truth.labels]))
    session = begin(source, labels=lacking, wanted={"model": "sample"})
    given = session.history.now
    assert session.reviewed.labelled_by == "the names in lacking.c3d" and "T10" not in given.labels
    session.relabel()
    now = session.history.now
    assert [p for p in now.pieces if p.held] == [p for p in given.pieces if p.held]
    found = {(p.column, p.start, p.stop) for p in now.pieces if p.label == "T10"}
    place = truth.labels.index("T10")
    for column, start, stop in found:
        frames = start + np.flatnonzero(session.trial.visible[start:stop, column])
        np.testing.assert_array_equal(session.trial.positions[frames, column], truth.positions[frames, place])
    assert sum(session.trial.visible[a:b, c].sum() for c, a, b in found) == truth.visible[:, place].sum()
    session.close()
    with pytest.raises(TrialError, match="same recording"):
        begin(source, labels=SAMPLES / "train" / "walk1.c3d", fresh=True)


def test_while_the_rest_is_labelled_others_may_look_but_not_touch(walk):
    begun, go_on = Event(), Event()

    def label(trial: Trial) -> Labelling:
        begun.set()
        assert go_on.wait(30)
        n = len(split(trial))
        return Labelling(("NEW",), split(trial), np.full(n, -1), np.ones(n, np.float32), np.full(n, -1))

    session = begin(walk)
    session.relabelling = Relabelling(lambda: label, "waiting")
    worker = Thread(target=session.relabel)
    worker.start()
    assert begun.wait(30)
    assert session.view()["editing"]["edits"] == 0
    with pytest.raises(InputError, match="one thing at a time"):
        session.edit({"op": "accept", "column": 0, "frame": 0})
    go_on.set()
    worker.join()
    assert session.view()["editing"]["edits"] == 1 and "NEW" in session.view()["labels"]
    session.edit({"op": "accept", "column": 0, "frame": 0})
    session.close()


def test_names_that_are_there_are_held_on_request(walk):
    session = begin(walk, wanted={"model": "sample"}, keep_labels=True)
    assert {p.label for p in session.history.now.pieces if p.by == GIVEN} >= {"LSHO", "RSHO", "LTOE", "RTOE"}
    assert session.reviewed.labelled_by == "model sample"
    session.close()


def test_without_a_way_to_label_one_line_says_so(walk):
    session = begin(walk)
    assert session.reviewed.labelled_by == "the names in walk.c3d"
    with pytest.raises(InputError, match="start aml review with --model"):
        session.relabel()
    session.close()


def test_what_an_audit_says_of_given_names_is_to_be_reviewed(tmp_path):
    """LTOE and HEAD have each other's name from the 31st frame on."""
    whole = figure_trial(60)
    points = whole.positions.copy()
    points[30:, [0, 6]] = points[30:, [6, 0]]
    io.write(tmp_path / "walk.c3d", Trial(points, whole.labels, whole.rate_hz))
    session = begin(tmp_path / "walk.c3d")
    doubts = session.view()["doubts"]
    assert {(d["label"], d["second"]) for d in doubts} == {("HEAD", "LTOE"), ("LTOE", "HEAD")}
    assert {(d["first"], d["last"], d["confidence"]) for d in doubts} == {(30, 59, None)}
    assert session.history.now.pieces[doubts[0]["piece"]].label == doubts[0]["label"]
    session.edit({"op": "swap", "column": 0, "column2": 6, "frame": 30})
    assert session.view()["doubts"] == []
    session.undo()
    session.close()
    again = begin(tmp_path / "walk.c3d")
    assert again.view()["doubts"] == doubts
    again.close()
