"""The model of editing: what each edit does, and what none of them ever does."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel.core.labelling import Labelling, output_columns
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import FileFormatError, InputError, TrialError
from automarkerlabel.review.editing.edits import (
    Accept,
    Clear,
    Edit,
    Flip,
    FlipAll,
    Join,
    Rename,
    Split,
    Swap,
    checked_label,
    edit_of,
    plain,
)
from automarkerlabel.review.editing.history import History
from automarkerlabel.review.editing.state import GIVEN, METHOD, PERSON, Piece, State, check, state_of
from tests.fixtures.review_cases import LABELS, names_in, piece, state, told, trial


def after(edit: Edit, before: State | None = None) -> State:
    done = edit.apply(state() if before is None else before, trial()).state
    check(done, trial())
    return done


def test_a_label_given_is_taken_from_what_is_seen_at_the_same_time():
    done = Rename(2, 3, "LASI").apply(state(), trial())
    assert told(done.state) == [
        (0, 0, 10, None), (1, 0, 4, "RASI"), (1, 6, 10, "RASI"), (2, 0, 10, "LASI"), (3, 4, 6, None),
    ]  # fmt: skip
    renamed, lost = done.state.pieces[3], done.state.pieces[0]
    assert (renamed.by, renamed.confidence, renamed.second) == (PERSON, 1.0, "SACR")
    assert lost.by == METHOD and lost.second == "LASI" and lost.confidence == pytest.approx(0.2)
    assert done.message == (
        "LASI: column *3, frames 101-110; seen at the same time, it lost its label: LASI at column *1, frames 101-110"
    )


def test_a_label_given_is_kept_by_what_is_seen_at_other_times():
    done = Rename(3, 4, "RASI").apply(state(), trial())
    assert told(done.state) == [*told(state())[:-1], (3, 4, 6, "RASI")]
    assert "lost" not in done.message


def test_a_new_label_joins_the_vocabulary():
    done = after(Rename(3, 5, "  STICK 1 "))
    assert done.labels == (*LABELS, "STICK 1") and done.pieces[-1].label == "STICK 1"


def test_a_name_of_computed_points_is_given_with_a_warning():
    assert "computed" in Rename(3, 4, "LHJC").apply(state(), trial()).message
    assert "computed" not in Rename(3, 4, "LHEE").apply(state(), trial()).message


def test_clear_and_accept_hold():
    cleared, accepted = after(Clear(0, 0)).pieces[0], after(Accept(0, 0)).pieces[0]
    assert (cleared.label, cleared.second, cleared.held) == (None, "LASI", True)
    assert (accepted.label, accepted.confidence, accepted.held) == ("LASI", 1.0, True)


def test_split_and_join_are_each_others_reverse():
    split = after(Split(0, 4))
    assert told(split)[:2] == [(0, 0, 4, "LASI"), (0, 4, 10, "LASI")]
    assert [(c.column, c.frame, c.why) for c in split.labelling().cuts] == [(0, 4, "by hand")]
    assert after(Join(0, 0), split) == state()


def test_a_split_in_a_gap_trims_both_pieces():
    joined = after(Join(1, 0))
    assert told(joined)[1] == (1, 0, 10, "RASI") and not joined.pieces[1].held
    for frame in (4, 5, 6):
        assert told(after(Split(1, frame), joined)) == told(state())


def test_a_join_of_two_labels_is_a_persons_word():
    before = replace(state(), pieces=(*state().pieces[:2], piece(1, 6, 10, None), *state().pieces[3:]))
    joined = after(Join(1, 2), before).pieces[1]
    assert (joined.label, joined.stop, joined.by) == ("RASI", 10, PERSON)


def test_a_join_takes_its_label_from_what_is_seen_at_the_same_time():
    before = after(Rename(2, 5, "RASI"), after(Split(2, 5)))
    assert [x for x in told(before) if x[3] == "RASI"] == [(1, 0, 4, "RASI"), (2, 5, 10, "RASI")]
    joined = after(Join(1, 0), before)
    assert [x for x in told(joined) if x[3] == "RASI"] == [(1, 0, 10, "RASI")]
    # In the gap of a column another one may carry its label.
    assert after(Join(1, 0), after(Rename(3, 4, "RASI"))).pieces[-1].label == "RASI"


def test_swap_from_a_frame_on():
    done = Swap(0, 2, 4).apply(state(), trial())
    assert told(done.state) == [
        (0, 0, 4, "LASI"), (0, 4, 10, "SACR"), (1, 0, 4, "RASI"), (1, 6, 10, "RASI"),
        (2, 0, 4, "SACR"), (2, 4, 10, "LASI"), (3, 4, 6, None),
    ]  # fmt: skip
    assert done.message == "swapped LASI and SACR from frame 105 on, in 2 pieces"
    assert [p.held for p in done.state.pieces] == [False, True, False, False, False, True, False]
    assert names_in(after(Swap(2, 0, 4), done.state), trial()) == names_in(state(), trial())


def test_swap_goes_on_over_gaps_while_the_label_stays():
    done = after(Swap(0, 1, 2))
    assert told(done)[:5] == [
        (0, 0, 2, "LASI"), (0, 2, 10, "RASI"), (1, 0, 2, "RASI"), (1, 2, 4, "LASI"), (1, 6, 10, "LASI"),
    ]  # fmt: skip


def test_swap_stops_where_a_column_is_called_otherwise():
    """After its gap column 1 is right already, since column 0 ends before."""
    visible = trial().positions.copy()
    visible[5:, 0] = np.nan
    short = replace(trial(), positions=visible, residuals=None)
    pieces = (piece(0, 0, 5, "LASI"), piece(1, 0, 4, "RASI"), piece(1, 6, 10, "LASI"), *state().pieces[3:])
    done = Swap(0, 1, 2).apply(State(LABELS, pieces), short).state
    check(done, short)
    assert [x[3] for x in told(done)[:5]] == ["LASI", "RASI", "RASI", "LASI", "LASI"]


def test_swap_with_what_has_no_label():
    done = after(Swap(3, 0, 4))
    assert names_in(done, trial())[0] == ["LASI"] * 4 + [None] * 6
    assert names_in(done, trial())[3] == [None] * 4 + ["LASI"] * 2 + [None] * 4


def test_flip_changes_the_mate_too():
    done = Flip(0, 5).apply(state(), trial())
    assert names_in(done.state, trial())[0] == ["LASI"] * 5 + ["RASI"] * 5
    assert names_in(done.state, trial())[1] == ["RASI"] * 4 + [None] * 2 + ["LASI"] * 4
    assert told(done.state)[2:4] == [(1, 0, 4, "RASI"), (1, 6, 10, "LASI")]  # what was before stays, and unheld
    assert not done.state.pieces[2].held


def test_flip_all_from_a_frame_on():
    done = after(FlipAll(0))
    assert [x[3] for x in told(done)] == ["RASI", "LASI", "LASI", "SACR", None]
    assert [p.held for p in done.pieces] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Rename(1, 5, "LASI"), "frame 106"),
        (Rename(9, 5, "LASI"), "column 9"),
        (Rename(0, 0, "*1"), "use clear"),
        (Rename(0, 0, ""), "use clear"),
        (Rename(0, 0, "A\u0000"), "control"),
        (Rename(0, 0, "A\u202e"), "control"),
        (Rename(0, 0, "A\u2028B"), "control"),
        (Rename(0, 0, "\ud800"), "control"),
        (Rename(0, 0, "Nick:LASI"), "colon"),
        (Rename(0, 0, "x" * 101), "100 bytes"),
        (Split(0, 0), "found its first, 101"),
        (Split(1, 5), "none"),
        (Join(1, 7), "after this one"),
        (Swap(0, 0, 3), "one twice"),
        (Swap(1, 3, 8), "hidden"),
        (Flip(2, 0), "found SACR"),
        (FlipAll(10), "frame of the trial"),
    ],
)
def test_what_cannot_be_done_is_said(edit, words):
    with pytest.raises(InputError, match=words):
        edit.apply(state(), trial())


def test_markup_is_a_label_like_any_other():
    label = "</script><img src=x onerror=alert(1)>"
    assert checked_label(label) == label
    assert after(Rename(3, 4, label)).pieces[-1].label == label


@pytest.mark.parametrize(
    "values",
    [
        {}, {"op": "delete"}, {"op": ["rename"]}, {"op": "accept", "column": 0}, {"op": "flip_all", "frame": 1.5},
        {"op": "accept", "column": 0, "frame": True}, {"op": "clear", "column": 0, "frame": 1, "more": 1},
        {"op": "rename", "column": 0, "frame": 1, "label": None},
    ],
)  # fmt: skip
def test_edits_that_are_none_are_refused(values):
    with pytest.raises(InputError, match="expected"):
        edit_of(values)


def test_a_labelling_and_back():
    labelling = Labelling(
        ("A", "B"), [Tracklet(0, 0, 10), Tracklet(1, 0, 4), Tracklet(1, 6, 10), Tracklet(2, 0, 10), Tracklet(3, 4, 6)],
        np.array([0, 1, 1, -1, -1]), np.array([0.9, 0.4, 1, 1, 1], np.float32), np.array([1, -1, 0, 0, -1]),
        courses=[(np.array([2.5, 7]), np.array([0.5, 0.75]))] + [(np.zeros(0), np.zeros(0))] * 4,
    )  # fmt: skip
    found = state_of(labelling, trial())
    assert found.pieces[0] == Piece(0, 0, 10, "A", float(np.float32(0.9)), "B", METHOD, ((2.5, 0.5), (7.0, 0.75)))
    assert [p.label for p in state_of(labelling, trial(), 0.5).pieces] == ["A", None, "B", None, None]
    back = found.labelling()
    assert back.tracklets == labelling.tracklets and back.labels == labelling.labels
    for name in ("assigned", "confidence", "second"):
        np.testing.assert_array_equal(getattr(back, name), getattr(labelling, name))
    np.testing.assert_array_equal(back.courses[0], labelling.courses[0])


@pytest.mark.parametrize(
    "pieces",
    [
        state().pieces[:-1],
        (*state().pieces, piece(3, 4, 5, None)),
        (replace(state().pieces[0], label="SACR"), *state().pieces[1:]),
        (replace(state().pieces[0], label="C7"), *state().pieces[1:]),
        (replace(state().pieces[0], stop=11), *state().pieces[1:]),
        (replace(state().pieces[0], column=4), *state().pieces[1:]),
        (replace(state().pieces[0], confidence=1.5), *state().pieces[1:]),
        (*state().pieces[:-1], piece(3, 3, 6, None)),
    ],
)
def test_states_that_contradict_themselves_are_refused(pieces):
    with pytest.raises(FileFormatError, match="damaged"):
        State.from_plain(State(LABELS, pieces).plain(), trial())


def test_undo_redo_and_what_is_saved():
    history = History(state())
    with pytest.raises(InputError, match="undo"):
        history.undo()
    first, second = after(Accept(0, 0)), after(Clear(0, 0))
    history.push(first)
    assert history.unsaved and (history.n_undo, history.n_redo) == (1, 0)
    history.mark_saved()
    history.undo()
    assert history.now == state() and history.unsaved
    history.redo()
    assert history.now == first and not history.unsaved
    history.undo()
    history.push(second)
    with pytest.raises(InputError, match="redo"):
        history.redo()
    assert history.unsaved


@st.composite
def cases(draw) -> tuple[Trial, State]:
    """A trial of a few columns, hidden here and there, and pieces whose labels nowhere collide."""
    n_frames, n_columns = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    visible = np.array(draw(st.lists(st.booleans(), min_size=n_frames * n_columns, max_size=n_frames * n_columns)))
    visible = visible.reshape(n_frames, n_columns)
    points = np.arange(visible.size * 3, dtype=np.float32).reshape(n_frames, n_columns, 3)
    made = Trial(np.where(visible[..., None], points, np.nan), [f"*{c}" for c in range(n_columns)], 10.0)
    labels = ("LA", "RA", "B", "C")
    taken = {x: np.zeros(n_frames, bool) for x in labels}
    pieces = []
    for c in range(n_columns):
        seen = np.flatnonzero(visible[:, c])
        edges = sorted({0, len(seen), *draw(st.lists(st.integers(0, len(seen)), max_size=3))})
        for a, b in pairwise(edges):
            frames = seen[a:b]
            label = draw(st.sampled_from((None, *labels)))
            if label is not None and taken[label][frames].any():
                label = None
            if label is not None:
                taken[label][frames] = True
            by = draw(st.sampled_from((METHOD, GIVEN, PERSON)))
            second = draw(st.sampled_from((None, *labels)))
            pieces.append(Piece(c, int(frames[0]), int(frames[-1]) + 1, label, 0.75, second, by))
    return made, State(labels, tuple(pieces))


COLUMN, FRAME = st.integers(0, 4), st.integers(0, 12)
EDITS = st.one_of(
    st.builds(Rename, COLUMN, FRAME, st.sampled_from(("LA", "RA", "B", "C", "NEW", "*1"))),
    *(st.builds(kind, COLUMN, FRAME) for kind in (Clear, Accept, Split, Join, Flip)),
    st.builds(Swap, COLUMN, COLUMN, FRAME), st.builds(FlipAll, FRAME),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(cases(), st.lists(EDITS, max_size=8))
def test_whatever_is_done_no_label_stands_twice_and_no_point_is_lost(case, edits):
    made, first = case
    check(first, made)
    history = History(first)
    states = [first]
    for edit in edits:
        assert edit_of(json.loads(json.dumps(plain(edit)))) == edit
        try:
            done = edit.apply(history.now, made)
        except InputError:
            assert history.now == states[-1]
            continue
        check(done.state, made)
        history.push(done.state)
        states.append(done.state)
    columns = output_columns(made, history.now.labelling())  # raises where a label stands twice
    written = [(c, f) for out in columns for c, a, b in out.pieces for f in range(a, b) if made.visible[f, c]]
    assert sorted(written) == sorted((int(c), int(f)) for f, c in np.argwhere(made.visible))
    assert State.from_plain(json.loads(json.dumps(history.now.plain())), made) == history.now
    for expected in reversed(states[:-1]):
        history.undo()
        assert history.now == expected
    for expected in states[1:]:
        history.redo()
        assert history.now == expected


@settings(max_examples=200, deadline=None)
@given(cases(), FRAME, st.data())
def test_exchanging_twice_is_no_change(case, frame, data):
    made, first = case
    kind = data.draw(st.sampled_from((FlipAll(frame), Flip(data.draw(COLUMN), frame))))
    try:
        once = kind.apply(first, made).state
    except TrialError:
        return
    if isinstance(kind, FlipAll):
        assert names_in(kind.apply(once, made).state, made) == names_in(first, made)
    before = [[x[:frame] for x in names_in(s, made)] for s in (first, once)]
    assert before[0] == before[1]
