"""The body facing the other way, left for right, as a rival of what was found: its odds by all pieces at once.

Front and back, left and right hang together: who is taken to face the other way gets his labels on the wrong sides. The
network tells by one pose at a time, and in a search at its first answer; over some moments of a trial its last answers
tell more, and so does the hand of the labelled body, which must be the reference's.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment

from automarkerlabel.assignment.confidence import probability
from automarkerlabel.audit.handedness import Hands
from automarkerlabel.core.heading import wrapped
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import FloatArray, IntArray
from automarkerlabel.labellers.matcher.evidence import combined
from automarkerlabel.labellers.matcher.heading_search import Search
from automarkerlabel.labellers.matcher.network import Network
from automarkerlabel.labellers.matcher.windows import MatchWindows

Array = npt.NDArray[np.float64]

_N_MOMENTS = 10
# Nats: of what the search found, and for the root of the number of labels, of the network's mean log-probability and of
# hands from -1 to 1. Fitted to 416 simulated half bodies and small sets, see docs/benchmarks/README.md.
_FOUND, _BY_NETWORK, _BY_HANDS = 1.3, 6.7, 1.4


def facing(network: Network, windows: MatchWindows, search: Search, n_recycles: int | None) -> tuple[Search, float]:
    """The search with all headings as found, or turned by half a circle if that is likelier; and the probability that a
    label is another because the choice is wrong.

    n_recycles  how often the network improves its answers; None: as it was trained.
    """
    parts = np.array_split(np.arange(len(windows)), min(_N_MOMENTS, len(windows)))
    which = np.array([part[windows.n_points[part].argmax()] for part in parts], np.int64)
    pose = search.reference.facing_x()
    other = np.asarray(wrapped(search.heading + np.pi))
    poses = torch.from_numpy(pose).expand(len(which), -1, -1)
    found = []
    for heading in (search.heading, other):
        answer, _, _ = network.answer(windows, which, heading[which], poses, n_recycles)
        log_probs = combined(answer, poses.isnan().any(-1)).double().numpy()
        label = _labels(windows.tracklet[which, : log_probs.shape[1]], log_probs)
        found.append((label, _nats(windows, which, label, log_probs, pose)))
    (label, nats), (other_label, other_nats) = found
    ahead, given = _FOUND + nats - other_nats, (label >= 0) | (other_label >= 0)
    doubt = float(probability(np.array(-abs(ahead))) * (label != other_label)[given].mean()) if given.any() else 0.0
    return (search, doubt) if ahead >= 0 else (replace(search, heading=other), doubt)


def doubted(labelling: Labelling, doubt: float) -> Labelling:
    """The labelling with each label as sure as it is if the whole is right, which is in doubt; held ones stay."""
    held = np.zeros(len(labelling.assigned), np.bool_) if labelling.signs is None else labelling.signs.held
    free = (labelling.assigned >= 0) & ~held
    share = np.where(free, 1 - doubt, 1.0).astype(np.float32)
    courses = [(at, course * s) for (at, course), s in zip(labelling.courses, share, strict=False)]
    return replace(labelling, confidence=labelling.confidence * share, courses=tuple(courses))


def _nats(windows: MatchWindows, which: IntArray, label: IntArray, log_probs: Array, pose: FloatArray) -> float:
    """What speaks for the labels `(n, n_slots)` of the points at some moments."""
    n_slots = log_probs.shape[1]
    tracklet, now = windows.tracklet[which, :n_slots], windows.now[which, :n_slots]
    places = np.full((len(which), len(pose), 3), np.nan, np.float32)
    moment, slot = np.nonzero(label >= 0)
    places[moment, label[moment, slot]] = now[moment, slot]
    given = np.take_along_axis(log_probs, np.where(label >= 0, label, len(pose))[..., None], 2)[..., 0]
    n_seen = max(1, int(np.isfinite(places[..., 0]).any(0).sum()))
    hands = Hands(places, pose).agree(np.arange(len(pose))) / n_seen
    return float(np.sqrt(len(pose)) * (_BY_NETWORK * given[tracklet >= 0].mean() + _BY_HANDS * hands))


def _labels(tracklet: IntArray, log_probs: Array) -> IntArray:
    """`(n, n_slots)`: the labels of the points of each window that are likeliest together, -1 for none; a tracklet by
    all of its windows."""
    there = tracklet >= 0
    total = np.zeros((int(tracklet.max(initial=0)) + 1, log_probs.shape[2]))
    np.add.at(total, tracklet[there], log_probs[there])
    found = np.full(tracklet.shape, -1, np.int64)
    for row, own in zip(found, tracklet, strict=True):
        slots = np.flatnonzero(own >= 0)
        gain = np.maximum(total[own[slots], :-1] - total[own[slots], -1:], 0)
        a, b = linear_sum_assignment(gain, maximize=True)
        row[slots[a]] = np.where(gain[a, b] > 0, b, -1)
    return found
