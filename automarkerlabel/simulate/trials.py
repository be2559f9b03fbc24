"""Labelled trials out of nothing: someone's body, wearing a marker set, in a motion."""

from dataclasses import dataclass

import numpy as np
import torch

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import FloatArray, Trial
from automarkerlabel.errors import MarkerSetError, TrialError
from automarkerlabel.marker_sets.body.segments import INDEX, KINDS, Bodies, draw_bodies, forward
from automarkerlabel.simulate.actions import make_motion
from automarkerlabel.simulate.clock import Array
from automarkerlabel.simulate.ground import replayed
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.poses import about_z

_SKIN_MM = (2.0, 4.0)  # root mean square of a marker's movement against the bone
# Times that, where flesh is soft: soft-tissue artefacts of the thigh are the largest (Peters et al. 2010).
_SOFTNESS = {"thigh": 2.0, "shank": 1.2, "upper_arm": 1.4, "lumbar": 1.3, "thorax": 1.2, "pelvis": 1.2, "head": 0.5}
_NOISE_MM = 0.3
_SCATTER_MM = 6.0  # of a marker's place between subjects


@dataclass(frozen=True, eq=False)
class Subject:
    """One body, its markers' segments `(n,)` and places `(n, 3)` in mm in their frames."""

    body: Bodies
    segment: torch.Tensor
    place: torch.Tensor


def make_subject(marker_set: MarkerSet, seed: int) -> Subject:
    """Someone who wears the marker set: its segments are those of `body.SEGMENTS`, its places on the standard body.

    Raises `MarkerSetError` where they are not, or places are missing.
    """
    strange = sorted(set(marker_set.segments) - set(INDEX))
    if marker_set.local_mm is None or strange:
        found = f"found {', '.join(s or 'none' for s in strange)}" if strange else "found no places"
        raise MarkerSetError(f"marker set {marker_set.name}: expected places on the simulator's segments, {found}")
    body = draw_bodies(1, _generator(seed))
    segment = torch.tensor([INDEX[s] for s in marker_set.segments])
    scatter = np.random.default_rng([seed, 1750]).normal(0, _SCATTER_MM, (len(marker_set), 3))
    place = torch.as_tensor(marker_set.local_mm) * body.scales[0, segment] + torch.from_numpy(scatter).float()
    return Subject(body, segment, place)


def _generator(seed: int) -> torch.Generator:
    # Spread over 64 bits: neighbouring seeds of torch begin alike.
    return torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**62)))


def make_trial(
    motion: str | Motion, marker_set: MarkerSet, subject_seed: int = 0, seconds: float = 10.0, rate_hz: float = 100.0,
    seed: int = 0,
) -> Trial:  # fmt: skip
    """A labelled trial without gaps: mm, z up, the floor at 0, rounded to float32.

    motion        one of `ACTIONS`, or a recorded motion: of a longer one a stretch of `seconds` is drawn.
    subject_seed  makes the body and where exactly the markers sit on it; `seed` how it moves this time, where, noise.

    Raises `TrialError` for an unknown motion, seeds below 0, and a length below one frame; see `make_subject`, too.
    """
    if min(subject_seed, seed) < 0:
        raise TrialError(f"seeds: expected numbers of 0 or more, found {subject_seed} and {seed}")
    if not (np.isfinite(seconds) and 0 < rate_hz < np.inf and round(seconds * rate_hz) >= 1):
        raise TrialError(f"length: expected at least one frame, found {seconds} s at {rate_hz} Hz")
    subject = make_subject(marker_set, subject_seed)
    rng = np.random.default_rng([subject_seed, seed, 7])
    if isinstance(motion, str):
        moving = make_motion(motion, seconds, rate_hz, [subject_seed, seed])
    else:
        moving = _stretch(motion, seconds, rate_hz, rng)
    root = replayed(moving, subject.body)
    root[:, :2] += rng.uniform(-800, 800, 2)
    time = np.arange(moving.n_frames) / rate_hz
    softness = np.array([_SOFTNESS.get(KINDS[int(s)], 1.0) for s in subject.segment])
    points = _worn(subject, moving, _skin(time, softness, rng)) + root[:, None]
    points = points + rng.normal(0, _NOISE_MM, points.shape)
    return Trial(points.astype(np.float32), marker_set.labels, rate_hz)


def _stretch(motion: Motion, seconds: float, rate_hz: float, rng: np.random.Generator) -> Motion:
    """At most `seconds` of a motion from somewhere on, facing somewhere."""
    whole = motion.resampled(rate_hz)
    n_frames = min(round(seconds * rate_hz), whole.n_frames)
    start = int(rng.integers(whole.n_frames - n_frames + 1))
    frames = slice(start, start + n_frames)
    turn = about_z(torch.tensor(rng.uniform(0, 2 * np.pi), dtype=torch.float32)).numpy()
    rotations = whole.rotations[frames].copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    return Motion(rotations, whole.root_mm[frames] @ turn.T, rate_hz)


def _worn(subject: Subject, motion: Motion, skin: Array) -> FloatArray:
    """Markers `(n_frames, n, 3)` about the pelvis, `skin` `(n_frames, n, 3)` mm off their places."""
    origins, turns = forward(subject.body.joints, torch.as_tensor(motion.rotations)[None])
    local = subject.place + torch.from_numpy(skin).float()
    points = origins[0][:, subject.segment] + (turns[0][:, subject.segment] @ local[..., None]).squeeze(-1)
    return np.asarray(points.numpy())


def _skin(time: Array, softness: Array, rng: np.random.Generator) -> Array:
    """`(n_frames, n, 3)`: slow wobble of each marker, in mm."""
    n_waves, n = 4, len(softness)
    hz = rng.uniform(0.4, 4, (n_waves, n, 3))
    phase = rng.uniform(0, 2 * np.pi, hz.shape)
    # Each wave has a mean square of 1/2; three axes of all waves together make the marker's.
    size = (rng.uniform(*_SKIN_MM, n) * softness)[:, None] * np.sqrt(2 / (3 * n_waves))
    return np.asarray(size * sum(np.sin(2 * np.pi * hz[w] * time[:, None, None] + phase[w]) for w in range(n_waves)))
