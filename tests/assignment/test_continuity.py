import numpy as np
import pytest

from automarkerlabel.assignment.continuity import find_joins
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial

RATE = 100.0
GAP = 10


def moving(n_markers=6, n_frames=400, jitter=0.0):
    """Markers 200 mm from each other that swing together, each a little in its own way."""
    time = np.arange(n_frames)[:, None] / RATE
    phase = np.arange(n_markers)
    positions = np.zeros((n_frames, n_markers, 3))
    positions[..., 0] = 200 * phase + 100 * np.sin(2 * time)
    positions[..., 1] = 30 * np.sin(3 * time + phase)
    positions[..., 2] = 1000 + np.random.default_rng(0).normal(0, jitter, (n_frames, n_markers))
    return positions


def broken(positions, pieces):
    """The trial, with a column for each piece `(marker, start, stop)`, and its tracklets."""
    shown = np.full((len(positions), len(pieces), 3), np.nan, np.float32)
    for column, (marker, start, stop) in enumerate(pieces):
        shown[start:stop, column] = positions[start:stop, marker]
    trial = Trial(shown, [f"*{c}" for c in range(len(pieces))], RATE)
    return trial, [Tracklet(c, start, stop) for c, (_, start, stop) in enumerate(pieces)]


WHOLE = [(m, 0, 400) for m in range(2, 6)]


def test_a_marker_is_joined_to_itself_over_a_gap_and_to_no_other():
    pieces = [(0, 0, 150), (1, 0, 150), (0, 150 + GAP, 400), (1, 150 + GAP, 400), *WHOLE]
    joins = find_joins(*broken(moving(), pieces))
    assert sorted(zip(joins.before.tolist(), joins.after.tolist(), strict=True)) == [(0, 2), (1, 3)]
    assert (joins.worth > 1).all()


def test_what_starts_before_the_other_ends_or_too_long_after_is_no_join():
    pieces = [(0, 0, 100), (0, 99, 180), (0, 300, 400), *WHOLE]
    assert len(find_joins(*broken(moving(), pieces))) == 0


def test_nearer_is_worth_more_in_units_of_the_trials_own_spread():
    positions = moving(jitter=3.0)
    worth = []
    for off_mm in (0, 20, 60):
        moved = positions.copy()
        moved[200:, 0, 2] += off_mm
        joins = find_joins(*broken(moved, [(0, 0, 190), (0, 200, 400), *WHOLE]))
        worth.append(joins.worth[(joins.before == 0) & (joins.after == 1)].sum())
    assert worth[0] >= worth[1] > worth[2]
    scaled = find_joins(*broken(positions * 3, [(0, 0, 190), (0, 200, 400), *WHOLE]))
    assert scaled.worth == pytest.approx([worth[0]], abs=0.2)


def test_a_trial_of_short_tracklets_alone_teaches_nothing():
    pieces = [(m, start, start + 6) for m in range(6) for start in range(0, 390, 8)]
    assert len(find_joins(*broken(moving(), pieces))) == 0


def test_no_tracklets():
    assert len(find_joins(Trial(np.zeros((5, 0, 3)), [], RATE), [])) == 0


def test_computed_columns_and_hidden_frames_do_not_matter():
    positions = moving()
    pieces = [(0, 0, 150), (0, 150 + GAP, 400), *WHOLE]
    trial, tracklets = broken(positions, pieces)
    shown = trial.positions.copy()
    shown[50:60, 2] = np.nan
    computed = np.full((400, 1, 3), 5.0, np.float32)
    computed[100:200] = 9000
    other = Trial(np.concatenate([shown, computed], 1), [*trial.labels, "joint"], RATE, computed=frozenset({6}))
    joins = find_joins(other, tracklets)
    assert list(zip(joins.before.tolist(), joins.after.tolist(), strict=True)) == [(0, 1)]
