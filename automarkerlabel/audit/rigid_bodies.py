"""Where the mates on a label's own segment say it is: they are laid on those of a pose as one stiff body, so that a
marker that left the plane of its mates is seen too, though its distances hardly change."""

import numpy as np
import numpy.typing as npt

from automarkerlabel.audit.distances import Distances
from automarkerlabel.core.rotations import turns
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray

Array = npt.NDArray[np.float64]

LEAST_MATES = 3  # points that fix how a body lies in space
_MOST_MATES = 8  # the stiffest; more add little, by hand
_MOST_MOMENTS = 100  # for time alone, by hand
_FEWEST_MOMENTS = 3  # the least with a middle and a spread
# By which markers are elsewhere on their segment than in the pose, each way. Chosen by hand with markers put elsewhere
# in the development trials (`--seed 5` and `--seed 41` of docs/benchmarks/README.md#audit), not fitted.
_FLESH_MM = 5.0
_DEGREES = 3.0  # of Student's t, as in `placement`


def stiff_mates(own: Distances, places: Array, label: int, same: BoolArray) -> IntArray:
    """The mates on the label's own segment that the pose has, those that keep their distance best first; none where
    there are fewer than three."""
    known = same[label] & np.isfinite(places[:, 0]) & np.isfinite(own.centre[label])
    known[label] = False
    ranked = np.argsort(np.where(known, own.spread[label], np.inf), kind="stable")
    mates = ranked[: min(_MOST_MATES, int(known.sum()))]
    return np.asarray(mates if len(mates) >= LEAST_MATES else mates[:0], np.int64)


def carried(points: FloatArray, places: Array, label: int, mates: IntArray) -> tuple[Array, float] | None:
    """Where in the pose `(3,)` mm a label is by its mates, mostly, and the nats for that against where the pose has it.

    None where they are not seen together. The turn's own error grows with the label's distance from the mates' middle
    and with how badly they fit.

    points  `(n_moments, n_labels, 3)` mm.
    places  `(n_labels, 3)` mm, the pose.
    mates   `(n_mates,)`, 3 at least.
    """
    seen = np.isfinite(points[:, label, 0]) & np.isfinite(points[:, mates, 0]).all(1)
    moments = np.flatnonzero(seen)
    if len(moments) < _FEWEST_MOMENTS:
        return None
    moments = moments[:: -(-len(moments) // _MOST_MOMENTS)]
    now = points[moments][:, mates].astype(np.float64)  # (n_moments, n_mates, 3)
    now_middle, middle = now.mean(1), places[mates].mean(0)
    now_arms, arms, home = now - now_middle[:, None], places[mates] - middle, places[label] - middle
    back = turns(arms[None], now_arms[None], np.full(len(mates), 1 / len(mates)))[0].swapaxes(1, 2)
    arm = np.einsum("ti,tij->tj", points[moments, label] - now_middle, back)
    at = np.median(arm, axis=0)
    off = np.median(np.einsum("tmi,tij->tmj", now_arms, back), axis=0) - arms
    reach = _reach(arms, home)
    misfit = np.sqrt(np.square(off).sum() / max(3 * len(mates) - 6, 1))
    varies = float(np.median(np.linalg.norm(arm - at, axis=1)))
    scale = np.sqrt(_FLESH_MM**2 * (1 + reach**2) + varies**2 + (misfit * reach) ** 2)
    by = float(np.linalg.norm(at - home))
    nats = (_DEGREES + 3) / 2 * np.log1p(np.square(by / scale) / _DEGREES)
    return at + middle, float(nats)


def _reach(arms: Array, home: Array) -> float:
    """By how much an error of each mate's place grows at `home` `(3,)`: by the shift of their middle, and by the turn
    about each of the axes of `arms` `(n_mates, 3)`."""
    inertia, axes = np.linalg.eigh(arms.T @ arms)
    along = np.square(home @ axes)
    about = (along.sum() - along) / np.maximum(inertia.sum() - inertia, 1.0)
    return float(np.sqrt(1 / len(arms) + about.sum()))
