"""What a trajectory model sees: a window of one trajectory and its nearest neighbours.

A window is `n_samples` frames at an internal rate, whatever the file's. Its neighbours are sorted by their mean
distance to the trajectory, after Clouthier et al. 2021. Each neighbour gives in each sample `FEATURES`:
position relative to the trajectory (x, y, z), distance, speed, acceleration, and whether it is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray

FEATURES = ("x", "y", "z", "distance", "speed", "acceleration", "seen")
N_FEATURES = len(FEATURES)
# Radians a millimetre: wave lengths of 785, 314 and 126 mm. Chosen by hand, not fitted; decision 002 says what they are
# for. Every model file was trained with these.
WAVES_PER_MM: FloatArray = np.array([4.0, 10.0, 25.0], np.float32) / 500.0
UNIT_SCALE: FloatArray = np.ones(N_FEATURES, np.float32)
INPUTS_PER_NEIGHBOUR = N_FEATURES + 2 * len(WAVES_PER_MM)  # numbers that a network takes, see `encode`
SPEED = FEATURES.index("speed")


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one trial.

    tracklet  int `(n_windows,)`, index of the tracklet, ascending; `column` its column.
    frames    int `(n_windows, n_samples)`, the frames that are sampled: those in which the trajectory is seen,
              first; -1 after them.
    """

    tracklet: IntArray
    column: IntArray
    frames: IntArray

    @property
    def mask(self) -> BoolArray:
        """`(n_windows, n_samples)`: True where there is a sample."""
        there: BoolArray = self.frames >= 0
        return there

    def spans(self) -> IntArray:
        """`(n_windows, 2)`: first frame, and one after the last."""
        return np.stack([self.frames[:, 0], self.frames.max(1) + 1], 1)


def cut_windows(
    visible: BoolArray, tracklets: Sequence[Tracklet], file_rate_hz: float, config: WindowConfig
) -> Windows:
    """Windows of every tracklet, one after the other, evenly over it; at least one each.

    `visible` is `(n_frames, n_columns)`. What a tracklet is longer than whole windows is shared out, so that
    windows overlap a little rather than leave a rest.
    """
    step = config.step(file_rate_hz)
    length = max(1, round(config.n_samples * step))  # frames
    offsets = np.floor(np.arange(config.n_samples) * step).astype(np.int64)
    owner, first = [], []
    for n, t in enumerate(tracklets):
        span = t.stop - t.start
        count = max(1, -(-span // length))
        starts = np.round(np.linspace(t.start, max(t.start, t.stop - length), count)).astype(np.int64)
        owner.append(np.full(count, n, np.int64))
        first.append(starts)
    if not owner:
        empty = np.zeros(0, np.int64)
        return Windows(empty, empty, np.zeros((0, config.n_samples), np.int64))
    tracklet, start = np.concatenate(owner), np.concatenate(first)
    column = np.array([t.column for t in tracklets], np.int64)[tracklet]
    stop = np.array([t.stop for t in tracklets], np.int64)[tracklet]
    frames = start[:, None] + offsets  # (n_windows, n_samples)
    inside = frames < stop[:, None]
    frames[~inside] = 0
    seen = inside & visible[frames, column[:, None]]
    # A window whose samples all fall into gaps speaks by the first frame that it does see.
    for row in np.flatnonzero(~seen.any(1)):
        t = tracklets[tracklet[row]]
        there = t.start + np.flatnonzero(visible[t.start : t.stop, t.column])
        frames[row, 0], seen[row, 0] = there[np.abs(there - start[row]).argmin()], True
    order = np.argsort(~seen, axis=1, kind="stable")
    frames = np.take_along_axis(np.where(seen, frames, -1), order, 1)
    return Windows(tracklet, column, frames)


def gather(positions: FloatArray, windows: Windows) -> FloatArray:
    """Points of every column in the windows' samples: `(n_windows, n_samples, n_columns, 3)`, NaN after the last."""
    points = positions[np.maximum(windows.frames, 0)]
    points[~windows.mask] = np.nan
    return points


def neighbour_features(
    points: FloatArray, column: IntArray, sample_rate_hz: float | FloatArray, n_neighbours: int
) -> tuple[FloatArray, IntArray]:
    """Features of windows, and which columns the neighbours are.

    points   `(n_windows, n_samples, n_columns, 3)`, mm, NaN where hidden.
    column   `(n_windows,)`: the trajectory itself.
    sample_rate_hz  samples a second, one for all windows or `(n_windows,)`.

    Returns float32 `(n_windows, n_samples, n_neighbours, N_FEATURES)` in mm, mm/s and mm/s², zeros where a
    neighbour is hidden or there are fewer, and int `(n_windows, n_neighbours)`: columns, -1 where there are fewer.
    """
    n, n_samples, n_columns, _ = points.shape
    rows = np.arange(n)
    rate = np.broadcast_to(np.asarray(sample_rate_hz, np.float32), (n,))[:, None, None, None]
    own = points[rows, :, column]  # (n, n_samples, 3)
    relative = points - own[:, :, None]  # (n, n_samples, n_columns, 3)
    distance = np.sqrt(np.einsum("ntcd,ntcd->ntc", relative, relative))
    seen = ~np.isnan(distance)
    times_seen = seen.sum(1)  # (n, n_columns)
    mean_distance = np.where(seen, distance, 0).sum(1) / np.maximum(times_seen, 1)
    mean_distance[times_seen == 0] = np.inf
    mean_distance[rows, column] = np.inf
    k = min(n_neighbours, n_columns)
    nearest = np.argpartition(mean_distance, k - 1, axis=1)[:, :k]
    order = np.argsort(np.take_along_axis(mean_distance, nearest, 1), axis=1, kind="stable")
    nearest = np.take_along_axis(nearest, order, 1)  # (n, k)
    there = np.isfinite(np.take_along_axis(mean_distance, nearest, 1))
    pick = nearest[:, None, :, None]
    relative = _facing_the_middle(np.take_along_axis(relative, pick, 2))  # (n, n_samples, k, 3)
    features = np.zeros((n, n_samples, n_neighbours, N_FEATURES), np.float32)
    features[:, :, :k, :3] = relative
    features[:, :, :k, 3] = np.take_along_axis(distance, nearest[:, None], 2)
    if n_samples > 1:
        velocity = np.diff(relative, axis=1) * rate
        features[:, 1:, :k, 4] = np.sqrt(np.einsum("ntcd,ntcd->ntc", velocity, velocity))
        features[:, 0, :k, 4] = features[:, 1, :k, 4]
    if n_samples > 2:
        change = np.diff(velocity, axis=1) * rate
        features[:, 2:, :k, 5] = np.sqrt(np.einsum("ntcd,ntcd->ntc", change, change))
        features[:, :2, :k, 5] = features[:, 2:3, :k, 5]
    features[:, :, :k, 6] = 1.0
    hidden = np.isnan(features[:, :, :k, 0]) | ~there[:, None]
    features[:, :, :k][hidden] = 0.0
    np.nan_to_num(features, copy=False, nan=0.0)
    columns = np.full((n, n_neighbours), -1, np.int64)
    columns[:, :k] = np.where(there, nearest, -1)
    return features, columns


def next_step(
    points: FloatArray, pair: FloatArray, column: IntArray, neighbours: IntArray, sample_rate_hz: FloatArray
) -> FloatArray:
    """Where each trajectory goes from the last sample of a window to the one after it, against its neighbours.

    points, column, neighbours  as `neighbour_features` takes and returns them.
    pair            `(n_windows, 2, n_columns, 3)`: the last sample and the one after it, mm, NaN where hidden.
    sample_rate_hz  `(n_windows,)`.

    Returns `(n_windows, 3)` mm/s in the window's axes, as those of its features: how the trajectory moves less how its
    neighbours do on average, since a window says nothing of how all move together. NaN unless the trajectory and a
    neighbour are seen in both samples.
    """
    cos, sin = _towards_the_middle(_relative(points, column, neighbours))
    relative = _turned(_relative(pair, column, neighbours), cos, sin)  # (n, 2, k, 3)
    change = relative[:, 1] - relative[:, 0]  # (n, k, 3)
    seen = ~np.isnan(change[..., :1])
    n_seen = seen.sum(1)  # (n, 1)
    mean = np.where(seen, change, 0).sum(1) / np.maximum(n_seen, 1)
    return np.where(n_seen > 0, -mean * sample_rate_hz[:, None], np.nan).astype(np.float32)


def _relative(points: FloatArray, column: IntArray, neighbours: IntArray) -> FloatArray:
    """`(n, n_samples, k, 3)`: points of the neighbours, counted from the trajectory; NaN where there are fewer."""
    own = points[np.arange(len(points)), :, column]  # (n, n_samples, 3)
    picked = np.take_along_axis(points, np.maximum(neighbours, 0)[:, None, :, None], 2)
    return np.where((neighbours >= 0)[:, None, :, None], picked - own[:, :, None], np.float32(np.nan))


def _facing_the_middle(relative: FloatArray) -> FloatArray:
    """Relative positions `(n, n_samples, k, 3)` turned about the vertical, window by window, so that the middle of the
    neighbours lies towards +x.

    Features then do not depend on where the person faces, and a left marker and its right mirror image differ
    in the sign of y alone, which a network learns at once; from any heading it hardly learns left from right.
    """
    return _turned(relative, *_towards_the_middle(relative))


def _towards_the_middle(relative: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cosine and sine, `(n, 1, 1)` each, of where the middle of the neighbours lies."""
    middle = np.nan_to_num(relative[..., :2]).sum((1, 2))  # (n, 2); its length does not matter
    length = np.hypot(middle[:, 0], middle[:, 1])
    cos, sin = np.where(length > 0, middle.T / np.maximum(length, 1e-9), np.array([[1.0], [0.0]])).astype(np.float32)
    return cos[:, None, None], sin[:, None, None]


def _turned(relative: FloatArray, cos: FloatArray, sin: FloatArray) -> FloatArray:
    """Positions `(n, n_samples, k, 3)` in axes of which x lies that way."""
    turned = np.empty_like(relative)
    turned[..., 0] = cos * relative[..., 0] + sin * relative[..., 1]
    turned[..., 1] = cos * relative[..., 1] - sin * relative[..., 0]
    turned[..., 2] = relative[..., 2]
    return turned


def n_inputs(config: WindowConfig) -> int:
    """Numbers of one sample that a network takes."""
    return config.n_neighbours * INPUTS_PER_NEIGHBOUR


def encode(features: FloatArray, scale: FloatArray) -> FloatArray:
    """What a network takes: `(n, n_samples, n_inputs)`, features divided by `scale`, and sine and cosine of the
    distance at a few wave numbers, without which a network is long blind to centimetres."""
    n, n_samples = features.shape[:2]
    phase = features[..., 3:4] * WAVES_PER_MM
    seen = features[..., -1:]
    encoded = np.concatenate([features / scale, np.sin(phase) * seen, np.cos(phase) * seen], -1, dtype=np.float32)
    return np.asarray(encoded, np.float32).reshape(n, n_samples, -1)


def feature_scale(features: FloatArray) -> FloatArray:
    """`(N_FEATURES,)`: root mean square of each feature over neighbours that are seen; the coordinates share one."""
    seen = features[..., -1] > 0
    values = features[seen].astype(np.float64)
    if not len(values):
        return UNIT_SCALE.copy()
    scale: FloatArray = np.sqrt((values**2).mean(0)).astype(np.float32)
    scale[:3] = np.sqrt((values[:, :3] ** 2).mean())
    scale[-1] = 1.0
    return np.maximum(scale, np.float32(1e-6))
