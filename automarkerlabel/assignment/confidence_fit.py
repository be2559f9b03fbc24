"""Fitting confidences to labellings whose truth is known: how often labels with such signs were right."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from automarkerlabel.assignment.confidence import N_SIGNS, Calibration, Knots, Scale, calibrated, ece, in_course, logit
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.trial import BoolArray, FloatArray
from automarkerlabel.errors import InputError

Array = npt.NDArray[np.float64]

_FIRST_BIN = 20  # tracklets of the least sure ones; each further bin holds twice as many
_FIRST_COURSE_BIN = 200  # windows
_LARGEST_BIN = 1000  # at least; and
_N_LARGE_BINS = 16  # about, of many
_RIDGE = 0.01  # by which weights are kept near 1
_LEAST_TRACKLETS = 100  # that a scale can be fitted to
N_BINS = 12


@dataclass(frozen=True, eq=False)
class Observed:
    """A labelling and its truth.

    right   `(n_tracklets,)`: share of a tracklet's points whose class is right.
    points  `(n_tracklets,)`: visible points.
    course  of each tracklet `(n_moments,)`: whether the class is right at each moment of its course, NaN where the
            tracklet is hidden.
    """

    labelling: Labelling
    right: Array
    points: Array
    course: Sequence[FloatArray]


@dataclass(frozen=True)
class Errors:
    """How far confidence is from the share that is right, of the labels given: `points` weighted by visible points,
    `tracklets` each alike; and `loss`, the mean negative log-likelihood of what is right, by points."""

    points: float
    tracklets: float
    loss: float


def fit(observed: Sequence[Observed]) -> Calibration:
    """The calibration that suits labellings best. Raises `InputError` for fewer than 100 labelled tracklets."""
    labelled, unlabelled = (_tracklets(observed, given) for given in (True, False))
    if len(labelled[1]) < _LEAST_TRACKLETS:
        raise InputError(
            f"calibration: expected {_LEAST_TRACKLETS} labelled tracklets or more, found {len(labelled[1])};"
            " take more or longer trials"
        )
    scale = _scale(*labelled)
    # Too few without a label say nothing about such: then they are taken for what the others are.
    other = _scale(*unlabelled) if len(unlabelled[1]) >= _LEAST_TRACKLETS else scale
    course = _course(observed, scale)
    return Calibration(scale, other, course)


def errors(observed: Sequence[Observed], calibration: Calibration | None) -> Errors:
    """How good a calibration is on labellings; None leaves confidences as they are."""
    parts = []
    for o in observed:
        labelling = calibrated(o.labelling, calibration)
        given = (labelling.assigned >= 0) & (o.points > 0)
        parts.append(np.stack([labelling.confidence.astype(np.float64), o.right, o.points])[:, given])
    confidence, right, points = np.concatenate(parts, 1)
    p = np.clip(confidence, 1e-6, 1 - 1e-6)
    loss = -(points * (right * np.log(p) + (1 - right) * np.log1p(-p))).sum() / max(float(points.sum()), 1.0)
    ones = np.ones_like(points)
    return Errors(ece(confidence, right, points, N_BINS), ece(confidence, right, ones, N_BINS), float(loss))


def _tracklets(observed: Sequence[Observed], labelled: bool) -> tuple[FloatArray, Array, Array]:
    """Signs, share right and points of all tracklets that got a label, or none."""
    signs: list[FloatArray] = [np.zeros((0, N_SIGNS), np.float32)]
    right, points = [np.zeros(0)], [np.zeros(0)]
    for o in observed:
        if o.labelling.signs is not None:
            use = ((o.labelling.assigned >= 0) == labelled) & ~o.labelling.signs.held & (o.points > 0)
            signs.append(o.labelling.signs.of_tracklet[use])
            right.append(o.right[use])
            points.append(o.points[use])
    return np.concatenate(signs), np.concatenate(right), np.concatenate(points)


def _scale(signs: FloatArray, right: Array, points: Array) -> Scale:
    weights = _weights(signs.astype(np.float64), right, points / points.mean())
    number = signs @ weights[:-1] + weights[-1]
    return Scale(tuple(weights.tolist()), fit_knots(number, right, points, _FIRST_BIN))


def _weights(signs: Array, right: Array, weight: Array) -> Array:
    """Logistic regression with weights of 0 or more: a better sign never makes a label less likely.

    All signs are logs of odds or the like: a weight of 1 is what is expected of each. The few tracklets in mid-range,
    which decide the fit, must not take the weight from signs that matter among those that are nearly certain.
    """
    inputs = np.concatenate([signs, np.ones((len(signs), 1))], 1)
    scale = weight.sum()

    def loss(w: Array) -> tuple[float, Array]:
        z = inputs @ w
        value = (weight * (np.logaddexp(0, z) - right * z)).sum() / scale + _RIDGE * ((w[:-1] - 1) ** 2).sum()
        slope = inputs.T @ (weight * (1 / (1 + np.exp(-np.clip(z, -500, 500))) - right)) / scale
        slope[:-1] += 2 * _RIDGE * (w[:-1] - 1)
        return float(value), slope

    start = np.append(np.ones(signs.shape[1]), 0.0)
    bounds = [(0.0, None)] * signs.shape[1] + [(None, None)]
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x, np.float64)


def fit_knots(number: Array, right: Array, weight: Array, first_bin: int) -> Knots:
    """Isotonic regression in few knots: (number, log-odds of being right), ascending in both.

    Bins of ascending number, each with twice as many as the one before up to a size, since mistakes are where the
    number is smallest. To each one half right and one half wrong are added, so that no bin is certain.
    """
    order = np.argsort(number, kind="stable")
    number, right, weight = number[order], right[order], weight[order]
    edges = [0]
    size, largest = first_bin, max(_LARGEST_BIN, len(number) // _N_LARGE_BINS)
    while edges[-1] < len(number):
        left = len(number) - edges[-1]
        edges.append(edges[-1] + (size if left >= 3 * size else left))  # the last one is not smaller than that before
        size = min(2 * size, largest)
    middle, share, count = [], [], []
    for a, b in pairwise(edges):
        w = weight[a:b] / weight[a:b].mean()
        middle.append(float(np.average(number[a:b], weights=w)))
        share.append(float(((w * right[a:b]).sum() + 0.5) / (b - a + 1)))
        count.append(float(b - a))
    x, which = np.unique(np.round(middle, 6), return_inverse=True)  # bins of like numbers are one
    counts = np.asarray(np.bincount(which, count), np.float64)
    log_odds = logit(pool_violators(np.bincount(which, np.multiply(share, count)) / counts, counts))
    level = np.append(False, np.diff(log_odds) == 0)
    inner = level & np.append(level[1:], False)  # in the midst of a level: straight lines need the ends alone
    return tuple(zip(x[~inner].tolist(), log_odds[~inner].tolist(), strict=True))


def pool_violators(values: Array, weights: Array) -> Array:
    """The ascending values nearest to `values` by weighted squares (pool adjacent violators)."""
    blocks: list[list[float]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, wa, na), (b, wb, nb) = blocks[-2:]
            blocks[-2:] = [[(a * wa + b * wb) / (wa + wb), wa + wb, na + nb]]
    return np.repeat([b[0] for b in blocks], [int(b[2]) for b in blocks])


def _course(observed: Sequence[Observed], scale: Scale) -> Knots:
    """Knots of `Calibration.in_course`, from every moment at which a labelled tracklet is seen."""
    numbers, right = [np.zeros(0)], [np.zeros(0)]
    for o in observed:
        signs = o.labelling.signs
        if signs is None:
            continue
        log_odds = scale.log_odds(signs.of_tracklet)
        for n in np.flatnonzero((o.labelling.assigned >= 0) & ~signs.held).tolist():
            seen: BoolArray = ~np.isnan(o.course[n])
            numbers.append(in_course(float(log_odds[n]), signs.courses[n][1][seen]))
            right.append(o.course[n][seen].astype(np.float64))
    number, truth = np.concatenate(numbers), np.concatenate(right)
    return fit_knots(number, truth, np.ones(len(number)), _FIRST_COURSE_BIN)
