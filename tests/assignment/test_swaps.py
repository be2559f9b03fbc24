from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automarkerlabel import read
from automarkerlabel.assignment.assign import decide
from automarkerlabel.assignment.change_points import changes, likeliest_path
from automarkerlabel.assignment.jumps import leaps
from automarkerlabel.assignment.permuted_columns import Tangle, cut_at
from automarkerlabel.assignment.swaps import Solved, repaired
from automarkerlabel.core import tracklets as whole
from automarkerlabel.core.labelling import Cut, LabelScores, output_columns
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from tests.fixtures.figure import FIGURE, figure_trial

LABELS = tuple(FIGURE)
WINDOW = 12  # frames


class Oracle:
    """Knows where each marker truly is, `(n_frames, n_labels, 3)`; is right in a window with probability `sure`, and
    says so; `wrong` windows tell some other label."""

    def __init__(self, markers: np.ndarray, labels=LABELS, sure=0.95, wrong=0.0):
        self.markers, self.labels, self.sure, self.wrong = markers, labels, sure, wrong
        self.rng = np.random.default_rng(0)

    def scores(self, trial: Trial, tracklets: list[Tracklet]) -> LabelScores:
        rows, owner, frames = [], [], []
        for n, t in enumerate(tracklets):
            seen = t.start + np.flatnonzero(trial.visible[t.start : t.stop, t.column])
            for middle in seen[min(len(seen) - 1, WINDOW // 2) :: WINDOW]:
                off = np.linalg.norm(self.markers[middle] - trial.positions[middle, t.column], axis=1)
                label = int(np.nanargmin(off)) if np.nanmin(off) < 1 else len(self.labels)
                if self.rng.random() < self.wrong:
                    label = int(self.rng.integers(len(self.labels) + 1))
                row = np.full(len(self.labels) + 1, np.log((1 - self.sure) / len(self.labels)))
                row[label] = np.log(self.sure)
                rows.append(row)
                owner.append(n)
                frames.append((max(0, middle - WINDOW // 2), middle + WINDOW // 2))
        shape = (-1, len(self.labels) + 1)
        return LabelScores(
            self.labels, np.array(rows, np.float32).reshape(shape), np.array(owner, np.int64),
            np.array(frames, np.int64).reshape(-1, 2), len(tracklets),
        )  # fmt: skip

    def decide(self, trial, tracklets, scores):
        return decide(scores, tracklets, whole.meeting_sets(trial, tracklets))

    def solve(self, trial, tracklets):
        scores = self.scores(trial, tracklets)
        return Solved(scores, self.decide(trial, tracklets, scores), len(tracklets))

    def repaired(self, trial, held=()):
        return repaired(trial, self.solve, self.decide, self.decide, held)[0]


def trial_of(positions, rate_hz=60.0) -> Trial:
    return Trial(positions.astype(np.float32), [f"*{n}" for n in range(positions.shape[1])], rate_hz)


def ring(positions, frame, *columns):
    """Each column goes on from `frame` as the next of `columns`, the last one as the first."""
    found = positions.copy()
    for a, b in zip(columns, columns[1:] + columns[:1], strict=True):
        found[frame:, a] = positions[frame:, b]
    return found


def given_to(trial, labelling):
    """`(n_frames, n_columns)`: the label of each point, "" for none, None where nothing is seen."""
    found = np.full((trial.n_frames, trial.n_columns), None)
    for n, t in enumerate(labelling.tracklets):
        found[t.start : t.stop, t.column] = labelling.label_of(n) or ""
    found[~trial.visible] = None
    return found


def assert_every_point_once(trial, labelling):
    count = np.zeros((trial.n_frames, trial.n_columns), int)
    for t in labelling.tracklets:
        assert trial.visible[t.start, t.column] and trial.visible[t.stop - 1, t.column]
        count[t.start : t.stop, t.column] += 1
    assert (count[trial.visible] == 1).all()
    output_columns(trial, labelling)  # raises if a label stands twice in a frame


def test_two_columns_that_exchange_far_apart(figure):
    trial = trial_of(ring(figure.positions, 47, 1, 4))
    labelling = Oracle(figure.positions).repaired(trial)
    assert labelling.cuts == (
        Cut(1, 47, "leaps to the place of *4", "LSHO", "RHND"),
        Cut(4, 47, "leaps to the place of *1", "RHND", "LSHO"),
    )
    got = given_to(trial, labelling)
    assert (got[:47] == LABELS).all()
    assert (got[47:, 1] == "RHND").all() and (got[47:, 4] == "LSHO").all()
    assert_every_point_once(trial, labelling)


def test_a_ring_of_three(figure):
    trial = trial_of(ring(figure.positions, 80, 0, 2, 6))
    labelling = Oracle(figure.positions).repaired(trial)
    got = given_to(trial, labelling)
    assert [(c.column, c.frame, c.before, c.after) for c in labelling.cuts] == [
        (0, 80, "HEAD", "RSHO"),
        (2, 80, "RSHO", "LTOE"),
        (6, 80, "LTOE", "HEAD"),
    ]
    assert (got[80:, 0] == "RSHO").all() and (got[80:, 2] == "LTOE").all() and (got[80:, 6] == "HEAD").all()


def test_two_exchanges_of_one_column_and_back(figure):
    trial = trial_of(ring(ring(figure.positions, 40, 1, 2), 70, 2, 5))
    got = given_to(trial, Oracle(figure.positions).repaired(trial))
    assert (got[40:70, 1] == "RSHO").all() and (got[70:, 5] == "LSHO").all() and (got[70:, 2] == "SACR").all()
    there_and_back = trial_of(ring(ring(figure.positions, 40, 1, 2), 43, 1, 2))
    labelling = Oracle(figure.positions).repaired(there_and_back)
    assert [(c.column, c.frame) for c in labelling.cuts] == [(1, 40), (1, 43), (2, 40), (2, 43)]


def test_an_exchange_while_one_is_hidden(figure):
    positions = ring(figure.positions, 60, 1, 2)
    positions[57:63, 1] = np.nan
    trial = trial_of(positions)
    labelling = Oracle(figure.positions).repaired(trial)
    got = given_to(trial, labelling)
    assert (got[:57, 1] == "LSHO").all() and (got[63:, 1] == "RSHO").all()
    assert (got[:60, 2] == "RSHO").all() and (got[60:, 2] == "LSHO").all()
    assert {(c.column, c.frame) for c in labelling.cuts} == {(1, 63), (2, 60)}


def test_a_column_that_jumps_to_a_ghost(figure):
    positions = np.concatenate([figure.positions, np.full((120, 1, 3), np.nan)], 1)
    positions[50:, 8] = figure.positions[50:, 5]  # the marker goes on in a new column
    positions[50:, 5] = np.nan
    positions[50:90, 5] = figure.positions[50, 5] + np.array([90.0, 150.0, 60.0])
    trial = trial_of(positions)
    labelling = Oracle(figure.positions).repaired(trial)
    got = given_to(trial, labelling)
    assert labelling.cuts == (Cut(5, 50, "leaps where no column goes on", "SACR", None),)
    assert (got[:50, 5] == "SACR").all() and (got[50:90, 5] == "").all() and (got[50:, 8] == "SACR").all()


def touching(n_frames=120, closest=0.3) -> np.ndarray:
    """Two markers that come to rest against each other in mid-trial and part again."""
    away = (np.arange(n_frames) - n_frames / 2) / (n_frames / 2)
    points = np.zeros((n_frames, 2, 3))
    points[:, 0, 1] = (closest + 150 * away**2) / 2
    points[:, 1, 1] = -points[:, 0, 1]
    return points + np.random.default_rng(0).normal(0, 0.1, points.shape)


def test_an_exchange_of_columns_that_touch_is_told_by_the_evidence():
    markers = touching()
    trial = trial_of(ring(markers, 60, 0, 1))
    assert leaps(trial) == []
    labelling = Oracle(markers, ("A", "B")).repaired(trial)
    assert [(c.column, c.before, c.after, c.why) for c in labelling.cuts] == [
        (0, "A", "B", "the evidence changes with that of *1"),
        (1, "B", "A", "the evidence changes with that of *0"),
    ]
    assert all(abs(c.frame - 60) <= 6 for c in labelling.cuts)  # no path tells the frame to the last
    assert_every_point_once(trial, labelling)


def test_evidence_alone_moves_no_points_that_are_apart(figure):
    swapped = ring(figure.positions, 60, 1, 2)  # the oracle errs, the paths go on
    assert Oracle(swapped).repaired(trial_of(figure.positions)).cuts == ()


def test_noisy_evidence_cuts_nothing(figure):
    for sure, wrong in ((0.6, 0.3), (0.95, 0.2)):
        oracle = Oracle(figure.positions, sure=sure, wrong=wrong)
        for _ in range(5):
            labelling = oracle.repaired(trial_of(figure.positions))
            assert labelling.cuts == ()
            assert labelling.tracklets == tuple(Tracklet(c, 0, 120) for c in range(8))


def test_a_spike_cuts_nothing(figure):
    positions = figure.positions.copy()
    positions[50:52, 3] += np.array([0, 60, 0], np.float32)
    labelling = Oracle(figure.positions).repaired(trial_of(positions))
    assert labelling.cuts == ()
    assert labelling.tracklets == tuple(Tracklet(c, 0, 120) for c in range(8))


def test_held_columns_stay(figure):
    trial = trial_of(ring(figure.positions, 47, 1, 4))
    seen = []

    def solve(new, tracklets):
        seen.append(new)
        return Oracle(figure.positions).solve(new, tracklets)

    repaired(trial, solve, Oracle(figure.positions).decide, Oracle(figure.positions).decide, held=[1])
    assert all((t.positions[:, 1] == trial.positions[:, 1]).all() for t in seen)


def test_what_else_came_of_the_solving_is_handed_on(figure):
    oracle = Oracle(figure.positions)
    labelling, about = repaired(trial_of(figure.positions), oracle.solve, oracle.decide, oracle.decide)
    assert about == 8
    assert labelling.assigned.tolist() == list(range(8))


def test_leaps_tell_frame_columns_and_where_the_marker_goes_on(figure):
    found = leaps(trial_of(ring(figure.positions, 47, 1, 4)))
    assert [(x.frame, x.columns, x.after, x.alone) for x in found] == [(47, (1, 4), (4, 1), False)]
    assert leaps(figure) == []
    assert leaps(trial_of(figure.positions[:2])) == []


def test_computed_columns_do_not_leap(figure):
    trial = replace(trial_of(ring(figure.positions, 47, 1, 4)), computed=frozenset({1, 4}))
    assert leaps(trial) == []


def test_a_tangle_and_back(figure):
    trial = trial_of(ring(ring(figure.positions, 40, 1, 2), 70, 2, 5))
    tangle = Tangle.none(8).exchanged(70, (2, 5), (5, 2)).exchanged(40, (1, 2), (2, 1))
    # What leaves 1 at 40 is in 2 until 70, then in 5.
    assert tangle.pieces[1] == ((0, 1), (40, 2), (70, 5))
    assert (tangle.apply(trial).positions == figure.positions).all()
    assert tangle.shown(1, 39) == 1 and tangle.shown(1, 40) == 2 and tangle.shown(1, 75) == 5
    assert tangle.places([(5, 75), (5, 10)]) == {(5, 75): (1, 75), (5, 10): (5, 10)}
    assert Tangle.none(8).apply(trial) is trial


def test_tracklets_are_cut_before_a_frame(figure):
    positions = figure.positions.copy()
    positions[58:62, 1] = np.nan
    found = cut_at(trial_of(positions), [Tracklet(0, 0, 120), Tracklet(1, 0, 120)], [(1, 60), (0, 0), (1, 130)])
    assert found == [Tracklet(0, 0, 120), Tracklet(1, 0, 58), Tracklet(1, 62, 120)]


def test_tracklets_cut_in_one_frame_stand_beside_those_that_appear_in_no_other():
    trial = trial_of(np.zeros((10, 2, 3)))
    cut = [Tracklet(0, 0, 5), Tracklet(0, 5, 10), Tracklet(1, 0, 10)]
    sets = whole.meeting_sets(trial, cut)
    assert sets.tolist() == [[True, False, True], [False, True, True]]


def test_the_likeliest_path_pays_for_each_change():
    windows = np.log(np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 2))
    gain = 2 * np.log(9)  # of one change
    assert likeliest_path(windows, gain - 0.1).tolist() == [0, 0, 0, 1, 1]
    assert likeliest_path(windows, gain + 0.1).tolist() == [0, 0, 0, 0, 0]
    assert likeliest_path(windows, np.array([9.0, 9.0, 9.0, 1.0, 9.0])).tolist() == [0, 0, 0, 1, 1]


def test_no_windows_no_changes(figure):
    empty = LabelScores(LABELS, np.zeros((0, 9), np.float32), np.zeros(0, np.int64), np.zeros((0, 2), np.int64), 8)
    found = changes(figure, [Tracklet(c, 0, 120) for c in range(8)], empty)
    assert not found.exchanges and not found.cuts


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_label_twice_and_no_point_lost_whatever_happens(seed):
    rng = np.random.default_rng(seed)
    markers = figure_trial(90).positions
    positions = markers.copy()
    for _ in range(rng.integers(0, 5)):
        columns = rng.permutation(8)[: rng.integers(2, 4)].tolist()
        positions = ring(positions, int(rng.integers(1, 89)), *columns)
    for _ in range(rng.integers(0, 8)):
        start = int(rng.integers(0, 88))
        positions[start : start + int(rng.integers(1, 20)), rng.integers(8)] = np.nan
    if rng.random() < 0.5:
        start = int(rng.integers(0, 60))
        positions[start : start + 20, rng.integers(8)] += rng.normal(0, 100, 3)
    trial = trial_of(positions)
    oracle = Oracle(markers, sure=float(rng.uniform(0.3, 0.99)), wrong=float(rng.uniform(0, 0.6)))
    if trial.visible.any():
        assert_every_point_once(trial, oracle.repaired(trial))


@pytest.mark.parametrize("name", ["squats1", "DJ3"])
def test_in_a_real_trial_none_but_planted_exchanges_are_found(shared_data, name):
    trial = read(shared_data / "opencap_subject4" / f"{name}.trc")
    assert [x for x in leaps(trial) if not x.alone] == []
    a, b = trial.marker_columns[3], trial.marker_columns[11]
    frame = int(np.flatnonzero(trial.visible[5:-5, [a, b]].all(1))[40]) + 5
    positions = ring(trial.positions, frame, a, b)
    found = [x for x in leaps(replace(trial, positions=positions)) if not x.alone]
    assert [(x.frame, set(x.columns)) for x in found] == [(frame, {a, b})]
