"""What decided, of each piece of a labelling, in few numbers: from what `--dump-attention` writes in full."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.io.hdf5.attention import Inside

_MOST_LABELS, _MOST_NEIGHBOURS, _MOST_SAMPLES = 5, 8, 16
_MOST_PIECES = 1500  # the longest
_LEAST = 0.001  # share that is worth a line
Parts = Mapping[str, FloatArray | IntArray]
Sums = npt.NDArray[np.float64]


class Attention:
    """Sums up what windows looked at while it is written elsewhere: `parts` passes all of `inside.parts` through."""

    def __init__(self, trial: Trial, labelling: Labelling, inside: Inside) -> None:
        self.labelling, self.inside = labelling, inside
        self.rate_hz = trial.rate_hz
        scores = inside.scores
        columns = np.array([t.column for t in inside.tracklets], np.int64)
        self.middle = (scores.frames.sum(1) - 1) / 2
        self.piece = _pieces_at(labelling, columns[scores.tracklet], self.middle)
        n = len(labelling.tracklets)
        self.neighbours: Sums = np.zeros((n, trial.n_columns))
        self.shares: Sums | None = None  # (n_pieces, n_samples), and their times
        self.times: Sums | None = None

    def parts(self) -> Iterator[Parts]:
        """The parts as they come, each counted."""
        first = 0
        for part in self.inside.parts:
            n = len(part["frames"])
            self._count(part, slice(first, first + n))
            first += n
            yield part

    def _count(self, part: Parts, where: slice) -> None:
        piece = self.piece[where]
        inside = piece >= 0
        frames = part["frames"]
        if "importance" in part:
            weight = part["importance"].sum((1, 3))  # (n_windows, n_neighbours)
            neighbours = part["neighbours"].astype(np.int64)
            there = (neighbours >= 0) & inside[:, None]
            np.add.at(
                self.neighbours, (np.broadcast_to(piece[:, None], there.shape)[there], neighbours[there]), weight[there]
            )
        elif "attention" in part:
            seen = frames >= 0
            weight = part["attention"].mean((1, 2)) * seen[:, :, None] * seen[:, None, :]  # (n_windows, query, key)
            shares = weight.sum(1)
            shares = shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)
            seconds = np.where(seen, (frames - self.middle[where, None]) / self.rate_hz, 0.0)
            if self.shares is None or self.times is None:
                self.shares, self.times = (np.zeros((len(self.neighbours), frames.shape[1])) for _ in range(2))
            np.add.at(self.shares, piece[inside], shares[inside])
            np.add.at(self.times, piece[inside], (seconds * shares)[inside])

    def found(self) -> dict[str, Any]:
        """As the page takes it; after all parts have passed."""
        pieces = np.unique(self.piece[self.piece >= 0])
        length = np.array([t.stop - t.start for t in self.labelling.tracklets], np.int64)
        kept = pieces[np.argsort(-length[pieces], kind="stable")[:_MOST_PIECES]]
        labels, n_labels = self._labels(), len(self.labelling.labels)
        left_out = (
            f"Means over the windows of a piece; at most {_MOST_LABELS} labels and {_MOST_NEIGHBOURS} neighbours."
            " Single windows, layers, heads and features are in the file of --dump-attention."
        )
        if len(kept) < len(pieces):
            left_out += f" Of {len(pieces)} pieces the {_MOST_PIECES} longest are here."
        return {
            "mechanism": self.inside.mechanism,
            "about": _ABOUT.get(self.inside.mechanism, _ABOUT[""]),
            "left_out": left_out,
            "pieces": {
                str(n): {
                    "labels": [(k if k < n_labels else -1, p) for k, p in _most(labels[n], _MOST_LABELS)],
                    "neighbours": _most(self.neighbours[n], _MOST_NEIGHBOURS),
                    "samples": self._samples(n),
                }
                for n in sorted(kept.tolist())
            },
        }

    def _labels(self) -> Sums:
        """`(n_pieces, n_labels + 1)`: mean probability of each label of the labelling; the last class is none."""
        index = {x: k for k, x in enumerate(self.labelling.labels)}
        to = [index.get(x, len(index)) for x in self.inside.scores.labels] + [len(index)]
        inside = self.piece >= 0
        total: Sums = np.zeros((len(self.neighbours), len(index) + 1))
        by_class: Sums = np.zeros((len(self.neighbours), len(to)))
        np.add.at(by_class, self.piece[inside], np.exp(self.inside.scores.log_probs[inside].astype(np.float64)))
        np.add.at(total.T, np.array(to, np.int64), by_class.T)
        return total

    def _samples(self, n: int) -> list[tuple[float, float]]:
        """(seconds from the middle of the window, share) of the samples of a piece, in order of time."""
        if self.shares is None or self.times is None or not self.shares[n].any():
            return []
        share = self.shares[n] / self.shares[n].sum()
        seconds = self.times[n] / np.maximum(self.shares[n], 1e-12)
        which = np.sort(np.argsort(-share, kind="stable")[:_MOST_SAMPLES])
        return [(round(float(seconds[k]), 3), round(float(share[k]), 4)) for k in which if share[k] >= _LEAST]


_ABOUT = {
    "": "How much a sample's attention went to each sample of its window, on average over layers, heads and queries.",
    "sparse": "How much each neighbour counted in the sparse masks, summed over features.",
    "matcher": "How well the piece fits each label of the pose it was matched to.",
}


def _pieces_at(labelling: Labelling, columns: IntArray, moments: Sums) -> IntArray:
    """The piece of the labelling that each moment of a column lies in, -1 for none."""
    found = np.full(len(columns), -1, np.int64)
    for n, t in enumerate(labelling.tracklets):
        found[(columns == t.column) & (moments >= t.start) & (moments < t.stop)] = n
    return found


def _most(sums: Sums, most: int) -> list[tuple[int, float]]:
    """(index, share) of the largest, the largest first."""
    total = sums.sum()
    if total <= 0:
        return []
    order = np.argsort(-sums, kind="stable")[:most]
    return [(int(k), round(float(sums[k] / total), 4)) for k in order if sums[k] / total >= _LEAST]
