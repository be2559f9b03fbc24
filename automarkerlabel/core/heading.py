"""Which way a body faces: turns about the vertical, followed over time and anchored by a search.

Headings are angles in radians about z, from +x towards +y. Points are in mm, z up, NaN where hidden.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from automarkerlabel.core.trial import FloatArray, IntArray

Angles = npt.NDArray[np.float64]

MIN_COMMON = 3  # points that two moments must share to tell a turn
_ROUNDS = 4  # of reweighting
_DRIFT_RAD = float(np.deg2rad(4.0))  # by which the followed heading is wrong from one anchor to the next,
_DRIFT_RAD_S = float(np.deg2rad(0.5))  # and for each second between them; measured: 2 to 6 degrees over 1 to 18 s
_FINER = 6
_SMOOTH_S = 1.0  # to either side
_FAR_DEG = 90.0  # two headings so far apart are not one, badly told
_CLEAR = 3.5  # nats an anchor by which the one must be likelier than the other,
_MOST_LOST = 6.0  # nats; its own likeliest heading may be likelier by so much than the one that the stretch gives it,
_MOST_DRIFT_DEG = 30.0  # and from one anchor to the next the followed heading may be wrong by so much,
_MORE, _MORE_SHARE = 9, 0.2  # or so many more moments are looked at, or this share of them
_JUMP = 12.0  # what a jump to any heading costs at most, in nats


def turned(points: npt.NDArray[np.floating], angle: npt.ArrayLike) -> FloatArray:
    """Points `(..., n, 3)` turned about the vertical by `angle` (radians), which has the leading shape or is one."""
    angle = np.asarray(angle, np.float64)[..., None]
    c, s = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y, points[..., 2] + 0 * c], -1).astype(np.float32)


def wrapped(angle: npt.ArrayLike) -> Angles:
    """Angles brought to -pi to pi."""
    return np.asarray((np.asarray(angle, np.float64) + np.pi) % (2 * np.pi) - np.pi, np.float64)


def yaw_between(before: FloatArray, after: FloatArray) -> float:
    """The turn about the vertical that brings `before` `(n, 3)` best onto `after`, in radians; NaN if that cannot be
    told. Points that move differently from the most count less: a swinging arm is no turn of the body."""
    a, b = before[:, :2].astype(np.float64), after[:, :2].astype(np.float64)
    there = ~np.isnan(a[:, 0]) & ~np.isnan(b[:, 0])
    a, b = a[there], b[there]
    if len(a) < MIN_COMMON:
        return float("nan")
    weight = np.ones(len(a))
    angle = 0.0
    for _ in range(_ROUNDS):
        share = (weight / weight.sum())[:, None]
        p, q = a - (share * a).sum(0), b - (share * b).sum(0)
        cosine = float((share * p * q).sum())
        sine = float((share[:, 0] * (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])).sum())
        if np.hypot(cosine, sine) < 1.0:  # mm²: all on one vertical line
            return float("nan")
        angle = float(np.arctan2(sine, cosine))
        z = (p[:, 0] + 1j * p[:, 1]) * np.exp(1j * angle) - (q[:, 0] + 1j * q[:, 1])
        residual = np.abs(z)
        scale = max(float(np.median(residual)), 1.0)
        weight = 1.0 / (1.0 + (residual / scale) ** 2)
    return angle


def side_heading(left: FloatArray, right: FloatArray) -> float | None:
    """The heading of a pose from points of its left and right `(n_pairs, 3)`: right to left points to +y.

    None where the pairs do not agree, or are too few to tell.
    """
    across = (left - right)[:, :2].astype(np.float64)
    across = across[~np.isnan(across[:, 0])]
    length = np.linalg.norm(across, axis=1)
    across, length = across[length > 1.0], length[length > 1.0]
    if not len(across):
        return None
    unit = (across[:, 0] + 1j * across[:, 1]) / length
    weight = np.minimum(length, 400.0)  # far apart: well told; hands spread wide are not told better
    mean = complex((weight * unit).sum())
    for _ in range(_ROUNDS):
        if abs(mean) == 0:
            return None
        agreement = (unit * np.conj(mean / abs(mean))).real  # cosine of the angle to the mean
        mean = complex((weight * np.clip(agreement, 0.05, 1.0) ** 2 * unit).sum())
    direction = mean / abs(mean)
    agreement = (unit * np.conj(direction)).real
    if weight.sum() < 100.0 or float((weight * agreement).sum() / weight.sum()) < 0.5:
        return None
    return float(wrapped(np.angle(direction) - np.pi / 2))


def follow(moments: Sequence[tuple[IntArray, FloatArray]]) -> tuple[Angles, IntArray]:
    """How a body turns from moment to moment: the heading up to an offset for each connected stretch.

    moments  in the order of time, each the identities `(n,)` and the places `(n, 3)` of the points there.

    Returns the heading `(n_moments,)`, 0 where a stretch begins, and the number of each moment's stretch. A stretch
    ends where two moments have too little in common.
    """
    heading = np.zeros(len(moments))
    stretch = np.zeros(len(moments), np.int64)
    for n in range(1, len(moments)):
        (ids, places), (next_ids, next_places) = moments[n - 1], moments[n]
        _, a, b = np.intersect1d(ids, next_ids, return_indices=True)
        step = yaw_between(places[a], next_places[b])
        broken = np.isnan(step)
        stretch[n] = stretch[n - 1] + broken
        heading[n] = 0.0 if broken else heading[n - 1] + step
    return heading, stretch


def anchors(time_s: Angles, n_points: IntArray, stretch: IntArray) -> IntArray:
    """The moments at which to look for the heading: in each stretch one in three seconds, at least three, and where
    there would be more than eight one in eight seconds; of the moments about, the one with most points."""
    chosen: list[int] = []
    for s in np.unique(stretch):
        inside = np.flatnonzero(stretch == s)
        duration = time_s[inside[-1]] - time_s[inside[0]]
        n = int(min(max(3, duration / 3), max(8, duration / 8)))
        for part in np.array_split(inside, min(n, len(inside))):
            middle = np.abs(np.arange(len(part)) - (len(part) - 1) / 2)
            chosen.append(int(part[np.lexsort((middle, -n_points[part]))[0]]))
    return np.array(chosen, np.int64)


def more_anchors(anchor: IntArray, stretch: IntArray, likelihood: Angles, offsets: Angles, most: int) -> IntArray:
    """Further moments to look for the heading at: of each stretch whose anchors leave another heading likely, or
    between which what was followed is far off; `most` at most in each.

    anchor, likelihood, offsets  of the anchors so far, as `offsets_along` takes and gives them.
    stretch                      `(n_moments,)`
    """
    n = likelihood.shape[1]
    chosen = np.round(offsets / (2 * np.pi / n)).astype(np.int64)
    shifts = np.arange(n)
    along = np.take_along_axis(likelihood, (chosen[:, None] + shifts) % n, 1)  # (n_anchors, n): by turn from the path
    far = np.minimum(shifts, n - shifts) * 360 >= _FAR_DEG * n
    found: list[int] = []
    for s in np.unique(stretch[anchor]):
        mine = stretch[anchor] == s
        mean = along[mine].mean(0)
        drift = np.abs(wrapped(np.diff(offsets[mine]))).max(initial=0.0)
        lost = (along[mine].max(1) - along[mine, 0]).max()
        if mean[0] - mean[far].max() < _CLEAR or np.rad2deg(drift) > _MOST_DRIFT_DEG or lost > _MOST_LOST:
            inside = np.setdiff1d(np.flatnonzero(stretch == s), anchor)
            # The middles of even parts of what is left.
            n_more = min(max(_MORE, round(_MORE_SHARE * len(inside))), most, len(inside))
            parts = np.array_split(inside, max(1, n_more))
            found += [int(part[len(part) // 2]) for part in parts if len(part)]
    return np.array(found, np.int64)


def offsets_along(likelihood: Angles, stretch: IntArray, time_s: Angles) -> tuple[Angles, float]:
    """The likeliest offset of each anchor's heading, in radians, and the summed log-likelihood.

    likelihood  `(n_anchors, n_headings)`: log-likelihood of offsets that divide the circle evenly, from 0.
    stretch     `(n_anchors,)`: within one stretch the offset changes slowly, between two it is free.
    time_s      `(n_anchors,)`

    Found jointly (Viterbi) on a finer circle, between the tried offsets by trigonometric interpolation.
    """
    n_fine = likelihood.shape[1] * _FINER
    fine = _interpolated(likelihood, n_fine)
    apart = wrapped(2 * np.pi * (np.arange(n_fine)[:, None] - np.arange(n_fine)) / n_fine)
    best = fine[0].copy()
    back = np.zeros(fine.shape, np.int64)
    for a in range(1, len(fine)):
        drift = _DRIFT_RAD + _DRIFT_RAD_S * (time_s[a] - time_s[a - 1])
        cost = np.minimum(0.5 * (apart / drift) ** 2, _JUMP) * (stretch[a] == stretch[a - 1])
        reached = best[:, None] - cost  # (from, to)
        back[a] = reached.argmax(0)
        best = reached.max(0) + fine[a]
    path = np.zeros(len(fine), np.int64)
    path[-1] = best.argmax()
    for a in range(len(fine) - 1, 0, -1):
        path[a - 1] = back[a, path[a]]
    return wrapped(path * 2 * np.pi / n_fine), float(best.max())


def _interpolated(values: Angles, n: int) -> Angles:
    """Values `(..., k)` around a circle at `n` places, a multiple of k."""
    k = values.shape[-1]
    spectrum = np.fft.rfft(values)
    if k % 2 == 0:
        spectrum[..., -1] /= 2  # the highest frequency stands for itself and its mirror image
    return np.asarray(np.fft.irfft(spectrum, n) * (n / k), np.float64)


def heading_path(followed: Angles, stretch: IntArray, time_s: Angles, anchor: IntArray, offsets: Angles) -> Angles:
    """The heading of every moment `(n_moments,)`: what was followed plus the anchors' offsets, interpolated in time."""
    heading = followed.copy()
    for s in np.unique(stretch):
        inside, mine = stretch == s, stretch[anchor] == s
        smooth = np.unwrap(offsets[mine])
        heading[inside] += np.interp(time_s[inside], time_s[anchor[mine]], smooth)
    return wrapped(heading)


def refined(
    heading: Angles, stretch: IntArray, time_s: Angles, pairs: Sequence[tuple[FloatArray, FloatArray]]
) -> Angles:
    """The heading of every moment, corrected by what its labelled points say.

    pairs  of each moment the labelled points `(n, 3)` and where they are in a pose that faces +x.

    A moment's own answer is rough, since limbs move: over a second to either side the median correction counts.
    """
    found = np.array([yaw_between(pose, points) for points, pose in pairs])
    known = np.flatnonzero(~np.isnan(found))
    corrected = heading.copy()
    for n in range(len(heading)):
        about = known[(np.abs(time_s[known] - time_s[n]) <= _SMOOTH_S) & (stretch[known] == stretch[n])]
        if len(about):
            off = wrapped(found[about] - heading[about])
            centre = np.angle(np.exp(1j * off).mean())
            corrected[n] += centre + np.median(wrapped(off - centre))
    return wrapped(corrected)
