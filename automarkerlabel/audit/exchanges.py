"""When labels of a trial are exchanged, by what the rest of the trial says: distances that hold and paths that go on.

Everything is in labels, `points[frame, label]`. An exchange says of each label whose point it should have been given;
candidates come from leaps, from points that fit another label better, and from limbs that do so together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage
from scipy.optimize import linear_sum_assignment

from automarkerlabel.audit.distances import Distances, misfits, moments_of, own_misfits
from automarkerlabel.audit.paths import Exchange, Kinks
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, runs

Array = npt.NDArray[np.float64]

# All chosen by hand, with mistakes planted in the development trials of docs/benchmarks/README.md#audit, not fitted; no
# sweep of them is kept.
_KEEP_NATS = 0.6  # by which another label must fit better, for each label, to be a candidate
_LEAST_MOMENTS = 2  # at which it must
_MOST_CANDIDATES = 80  # for time alone: the likeliest are looked at first
_CHANGE_NATS = 5.0  # cost of each change
_LEAST_NATS = 8.0  # that an exchange must be worth in all
_MOMENT_WEIGHT = 0.4  # twenty moments a second are not independent
_MOST_MOMENT_NATS = 8.0  # no moment says more, before the weight
_IMPOSSIBLE = 50.0  # nats: more than any labels can gain, so that it is never taken
_TOGETHER_NATS = 10.0  # for each of several exchanges in one frame, to be looked at early
_LIMB_NATS = 20.0  # for a limb, to be looked at before single pairs
_LIMB_GAIN = 1.0  # nats at some moment, from which on a limb is looked at
_LIMB_SPREADS = 10.0  # beyond which a distance of a limb is no worse
_CONTRAST = 3.0  # spreads between left and right, from which on a distance tells them apart fully
LEAST_S = 0.1  # shorter mistakes are left, and borders as near are one
HIDDEN_SHARE = 0.2  # of the time; a label that is seen less is hidden
_FAR_MM = 1e4  # between labels whose distance is not known: farther than on any body


@dataclass(frozen=True)
class Mistake:
    """From frame `start` to before `stop`.

    labels  those that are concerned.
    should  of each the label that its points should carry; the same for points that fit none.
    nats    what speaks for it.
    """

    start: int
    stop: int
    labels: tuple[int, ...]
    should: tuple[int, ...]
    nats: float

    @property
    def leaps(self) -> bool:
        return self.labels == self.should


def rearranged(points: FloatArray, mistakes: Iterable[Mistake]) -> FloatArray:
    """The points with mistakes put right; points that fit no label are hidden."""
    right = points.copy()
    for m in mistakes:
        moved = right[m.start : m.stop, list(m.labels)]
        right[m.start : m.stop, list(m.labels)] = np.nan
        if not m.leaps:
            right[m.start : m.stop, list(m.should)] = moved
    return right


def exchanges(points: FloatArray, rate_hz: float, pairs: IntArray) -> list[Mistake]:
    """Labels that are exchanged for a time, or points that should carry a label that is absent then.

    What is so for the lesser part of the time is taken to be wrong. `pairs` `(n_pairs, 2)` left and right.
    """
    found: list[Mistake] = []
    if len(points) < 3 or points.shape[1] < 3:
        return found
    for _ in range(2):
        expected = Distances.of_motion(points)
        kinks = Kinks(points, rate_hz)
        left = list(_candidates(points, rate_hz, expected, kinks, pairs))
        more: list[Mistake] = []
        while left:
            tried = [_when(points, rate_hz, expected, kinks, x) for x in left]
            worth = [sum(m.nats for m in some) for some in tried]
            best = int(np.argmax(worth))
            if worth[best] < _LEAST_NATS:
                break
            more += [_shown(points, m) for m in tried[best]]
            points = rearranged(points, tried[best])
            concerned = set(left[best][0]) | set(left[best][1])
            left = [
                x for n, x in enumerate(left) if n != best and (worth[n] >= _LEAST_NATS or concerned & {*x[0], *x[1]})
            ]
            kinks = Kinks(points, rate_hz)
        found += more
        if not more:
            break
    return _flips_joined(found, pairs, rate_hz)


def _shown(points: FloatArray, mistake: Mistake) -> Mistake:
    """The mistake without labels that hardly any point has meanwhile."""
    seen = np.isfinite(points[mistake.start : mistake.stop, list(mistake.labels), 0]).mean(0) > HIDDEN_SHARE
    if seen.all() or not seen.any():
        return mistake
    kept = [(a, b) for a, b, s in zip(mistake.labels, mistake.should, seen, strict=True) if s]
    return replace(mistake, labels=tuple(a for a, _ in kept), should=tuple(b for _, b in kept))


def _candidates(
    points: FloatArray, rate_hz: float, expected: Distances, kinks: Kinks, pairs: IntArray
) -> Iterator[Exchange]:
    """Exchanges worth a look, each once, the likeliest first."""
    weight: dict[Exchange, float] = {}

    def add(x: Exchange, nats: float) -> None:
        weight[x] = weight.get(x, 0.0) + nats

    at: dict[int, list[Exchange]] = {}
    for leap in kinks.leaps():
        if not leap.alone:
            # From there on the points of `after` are those of `columns`.
            x = (leap.after, leap.columns)
            add(_ordered(*x), leap.nats)
            at.setdefault(leap.frame, []).append(x)
    for together in at.values():
        if len(together) > 1:
            labels, should = (sum((x[n] for x in together), ()) for n in (0, 1))
            add(_ordered(labels, should), _TOGETHER_NATS * len(together))
    for x, nats in kinks.taken_up():
        add(x, nats)
    frames = moments_of(len(points), rate_hz)
    cost = misfits(points[frames], expected)
    times: dict[Exchange, int] = {}
    for seen in cost:
        for ring, after, nats in _better(seen):
            x = _ordered(ring, after)
            times[x] = times.get(x, 0) + 1
            if times[x] >= _LEAST_MOMENTS:
                add(x, nats)
    for x, nats in _limbs(points[frames], expected, pairs):
        add(x, nats)
    yield from sorted(weight, key=lambda x: -weight[x])[:_MOST_CANDIDATES]


def _ordered(labels: Sequence[int], should: Sequence[int]) -> Exchange:
    both = sorted(zip(labels, should, strict=True))
    return tuple(a for a, _ in both), tuple(b for _, b in both)


def _better(cost: Array) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], float]]:
    """Rings and chains of labels whose points fit one another's labels better, from `cost` (place, point)."""
    n = len(cost)
    own = np.diagonal(cost)
    seen = np.flatnonzero(~np.isnan(own))
    if len(seen) < 2:
        return
    open_places = cost[:, seen].T  # (point, place): all labels, of which some are absent
    price = np.where(np.isnan(open_places), _IMPOSSIBLE, open_places + _KEEP_NATS)
    price[np.arange(len(seen)), seen] = own[seen]
    rows, places = linear_sum_assignment(price)
    takes = np.arange(n)
    takes[seen[rows]] = places
    left = set(np.flatnonzero(takes != np.arange(n)).tolist())
    while left:
        ring = [min(left)]
        while (following := int(takes[ring[-1]])) in left and following != ring[0]:
            ring.append(following)
        # A chain is entered at its head, lest it be told in pieces.
        while int(takes[ring[-1]]) != ring[0] and (head := [x for x in left if takes[x] == ring[0] and x not in ring]):
            ring.insert(0, head[0])
        left -= set(ring)
        after = takes[ring]
        nats = float(np.sum([own[x] - cost[y, x] for x, y in zip(ring, after.tolist(), strict=True)]))
        if nats > _KEEP_NATS * len(ring):
            yield tuple(ring), tuple(after.tolist()), nats


def limbs(centre: Array, pairs: IntArray) -> list[IntArray]:
    """Pairs of left and right that belong to one limb, by nearness: all groups of two or more, small and large."""
    if len(pairs) < 2:
        return []
    left, right = pairs.T
    distance = np.fmin(centre[np.ix_(left, left)], centre[np.ix_(right, right)])
    distance = np.where(np.isnan(distance), _FAR_MM, distance)
    found: dict[tuple[int, ...], None] = {}
    for by in ("single", "average"):
        groups: list[list[int]] = [[n] for n in range(len(pairs))]
        for a, b, *_ in linkage(distance[np.triu_indices(len(pairs), 1)], by):
            groups.append(groups[int(a)] + groups[int(b)])
        found |= dict.fromkeys(tuple(sorted(g)) for g in groups if len(g) > 1)
    return [pairs[list(g)] for g in found]


def mirrored_pairs(block: IntArray) -> Exchange:
    """The exchange of left and right of all pairs of a block `(n, 2)`."""
    return _ordered((*block[:, 0].tolist(), *block[:, 1].tolist()), (*block[:, 1].tolist(), *block[:, 0].tolist()))


def _limbs(points: FloatArray, expected: Distances, pairs: IntArray) -> Iterator[tuple[Exchange, float]]:
    """Limbs whose distances to the rest of the body speak, at some moments, for left and right being exchanged."""
    if len(pairs) < 2:
        return
    gain = _flip_gains(points, expected, pairs)  # (n_moments, n_pairs, n_labels)
    index = {tuple(p): n for n, p in enumerate(pairs.tolist())}
    blocks = limbs(expected.centre, pairs)
    total = np.zeros((len(points), len(blocks)))
    for n, block in enumerate(blocks):
        outside = np.ones(points.shape[1], np.bool_)
        outside[block.ravel()] = False
        members = [index[tuple(p)] for p in block.tolist()]
        total[:, n] = gain[:, members][:, :, outside].sum((1, 2))
    best = total.argmax(1) if blocks else np.zeros(0, np.int64)
    for n in np.unique(best[total.max(1) > _LIMB_GAIN]) if blocks else []:
        yield mirrored_pairs(blocks[n]), _LIMB_NATS


def _flip_gains(points: FloatArray, expected: Distances, pairs: IntArray) -> Array:
    """`(n_moments, n_pairs, n_labels)`: what the distances of a pair to every other label speak for its exchange."""
    left, right = pairs.T
    exact = points.astype(np.float64)
    from_left = np.linalg.norm(exact[:, left, None] - exact[:, None], axis=3)
    from_right = np.linalg.norm(exact[:, right, None] - exact[:, None], axis=3)

    def nats(distance: Array, label: IntArray) -> Array:
        off = np.abs(distance - expected.centre[label]) / expected.spread[label]
        return np.asarray(np.log1p(np.square(np.minimum(off, _LIMB_SPREADS))))

    gain = nats(from_left, left) + nats(from_right, right) - nats(from_left, right) - nats(from_right, left)
    contrast = np.abs(expected.centre[left] - expected.centre[right])
    contrast = contrast / np.hypot(expected.spread[left], expected.spread[right])
    found: Array = gain * np.minimum(np.nan_to_num(contrast) / _CONTRAST, 1.0) ** 2
    return np.asarray(np.nan_to_num(found))


def _when(points: FloatArray, rate_hz: float, expected: Distances, kinks: Kinks, x: Exchange) -> list[Mistake]:
    """The stretches in which an exchange is likelier than not, by distances and paths together."""
    labels, should = x
    frames = moments_of(len(points), rate_hz)
    here = points[frames]
    after = rearranged(here, [Mistake(0, len(here), labels, should, 0.0)])
    concerned = np.array(sorted({*labels, *should}), np.int64)
    evidence = np.zeros(len(points))
    cost, other = own_misfits(here, expected, concerned), own_misfits(after, expected, concerned)
    # Only points that are seen count, each in both places.
    row = {n: i for i, n in enumerate(concerned.tolist())}
    gain = np.zeros(len(here))
    for a, b in zip(labels, should, strict=True):
        gain += np.nan_to_num(cost[:, row[a]] - other[:, row[b]])
    evidence[frames] = np.clip(gain, -_MOST_MOMENT_NATS, _MOST_MOMENT_NATS) * _MOMENT_WEIGHT
    on, off = kinks.for_change(x)
    least = max(2, round(LEAST_S * rate_hz))
    mistakes = []
    for start, stop in runs(_two_states(evidence, on - _CHANGE_NATS, off - _CHANGE_NATS)).tolist():
        nats = float(evidence[start:stop].sum())
        nats += on[start] - _CHANGE_NATS if start > 0 else -_CHANGE_NATS
        nats += off[stop] - _CHANGE_NATS if stop < len(points) else 0.0
        if stop - start >= least:
            mistakes.append(Mistake(start, stop, labels, should, nats))
    return mistakes


def _two_states(evidence: Array, on: Array, off: Array) -> BoolArray:
    """`(n_frames,)`: the likeliest path between right and exchanged; `evidence` for exchanged in each frame, `on` and
    `off` for changing before it."""
    right, wrong = 0.0, float(evidence[0]) - _CHANGE_NATS
    came = np.zeros((len(evidence), 2), np.bool_)  # from the other state
    came_right, came_wrong = came[:, 0], came[:, 1]
    for n, (e, a, b) in enumerate(zip(evidence.tolist(), on.tolist(), off.tolist(), strict=True)):
        if n == 0:
            continue
        to_wrong, to_right = right + a, wrong + b
        came_right[n], came_wrong[n] = to_right > right, to_wrong > wrong
        right, wrong = max(right, to_right), max(wrong, to_wrong) + e
    state = wrong > right
    path = np.zeros(len(evidence), np.bool_)
    for n in range(len(evidence) - 1, -1, -1):
        path[n] = state
        if came[n, int(state)]:
            state = not state
    return path


def _flips_joined(mistakes: list[Mistake], pairs: IntArray, rate_hz: float) -> list[Mistake]:
    """Pairs of left and right that are exchanged at the same time, as one mistake."""
    of_pairs = {frozenset(p) for p in pairs.tolist()}

    def sides(m: Mistake) -> bool:
        return all(frozenset(x) in of_pairs for x in zip(m.labels, m.should, strict=True))

    near = LEAST_S * rate_hz
    joined: list[Mistake] = []
    for m in mistakes:
        same = [o for o in joined if sides(o) and abs(o.start - m.start) <= near and abs(o.stop - m.stop) <= near]
        if same and sides(m) and not set(m.labels) & set(same[0].labels):
            x = _ordered(same[0].labels + m.labels, same[0].should + m.should)
            joined[joined.index(same[0])] = Mistake(same[0].start, same[0].stop, *x, same[0].nats + m.nats)
        else:
            joined.append(m)
    return joined
