"""What the matcher sees of the two point sets: every point by itself, and every pair within a set.

Both sets are padded to one size L and stacked, queries first: 2B sets of L points. Nothing here is learnt.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from automarkerlabel.models.matcher.batch import MIDDLE

# The weights that ship with the package were learnt with these, so that another number asks for a new training. They
# were chosen by hand before it, not fitted; a prototype without Fourier features was long blind to centimetres.
_UNIT_MM = 500.0  # so that positions on a body are about 1
_POSITION_FREQUENCIES = (1.5, 3.0, 6.0, 12.0, 24.0)  # rad per 500 mm: wave lengths from 2.1 m to 131 mm
_DISTANCE_FREQUENCIES = (4.0, 10.0, 25.0)  # rad per 500 mm: 785, 314 and 126 mm; as `models.inputs.WAVES_PER_MM`
_N_NEAREST = 8  # neighbours whose distance a point is told
_MAX_SPEED = 10.0  # m/s, beyond which all are alike
_FAR_MM = 2000.0  # the same for distances
_SIDE_MM = 800.0  # where the outermost bins of a direction lie
_N_DISTANCE, _N_SPREAD, _N_SIDE = 18, 6, 5  # soft bins
_LEAST_SPREAD_MM, _MOST_SPREAD_MM = 0.5, 100.0  # the outermost bins of spread
_MOST_SIDE, _SIDE_WIDTH = 1.2, 0.5  # in half widths of the range: where directions end, and how wide a bin is

N_POINT = 3 + 6 * len(_POSITION_FREQUENCIES) + 1 + 8 + _N_NEAREST * (1 + 2 * len(_DISTANCE_FREQUENCIES))
N_PAIR = _N_DISTANCE + _N_SPREAD + 1 + 3 * _N_SIDE


@dataclass(frozen=True, eq=False)
class Sets:
    """The stacked sets, 2B of L points, queries first.

    exists      (2B, L) bool.
    positions   (2B, L, 3) units of 500 mm about the set's median; 0 where there is no point.
    distances   (2B, L, L) mm, in the frame to match; 0 where there is no pair.
    points      (2B, L, N_POINT) features of each point.
    pairs       (2B, L, L, N_PAIR) features of each pair; 0 where there is no pair.
    """

    exists: Tensor
    positions: Tensor
    distances: Tensor
    points: Tensor
    pairs: Tensor


@torch.no_grad()
def describe(query: Tensor, dt_s: Tensor, reference: Tensor, pair_dtype: torch.dtype = torch.float32) -> Sets:
    """Features of queries (B, W, N, 3) mm with `dt_s` (B,) between the W frames and of references (B, M, 3) mm.

    `pair_dtype`: of the features of pairs, by far the largest of them.
    """
    n_frames, size = query.shape[1], max(query.shape[2], reference.shape[1])
    query = _padded(query, size)
    still = torch.full_like(query, torch.nan)
    still[:, MIDDLE] = _padded(reference, size)
    frames = torch.cat([query, still]).float()  # (2B, W, L, 3)
    now = frames[:, MIDDLE]
    exists = now.isfinite().all(-1)  # (2B, L)
    both = exists[:, :, None] & exists[:, None, :]  # (2B, L, L)
    now = torch.where(exists[..., None], now, torch.nan)
    centre = now.nanmedian(1, keepdim=True).values
    positions = ((now - centre) / _UNIT_MM).nan_to_num()
    height = ((now[..., 2] - _lowest(now[..., 2])) / _UNIT_MM).nan_to_num()
    sides = (now[:, None, :, :] - now[:, :, None, :]).nan_to_num()  # (2B, L, L, 3), from the first to the second
    distances = sides.square().sum(-1).sqrt()
    mean, spread, known = _over_frames(frames[: len(query)], distances, n_frames)
    points = torch.cat(
        [
            positions,
            fourier(positions, _POSITION_FREQUENCIES),
            height[..., None],
            _velocities(frames, exists, dt_s),
            _nearest(distances, both),
        ],
        -1,
    )
    pairs = _pair_features(mean, spread, known, sides, both, pair_dtype)
    return Sets(exists, positions, distances, points * exists[..., None], pairs)


def fourier(x: Tensor, frequencies: tuple[float, ...]) -> Tensor:
    """(..., D) -> (..., 2 D F): sine and cosine of each number at each frequency."""
    angles = (x[..., None] * x.new_tensor(frequencies)).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], -1)


def radial(x: Tensor, centres: Tensor, width: float) -> Tensor:
    """(...) -> (..., C): how near each number is to each centre, 1 at the centre itself."""
    scale = 1 / (math.sqrt(2) * width)
    return (x[..., None] * scale).sub(centres * scale).square_().neg_().exp_()


def _padded(points: Tensor, size: int) -> Tensor:
    return F.pad(points, (0, 0, 0, size - points.shape[-2]), value=torch.nan)


def _lowest(z: Tensor) -> Tensor:
    return z.nan_to_num(nan=torch.inf).amin(1, keepdim=True)


def _velocities(frames: Tensor, exists: Tensor, dt_s: Tensor) -> Tensor:
    """(2B, L, 8): metres a second before and after, about the set's median, and whether each is known."""
    step = torch.cat([dt_s, dt_s]).float()[:, None, None]
    found = []
    for a, b in ((MIDDLE - 1, MIDDLE), (MIDDLE, MIDDLE + 1)):
        velocity = (frames[:, b] - frames[:, a]) / (1000 * step)
        known = velocity.isfinite().all(-1, keepdim=True) & exists[..., None]
        velocity = torch.where(known, velocity, torch.nan)
        velocity = velocity - velocity.nanmedian(1, keepdim=True).values
        found += [velocity.clamp(-_MAX_SPEED, _MAX_SPEED).nan_to_num(), known.float()]
    return torch.cat(found, -1)


def _nearest(distances: Tensor, both: Tensor) -> Tensor:
    """(2B, L, ...): distances to the nearest points of the own set, with Fourier features."""
    itself = torch.eye(distances.shape[-1], dtype=torch.bool, device=distances.device)
    far = distances.masked_fill(~both | itself, _FAR_MM)
    if far.shape[-1] < _N_NEAREST:
        far = F.pad(far, (0, _N_NEAREST - far.shape[-1]), value=_FAR_MM)
    near = far.topk(_N_NEAREST, -1, largest=False).values.clamp(max=_FAR_MM) / _UNIT_MM
    return torch.cat([near, fourier(near, _DISTANCE_FREQUENCIES)], -1)


def _over_frames(query: Tensor, distances: Tensor, n_frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and standard deviation over the window's frames of each distance (2B, L, L) mm, and whether at least two
    frames hold both points; a reference has one frame, so that its spread is never known."""
    n_queries = len(query)
    total, squares, count = (torch.zeros_like(distances[:n_queries]) for _ in range(3))
    for frame in range(n_frames):
        side = query[:, frame, None, :, :] - query[:, frame, :, None, :]
        apart = side.square_().sum(-1).sqrt_() - distances[:n_queries]  # about the middle one: exact in float32
        seen = apart.isfinite()
        apart = apart.nan_to_num_()
        total += apart
        squares += apart.square()
        count += seen
    shift = total / count.clamp(min=1)
    spread = (squares / count.clamp(min=1) - shift.square()).clamp(min=0).sqrt()
    mean = torch.cat([distances[:n_queries] + shift, distances[n_queries:]])
    nothing = torch.zeros_like(distances[n_queries:])
    return mean, torch.cat([spread, nothing]), torch.cat([count > 1, nothing.bool()])


def _pair_features(
    mean: Tensor, spread: Tensor, known: Tensor, sides: Tensor, both: Tensor, dtype: torch.dtype
) -> Tensor:
    """(2B, L, L, N_PAIR): soft bins of distance, its spread, and dx, dy, dz."""
    device = mean.device
    far = torch.linspace(0, math.sqrt(_FAR_MM), _N_DISTANCE, device=device)
    loose = torch.linspace(math.log(_LEAST_SPREAD_MM), math.log(_MOST_SPREAD_MM), _N_SPREAD, device=device)
    aside = torch.linspace(-1, 1, _N_SIDE, device=device)
    bent = sides.sign() * (sides.abs() / _SIDE_MM).sqrt()  # finer near 0
    there, known = both[..., None], (known & both)[..., None]
    features = torch.empty((*mean.shape, N_PAIR), dtype=dtype, device=device)
    sizes = (_N_DISTANCE, _N_SPREAD, 1, 3 * _N_SIDE)
    distance, loose_part, known_part, side = torch.split_with_sizes(features, sizes, -1)
    torch.mul(radial(mean.sqrt(), far, float(far[1])), there, out=distance)
    torch.mul(
        radial(spread.clamp(min=_LEAST_SPREAD_MM).log(), loose, float(loose[1] - loose[0])), known, out=loose_part
    )
    known_part.copy_(known)
    torch.mul(radial(bent.clamp(-_MOST_SIDE, _MOST_SIDE), aside, _SIDE_WIDTH).flatten(-2), there, out=side)
    return features
