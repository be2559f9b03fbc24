"""The body segment of each label, where nobody said: by the known marker set that shares most names."""

from collections.abc import Sequence
from functools import lru_cache

from automarkerlabel.io.names import split_prefix
from automarkerlabel.markerset import MarkerSet

_LEAST_KNOWN = 0.8  # share of the labels that a set has to know


def segments_of(labels: Sequence[str], marker_set: MarkerSet | None = None) -> list[str | None]:
    """By `marker_set` if it knows any; otherwise by the known set with most of the labels, prefixes of subjects apart.
    None where not known."""
    if marker_set is None or not any(marker_set.segments):
        labels = [split_prefix(x)[1] for x in labels]
        marker_set = _closest(tuple(labels))
    known = dict(zip(marker_set.labels, marker_set.segments, strict=True)) if marker_set else {}
    return [known.get(x) or None for x in labels]


@lru_cache(maxsize=8)
def _closest(labels: tuple[str, ...]) -> MarkerSet | None:
    from automarkerlabel.marker_sets import catalogue  # and with it torch, only where nobody said

    names = set(labels)
    shared = [(len(names & set(d.labels)), d) for d in catalogue.every()]
    most, definition = max(shared, key=lambda x: x[0], default=(0, None))
    return definition.marker_set() if definition is not None and most >= max(1, _LEAST_KNOWN * len(names)) else None
