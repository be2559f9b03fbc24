"""Samples from labelled trials: who is who is true, references face +x, and the best pose is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch

from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.models.matcher.batch import MIDDLE
from automarkerlabel.simulate.samples import SampleSettings
from automarkerlabel.training.matcher_samples import TrialSampler, alternating
from tests.fixtures.figure import FIGURE, figure_trial

PLAIN = SampleSettings(points_per_batch=200, hidden=0, n_ghosts=0, heading_deg=0)


def sources(*trials: Trial, subject: str = "x") -> list[Source]:
    return [Source(Path(f"t{n}.c3d"), t, subject) for n, t in enumerate(trials)]


def walking(n: int) -> Trial:
    return figure_trial(speed_mm_s=400.0 * n, turn_deg=70.0 * n, seed=n)


def test_the_number_alone_makes_the_batch():
    first, second = (TrialSampler(sources(walking(1), walking(2))).batch(3) for _ in range(2))
    torch.testing.assert_close(first.query, second.query, equal_nan=True, rtol=0, atol=0)
    assert torch.equal(first.match, second.match)
    assert not torch.equal(first.match, TrialSampler(sources(walking(1), walking(2)), seed=1).batch(3).match)


def test_matched_points_stand_alike_in_both_sets():
    batch = TrialSampler(sources(walking(1), walking(2)), PLAIN).batch(0)
    assert batch.query.shape[0] == 200 // len(FIGURE)
    apart = []
    for query, reference, match in zip(batch.query[:, MIDDLE], batch.reference, batch.match, strict=True):
        a, b = query[match >= 0], reference[match[match >= 0]]
        apart.append((torch.cdist(a, a) - torch.cdist(b, b)).abs().flatten())
    apart = torch.cat(apart)
    # Markers are moved by millimetres; only the hands move by themselves, up to 200 mm between two moments.
    assert float(apart.median()) < 15
    assert float(apart.max()) < 260


def test_both_sets_face_x():
    batch = TrialSampler(sources(walking(1), walking(2), walking(3)), PLAIN).batch(1)
    for points in (*batch.query[:, MIDDLE], *batch.reference):
        points = points[points[:, 0].isfinite()]
        low, back = points[:, 2] - points[:, 2].min() < 60, points[:, 0].min()
        if int(low.sum()) == 2 and len(points) == len(FIGURE):  # the toes are 280 mm in front of the sacrum
            assert (points[low, 0] - back > 200).all()


def test_ghosts_and_hidden_points_have_no_counterpart():
    batch = TrialSampler(sources(walking(1)), SampleSettings(points_per_batch=400, n_ghosts=4)).batch(0)
    seen = batch.query[:, MIDDLE].isfinite().all(-1)
    assert (batch.match[~seen] == -1).all()
    assert (seen & (batch.match == -1)).any()
    shown = batch.reference.isfinite().all(-1)
    assert shown.gather(1, batch.match.clamp_min(0))[batch.match >= 0].all()


def test_the_stillest_full_pose_is_kept_as_reference():
    full = figure_trial(speed_mm_s=0, turn_deg=50, seed=4)
    poor = Trial(full.positions[:, 1:], full.labels[1:], full.rate_hz)
    sampler = TrialSampler(sources(walking(2), figure_trial(60, speed_mm_s=0, turn_deg=50), poor))
    assert len(sampler.reference.labels) == len(FIGURE)
    assert sampler.reference.source == "t1.c3d"
    assert np.rad2deg(sampler.reference.heading_rad) == pytest.approx(50, abs=8)  # the hands swing


def test_a_trial_that_tells_no_heading_is_left_out_and_none_is_an_error():
    figure = figure_trial()
    stands = figure_trial(speed_mm_s=0)
    nameless = Trial(stands.positions, [f"P{n}x" for n in range(8)], figure.rate_hz)
    assert TrialSampler(sources(figure, nameless)).left_out == ["t1.c3d"]
    with pytest.raises(TrialError, match="which way it faces"):
        TrialSampler(sources(nameless))


def test_batches_of_two_kinds_in_turn():
    both = alternating(lambda n: ("a", n), lambda n: ("b", n))
    assert [both(n) for n in range(4)] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
