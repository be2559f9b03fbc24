"""The network at work: windows of a trial, turned to face +x, against poses; in batches, on several threads."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automarkerlabel.core.heading import turned
from automarkerlabel.core.trial import IntArray
from automarkerlabel.labellers.matcher.windows import MatchWindows
from automarkerlabel.models.matcher import MatchOutput
from automarkerlabel.models.matcher.scores import Assignment

Array = npt.NDArray[np.float64]
T = TypeVar("T")

AT_ONCE = 16  # windows


class Scorer(Protocol):
    """What matches: the network, or anything that answers like it."""

    def __call__(
        self, query: Tensor, dt_s: Tensor, reference: Tensor, n_recycles: int | None = None
    ) -> MatchOutput: ...


@dataclass(frozen=True, eq=False)
class Network:
    """What matches, where, on how many threads at once, and whether in bfloat16."""

    scorer: Scorer
    device: torch.device
    n_workers: int = 1
    half: bool = False

    @torch.inference_mode()
    def answer(
        self, windows: MatchWindows, which: IntArray, heading: Array, poses: Tensor, n_recycles: int | None
    ) -> tuple[Assignment, Tensor, Tensor | None]:
        """The answer for some windows, what was asked, and how much distances in the reference change."""
        query = _queries(windows, which, heading)
        dt_s = torch.full((len(which),), windows.step_s)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            output = self.scorer(query.to(self.device), dt_s.to(self.device), poses.to(self.device), n_recycles)
        answer = Assignment(output.final.rows.float().cpu(), output.final.columns.float().cpu())
        return answer, query, None if output.spread_mm is None else output.spread_mm.float().cpu()

    def on_batches(self, work: Callable[[IntArray], T], batches: Sequence[IntArray]) -> Iterator[T]:
        """The work on each batch, in order, on as many threads as there are workers."""
        if self.n_workers == 1:
            yield from map(work, batches)
            return
        with ThreadPoolExecutor(self.n_workers) as pool:
            yield from pool.map(work, batches)


def _queries(windows: MatchWindows, which: IntArray, heading: Array) -> Tensor:
    """Windows `(n, 5, n_slots, 3)` as the network wants them: facing +x, no more slots than there are points."""
    n = int(windows.n_points[which].max())
    points = windows.positions[which, :, :n]  # (n, 5, n_slots, 3)
    return torch.from_numpy(turned(points, -heading[:, None] * np.ones((1, points.shape[1]))))
