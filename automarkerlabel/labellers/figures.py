"""Figures of a labelling for the user: of a match, of a marker set that was compared, of each of several people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MatchFacts:
    """What became of a match, for the user.

    n_found, n_labels   labels given somewhere in the trial, and labels of the reference.
    mean_confidence     of the labels that were given, 0 if none was.
    likelihood          mean log-likelihood a point, of query and reference, at the anchors; comparable between
                        references.
    turns_deg           how far the body turned, from the greatest to the least heading.
    n_windows, n_passes moments looked at, and how often.
    """

    n_found: int
    n_labels: int
    mean_confidence: float
    likelihood: float
    turns_deg: float
    n_windows: int
    n_passes: int


@dataclass(frozen=True)
class Candidate:
    """How well a marker set fits a trial.

    fit       0 to 1: the geometric mean of the match's probability over all points that were matched, times
              two shares: of the points that got a label, each weighing as much as its tracklet is long (ghosts do not
              last), and of the labels that found their points, each weighing as much as it is sure. Optional labels
              count only where they are found.
    n_found   labels found, of `n_labels`.
    """

    name: str
    fit: float
    n_found: int
    n_labels: int

    def __str__(self) -> str:
        return f"{self.name} {self.fit:.2f} ({self.n_found} of {self.n_labels} labels)"


@dataclass(frozen=True)
class SubjectFacts:
    """What became of one subject, for the user.

    by           what he was labelled by, in words.
    share        of the recording's points that carry his labels.
    confidence   mean, of the points with his labels; 0 without any.
    differs_mm   by how much lengths between neighbouring markers differ from his reference, on average; None where
                 there was no choice between references.
    """

    name: str
    by: str
    n_found: int
    n_labels: int
    missing: tuple[str, ...]
    share: float
    confidence: float
    differs_mm: float | None = None
