"""The body segment of each label, where nobody said: by the known marker set that shares most names."""

from collections.abc import Sequence
from functools import lru_cache

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.io.names import split_prefix

_LEAST_KNOWN = 0.8  # share of the labels that a set has to know


def segments_of(labels: Sequence[str], marker_set: MarkerSet | None = None) -> list[str | None]:
    """By `marker_set` if it knows any; otherwise by the known set with most of the labels, prefixes of subjects apart.
    None where not known."""
    if marker_set is None or not any(marker_set.segments):
        labels = [split_prefix(x)[1] for x in labels]
        known = known_segments(tuple(labels))
    else:
        known = dict(zip(marker_set.labels, marker_set.segments, strict=True))
    return [known.get(x) or None for x in labels]


@lru_cache(maxsize=8)
def known_segments(labels: tuple[str, ...]) -> dict[str, str]:
    """The segment of each label of the known marker set that has most of these `labels`, the smaller of two; empty if
    none has nearly all."""
    from automarkerlabel.marker_sets import catalogue  # and with it torch, only where nobody said

    names = set(labels)
    shared = {d: len(names & set(d.labels)) for d in catalogue.every()}
    closest = max(shared, key=lambda d: (shared[d], -len(d.labels)), default=None)
    if closest is None or shared[closest] < max(1, _LEAST_KNOWN * len(names)):
        return {}
    marker_set = closest.marker_set()
    return dict(zip(marker_set.labels, marker_set.segments, strict=True))
