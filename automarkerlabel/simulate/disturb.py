"""What goes wrong in a window of a trial, whether simulated or recorded: points hidden, gaps, ghosts; and the order of
points, which says nothing."""

import math

import torch
from torch import Tensor

from automarkerlabel.models.matcher.batch import MatchBatch
from automarkerlabel.simulate.poses import Chance


def disturbed(
    points: Tensor, present: Tensor, hidden_share: float, n_ghosts: int, chance: Chance
) -> tuple[Tensor, Tensor]:
    """The window `(B, T, n, 3)` of a trial with points hidden and ghosts added, `(B, T, N, 3)`, and each one's marker
    `(B, N)`. `present` `(B, n)` are the markers that the trial has; `hidden_share` of them at most are hidden."""
    count, n_frames, n, _ = points.shape
    middle = points[:, n_frames // 2]
    share = chance.uniform(0, hidden_share, count, 1) * chance.happens(0.7, count, 1)
    hidden = chance.uniform(0, 1, count, n) < share
    centre = middle[torch.arange(count), chance.uniform(0, n, count).long()]
    near = (middle - centre[:, None]).norm(dim=-1) < chance.uniform(100, 450, count, 1)
    hidden |= near & chance.happens(0.12, count, 1)
    seen = present & ~hidden
    seen |= present & (seen.sum(1, keepdim=True) < 4)  # some points are always left
    shown = seen[:, None].expand(-1, n_frames, -1).clone()
    for frames in (slice(0, n_frames // 2), slice(n_frames // 2 + 1, None)):
        for _ in range(2):  # a gap on that side, from the end or all of it
            gone = chance.happens(0.06, count, n)
            shown[:, frames] &= ~gone[:, None]
            frames = slice(frames.start, frames.start + 1) if frames.start == 0 else slice(n_frames - 1, n_frames)
    query = torch.where(shown[..., None], points, torch.nan)
    match = torch.where(seen, torch.arange(n), -1)
    ghosts = ghosts_about(points, n_ghosts, chance)
    return torch.cat([query, ghosts], 2), torch.cat([match, torch.full(ghosts.shape[:1] + ghosts.shape[2:3], -1)], 1)


def ghosts_about(points: Tensor, n_ghosts: int, chance: Chance) -> Tensor:
    """Points that are no markers `(B, T, n_ghosts, 3)`: near a marker or anywhere about the body, at rest, drifting,
    carried along, or anything between; in some samples seen in the middle frame alone."""
    count, n_frames, n, _ = points.shape
    most = n_ghosts
    chosen = chance.uniform(0, n, count, most).long()
    host = torch.gather(points, 2, chosen[:, None, :, None].expand(-1, n_frames, -1, 3))
    middle = host[:, n_frames // 2, None].expand_as(host)
    path = torch.lerp(middle, host, chance.uniform(-0.5, 1.5, count, 1, most, 1).clamp(0, 1))
    offset = chance.normal(count, 1, most, 3) * torch.exp(
        chance.uniform(math.log(25), math.log(500), count, 1, most, 1)
    )
    drift = chance.normal(count, 1, most, 3) * 80 * chance.happens(0.6, count, 1, most, 1)
    ghosts = path + offset + drift * torch.linspace(-1, 1, n_frames)[:, None, None]
    number = (chance.uniform(0, 1, count, 1) ** 1.5 * (most + 1)).long()
    there = torch.arange(most) < number
    flashing = chance.happens(0.2, count, 1, 1)
    short = flashing | chance.happens(0.3, count, n_frames, most)  # ghosts come and go
    short[:, n_frames // 2] = False
    return torch.where((there[:, None] & ~short)[..., None], ghosts, torch.nan)


def some(count: int, n: int, share: float, most: float, chance: Chance) -> Tensor:
    """`(count, n)`: in a `share` of the samples up to `most` of the points."""
    wanted = chance.happens(share, count, 1)
    return wanted & (chance.uniform(0, 1, count, n) < chance.uniform(0, most, count, 1))


def mixed(batch: MatchBatch, chance: Chance) -> MatchBatch:
    """The same with the points of both sets in any order; columns of the reference that no sample uses are dropped."""
    query, match = _in_any_order(batch.query, batch.match, chance)
    return _reordered_reference(MatchBatch(query, batch.dt_s, batch.reference, match), chance)


def _in_any_order(query: Tensor, match: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
    order = chance.uniform(0, 1, *match.shape).argsort(1)
    rows = torch.arange(len(match))[:, None]
    return query.movedim(1, 2)[rows, order].movedim(2, 1).contiguous(), match[rows, order]


def _reordered_reference(batch: MatchBatch, chance: Chance) -> MatchBatch:
    """The reference's columns in any order; columns that no sample uses are dropped."""
    kept = torch.isfinite(batch.reference[..., 0]).any(0) | _used(batch)
    reference = batch.reference[:, kept]
    count, m = reference.shape[:2]
    order = chance.uniform(0, 1, count, m).argsort(1)
    place = order.argsort(1)
    number = kept.long().cumsum(0) - 1
    match = torch.where(batch.match >= 0, torch.gather(place, 1, number[batch.match.clamp_min(0)]), -1)
    rows = torch.arange(count)[:, None]
    present = torch.isfinite(batch.query[:, batch.query.shape[1] // 2, :, 0])
    return MatchBatch(batch.query, batch.dt_s, reference[rows, order], torch.where(present, match, -1))


def _used(batch: MatchBatch) -> Tensor:
    used = torch.zeros(batch.reference.shape[1], dtype=torch.bool)
    used[batch.match[batch.match >= 0]] = True
    return used
