"""From the matcher's answers to evidence: log-probabilities of labels, and how well two sets fit each other."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automarkerlabel.core.labelling import LabelScores
from automarkerlabel.core.trial import FloatArray, IntArray
from automarkerlabel.labellers.matcher.permuted import permuted
from automarkerlabel.labellers.matcher.rigidity import rigid_evidence
from automarkerlabel.labellers.matcher.windows import MIDDLE, MatchWindows
from automarkerlabel.models.matcher.scores import Assignment

Array = npt.NDArray[np.float64]

_LEAST = 0.01  # share of each answer that is spread evenly: one window alone rules nothing out
_UNMATCHED = float(np.log(0.02))  # what a point without a counterpart is worth in a fit
_NETWORK_SAYS = 0.2  # share of a mean log-probability that counts against distances: its windows err together


def combined(answer: Assignment, hidden: Tensor) -> Tensor:
    """(B, N, M + 1) log-probabilities of each query point's label and, last, of none, from what both sides say.

    hidden  (B, M): labels that the reference does not show. It cannot tell them from none: they get the same.
    """
    taken = answer.columns[:, :-1].exp().sum(2).clamp(max=1 - _LEAST)  # (B, N) how much the references want a point
    both = torch.cat([answer.scores, (answer.no_match + torch.log1p(-taken))[..., None]], 2) / 2
    probability = both.softmax(2) * (1 - _LEAST) + _LEAST / both.shape[2]
    unknown = torch.nn.functional.pad(hidden, (0, 1))[:, None]  # (B, 1, M + 1)
    return torch.where(unknown, probability[..., -1:], probability).log().log_softmax(2)


def fit(answer: Assignment, query: Tensor, pose: Tensor, labels: bool = True) -> Array:
    """(B,) summed log-likelihood of the points of both sets, each with its best counterpart or without one.

    query (B, 5, N, 3), pose (M, 3); without `labels` the points of the pose do not count.
    """
    there, shown = query[:, MIDDLE].isfinite().all(-1), pose.isfinite().all(-1)
    scores = answer.scores / 2
    of_queries = scores.masked_fill(~shown, -torch.inf).amax(2).clamp(min=_UNMATCHED)  # (B, N)
    of_references = scores.masked_fill(~there[..., None], -torch.inf).amax(1).clamp(min=_UNMATCHED)  # (B, M)
    total = (of_queries * there).sum(1) + (of_references * shown).sum(1) * labels
    return np.asarray(total.double().numpy())


def labels_in(windows: MatchWindows, assigned: IntArray) -> IntArray:
    """`(n_windows, n_slots)`: the label of each point by its tracklet's `(n_tracklets,)`, -1 for none."""
    return np.where(windows.tracklet >= 0, assigned[windows.tracklet], -1)


def with_distances(
    windows: MatchWindows,
    log_probs: Array,
    assigned: IntArray,
    pose: FloatArray,
    spread_mm: FloatArray,
    weight: float,
) -> Array:
    """`log_probs` with what the distances between points say, given the labels so far; see `rigidity`."""
    ratio = rigid_evidence(windows.now, labels_in(windows, assigned), pose, spread_mm)
    return np.concatenate([log_probs[..., :-1] + weight * ratio, log_probs[..., -1:]], 2)


def put_right(
    windows: MatchWindows, log_probs: Array, assigned: IntArray, pose: FloatArray
) -> tuple[Array, IntArray] | None:
    """`log_probs` and labels with names of neighbours exchanged that the network takes for one another throughout; None
    where distances that hold over the trial speak for none; see `permuted`."""
    label = labels_in(windows, assigned)
    moment, slot = np.nonzero(label >= 0)
    own = label[moment, slot]
    places = np.full((len(windows), len(pose), 3), np.nan, np.float32)
    places[moment, own] = windows.now[moment, slot]
    given = log_probs[moment, slot]
    total = np.zeros((len(pose), len(pose)))  # [j, i]: how much likelier j than i is for the points of j
    np.add.at(total, own, given[np.arange(len(own)), own][:, None] - given[:, :-1])
    prior = total / np.maximum(np.bincount(own, minlength=len(pose)), 1)[:, None]
    source, nats = permuted(places, pose, _NETWORK_SAYS * prior.T)
    if not nats:
        return None
    name = np.append(np.argsort(source), -1)  # of the points of each label, and of none
    return log_probs[..., np.append(source, len(pose))], name[assigned]


def as_scores(windows: MatchWindows, log_probs: Array, labels: Sequence[str], n_tracklets: int) -> LabelScores:
    """The object that is decided from: of each tracklet all windows that it is seen in.

    log_probs  `(n_windows, n_slots, n_labels + 1)`, of any sum.
    """
    which, slot = np.nonzero(windows.tracklet >= 0)
    order = np.argsort(windows.tracklet[which, slot], kind="stable")
    which, slot = which[order], slot[order]
    rows = log_probs[which, slot]
    rows = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
    half = max(1, round(windows.step_s * windows.rate_hz))
    frames = np.stack([windows.frame[which] - half, windows.frame[which] + half + 1], 1)
    return LabelScores(
        labels, rows.astype(np.float32), windows.tracklet[which, slot], np.maximum(frames, 0), n_tracklets
    )
