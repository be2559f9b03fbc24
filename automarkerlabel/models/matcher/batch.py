"""What the matcher learns from: a window of unlabelled points, a labelled reference pose, and who is who."""

from dataclasses import dataclass

from torch import Tensor

MIDDLE = 2  # the frame of the window that is matched
WINDOW = 5


@dataclass(frozen=True, eq=False)
class MatchBatch:
    """B samples; both sets face +x to within about 15 degrees.

    query      (B, W, N, 3) float32 mm, z up: W = 5 frames `dt_s` apart, the middle one is the frame to match;
               NaN where hidden or padding. A point counts when its middle frame is finite.
    dt_s       (B,) seconds between the frames.
    reference  (B, M, 3) mm; NaN where hidden or padding.
    match      (B, N) int64 column of the reference for each query point; -1: no counterpart, or not there.
    """

    query: Tensor
    dt_s: Tensor
    reference: Tensor
    match: Tensor

    def __len__(self) -> int:
        return len(self.query)

    def to(self, device: str) -> "MatchBatch":
        """The same on another device."""
        return MatchBatch(self.query.to(device), self.dt_s.to(device), self.reference.to(device), self.match.to(device))
