"""Sparse selection over neighbours and features, after TabNet (Arik and Pfister 2021).

Inputs are calibrated by piecewise-linear functions. Then, in steps, a sparse mask chooses among all inputs of a sample,
and what it leaves is transformed; a step's masks follow from the step before, the first from the recurrent state.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automarkerlabel.models.inputs import FEATURES, INPUTS_PER_NEIGHBOUR, N_FEATURES

_SEEN, _DISTANCE = FEATURES.index("seen"), FEATURES.index("distance")
_N_STEPS = 3
_RELAXATION = 1.3  # how much of a feature may be chosen again: 1 forbids it
_FIRST_SPREAD = 0.02  # of the scores: masks begin with many features; a few drawn by chance would teach little
_VIRTUAL_BATCH = 128  # samples
_MOMENTUM = 0.02


def sparsemax(scores: Tensor) -> Tensor:
    """The probability distribution nearest to scores, along the last axis (Martins and Astudillo 2016).

    Its support is found as Michelot 1986 did: what falls below the threshold is dropped until nothing does, which comes
    to the same as sorting. Gradients are exact, since the support does not change with small changes of the scores.
    """
    with torch.no_grad():
        threshold = scores.amax(-1, keepdim=True) - 1
        support = scores > threshold
        n = support.sum(-1, keepdim=True)
        while True:
            threshold += ((scores - threshold).relu_().sum(-1, keepdim=True) - 1) / n
            support &= scores > threshold
            n, before = support.sum(-1, keepdim=True), n
            if torch.equal(n, before):
                break
        kept = support.to(scores.dtype)
    return (scores - ((scores * kept).sum(-1, keepdim=True) - 1) / n) * kept


def sorted_sparsemax(scores: Tensor) -> Tensor:
    """As `sparsemax`, by sorting: without a loop, for graphs that are recorded once."""
    ordered = scores.sort(-1, descending=True).values
    excess = ordered.cumsum(-1) - 1
    rank = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    n = (ordered * rank > excess).sum(-1, keepdim=True)
    return (scores - excess.gather(-1, n - 1) / n).relu()


class GhostBatchNorm(nn.Module):
    """Batch norm over virtual batches (Hoffer et al. 2017): when training each about `size` rows normalise among
    themselves; afterwards running statistics serve, and rows do not depend on each other."""

    def __init__(self, width: int, size: int = _VIRTUAL_BATCH) -> None:
        super().__init__()
        self.size = size
        self.norm = nn.BatchNorm1d(width, momentum=_MOMENTUM)

    def forward(self, rows: Tensor) -> Tensor:
        """`(n_rows, width)` -> the same; at least two rows when training."""
        if not self.training:
            normed: Tensor = self.norm(rows)
            return normed
        n_parts = max(1, len(rows) // self.size)
        least, rest = divmod(len(rows), n_parts)
        parts = torch.split(rows, [least + (n < rest) for n in range(n_parts)])
        return torch.cat([self.norm(part) for part in parts])


class PiecewiseLinear(nn.Module):
    """A piecewise-linear function of each kind of input, the same for all neighbours: straight lines between learnt
    values at fixed keypoints, constant beyond them (Gupta et al. 2016). At first what comes in goes out."""

    def __init__(self, n_kinds: int, bound: float = 4.0, n_keypoints: int = 17) -> None:
        super().__init__()
        self.bound = bound
        self.values = nn.Parameter(torch.linspace(-bound, bound, n_keypoints).repeat(n_kinds, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(..., n_kinds)` -> the same."""
        n_kinds, n_keypoints = self.values.shape
        place = (x.clamp(-self.bound, self.bound) + self.bound) * ((n_keypoints - 1) / (2 * self.bound))
        left = place.detach().floor().clamp(max=n_keypoints - 2)
        index = left.long() + torch.arange(n_kinds, device=x.device) * n_keypoints
        values = self.values.flatten()
        below = values[index]
        return below + (place - left) * (values[index + 1] - below)


class SelectionStep(nn.Module):
    """One step: the mask over features, and the transformation of what it leaves.

    Gated linear units of Linear and ghost batch norm, one whose Linear all steps share and one of the step's own, with
    a residual of sqrt(1/2). Of the result the first half is the decision, the second guides the next step.
    """

    def __init__(self, n_features: int, width: int) -> None:
        super().__init__()
        self.choose = nn.Linear(width, n_features, bias=False)
        self.choose_norm = GhostBatchNorm(n_features)
        nn.init.constant_(self.choose_norm.norm.weight, _FIRST_SPREAD)
        self.shared_norm = GhostBatchNorm(4 * width)
        self.own = nn.Linear(2 * width, 4 * width, bias=False)
        self.own_norm = GhostBatchNorm(4 * width)

    def mask(self, guide: Tensor, prior: Tensor | float, seen: Tensor) -> Tensor:
        """guide `(n, width)`, seen `(n, n_features)`, prior as it or a number -> weights that sum to one over what is
        seen, or are all 0 where nothing is."""
        scores = (prior * self.choose_norm(self.choose(guide))).float()
        blind = ~seen.any(-1, keepdim=True)  # there must be something to choose from
        return sparsemax(scores.masked_fill(~(seen | blind), -1e9)) * seen

    def transform(self, chosen: Tensor, shared: nn.Linear) -> tuple[Tensor, Tensor]:
        """`(n, n_inputs)` -> the decision, not below 0, and the next guide, `(n, width)` each."""
        x = F.glu(self.shared_norm(shared(chosen)))
        x = (x + F.glu(self.own_norm(self.own(x)))) * math.sqrt(0.5)
        decision, guide = x.chunk(2, -1)
        return decision.relu(), guide


class SparseSelection(nn.Module):
    """Which neighbours and features of each sample matter, in few steps, and what follows from them."""

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        self.n_neighbours, rest = divmod(n_inputs, INPUTS_PER_NEIGHBOUR)
        if rest:
            raise ValueError(f"sparse: expected {INPUTS_PER_NEIGHBOUR} inputs of each neighbour, found {n_inputs}")
        n_features, hidden = self.n_neighbours * N_FEATURES, max(1, width // 4)
        self.calibrate = PiecewiseLinear(INPUTS_PER_NEIGHBOUR)
        self.norm = GhostBatchNorm(n_inputs)
        self.guide = nn.Linear(width, hidden)
        self.shared = nn.Linear(n_inputs, 4 * hidden, bias=False)
        self.steps = nn.ModuleList(SelectionStep(n_features, hidden) for _ in range(_N_STEPS))
        self.project = nn.Linear(hidden, width)

    def forward(
        self, inputs: Tensor, states: Tensor, mask: Tensor, with_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """inputs `(batch, time, n_inputs)`, states `(batch, time, width)`, mask `(batch, time)` True where there is a
        sample. Neighbours that are not seen are never chosen.

        Returns the states' shape, and if asked for the importance `(batch, time, neighbour, feature)`: the masks of the
        steps, weighted by what each decided. It sums to one over neighbours and features; it is 0 where there is no
        sample, where no neighbour is seen, or where no step decided anything.
        """
        # (n, neighbour, input): padding takes no part
        rows = torch.unflatten(inputs[mask], -1, (self.n_neighbours, INPUTS_PER_NEIGHBOUR))
        seen = (rows[..., _SEEN, None] > 0).expand(-1, -1, N_FEATURES).flatten(1)  # (n, n_features)
        values = self.norm(self.calibrate(rows).flatten(1))
        guide = self.guide(states[mask])
        # Numbers first, not tensors of a size: of those a recorded graph would keep the size.
        prior: Tensor | float = 1.0
        decided: Tensor | float = 0.0
        importance: Tensor | float = 0.0
        for step in self.steps:
            assert isinstance(step, SelectionStep)
            chosen = step.mask(guide, prior, seen)
            decision, guide = step.transform(self._of_inputs(chosen) * values, self.shared)
            prior = prior * (_RELAXATION - chosen)
            decided = decided + decision
            if with_weights:
                importance = importance + decision.sum(-1, keepdim=True) * chosen
        attended = _back(self.project(decided), mask)
        if not isinstance(importance, Tensor):
            return attended, None
        importance = importance / importance.sum(-1, keepdim=True).clamp(min=1e-12)
        return attended, torch.unflatten(_back(importance, mask), -1, (self.n_neighbours, N_FEATURES))

    def _of_inputs(self, chosen: Tensor) -> Tensor:
        """Weights of features `(n, n_features)` as those of inputs `(n, n_inputs)`: waves are chosen with the distance
        that they are made of."""
        chosen = torch.unflatten(chosen, -1, (self.n_neighbours, N_FEATURES))
        waves = chosen[..., _DISTANCE, None].expand(-1, -1, INPUTS_PER_NEIGHBOUR - N_FEATURES)
        return torch.cat([chosen, waves], -1).flatten(1)


def _back(rows: Tensor, mask: Tensor) -> Tensor:
    """Rows `(n, width)` of samples to `(batch, time, width)`, 0 where there is none."""
    full = rows.new_zeros(*mask.shape, rows.shape[-1])
    full[mask] = rows
    return full
