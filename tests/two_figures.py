"""Two or more of the figure of eight points in one trial, and a matcher that pairs near points, for tests."""

import numpy as np
import torch
from conftest import FIGURE, figure_trial

from automarkerlabel.matching.heading import turned
from automarkerlabel.models.matcher import MatchOutput
from automarkerlabel.models.matcher_scores import Assignment
from automarkerlabel.trial import Trial

FAR = -1e4
N_FRAMES, RATE_HZ = 120, 60.0


class NearestPoint:
    """Scores by the squared distance in units of 60 mm, once both sets stand about their median; a point without a
    counterpart is as good as 180 mm."""

    def __init__(self):
        self.n_windows = 0

    def __call__(self, query, dt_s, reference, n_recycles=None):
        self.n_windows += len(query)
        now = query[:, 2]
        a = now - now.nanmedian(1, keepdim=True).values
        b = reference - reference.nanmedian(1, keepdim=True).values
        square = ((a[:, :, None] - b[:, None]) ** 2).sum(-1) / 60.0**2
        similar = torch.where(square.isnan(), FAR, -square / 2)
        nothing = -(3.0**2) / 2
        rows = torch.nn.functional.pad(similar, (0, 1), value=nothing).log_softmax(2)
        columns = torch.nn.functional.pad(similar, (0, 0, 0, 1), value=nothing).log_softmax(1)
        answer = Assignment(rows, columns)
        return MatchOutput(answer, answer, None)


def figure(place: tuple[float, float], turn_deg: float = 0, speed_mm_s: float = 0, size: float = 1.0) -> np.ndarray:
    """`(n_frames, 8, 3)`: one figure, gliding the way it faces through `place`, where it is in the middle frame."""
    points = figure_trial(N_FRAMES, RATE_HZ, speed_mm_s=speed_mm_s).positions * np.float32(size)
    points[..., 0] -= size * speed_mm_s * N_FRAMES / RATE_HZ / 2
    return turned(points, np.deg2rad(turn_deg)) + np.array([*place, 0], np.float32)


def together(*figures: np.ndarray, cut: int | None = None, seed: int = 0) -> tuple[Trial, list[tuple[int, str]]]:
    """The figures in one trial without names, columns in a random order, each cut in two at `cut`; and of each column
    the figure and the label."""
    points = np.concatenate(figures, axis=1)
    names = [(k, label) for k, own in enumerate(figures) for label in list(FIGURE)[: own.shape[1]]]
    order = np.random.default_rng(seed).permutation(len(names))
    points, names = points[:, order], [names[n] for n in order]
    if cut is not None:
        first, second = points.copy(), points.copy()
        first[cut:], second[:cut] = np.nan, np.nan
        points, names = np.concatenate([first, second], axis=1), names * 2
    return Trial(points, [""] * points.shape[1], RATE_HZ), names
