"""Where a body faces throughout a trial: the network is asked at some moments, each turned in several ways."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from automarkerlabel.core.heading import anchors, follow, heading_path, more_anchors, offsets_along
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import IntArray
from automarkerlabel.labellers.matcher.evidence import fit
from automarkerlabel.labellers.matcher.network import AT_ONCE, Network
from automarkerlabel.labellers.matcher.windows import MatchWindows
from automarkerlabel.marker_sets.pose_from_trial import pose_heading

Array = npt.NDArray[np.float64]

N_HEADINGS = 12  # tried at each anchor
N_REFERENCE_ANCHORS = 3  # at which the heading of a reference is searched
_ROUGH_MOMENTS, _ROUGH_HEADINGS = 2, 4  # of a first look at many references
_MORE_POINTS = 1800  # of further moments at which the heading is looked for


@dataclass(frozen=True, eq=False)
class Followed:
    """What the trial alone tells of the heading: of each window its time, the heading followed from the first of its
    stretch, and the stretch; and the windows at which the rest is searched."""

    time_s: Array
    heading: Array
    stretch: IntArray
    anchor: IntArray

    @classmethod
    def of(cls, windows: MatchWindows) -> "Followed":
        time_s = windows.frame / windows.rate_hz
        heading, stretch = follow(windows.moments())
        return cls(time_s, heading, stretch, anchors(time_s, windows.n_points, stretch))


@dataclass(frozen=True, eq=False)
class Search:
    """The heading of each window `(n_windows,)` and its stretch, the reference with its own heading, and the likelihood
    a point."""

    heading: Array
    stretch: IntArray
    reference: Reference
    likelihood: float


def search_headings(
    network: Network, windows: MatchWindows, path: Followed, reference: Reference, recycles: int = 0
) -> Search:
    """The heading of every window, and of the reference where it is not known; `recycles`: how often the network
    improves its answers."""
    anchor, stretch = path.anchor, path.stretch
    if reference.heading_rad is None:
        few = anchor[np.unique(np.linspace(0, len(anchor) - 1, N_REFERENCE_ANCHORS).astype(np.int64))]
        tried = [replace(reference, heading_rad=h) for h in _possible(reference)]
        found = [
            offsets_along(
                likelihoods(network, windows, few, path.heading, r, recycles), stretch[few], path.time_s[few]
            )[1]
            for r in tried
        ]
        reference = tried[int(np.argmax(found))]
    likelihood = likelihoods(network, windows, anchor, path.heading, reference, recycles)
    offsets, total = offsets_along(likelihood, stretch[anchor], path.time_s[anchor])
    more = more_anchors(anchor, stretch, likelihood, offsets, _MORE_POINTS // int(windows.n_points.max()))
    if len(more):
        anchor = np.concatenate([anchor, more])
        likelihood = np.concatenate(
            [likelihood, likelihoods(network, windows, more, path.heading, reference, recycles)]
        )
        order = np.argsort(anchor)
        anchor, likelihood = anchor[order], likelihood[order]
        offsets, total = offsets_along(likelihood, stretch[anchor], path.time_s[anchor])
    n_points = windows.n_points[anchor].sum() + len(anchor) * np.isfinite(reference.positions[:, 0]).sum()
    heading = heading_path(path.heading, stretch, path.time_s, anchor, offsets)
    return Search(heading, stretch, reference, total / max(1, int(n_points)))


def _possible(reference: Reference) -> Array:
    """The ways a reference may face: either way along the plane of the body where its pairs tell that, or any."""
    along = pose_heading(reference.marker_set, reference.positions)
    n, first = (N_HEADINGS, 0.0) if along is None else (2, along)
    return np.asarray(first + 2 * np.pi * np.arange(n) / n)


def rough_likelihood(network: Network, windows: MatchWindows, reference: Reference) -> float:
    """The mean log-likelihood a point at two moments and few headings, the best of each."""
    parts = np.array_split(np.arange(len(windows)), min(_ROUGH_MOMENTS, len(windows)))
    moments = np.array([part[windows.n_points[part].argmax()] for part in parts])
    # The headings of one moment are between those of another: neither body need turn for both to be tried.
    turned_by = 2 * np.pi / _ROUGH_HEADINGS / len(moments) * np.arange(len(moments))
    followed = np.zeros(len(windows))
    followed[moments] = turned_by
    found = likelihoods(network, windows, moments, followed, reference, 0, _ROUGH_HEADINGS).max(1)
    n_points = windows.n_points[moments] + np.isfinite(reference.positions[:, 0]).sum()
    return float((found / n_points).mean())


def likelihoods(
    network: Network, windows: MatchWindows, anchor: IntArray, followed: Array, reference: Reference, recycles: int,
    n_headings: int = N_HEADINGS,
) -> Array:  # fmt: skip
    """`(n_anchors, n_headings)`: summed log-likelihood of the points at each anchor for each tried offset."""
    which = np.repeat(anchor, n_headings)
    heading = followed[which] + np.tile(2 * np.pi * np.arange(n_headings) / n_headings, len(anchor))
    pose = torch.from_numpy(reference.facing_x())

    def run(some: IntArray) -> Array:
        poses = pose.expand(len(some), -1, -1)
        answer, query, _ = network.answer(windows, which[some], heading[some], poses, recycles)
        return fit(answer, query, pose)

    batches = [np.arange(start, min(start + AT_ONCE, len(which))) for start in range(0, len(which), AT_ONCE)]
    return np.concatenate(list(network.on_batches(run, batches))).reshape(len(anchor), n_headings)
