"""How likely a label is right: of a whole tracklet, and from frame to frame.

The evidence alone is far too sure of itself: windows of one tracklet err together, and so do tracklets of one trial.
So it is told by signs (how far ahead the label is, what single windows say, how sure the whole trial is) how often
labels with such signs were right in trials whose truth was known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from automarkerlabel.assignment.assign import FREE, continued, decide, evidence, hold_fixed, taken_beside
from automarkerlabel.assignment.continuity import NO_JOINS, Joins, find_joins
from automarkerlabel.core.labelling import Labelling, LabelScores, Signs
from automarkerlabel.core.tracklets import Tracklet, meeting_sets
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial, runs
from automarkerlabel.errors import ModelError

Array = npt.NDArray[np.float64]
Knots = tuple[tuple[float, float], ...]

N_SIGNS = 5
_MOST_NATS = 50.0
_LEAST_DOUBT = 0.0005  # of a mean over windows
_WINDOW_DOUBT = 0.01  # of a single one
_SPREAD_FRAMES_S = 0.3  # windows as far apart say nothing about each other
_NEIGHBOURS = 4  # windows before and after that are looked at
_AGREE = 3.0  # nats from which on windows agree with a label as they should
_STRONG = 2.0  # how much each nat less than that counts in the course
_EXTREME = 1e-6  # no confidence is nearer to 0 or 1


@dataclass(frozen=True)
class Scale:
    """From signs to log-odds that hold.

    weights  of each sign, none below 0, and a constant last: they make one number of the signs.
    knots    (number, log-odds), ascending in both; straight between them, level beyond.
    """

    weights: tuple[float, ...]
    knots: Knots

    def __post_init__(self) -> None:
        fits = len(self.weights) == N_SIGNS + 1 and len(self.knots) > 0
        if not (fits and np.isfinite(self.weights).all() and min(self.weights[:-1]) >= 0):
            raise ModelError(f"calibration: expected {N_SIGNS + 1} weights, none of a sign below 0, and knots")
        object.__setattr__(self, "knots", checked_knots(self.knots))

    def log_odds(self, signs: FloatArray) -> Array:
        """Of `(n, n_signs)`."""
        return mapped(self.combined(signs), self.knots)

    def combined(self, signs: FloatArray) -> Array:
        return np.asarray(signs @ np.array(self.weights[:-1]) + self.weights[-1], np.float64)


@dataclass(frozen=True)
class Calibration:
    """How confidence is made of signs; see `evaluate.fit_confidence`.

    labelled    of tracklets that got a label, `unlabelled` of those that got none.
    in_course   knots from log-odds in the course of a tracklet to log-odds that hold.
    """

    labelled: Scale
    unlabelled: Scale
    in_course: Knots

    def __post_init__(self) -> None:
        object.__setattr__(self, "in_course", checked_knots(self.in_course))

    def plain(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any] | None) -> "Calibration | None":
        """From the values of `plain`; None and nothing make None. Raises `ModelError` for damaged ones."""
        if not values:
            return None
        try:
            scales = [
                Scale(tuple(float(x) for x in values[name]["weights"]), values[name]["knots"])
                for name in ("labelled", "unlabelled")
            ]
            return cls(scales[0], scales[1], values["in_course"])
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"calibration: expected scales and knots, found them damaged ({error!r})") from error


def checked_knots(knots: Any) -> Knots:
    """Knots as plain numbers. Raises `ModelError` unless they are finite and ascend."""
    points = tuple((float(x), float(y)) for x, y in knots)
    array = np.array(points).reshape(-1, 2)
    if not (len(points) and np.isfinite(array).all() and (np.diff(array, axis=0) >= 0).all()):
        raise ModelError("calibration: expected knots that ascend, found others")
    return points


def mapped(values: Array, knots: Knots) -> Array:
    """Values by straight lines between knots, level beyond them."""
    x, y = np.array(knots).T
    return np.asarray(np.interp(values, x, y), np.float64)


def logit(probability: Array | FloatArray, least: float = _EXTREME) -> Array:
    """Log-odds of probabilities, which are kept `least` from 0 and 1."""
    p = np.clip(probability.astype(np.float64), least, 1 - least)
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


def probability(log_odds: Array) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -_MOST_NATS, _MOST_NATS))), np.float32)


def decide_signed(
    trial: Trial, tracklets: Sequence[Tracklet], scores: LabelScores, temperature: float, keep_labels: bool = False,
    sets: BoolArray | None = None, continuity: bool = False,
) -> Labelling:  # fmt: skip
    """The labelling of a trial's tracklets from their scores, with its signs.

    keep_labels  holds names fixed that the trial has already and the scores know.
    sets         those of `tracklets.meeting_sets`, where they are known already.
    continuity   whether it speaks for a label that the tracklet goes on where another one of that label ended.
    """
    sets = meeting_sets(trial, tracklets) if sets is None else sets
    fixed = hold_fixed(trial, tracklets, scores.labels) if keep_labels else None
    joins = find_joins(trial, tracklets) if continuity else NO_JOINS
    labelling = decide(scores, tracklets, sets, temperature, fixed, joins)
    return signed(labelling, scores, sets, trial.rate_hz, joins, None if fixed is None else fixed != FREE)


def signed(
    labelling: Labelling, scores: LabelScores, sets: BoolArray, rate_hz: float, joins: Joins = NO_JOINS,
    held: BoolArray | None = None,
) -> Labelling:  # fmt: skip
    """The labelling with the signs that speak for each label; `held` bool `(n_tracklets,)` those that were given.

    Of a tracklet: the log of how far its class is ahead of all others that it could have (in nats), and the mean
    probability in its windows, as log-odds. Labels that others carry at the same time do not count in the first, and do
    in the second: two columns that exchange their markers are told by it. Of the trial: the mean probability in the
    windows of all labelled tracklets, the share of windows without a label, both as logs, and the log of the number of
    labels: few do not check each other. A trial that is wrong as a whole, left for right, is told by these.
    """
    assigned, n = labelling.assigned, len(labelling.assigned)
    chosen = np.where(assigned >= 0, assigned, len(scores.labels))
    ahead = lead(evidence(scores) + continued(assigned, joins, len(scores.labels)), assigned, sets)
    given = np.exp(scores.log_probs[np.arange(len(scores.tracklet)), chosen[scores.tracklet]].astype(np.float64))
    n_windows = scores.n_windows()
    mean = np.where(n_windows > 0, np.bincount(scores.tracklet, given, n) / np.maximum(n_windows, 1), 0.5)
    signs = np.stack(
        [
            np.sign(ahead) * np.log1p(np.abs(ahead)), logit(mean, _LEAST_DOUBT),
            *(np.full(n, x) for x in _of_trial(given, assigned[scores.tracklet] >= 0, len(scores.labels))),
        ],
        axis=1,
    )  # fmt: skip
    held = np.zeros(n, np.bool_) if held is None else held
    return replace(labelling, signs=Signs(signs.astype(np.float32), _agreement(scores, given, rate_hz), held))


def lead(gain: Array, assigned: IntArray, sets: BoolArray) -> Array:
    """`(n_tracklets,)` nats by which each class is ahead of all others that the tracklet could have; 0 where nothing
    is known."""
    n_tracklets, n_labels = gain.shape
    taken = taken_beside(sets, assigned, n_labels)
    chosen = np.where(assigned >= 0, assigned, n_labels)
    rows = np.arange(n_tracklets)
    all_gains = np.concatenate([gain, np.zeros((n_tracklets, 1))], 1)
    options = np.concatenate([np.where(taken, -np.inf, gain), np.zeros((n_tracklets, 1))], 1)
    mine = all_gains[rows, chosen]
    options[rows, chosen] = -np.inf
    best = options.max(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        others = best + np.log(np.exp(options - best[:, None]).sum(1))
        ahead = np.where(np.isneginf(best), _MOST_NATS, mine - others)
    known = np.isfinite(gain).any(1) if n_labels else np.zeros(n_tracklets, np.bool_)
    return np.where(known, np.clip(ahead, -_MOST_NATS, _MOST_NATS), 0.0)


def _of_trial(given: Array, labelled: BoolArray, n_labels: int) -> tuple[float, float, float]:
    """The signs that all tracklets of a trial share, of its `(n_windows,)` probabilities."""
    mean = np.array(given[labelled].mean() if labelled.any() else 0.5)
    left = ((~labelled).sum() + 1) / (len(labelled) + 2)
    return float(logit(mean, _LEAST_DOUBT)), float(-np.log(left)), float(np.log(max(1, n_labels)))


def _agreement(scores: LabelScores, given: Array, rate_hz: float) -> list[tuple[FloatArray, FloatArray]]:
    """The courses of `Signs`: log-odds of the given class in each window, averaged with those next to it."""
    log_odds, middle = logit(given, _WINDOW_DOUBT), (scores.frames.sum(1) - 1) / 2
    total, weight = log_odds.copy(), np.ones(len(log_odds))
    for k in range(1, min(_NEIGHBOURS, len(log_odds) - 1) + 1):
        near = 1 - np.abs(middle[k:] - middle[:-k]) / (_SPREAD_FRAMES_S * rate_hz)
        near = np.where(scores.tracklet[k:] == scores.tracklet[:-k], np.maximum(near, 0), 0)
        total[k:] += near * log_odds[:-k]
        total[:-k] += near * log_odds[k:]
        weight[k:] += near
        weight[:-k] += near
    edges = np.searchsorted(scores.tracklet, np.arange(scores.n_tracklets + 1))
    agreement = (total / weight).astype(np.float32)
    middle = middle.astype(np.float32)
    return [(middle[a:b], agreement[a:b]) for a, b in pairwise(edges.tolist())]


def calibrated(labelling: Labelling, calibration: Calibration | None) -> Labelling:
    """The labelling with the confidences that its signs tell, and their courses. A label that was held is certain.

    Without signs nothing changes; without a calibration the confidence of whole tracklets does not.
    """
    signs = labelling.signs
    if signs is None:
        return labelling
    confidence, held = labelling.confidence, signs.held
    if calibration is not None:
        labelled = calibration.labelled.log_odds(signs.of_tracklet)
        log_odds = np.where(labelling.assigned >= 0, labelled, calibration.unlabelled.log_odds(signs.of_tracklet))
        confidence = np.where(held, np.float32(1), probability(log_odds)).astype(np.float32)
    courses = []
    for n, (moments, agreement) in enumerate(signs.courses):
        course = np.ones(len(moments), np.float32)
        if not held[n]:
            base = float(logit(confidence[n : n + 1])[0])
            told = in_course(base, agreement)
            course = probability(told if calibration is None else mapped(told, calibration.in_course))
        courses.append((moments, course))
    return replace(labelling, confidence=confidence, courses=tuple(courses))


def in_course(log_odds: float, agreement: FloatArray) -> Array:
    """Log-odds of a tracklet's class in its course: less than of the whole where the windows do not agree."""
    return np.asarray(log_odds + _STRONG * np.minimum(0, agreement.astype(np.float64) - _AGREE), np.float64)


def frame_confidence(labelling: Labelling, n_frames: int, n_columns: int) -> FloatArray:
    """`(n_frames, n_columns)`: the confidence of each point's class, NaN outside of tracklets.

    Between the moments of a tracklet's course it is interpolated; a tracklet without a course has one confidence.
    """
    found: FloatArray = np.full((n_frames, n_columns), np.nan, np.float32)
    for n, t in enumerate(labelling.tracklets):
        found[t.start : t.stop, t.column] = confidence_in(labelling, n, np.arange(t.start, t.stop))
    return found


def confidence_in(labelling: Labelling, tracklet: int, frames: IntArray) -> FloatArray:
    """The confidence of a tracklet's class in some `(n,)` frames."""
    moments, course = labelling.courses[tracklet] if labelling.courses else (np.zeros(0), np.zeros(0))
    if not len(moments):
        return np.full(len(frames), labelling.confidence[tracklet], np.float32)
    return np.asarray(np.interp(frames, moments, course), np.float32)


def doubtful_spans(labelling: Labelling, tracklet: int, below: float) -> list[tuple[int, int, float]]:
    """(first frame, one after the last, lowest confidence) of each stretch of a tracklet below a confidence."""
    t = labelling.tracklets[tracklet]
    confidence = confidence_in(labelling, tracklet, np.arange(t.start, t.stop))
    return [(t.start + int(a), t.start + int(b), float(confidence[a:b].min())) for a, b in runs(confidence < below)]


def ece(confidence: Array, right: Array, weight: Array, n_bins: int = 12) -> float:
    """Expected calibration error: the mean distance of confidence from share right, over equal bins of confidence."""
    bins = np.clip((confidence * n_bins).astype(np.int64), 0, n_bins - 1)
    excess = np.bincount(bins, weight * (confidence - right), n_bins)
    return float(np.abs(excess).sum() / max(float(weight.sum()), 1e-12))
