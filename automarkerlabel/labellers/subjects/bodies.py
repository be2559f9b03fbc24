"""Which points belong together, where several people are in one recording: a body is a cloud of its own, most of the
time, and what is once part of it remains so.

Heights count less than what lies on the floor plan: people stand beside each other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import BoolArray, IntArray, Trial
from automarkerlabel.labellers.matcher.windows import MatchWindows

Array = npt.NDArray[np.float64]

_HEIGHT = 0.2  # weight of a difference in height beside one on the floor plan
_NEAREST = 4  # points of a body whose distance says how near another point is to it
_MOMENTS = 24  # at most, among which the one is chosen in which bodies stand apart most clearly
_LEAST_SHARE = 0.3  # of an even share of the points: a smaller cloud is no body but stray points
_ROUNDS = 10
_ALONE = 3.0  # times the usual distance to the next few points; farther away stands a stray point
_SPREAD, _APART_MM = 3.0, 200.0  # weight, and most, of the standard deviation of a distance beside the distance
_TRIES = 8  # starts of the search for clouds in one moment
_NEAR_MM = 250.0  # who is nearer to another body by no more than this may belong to either
_EITHER_MM = 100.0
_CHANGED_SHARE = 0.25  # of the time; so long nearer to another body: the column may carry two markers
_BACK_MM = 600.0  # who comes back is no farther than that from wherever he was last
_FAR_MM = 1000.0  # from everybody: nobody's
_GAP_MM = 500.0  # between the nearest points of two people who stand apart,
_APART_SHARE = 0.2  # for at least so much of a trial
_LEAST_POINTS, _GROUP_SHARE = 8, 0.2  # of the points that are seen: a smaller group is no person


@dataclass(frozen=True, eq=False)
class Places:
    """Where tracklets are in the moments of a trial.

    points  float64 `(n_windows, n_tracklets, 3)`, in the order of time, mm, heights scaled; NaN where a tracklet is not
            seen.
    """

    points: Array

    @classmethod
    def of(cls, windows: MatchWindows, n_tracklets: int) -> "Places":
        points = np.full((len(windows), n_tracklets, 3), np.nan)
        which, slot = np.nonzero(windows.tracklet >= 0)
        points[which, windows.tracklet[which, slot]] = windows.now[which, slot]
        return cls(points * (1, 1, _HEIGHT))

    @cached_property
    def seen(self) -> BoolArray:
        """`(n_windows, n_tracklets)`"""
        return np.asarray(~np.isnan(self.points[..., 0]), np.bool_)

    @cached_property
    def spread(self) -> tuple[Array, Array]:
        """`(n_tracklets, n_tracklets)` each: the standard deviation of the distance of two tracklets, mm, `_APART_MM`
        at most, and the number of moments in which both are seen."""
        n_tracklets = self.points.shape[1]
        count, total, squares = np.zeros((3, n_tracklets, n_tracklets))
        for points, seen in zip(self.points, self.seen, strict=True):
            here = np.ix_(seen, seen)
            apart = np.linalg.norm(points[seen][:, None] - points[seen], axis=2)
            count[here] += 1
            total[here] += apart
            squares[here] += apart**2
        n = np.maximum(count, 1)
        return np.minimum(np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0)), _APART_MM), count


def split_bodies(places: Places, n_bodies: int) -> IntArray:
    """The body of each tracklet, 0 to `n_bodies - 1`; -1 of one that is never seen.

    From the moment in which they stand apart most clearly onwards and backwards each tracklet joins the body that it is
    nearest to, and then, again and again, the one that it is nearest to over all moments, until none changes. Bodies
    come in the order in which they lie along the first axis and then the second at that moment.
    """
    body = _joined(places, *_clearest(places, n_bodies), n_bodies)
    for _ in range(_ROUNDS):
        distance = np.nan_to_num(body_distances(places, body, n_bodies), nan=np.inf)
        nearest = np.where(np.isinf(distance).all(1), body, distance.argmin(1))
        if (nearest == body).all():
            break
        body = nearest
    return body


def body_distances(places: Places, body: IntArray, n_bodies: int) -> Array:
    """`(n_tracklets, n_bodies)` mm: how far each tracklet is from each body, averaged over the moments in which both
    are seen; NaN where they never are. See `course_of_distances`."""
    return _averaged(course_of_distances(places, body, n_bodies))


def course_of_distances(places: Places, body: IntArray, n_bodies: int) -> Array:
    """`(n_windows, n_tracklets, n_bodies)`: how far each tracklet is from each body in each moment, itself apart: the
    distance to the next points of the body, and a multiple of how much its distances to the body change over the trial.
    People who stand close still move each in his own way."""
    n_windows, n_tracklets = places.points.shape[:2]
    found = np.full((n_windows, n_tracklets, n_bodies), np.nan)
    for w in range(n_windows):
        here = np.flatnonzero(places.seen[w])
        points = places.points[w, here]
        apart = np.linalg.norm(points[:, None] - points, axis=2)
        np.fill_diagonal(apart, np.inf)
        for k in range(n_bodies):
            found[w, here, k] = _to_nearest(apart[:, body[here] == k])
    spread, count = places.spread
    own = np.equal.outer(body, np.arange(n_bodies)).astype(np.float64)  # (n_tracklets, n_bodies)
    return np.asarray(found + _SPREAD * ((spread * count) @ own) / np.maximum(count @ own, 1))


def near_bodies(places: Places, body: IntArray, n_bodies: int, open_to_all: BoolArray | None = None) -> BoolArray:
    """`(n_tracklets, n_bodies)`: which bodies each tracklet may belong to: its own, any that it is nearer to, and those
    that it is nearer to for a part of the time, as a column that carries two markers is.

    open_to_all  bool `(n_tracklets,)`: those that may belong to bodies hardly farther away, too; None: none may.
    """
    course = course_of_distances(places, body, n_bodies)
    distance = np.nan_to_num(_averaged(course), nan=np.inf)
    margin = np.zeros(len(body)) if open_to_all is None else np.where(open_to_all, _NEAR_MM, 0)
    near: BoolArray = (distance <= distance.min(1, keepdims=True) + margin[:, None]) & np.isfinite(distance)
    filled = np.nan_to_num(course, nan=np.inf)
    nearest = np.where(np.isfinite(filled.min(2)), filled.argmin(2), -1)
    n_seen = np.maximum((nearest >= 0).sum(0), 1)
    for k in range(n_bodies):
        near[:, k] |= (nearest == k).sum(0) > _CHANGED_SHARE * n_seen
    near[np.arange(len(near)), np.maximum(body, 0)] |= body >= 0
    least = filled.min(axis=(0, 2), initial=np.inf)
    near[(least > _FAR_MM) & np.isfinite(least)] = False
    return near


def share_of_either(places: Places, body: IntArray, n_bodies: int, n_samples: IntArray) -> float:
    """The share of the points of bodies, by the samples of each tracklet `(n_tracklets,)`, that are hardly nearer to
    their own body than to another, or even farther from it."""
    distance = np.nan_to_num(body_distances(places, body, n_bodies), nan=np.inf)
    mine = np.equal.outer(body, np.arange(n_bodies))
    own, other = (np.where(which, distance, np.inf).min(1) for which in (mine, ~mine))
    points = n_samples * (body >= 0)
    with np.errstate(invalid="ignore"):
        return float(points @ (other - own < _EITHER_MM) / max(1, points.sum()))


def _to_nearest(apart: Array) -> Array:
    """`(n,)`: mean distance to the nearest few of other points `(n, n_others)`, infinite to oneself; NaN to none."""
    k = min(_NEAREST, apart.shape[1])
    if k == 0:
        return np.full(len(apart), np.nan)
    nearest = np.sort(apart, axis=1)[:, :k]
    nearest[np.isinf(nearest)] = np.nan
    n_known = (~np.isnan(nearest)).sum(1)
    return np.asarray(np.where(n_known > 0, np.nansum(nearest, axis=1) / np.maximum(n_known, 1), np.nan))


def _averaged(course: Array) -> Array:
    known = ~np.isnan(course)
    return np.asarray(np.where(known.any(0), np.nansum(course, axis=0) / np.maximum(known.sum(0), 1), np.nan))


def _clearest(places: Places, n_bodies: int) -> tuple[int, IntArray]:
    """The moment in which `n_bodies` clouds stand apart most clearly, and the cloud of each tracklet in it, -1 of those
    that are not seen."""
    n_seen = places.seen.sum(1)
    many = np.flatnonzero(n_seen >= 0.8 * np.quantile(n_seen, 0.9))
    moments = many[np.unique(np.linspace(0, len(many) - 1, _MOMENTS).astype(np.int64))]
    tried = [(w, *clouds(places.points[w, places.seen[w]], n_bodies)) for w in moments.tolist()]
    clearest, cloud, _ = max(tried, key=lambda x: x[2])
    body = np.full(places.points.shape[1], -1, np.int64)
    body[places.seen[clearest]] = cloud
    return clearest, body


def clouds(points: Array, n_clouds: int) -> tuple[IntArray, float]:
    """The cloud of each point `(n,)`, and how clearly they stand apart: the least distance of two centres in units of
    their clouds' spread (k-means from several starts; a start is a point, and those farthest from it). Points that
    stand alone have no say."""
    best: tuple[float, IntArray] = (-np.inf, np.zeros(len(points), np.int64))
    company = points[~_alone(points)]
    if len(company) < max(3, n_clouds):
        return best[1], best[0]
    for first in np.unique(np.linspace(0, len(company) - 1, _TRIES).astype(np.int64)).tolist():
        cloud, centres = _k_means(company, _far_apart(company, first, n_clouds))
        size = np.bincount(cloud, minlength=n_clouds)
        if size.min() < max(3, _LEAST_SHARE * len(company) / n_clouds):
            continue
        spread = np.sqrt(np.square(company - centres[cloud]).sum(1).mean())
        apart = np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(n_clouds, 1)]
        clear = float(apart.min(initial=np.inf) / max(float(spread), 1.0))
        if clear > best[0]:
            centres = centres[np.lexsort((centres[:, 1], np.round(centres[:, 0], -2)))]
            best = clear, np.linalg.norm(points[:, None] - centres, axis=2).argmin(1)
    return best[1], best[0]


def _alone(points: Array) -> BoolArray:
    """`(n,)`: points that are much farther from the next few than points mostly are."""
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = _to_nearest(apart)
    return np.asarray(nearest > _ALONE * np.nanmedian(nearest)) if len(points) > 1 else np.ones(len(points), np.bool_)


def _far_apart(points: Array, first: int, n: int) -> Array:
    """`(n, 3)`: a point, the one farthest from it, the one farthest from both, ..."""
    chosen = [first]
    for _ in range(n - 1):
        distance = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(1)
        chosen.append(int(distance.argmax()))
    return np.asarray(points[chosen])


def _k_means(points: Array, centres: Array) -> tuple[IntArray, Array]:
    """The nearest centre of each point `(n,)`, and where the centres came to lie."""
    cloud = np.full(len(points), -1, np.int64)
    for _ in range(_ROUNDS):
        nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(1)
        if (nearest == cloud).all():
            break
        cloud = nearest
        own = np.equal.outer(np.arange(len(centres)), cloud)  # (n_centres, n)
        n_own = own.sum(1, keepdims=True)
        centres = np.where(n_own > 0, own @ points / np.maximum(n_own, 1), centres)
    return cloud, centres


def _joined(places: Places, start: int, body: IntArray, n_bodies: int) -> IntArray:
    """All tracklets with the body that they are nearest to when they are first met, going out from moment `start`."""
    body = body.copy()
    seen = places.seen
    first = _centres(places.points[start], np.where(seen[start], body, -1), np.full((n_bodies, 3), np.nan))
    for moments in (range(start, len(seen)), range(start - 1, -1, -1)):
        centre = first
        for w in moments:
            known = np.where(seen[w], body, -1)
            centre = _centres(places.points[w], known, centre)
            new = np.flatnonzero(seen[w] & (body < 0))
            if len(new):
                body[new] = _nearest(places.points[w], new, known, centre)
    return body


def _centres(points: Array, body: IntArray, before: Array) -> Array:
    """`(n_bodies, 3)`: the median of each body's points, where it was before if none is seen."""
    centres = before.copy()
    for k in np.unique(body[body >= 0]).tolist():
        centres[k] = np.median(points[body == k], axis=0)
    return centres


def _nearest(points: Array, new: IntArray, body: IntArray, centre: Array) -> IntArray:
    """The body of each new point: that of the nearest known points, or, where a body shows none, its centre when it was
    last seen."""
    distance = np.linalg.norm(points[new, None] - centre, axis=2)  # (n_new, n_bodies)
    distance *= _BACK_MM / (distance + _BACK_MM)  # at most that, and the nearer the less
    distance = np.nan_to_num(distance, nan=_BACK_MM)
    for k in np.unique(body[body >= 0]).tolist():
        distance[:, k] = _to_nearest(np.linalg.norm(points[new, None] - points[body == k], axis=2))
    return np.asarray(distance.argmin(1), np.int64)


def groups_apart(trial: Trial) -> tuple[int, ...]:
    """How many points each group has, largest first, that stands apart from all others as a person would: the medians
    over the moments with as many groups as are seen for a good part of the trial. One number, or none, for a trial of
    one person.

    A group is of points nearer to the next than half a metre, a good part of all points seen, and not just a few.
    """
    frames = np.unique(np.linspace(0, trial.n_frames - 1, _MOMENTS).astype(np.int64))
    points = trial.positions[frames][:, trial.marker_columns].astype(np.float64) * (1, 1, _HEIGHT)
    sizes = [_group_sizes(p[~np.isnan(p[:, 0])]) for p in points]
    count = np.array([len(x) for x in sizes])
    n = int(np.quantile(count, 1 - _APART_SHARE, method="lower"))
    same = [x[:n] for x in sizes if len(x) >= n]
    return tuple(int(x) for x in np.median(same, axis=0)) if n else ()


def _group_sizes(points: Array) -> list[int]:
    """Sizes of the groups of points `(n, 3)` that a gap parts from all others, largest first; small ones left out."""
    joined = np.linalg.norm(points[:, None] - points, axis=2) < _GAP_MM
    while True:
        farther = (joined.astype(np.float32) @ joined) > 0
        if (farther == joined).all():
            break
        joined = farther
    sizes = np.unique(joined, axis=0).sum(1) if len(points) else np.zeros(0, np.int64)
    return sorted((int(x) for x in sizes if x >= max(_LEAST_POINTS, _GROUP_SHARE * len(points))), reverse=True)
