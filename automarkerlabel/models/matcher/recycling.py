"""What an answer tells about itself: how far points would have moved, and whether distances in between agree.

Left and right exchanged, or two neighbours, show up here: the distances to the rest of the body do not agree.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from automarkerlabel.models.matcher.features import Sets, fourier, radial
from automarkerlabel.models.matcher.layers import other_set
from automarkerlabel.models.matcher.scores import Assignment

_FREQUENCIES = (1.5, 4.0, 10.0)  # rad per 500 mm
_TOLERANCE_MM, _TOLERANCE = 20.0, 0.1
_NEAR_MM = 200.0
_LEAST = 1e-3
N_AGREEMENT = 6
N_RECYCLED = 3 + 6 * len(_FREQUENCIES) + 3 + 2 * N_AGREEMENT


@torch.no_grad()
def recycled(sets: Sets, answer: Assignment) -> tuple[Tensor, Tensor, Tensor]:
    """Features of points (2B, L, N_RECYCLED) and of pairs (2B, L, L, N_AGREEMENT), and likelihoods (2B, L, L) of each
    point being each of the other set's."""
    with torch.autocast(sets.exists.device.type, enabled=False):
        across = _both_ways(sets, answer)
        sure = across.amax(-1, keepdim=True)  # (2B, L, 1)
        total = across.sum(-1, keepdim=True)
        share = across / total.clamp(min=_LEAST)
        moved = share @ other_set(sets.positions) - sets.positions * (total > _LEAST)
        expected = share @ other_set(sets.distances) @ share.mT
        error = (sets.distances - expected) / (_TOLERANCE_MM + _TOLERANCE * sets.distances)
        centres = torch.linspace(0, 2.5, N_AGREEMENT, device=error.device)
        of_pairs = radial(error.abs().log1p(), centres, 0.5) * (sure * sure.mT)[..., None]
        near = torch.exp(-sets.distances / _NEAR_MM) * sets.exists[:, None]
        of_points = torch.cat(
            [
                moved,
                fourier(moved, _FREQUENCIES),
                sure,
                total.clamp(max=2),
                _nothing(sets, answer),
                _mean(of_pairs, sets.exists[:, None].float().expand_as(near)),
                _mean(of_pairs, near),
            ],
            -1,
        )
        return of_points * sets.exists[..., None], of_pairs, across


def _both_ways(sets: Sets, answer: Assignment) -> Tensor:
    """Likelihoods (2B, L, L): of queries towards references, and of references towards queries."""
    likely = answer.likelihood()
    size = sets.exists.shape[1]
    likely = F.pad(likely, (0, size - likely.shape[2], 0, size - likely.shape[1]))
    across = torch.cat([likely, likely.mT])
    return across * (sets.exists[:, :, None] & other_set(sets.exists)[:, None, :])


def _nothing(sets: Sets, answer: Assignment) -> Tensor:
    """(2B, L, 1) probability of *no match*."""
    size = sets.exists.shape[1]
    queries, references = answer.rows[:, :, -1].exp(), answer.columns[:, -1].exp()
    queries = F.pad(queries, (0, size - queries.shape[1]))
    return torch.cat([queries, F.pad(references, (0, size - references.shape[1]))])[..., None]


def _mean(of_pairs: Tensor, weights: Tensor) -> Tensor:
    """(2B, L, L, A), (2B, L, L) -> (2B, L, A): weighted mean over the other points."""
    summed = (weights[:, :, None] @ of_pairs)[:, :, 0]
    return summed / weights.sum(-1, keepdim=True).clamp(min=_LEAST)
