"""What decided inside the matcher: a moment of a trial with points left out, one after the other."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from automarkerlabel.core.trial import FloatArray, IntArray
from automarkerlabel.labellers.matcher.network import AT_ONCE, Network
from automarkerlabel.labellers.matcher.windows import MatchWindows

Array = npt.NDArray[np.float64]


def leaving_out(network: Network, windows: MatchWindows, window: int, heading: float, pose: FloatArray) -> Array:
    """Log-scores `(1 + n_points, n_points, n_labels + 1)` of the points of a window against a pose that faces +x, the
    last class being no label: first with all of them, then without each point in turn (occlusion: Zeiler and Fergus
    2014). -inf for labels that the pose does not show.

    By the network alone: without what other poses, distances and other moments say, and not normalised, so that
    differences of classes tell also where one is all but certain.
    """
    n = int(windows.n_points[window])
    variants = _variants(windows, window, n)
    poses = torch.from_numpy(pose)
    hidden = poses.isnan().any(-1)
    found = []
    for which in _batches(n + 1):
        turn = np.full(len(which), heading)
        answer, _, _ = network.answer(variants, which, turn, poses.expand(len(which), -1, -1), None)
        scores = answer.scores.masked_fill(hidden, -torch.inf)  # (batch, n_points, n_labels)
        found.append(torch.cat([scores, answer.no_match[..., None]], 2).numpy() / 2)
    return np.concatenate(found).astype(np.float64)


def _variants(windows: MatchWindows, window: int, n: int) -> MatchWindows:
    """The window as it is, and then `n` times with one point hidden."""
    positions = np.repeat(windows.positions[window : window + 1, :, :n], n + 1, axis=0)  # (n + 1, 5, n, 3)
    positions[1 + np.arange(n), :, np.arange(n)] = np.nan
    return MatchWindows(
        np.repeat(windows.tracklet[window : window + 1, :n], n + 1, axis=0), positions,
        np.repeat(windows.frame[window : window + 1], n + 1), windows.step_s, windows.rate_hz,
    )  # fmt: skip


def _batches(n: int) -> Sequence[IntArray]:
    return [np.arange(start, min(start + AT_ONCE, n)) for start in range(0, n, AT_ONCE)]
