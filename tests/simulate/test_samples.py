"""What the matcher learns from: who is who is true, and everything that goes wrong does so in measure."""

import numpy as np
import pytest
import torch

from automarkerlabel.marker_sets.body.segments import N_SEGMENTS, rotations
from automarkerlabel.marker_sets.on_body import MarkerPlaces
from automarkerlabel.models.matcher.batch import MIDDLE, MatchBatch
from automarkerlabel.simulate.disturb import ghosts_about
from automarkerlabel.simulate.marker_draw import all_sites, draw_marker_sets
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.poses import Chance, draw_angles
from automarkerlabel.simulate.samples import ClipPoses, MatchSampler, SampleSettings

CLEAN = SampleSettings(
    n_markers=(60, 60), hidden=0, n_ghosts=0, skin_mm=0, noise_mm=0.1, other_subject_share=0, heading_deg=0
)


def there(batch: MatchBatch) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.query[:, MIDDLE].isfinite().all(-1), batch.reference.isfinite().all(-1)


def test_the_number_alone_makes_the_batch():
    first, second = MatchSampler().batch(7), MatchSampler().batch(7)
    torch.testing.assert_close(first.query, second.query, equal_nan=True, rtol=0, atol=0)
    assert torch.equal(first.match, second.match)
    other = MatchSampler(seed=1).batch(7)
    assert other.query.shape != first.query.shape or not torch.equal(other.match, first.match)


def test_every_match_is_of_points_that_are_there_and_no_reference_point_is_taken_twice():
    for number in range(20):
        batch = MatchSampler().batch(number)
        query, reference = there(batch)
        matched = batch.match >= 0
        assert not (matched & ~query).any()
        assert reference.gather(1, batch.match.clamp_min(0))[matched].all()
        for row in batch.match:
            assert len(set(row[row >= 0].tolist())) == int((row >= 0).sum())
        assert (query.sum(1) >= 2).all()


def test_distances_within_a_segment_hold_from_reference_to_window():
    """Two markers of one plate: the same body, no skin, so that some pairs of every sample are rigid."""
    batch = MatchSampler(CLEAN).batch(3)
    for query, reference, match in zip(batch.query[:, MIDDLE], batch.reference, batch.match, strict=True):
        columns = (match >= 0).nonzero()[:, 0]
        apart = torch.cdist(query[columns], query[columns])
        before = torch.cdist(reference[match[columns]], reference[match[columns]])
        change = (apart - before).abs() + torch.eye(len(columns)) * 1e6
        nearest = change.min(1).values
        assert float(nearest.median()) < 2.0  # mm


def test_windows_face_x_and_the_middle_of_left_and_right_agrees():
    batch = MatchSampler(CLEAN).batch(5)
    assert batch.query.shape[1] == 5
    assert bool(((batch.dt_s >= 0.0666) & (batch.dt_s <= 0.1334)).all())


def test_in_one_of_five_samples_ghosts_flash_up_in_one_frame():
    ghosts = ghosts_about(torch.zeros(4000, 5, 10, 3), 4, Chance(torch.Generator().manual_seed(0)))
    seen = ghosts.isfinite().all(-1)  # (samples, frames, ghosts)
    some = seen[:, MIDDLE].sum(1) == 4  # with four of them the chance that all flash by accident is 0.3 ** 16
    alone = seen[some].sum(1).eq(1).all(1)
    assert 0.1 < float(alone.float().mean()) < 0.3
    assert (seen.any(1) == seen[:, MIDDLE]).all()


def test_ghosts_and_hidden_points_come_in_measure():
    ghosts, points = 0, 0
    for number in range(30):
        batch = MatchSampler().batch(number)
        query, _ = there(batch)
        ghosts += int((query & (batch.match < 0)).sum())
        points += int(query.sum())
    assert 0.03 < ghosts / points < 0.2


def test_marker_sets_have_no_two_markers_in_one_place():
    worn = draw_marker_sets(40, 60, all_sites(), Chance(torch.Generator().manual_seed(0)))
    for segment, place, present in zip(worn.segment, worn.place, worn.there, strict=True):
        near = torch.cdist(place, place) + 1e6 * torch.eye(len(place))
        same = segment[:, None] == segment[None]
        both = present[:, None] & present[None] & same
        assert float(near[both].min()) >= 20
    assert float(worn.there.float().mean()) > 0.8


def test_a_built_in_set_is_worn_whole():
    places = MarkerPlaces(torch.tensor([0, 0, 13]), torch.tensor([[14.0, 125, 4], [14, -125, 4], [0, 58, -404]]))
    settings = SampleSettings(built_in_share=1.0, hidden=0, n_ghosts=0)
    batch = MatchSampler(settings, built_in=[places]).batch(0)
    assert batch.query.shape[2] == 3


def test_clips_give_poses_as_they_are_when_nothing_is_perturbed():
    turns = rotations(draw_angles(1, Chance(torch.Generator().manual_seed(0))))
    clip = Motion(turns.expand(40, -1, -1, -1).numpy(), np.zeros((40, 3), np.float32), 30.0)
    clips = ClipPoses.of([clip, clip])
    assert clips.rotations.shape == (80, N_SEGMENTS, 3, 3)
    assert clips.usable.tolist() == [*range(8, 32), *range(48, 72)]
    batch = MatchSampler(SampleSettings(clip_share=1.0), clips=clips).batch(0)
    assert len(batch) > 10


@pytest.mark.parametrize("n_markers", [12, 70])
def test_batches_hold_about_as_many_points(n_markers):
    settings = SampleSettings(n_markers=(n_markers, n_markers), points_per_batch=600)
    assert len(MatchSampler(settings).batch(0)) == max(600 // n_markers, 4)
