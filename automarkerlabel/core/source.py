"""A trial with the file it came from."""

from dataclasses import dataclass
from pathlib import Path

from automarkerlabel.core.trial import Trial


@dataclass(frozen=True, eq=False)
class Source:
    """A trial, where it came from, and whose it is: the subject's prefix in the file, or else the folder's name."""

    path: Path
    trial: Trial
    subject: str
