"""Samples for the matcher, batched: a few frames of a body with markers, a reference pose of the same markers, and
which point is which. Everything is drawn anew in every sample: body, pose or clip, marker set, and what goes wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from automarkerlabel.marker_sets.body.segments import Bodies, draw_bodies, forward, rotations
from automarkerlabel.marker_sets.on_body import MarkerPlaces
from automarkerlabel.models.matcher.batch import MatchBatch
from automarkerlabel.simulate.disturb import disturbed, mixed, some
from automarkerlabel.simulate.marker_draw import Worn, all_sites, draw_marker_sets
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.poses import Chance, about_z, draw_angles, moving, small_turns, twist
from automarkerlabel.simulate.variety import lying_anyhow, with_shifted_plates, with_turned_forearms

N_FRAMES = 5  # of a window; the middle one is matched
_STRIDES = (2, 3, 4)  # frames between those of a window, of a clip at 30 Hz


@dataclass(frozen=True)
class SampleSettings:
    """What is drawn how often: shares of samples, millimetres, degrees."""

    n_markers: tuple[int, int] = (8, 76)
    points_per_batch: int = 1500  # samples a batch times markers a sample
    clip_share: float = 0.6  # poses from motion clips, where there are any
    built_in_share: float = 0.25  # batches of a built-in marker set, where there are any
    other_subject_share: float = 0.45  # references worn by someone else
    static_share: float = 0.6  # references in a standing pose
    object_share: float = 0.06  # samples with markers on something else than the body
    object_elsewhere_share: float = 0.4  # of those, the thing is held to the body in the reference and lies elsewhere
    forearm_share: float = 0.25  # windows, and references, with forearms turned over the whole range
    plate_shift_share: float = 0.3  # of references worn by someone else, plates higher, lower or further round
    heading_deg: float = 8.0
    hidden: float = 0.3  # at most, of the points of a frame
    n_ghosts: int = 4
    skin_mm: float = 6.0
    noise_mm: float = 1.0


@dataclass(frozen=True)
class ClipPoses:
    """Local rotations `(F, S, 3, 3)` of all clips at 30 Hz, one after the other, and the frames `(K,)` that have enough
    others of their clip on both sides."""

    rotations: Tensor
    usable: Tensor

    @staticmethod
    def of(clips: Sequence[Motion]) -> "ClipPoses":
        reach, usable, start = max(_STRIDES) * (N_FRAMES // 2), [], 0
        for clip in clips:
            length = len(clip.rotations)
            usable.append(torch.arange(start + reach, max(start + length - reach, start + reach)))
            start += length
        return ClipPoses(torch.cat([torch.as_tensor(clip.rotations) for clip in clips]), torch.cat(usable))


@dataclass
class MatchSampler:
    """Endless batches, each by its number: the same number gives the same batch.

    `clips` and `built_in` marker sets may be absent: then poses are procedural and marker sets drawn at random."""

    settings: SampleSettings = field(default_factory=SampleSettings)
    clips: ClipPoses | None = None
    built_in: Sequence[MarkerPlaces] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        self._sites = all_sites()

    def batch(self, number: int) -> MatchBatch:
        """The batch of that number, from 0."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + number) * 2_654_435_761 % 2**63)
        chance = Chance(generator)
        worn = self._worn(chance)
        return _Scene(self.settings, self.clips, worn, chance).batch()

    def _worn(self, chance: Chance) -> Worn:
        if self.built_in and bool(chance.happens(self.settings.built_in_share, 1)):
            chosen = self.built_in[int(chance.uniform(0, len(self.built_in), 1).long())]
            count = max(self.settings.points_per_batch // len(chosen.segment), 4)
            shape = (count, len(chosen.segment))
            jitter = chance.normal(*shape, 3) * chance.uniform(3, 14, count, 1, 1)
            there = torch.ones(shape, dtype=torch.bool)
            return Worn(
                chosen.segment.expand(shape), chosen.place + jitter, torch.zeros(shape, dtype=torch.bool), there
            )
        low, high = self.settings.n_markers
        n_markers = int(chance.uniform(low, high + 1, 1).long())
        count = max(self.settings.points_per_batch // n_markers, 4)
        return draw_marker_sets(count, n_markers, self._sites, chance)


@dataclass
class _Scene:
    settings: SampleSettings
    clips: ClipPoses | None
    worn: Worn
    chance: Chance

    @property
    def count(self) -> int:
        return len(self.worn.segment)

    def batch(self) -> MatchBatch:
        dt_s, query_turns = self._motion()
        bodies = draw_bodies(self.count, self.chance.generator)
        points = self._points(bodies, query_turns, self.worn.place)
        points = points + self._skin(points)
        points, reference = self._with_object(points, self._reference(bodies))
        there = self.worn.there
        in_query, in_reference = self._present(there)
        query, match = disturbed(points, in_query, self.settings.hidden, self.settings.n_ghosts, self.chance)
        match = torch.where(torch.gather(in_reference, 1, match.clamp_min(0)) & (match >= 0), match, -1)
        reference = torch.where(in_reference[..., None], reference, torch.nan)
        reference = torch.cat([reference, self._virtual(reference)], 1)
        return mixed(MatchBatch(query, dt_s, reference, match), self.chance)

    def _motion(self) -> tuple[Tensor, Tensor]:
        """Seconds between frames `(B,)` and local rotations `(B, T, S, 3, 3)`, the middle frame facing nearly +x."""
        chance, count = self.chance, self.count
        steps = torch.arange(N_FRAMES) - N_FRAMES // 2
        dt_s = chance.uniform(0.07, 0.13, count)
        turns = rotations(moving(draw_angles(count, chance), steps * dt_s[:, None], chance))
        if self.clips is not None:
            from_clip = chance.happens(self.settings.clip_share, count)
            stride = torch.tensor(_STRIDES)[chance.uniform(0, len(_STRIDES), count).long()]
            dt_s = torch.where(from_clip, stride / 30.0, dt_s)
            turns = torch.where(from_clip[:, None, None, None, None], self._clip_turns(steps * stride[:, None]), turns)
        return dt_s, self._faced(with_turned_forearms(turns, self.settings.forearm_share, chance))

    def _clip_turns(self, steps: Tensor) -> Tensor:
        """Poses of the clips `(B, T, S, 3, 3)` at frames `steps` `(B, T)` about one drawn, with a perturbation that all
        of a window share."""
        assert self.clips is not None
        chance, count = self.chance, self.count
        middle = self.clips.usable[chance.uniform(0, len(self.clips.usable), count).long()]
        turns = self.clips.rotations[middle[:, None] + steps]
        # Squared: many poses nearly as captured, some far from it.
        size = chance.uniform(0, 1.1, count, 1, 1) ** 2
        return small_turns(count, size, chance)[:, None] @ turns

    def _faced(self, turns: Tensor) -> Tensor:
        """Turned about the vertical so that the middle frame's pelvis faces +x, nearly."""
        chance, count = self.chance, len(turns)
        off = chance.normal(count) * self.settings.heading_deg
        off = torch.where(chance.happens(0.12, count), chance.uniform(-28, 28, count), off)
        turn = torch.deg2rad(off) - twist(turns[:, turns.shape[1] // 2, 0])
        root = about_z(turn)[:, None] @ turns[:, :, 0]
        return torch.cat([root[:, :, None], turns[:, :, 1:]], 2)

    def _points(self, bodies: Bodies, turns: Tensor, place: Tensor) -> Tensor:
        """Markers `(B, T, n, 3)` of bodies in poses `(B, T, S, 3, 3)`."""
        origins, orientations = forward(bodies.joints, turns)
        segment = self.worn.segment
        batch = torch.arange(self.count)[:, None]
        local = place * bodies.scales[batch, segment]  # (B, n, 3)
        turn = orientations.movedim(1, 2)[batch, segment]  # (B, n, T, 3, 3)
        origin = origins.movedim(1, 2)[batch, segment]  # (B, n, T, 3)
        return (origin + (turn @ local[:, :, None, :, None]).squeeze(-1)).movedim(2, 1)

    def _skin(self, points: Tensor) -> Tensor:
        """What moves a marker against the bone: the same over a window, a little that changes, and noise."""
        chance, (count, n_frames, n, _) = self.chance, points.shape
        soft = chance.uniform(0, self.settings.skin_mm, count, 1, 1, 1) / 3**0.5
        steady = chance.normal(count, 1, n, 3) * soft
        drift = chance.normal(count, 1, n, 3) * soft * 0.4 * torch.linspace(-1, 1, n_frames)[:, None, None]
        noise = chance.normal(count, n_frames, n, 3) * chance.uniform(0.1, self.settings.noise_mm, count, 1, 1, 1)
        travel = chance.normal(count, 1, 1, 3) * 100 * torch.linspace(-2, 2, n_frames)[:, None, None]
        return steady + drift + noise + travel

    def _reference(self, bodies: Bodies) -> Tensor:
        """`(B, n, 3)`: the markers in another pose, of the same body or of someone else with the same marker set."""
        chance, count = self.chance, self.count
        static = chance.happens(self.settings.static_share, count)[:, None, None]
        angles = torch.where(static, draw_angles(count, chance, reference=True), draw_angles(count, chance))
        turns = rotations(angles)[:, None]
        if self.clips is not None:
            from_clip = ~static[:, :, :, None, None] & chance.happens(0.6, count, 1, 1, 1, 1)
            clip = self._clip_turns(torch.zeros(count, 1, dtype=torch.long))
            turns = torch.where(from_clip, clip, turns)
        turns = self._faced(with_turned_forearms(turns, self.settings.forearm_share, chance))
        other = chance.happens(self.settings.other_subject_share, count)[:, None, None]
        stranger = draw_bodies(count, chance.generator)
        chosen = Bodies(
            torch.where(other, stranger.joints, bodies.joints), torch.where(other, stranger.scales, bodies.scales)
        )
        return self._points(chosen, turns, torch.where(other, self._moved_places(), self.worn.place))[:, 0]

    def _with_object(self, points: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Some samples with their last markers on a rigid object near the body: a wheelchair, a ball, a racket."""
        chance, (count, n_frames, n, _) = self.chance, points.shape
        size = chance.uniform(40, 250, count, 1, 1)
        shape = chance.normal(count, n, 3) * size
        centre = chance.normal(count, 1, 3) * chance.uniform(200, 500, count, 1, 1)
        turn = about_z(torch.deg2rad(chance.normal(count) * 40))
        drift = chance.normal(count, 1, 1, 3) * 100 * torch.linspace(-1, 1, n_frames)[:, None, None]
        near = shape @ turn.mT + centre + chance.normal(count, 1, 3) * 120
        away = lying_anyhow(shape, chance) + chance.normal(count, 1, 3) * chance.uniform(200, 600, count, 1, 1)
        elsewhere = chance.happens(self.settings.object_elsewhere_share, count, 1, 1)
        moved = torch.where(elsewhere, away, near)[:, None] + drift
        number = chance.uniform(2, 8, count, 1).long().clamp(max=n // 3)
        on_object = chance.happens(self.settings.object_share, count, 1) & (torch.arange(n) >= n - number)
        points = torch.where(on_object[:, None, :, None], moved, points)
        return points, torch.where(on_object[..., None], shape + centre, reference)

    def _moved_places(self) -> Tensor:
        """Where someone else wears the markers: off by a centimetre or two, on limbs further along the
        limb, and some plates as a whole."""
        chance, worn = self.chance, self.worn
        place = with_shifted_plates(worn.segment, worn.place, self.settings.plate_shift_share, chance)
        size = chance.uniform(4, 14, self.count, 1, 1)
        along = torch.tensor([0.3, 0.3, 1.0]) * chance.uniform(0, 22, self.count, 1, 1) * (place[..., 2:].abs() > 90)
        return place + chance.normal(*place.shape) * (size + along)

    def _present(self, there: Tensor) -> tuple[Tensor, Tensor]:
        """Which markers `(B, n)` the trial has at all, and which the reference has."""
        chance, (count, n) = self.chance, there.shape

        static_only = self.worn.medial & chance.happens(0.4, count, 1)
        in_query = there & ~static_only & ~some(count, n, 0.25, 0.4, chance)
        in_reference = there & ~some(count, n, 0.35, 0.12, chance) & ~some(count, n, 0.1, 0.35, chance)
        return in_query, in_reference

    def _virtual(self, reference: Tensor) -> Tensor:
        """Computed points of some references `(B, v, 3)`: middles between two markers, and markers on the floor."""
        chance, (count, n, _) = self.chance, reference.shape
        number = 10
        rows = torch.arange(count)[:, None]
        first = reference[rows, chance.uniform(0, n, count, number).long()]
        second = reference[rows, chance.uniform(0, n, count, number).long()]
        middle = (first + second) / 2
        lowest = torch.nan_to_num(reference[..., 2], nan=math.inf).amin(1, keepdim=True)
        floor = torch.cat([first[..., :2], lowest[..., None].expand(-1, number, -1)], -1)
        points = torch.where(chance.happens(0.4, count, number, 1), floor, middle)
        there = chance.happens(0.1, count, 1) & (torch.arange(number) < chance.uniform(1, number + 1, count, 1).long())
        apart = (first - second).norm(dim=-1) < 450  # NaN compares as False
        return torch.where((there & apart)[..., None], points, torch.nan)
