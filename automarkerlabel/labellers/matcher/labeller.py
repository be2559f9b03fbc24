"""Labelling by matching: the points of a trial against the points of one labelled pose, of any marker set.

Moments of the trial are turned so that the body faces +x, as the reference is; the network says which point is which;
evidence of all moments is decided at once. Then the subject himself, as labelled so far, serves as further references.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automarkerlabel.assignment.assign import assign
from automarkerlabel.assignment.assign import evidence as evidence_of
from automarkerlabel.assignment.confidence import Calibration, calibrated, decide_signed
from automarkerlabel.assignment.pipeline import labelled
from automarkerlabel.assignment.swaps import Decide, Solved
from automarkerlabel.core import tracklets as pieces
from automarkerlabel.core.heading import anchors, refined, yaw_between
from automarkerlabel.core.labelling import Labelling, LabelScores
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import FloatArray, IntArray, Trial
from automarkerlabel.labellers.figures import MatchFacts
from automarkerlabel.labellers.matcher.evidence import as_scores, combined, fit, labels_in, put_right, with_distances
from automarkerlabel.labellers.matcher.heading_search import Followed, Search, rough_likelihood, search_headings
from automarkerlabel.labellers.matcher.network import AT_ONCE, Network, Scorer
from automarkerlabel.labellers.matcher.turned import doubted, facing
from automarkerlabel.labellers.matcher.windows import MatchWindows, cut_match_windows
from automarkerlabel.models.checkpoints.matcher import load_matcher
from automarkerlabel.models.device import has_bfloat16
from automarkerlabel.models.matcher.scores import Assignment

Array = npt.NDArray[np.float64]

_MOST_WORKERS = 8
_LABEL_HEADINGS = 6  # about the one that labels tell
_MOST_RENAMED = 3  # times, as labels that were put right tell more about the others
_UNCALIBRATED = {"temperature": 1.0, "no_label_offset": 0.0}


@dataclass(frozen=True)
class MatchOptions:
    """How a trial is matched.

    distances          weight of what distances between labelled points say; 0: they are not looked at.
    least_worn         a label seen less than this share of the frames that most labels are is perhaps not worn.
    unworn             what that speaks against it, in nats.
    refine             whether the second pass corrects headings by the labels of the first.
    self_references    poses of the subject himself that the second pass refers to; 0: no second pass.
    sure               confidence that makes a label part of such a pose.
    enough             mean confidence from which on there is no second pass.
    first_recycles     how often the network improves its answer in the search for headings.
    recycles           the same when it labels; None: as it was trained.
    rate_hz            moments a second that are looked at.
    swaps              whether columns that carry two markers are looked for and cut; see `assignment.swaps`.
    continuity         whether it counts that a tracklet goes on where another one ended; see `assignment.continuity`.
    turned             whether the body facing the other way throughout is tried, too; see `labellers.matcher.turned`.
    permuted           whether neighbours are renamed by distances that hold over the trial; see `permuted`.
    calibrate          whether confidences are calibrated; they are for the other options as they stand here.
    """

    self_references: int = 4
    refine: bool = True
    distances: float = 2.0
    least_worn: float = 0.2
    unworn: float = 5.0
    sure: float = 0.9
    enough: float = 0.995
    first_recycles: int = 0
    recycles: int | None = None
    rate_hz: float = 5.0
    calibrate: bool = True
    swaps: bool = True
    continuity: bool = True
    turned: bool = True
    permuted: bool = True


class PoseMatcher:
    """A matcher ready to label.

    >>> labeller = PoseMatcher.load("matcher.safetensors")                                     # doctest: +SKIP
    >>> labelling, facts = labeller.label(trial, reference_from_trial(static))                     # doctest: +SKIP
    """

    def __init__(
        self, scorer: Scorer, temperature: float = 1.0, no_label_offset: float = 0.0, device: str = "cpu",
        n_workers: int = 1, half: bool = False, calibration: Calibration | None = None,
    ) -> None:  # fmt: skip
        self.network = Network(scorer, torch.device(device), n_workers, half)
        self.temperature, self.no_label_offset, self.calibration = temperature, no_label_offset, calibration

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> "PoseMatcher":
        """From a file of weights. Raises `ModelError` for a file that holds none."""
        model, training = load_matcher(Path(path))
        n_workers = 1
        if device == "cpu":
            # Two batches on a thread each are done sooner than one on two threads.
            n_workers = min(torch.get_num_threads(), _MOST_WORKERS)
            torch.set_num_threads(1)
        calibration = training.get("calibration", {})
        temperature, offset = (float(calibration.get(k, v)) for k, v in _UNCALIBRATED.items())
        confidence = Calibration.from_plain(calibration.get("confidence"))
        return cls(model.to(device), temperature, offset, device, n_workers, has_bfloat16(device), confidence)

    def label(
        self, trial: Trial, reference: Reference | Sequence[Reference], keep_labels: bool = False,
        options: MatchOptions | None = None,
    ) -> tuple[Labelling, MatchFacts]:  # fmt: skip
        """The labels of a trial's tracklets by a labelled pose, and facts about the match.

        reference    several are poses of the same labels, facing the same way: moments are matched to them in turn.
        keep_labels  holds names fixed that the trial has already and the reference knows.

        Raises `TrialError` for a trial without visible points.
        """
        asked = options or MatchOptions()

        def solve(trial: Trial, tracklets: list[Tracklet], decide: Decide) -> Solved[Way]:
            return self.solved(trial, tracklets, reference, asked, decide)

        labelling, way = labelled(trial, solve, self.temperature, keep_labels, asked.swaps, asked.continuity)
        if asked.calibrate:
            labelling = doubted(calibrated(labelling, self.calibration), way.doubt)
        return labelling, match_facts(trial, labelling, way)

    def scores(self, trial: Trial, reference: Reference | Sequence[Reference]) -> tuple[list[Tracklet], LabelScores]:
        """The trial's tracklets and how each fits each point of a labelled pose in the moments that it is seen in: what
        `label` decides from.

        Raises `TrialError` for a trial without visible points.
        """
        trial.require_points()
        tracklets = pieces.split(trial)
        return tracklets, self.looked(trial, tracklets, reference)[0]

    def looked(
        self, trial: Trial, tracklets: list[Tracklet], reference: Reference | Sequence[Reference]
    ) -> tuple[LabelScores, Search]:
        """As `scores` of these tracklets, and the headings by which they were looked at."""
        decided = partial(decide_signed, temperature=self.temperature)
        solved = self.solved(trial, tracklets, reference, MatchOptions(), decided)
        return solved.scores, solved.about.search

    def solved(
        self, trial: Trial, tracklets: list[Tracklet], reference: Reference | Sequence[Reference],
        options: MatchOptions, decide: Callable[..., Labelling],
    ) -> "Solved[Way]":  # fmt: skip
        """The scores of tracklets, in two passes if need be, the labels by them, and how they came about."""
        first, *others = [reference] if isinstance(reference, Reference) else reference
        windows = cut_match_windows(trial, tracklets, options.rate_hz)
        sets = pieces.meeting_sets(trial, tracklets)
        decided = partial(decide, trial, tracklets, sets=sets)
        search = search_headings(self.network, windows, Followed.of(windows), first, options.first_recycles)
        search, doubt = facing(self.network, windows, search, options.recycles) if options.turned else (search, 0.0)
        log_probs, spread_mm = self._log_probs(windows, search.heading, [search.reference, *others], options)

        def scores(log_probs: Array) -> LabelScores:
            found = as_scores(windows, log_probs, first.labels, len(tracklets))
            return found.without_label_less_likely(self.no_label_offset) if self.no_label_offset else found

        pose = search.reference.positions

        def by_distances(log_probs: Array, assigned: IntArray) -> tuple[Array, Array, Labelling]:
            evidence = log_probs
            if options.distances and spread_mm is not None:
                evidence = with_distances(windows, log_probs, assigned, pose, spread_mm, options.distances)
            return log_probs, evidence, decided(scores(evidence))

        def by_neighbours(log_probs: Array, assigned: IntArray) -> tuple[Array, Array, Labelling]:
            found = by_distances(log_probs, assigned)
            for _ in range(_MOST_RENAMED if options.permuted else 0):
                right = put_right(windows, found[0], found[2].assigned, pose)
                if right is None:
                    break
                found = by_distances(*right)
            return found

        first_look = assign(evidence_of(scores(log_probs)), sets)[0]
        log_probs, evidence, labelling = by_neighbours(log_probs, first_look)
        n_passes = 1
        if options.self_references and _worth_another(labelling, options):
            if options.refine:
                search = replace(search, heading=_refined(windows, labelling, search))
            own = self_references(windows, labelling, search, options)
            if own:
                log_probs = (log_probs + self._log_probs(windows, search.heading, own, options)[0]) / 2
                log_probs, evidence, labelling = by_neighbours(log_probs, labelling.assigned)
                n_passes = 2
        doubtful = hardly_worn(trial, labelling, options.least_worn)
        if doubtful.any():
            evidence = evidence - options.unworn * np.append(doubtful, False)
            labelling = decided(scores(evidence))
        return Solved(scores(evidence), labelling, Way(search, len(windows), n_passes, doubt))

    def likelihood(self, trial: Trial, references: Sequence[Reference], roughly: bool = False) -> list[float]:
        """Of each reference the mean log-likelihood a point, at a few moments and the likeliest headings.

        Points of the trial and of the reference count alike, so that a marker set with too many or too few labels is
        less likely. `roughly`: at two moments and few headings, the best of each; enough to tell which sets a closer
        look is worth. Raises `TrialError` for a trial without visible points.
        """
        trial.require_points()
        windows = cut_match_windows(trial, pieces.split(trial))
        path = Followed.of(windows)
        return [
            rough_likelihood(self.network, windows, r)
            if roughly and r.heading_rad is not None
            else search_headings(self.network, windows, path, r).likelihood
            for r in references
        ]

    def likelihood_of_labels(self, trial: Trial, labelling: Labelling, reference: Reference) -> float:
        """The mean log-likelihood of the points that a labelling gave a label, against the labels it gave, at a few
        moments, facing as labels have it or otherwise if that is likelier; minus infinity where they do not tell."""
        given = np.flatnonzero(labelling.assigned >= 0)
        windows = cut_match_windows(trial, [labelling.tracklets[n] for n in given.tolist()])
        label = labels_in(windows, labelling.assigned[given])
        pose = reference.facing_x()
        pose[np.setdiff1d(np.arange(len(pose)), labelling.assigned[given])] = np.nan
        time_s = windows.frame / windows.rate_hz
        chosen = anchors(time_s, windows.n_points, np.zeros(len(windows), np.int64))
        heading = np.array(
            [yaw_between(pose[own[own >= 0]], x[own >= 0]) for own, x in zip(label, windows.now, strict=True)]
        )
        chosen = chosen[~np.isnan(heading[chosen])]
        if not len(chosen):
            return -np.inf
        # Of a body that lies, labels in a standing pose tell the heading badly.
        which = np.repeat(chosen, _LABEL_HEADINGS)
        tried = np.tile(2 * np.pi * np.arange(_LABEL_HEADINGS) / _LABEL_HEADINGS, len(chosen))
        poses = torch.from_numpy(pose)
        answer, query, _ = self.network.answer(
            windows, which, heading[which] + tried, poses.expand(len(which), -1, -1), 0
        )
        total = fit(answer, query, poses, labels=False).reshape(len(chosen), _LABEL_HEADINGS)
        return float(total.max(1).sum() / windows.n_points[chosen].sum())

    def _log_probs(
        self, windows: MatchWindows, heading: Array, references: Sequence[Reference], options: MatchOptions
    ) -> tuple[Array, FloatArray | None]:
        """`(n_windows, n_slots, n_labels + 1)`: each window against one of `references`, in turn; and by how much the
        distances of labels change, `(n_labels, n_labels)` mm, on average over the windows."""
        n_labels = len(references[0].labels)
        found = np.zeros((*windows.tracklet.shape, n_labels + 1))
        spreads = []
        poses = torch.from_numpy(np.stack([r.facing_x() for r in references]))
        order = np.argsort(windows.n_points, kind="stable")  # of like size together: little padding
        batches = [order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)]

        def run(which: IntArray) -> tuple[Assignment, Tensor, Tensor | None]:
            return self.network.answer(windows, which, heading[which], poses[which % len(poses)], options.recycles)

        for which, (answer, _, spread_mm) in zip(batches, self.network.on_batches(run, batches), strict=True):
            part = combined(answer, poses[which % len(poses)].isnan().any(-1)).numpy()
            found[which, : part.shape[1]] = part
            if spread_mm is not None:
                spreads.append(spread_mm.mean(0).numpy())
        return found, np.mean(spreads, axis=0) if spreads else None


@dataclass(frozen=True)
class Way:
    """How scores came about: the search for headings, windows looked at, and how often; and the probability that the
    body faces the other way throughout."""

    search: Search
    n_windows: int
    n_passes: int
    doubt: float = 0.0


def self_references(
    windows: MatchWindows, labelling: Labelling, search: Search, options: MatchOptions
) -> list[Reference]:
    """Poses of the subject himself, spread over the trial: of each part the moment with most sure labels."""
    n_labels = len(search.reference.labels)
    sure = (labelling.confidence >= options.sure) & (labelling.assigned >= 0)
    label = labels_in(windows, np.where(sure, labelling.assigned, -1))
    n_sure = (label >= 0).sum(1)
    found = []
    for part in np.array_split(np.arange(len(windows)), min(options.self_references, len(windows))):
        best = int(part[n_sure[part].argmax()])
        if n_sure[best] < max(3, n_labels // 4):
            continue
        positions = np.full((n_labels, 3), np.nan, np.float32)
        slots = np.flatnonzero(label[best] >= 0)
        positions[label[best, slots]] = windows.now[best, slots]
        found.append(Reference(search.reference.marker_set, positions, float(search.heading[best]), "the trial itself"))
    return found


def hardly_worn(trial: Trial, labelling: Labelling, least: float) -> npt.NDArray[np.bool_]:
    """`(n_labels,)`: labels that were given for far too short a time. A marker is worn throughout or, like the medial
    ones of many static trials, not at all: then a ghost may have its label."""
    seen = np.zeros(len(labelling.labels))
    labelled = labelling.assigned >= 0
    np.add.at(seen, labelling.assigned[labelled], pieces.n_samples(trial, labelling.tracklets)[labelled])
    given = seen > 0
    return given & (seen < least * np.median(seen[given])) if given.any() else given


def _refined(windows: MatchWindows, labelling: Labelling, search: Search) -> Array:
    """The heading of each window as its labelled points have it."""
    pose = search.reference.facing_x()
    label = labels_in(windows, labelling.assigned)
    pairs = [(points[own >= 0], pose[own[own >= 0]]) for points, own in zip(windows.now, label, strict=True)]
    return refined(search.heading, search.stretch, windows.frame / windows.rate_hz, pairs)


def _worth_another(labelling: Labelling, options: MatchOptions) -> bool:
    labelled = labelling.assigned >= 0
    return bool(labelled.any()) and float(labelling.confidence[labelled].mean()) < options.enough


def match_facts(trial: Trial, labelling: Labelling, way: Way) -> MatchFacts:
    """The figures of a labelling that came about in a way."""
    labelled = labelling.assigned >= 0
    path = np.unwrap(way.search.heading)
    return MatchFacts(
        n_found=len(np.unique(labelling.assigned[labelled])),
        n_labels=len(labelling.labels),
        mean_confidence=labelling.mean_confidence(trial),
        likelihood=way.search.likelihood,
        turns_deg=float(np.rad2deg(np.ptp(path))) if len(path) else 0.0,
        n_windows=way.n_windows,
        n_passes=way.n_passes,
    )
