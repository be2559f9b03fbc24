"""Where the labels of a labelled trial are doubtful, and what they should probably be.

First the trial by itself: what most of it says about distances, the rest must keep. Then, once that is put right, the
trial as a whole against a labelled pose. What a labelling method says of the trial without its names comes last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from automarkerlabel.audit.distances import Distances, moments_of, relative_size
from automarkerlabel.audit.exchanges import Mistake, exchanges, mirrored_pairs, rearranged
from automarkerlabel.audit.handedness import mirrored
from automarkerlabel.audit.outliers import departures
from automarkerlabel.audit.pose import compared
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import MarkerSet, labelled_columns
from automarkerlabel.core.mirror import sides_in
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import BoolArray, FloatArray, IntArray, Trial, runs
from automarkerlabel.errors import TrialError

KINDS = ("swap", "flip", "wrong name", "jump", "exchanged", "distance")
_SURE = 0.99  # of a method's label that contradicts the given one
_TURNED = -0.5  # cosine
_WALKS_MM_S = 500.0
_BACKWARDS = 0.5  # how sure it is that it is a mistake
_BY_METHOD = 0.9  # a method errs, too
_LEAST_KNOWN = 0.5
_WHOLE = 0.9


@dataclass(frozen=True)
class Finding:
    """A doubt about labels.

    kind          one of `KINDS`.
    labels        as they stand in the file, and `columns` the columns that carry them, counted from 1.
    should        of each what it should probably be: "none" after a jump; the label itself where only distances differ.
    first_frame, last_frame  as the file counts.
    sure          0 to 1; a rank rather than a calibrated probability.
    why           in words.
    """

    kind: str
    labels: tuple[str, ...]
    columns: tuple[int, ...]
    should: tuple[str, ...]
    first_frame: int
    last_frame: int
    sure: float
    why: str


@dataclass(frozen=True)
class Audit:
    """What was found in a trial, the surest first. `checked` says against what."""

    trial: str
    n_frames: int
    n_labels: int
    checked: tuple[str, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Labelled:
    """The points of a trial by label `(n_frames, n_labels, 3)`, put right as mistakes are found. Labels that only the
    pose has come last and are hidden."""

    trial: Trial
    names: list[str]
    column: list[int]
    points: FloatArray
    found: list[Finding] = field(default_factory=list)

    def put_right(self, mistake: Mistake) -> None:
        self.points = rearranged(self.points, [mistake])

    def add(self, kind: str, mistake: Mistake, why: str, sure: float | None = None) -> None:
        by_nats = 1 - 0.5 * float(np.exp(-mistake.nats / 8))
        self.found.append(
            Finding(
                kind,
                tuple(self.names[x] for x in mistake.labels),
                tuple(self.column[x] + 1 for x in mistake.labels),
                ("none",) if kind == "jump" else tuple(self.names[x] for x in mistake.should),
                self.trial.first_frame + mistake.start,
                self.trial.first_frame + mistake.stop - 1,
                round(by_nats if sure is None else sure, 3),
                why,
            )
        )


def audit(
    trial: Trial, pose: Reference | None = None, labelling: Labelling | None = None, by: str = "a labelling",
    segments: Mapping[str, str] | None = None, name: str = "trial",
) -> Audit:  # fmt: skip
    """Doubts about the labels of `trial`, by itself, against the distances of a labelled `pose`, and by a `labelling`
    that did not look at the names, which came about `by` some method, in words.

    segments  body segment of each label, where the marker set of `pose` does not say; see `catalogue.known_segments`.

    Raises `TrialError` for a trial without labels or visible points.
    """
    trial.require_points(name)
    named = labelled_columns(trial)
    if not named:
        raise TrialError(f"{name}: expected a labelled trial, found {trial.n_columns} columns without a usable name")
    absent = [x for x in pose.labels if x not in dict(named)] if pose else []
    names = [*(x for x, _ in named), *absent]
    points = np.full((trial.n_frames, len(names), 3), np.nan, np.float32)
    points[:, : len(named)] = trial.positions[:, [c for _, c in named]]
    work = _Labelled(trial, names, [c for _, c in named] + [-1] * len(absent), points)
    pairs, told = _pairs(work, pose)
    _by_itself(work, pairs)
    checked = ["the trial itself"]
    if pose is not None:
        checked.append(pose.source)
        _against(work, pose, pairs, segments or {})
    elif told:
        _by_direction(work, pairs)
    notes = [*trial.notes, *(pose.notes if pose is not None else ())]
    if labelling is not None:
        checked.append(by)
        notes += _by_labelling(work, labelling)
    findings = sorted(work.found, key=lambda f: (-f.sure, f.first_frame, f.labels))
    return Audit(name, trial.n_frames, len(named), tuple(checked), tuple(findings), tuple(notes))


def _pairs(work: _Labelled, pose: Reference | None) -> tuple[IntArray, bool]:
    """`(n_pairs, 2)`: left and right labels, by the pose's marker set, or by their names or places in the trial; and
    whether it is known which is left."""
    told = True
    if pose is not None:
        known = pose.marker_set.pairs or ()
    else:
        known, told = sides_in(work.names, work.points)
    index = {x: n for n, x in enumerate(work.names)}
    found = [(index[a], index[b]) for a, b in known if a in index and b in index]
    return np.array(found, np.int64).reshape(-1, 2), told


def _same_segment(names: Sequence[str], marker_set: MarkerSet, segments: Mapping[str, str]) -> BoolArray:
    """`(n_labels, n_labels)`: whether two labels share a segment, by the marker set or else by `segments`."""
    own = dict(zip(marker_set.labels, marker_set.segments, strict=True))
    known = own if any(marker_set.segments) else segments
    segment = np.array([known.get(x, "") for x in names])
    return np.asarray((segment[:, None] == segment) & (segment != ""))


def kind_of(mistake: Mistake, pairs: IntArray, whole: bool = False) -> str:
    """What is wrong, in one of the words of `KINDS`."""
    if mistake.leaps:
        return "jump"
    of_pairs = {frozenset(p) for p in pairs.tolist()}
    sides = all(frozenset(x) in of_pairs for x in zip(mistake.labels, mistake.should, strict=True))
    if sides and len(mistake.labels) > 2:
        return "flip"  # though some of its labels be hidden
    if set(mistake.labels) != set(mistake.should):
        return "wrong name"
    return "exchanged" if whole else "swap"


def _by_itself(work: _Labelled, pairs: IntArray) -> None:
    """What the trial says against itself: what is so for the lesser part of the time is taken to be wrong."""
    for mistake in exchanges(work.points, work.trial.rate_hz, pairs):
        work.put_right(mistake)
        work.add(kind_of(mistake, pairs), mistake, "by distances and paths")
    for mistake in departures(work.points, work.trial.rate_hz):
        work.put_right(mistake)
        where = "no label is" if mistake.leaps else "another label was"
        work.add(kind_of(mistake, pairs), mistake, f"leaps to where {where}")


def _against(work: _Labelled, pose: Reference, pairs: IntArray, segments: Mapping[str, str]) -> None:
    """What a labelled pose says against the trial as a whole."""
    index = {x: n for n, x in enumerate(pose.labels)}
    places = np.full((len(work.names), 3), np.nan, np.float32)
    for n, x in enumerate(work.names):
        if x in index:
            places[n] = pose.positions[index[x]]
    own = Distances.of_motion(work.points)
    places = places * np.float32(relative_size(own, places))
    if len(pairs) and mirrored(work.points[moments_of(len(work.points), work.trial.rate_hz)], places, own):
        everything = Mistake(0, len(work.points), *mirrored_pairs(pairs), 20.0)
        work.put_right(everything)
        work.add("flip", everything, "the mirror image of the reference")
        own = Distances.of_motion(work.points)
    seen = work.points[moments_of(len(work.points), work.trial.rate_hz)]
    told = compared(seen, own, places, pairs, _same_segment(work.names, pose.marker_set, segments))
    for mistake in _parted(told.source, told.nats, pairs, len(work.points)):
        _tell_whole(work, _seen(work, mistake), pairs)
        work.put_right(mistake)
    for m in told.moved:
        mistake = Mistake(0, len(work.points), (m.label,), (m.label,), m.nats)
        why = f"{m.now_mm:.0f} mm from {work.names[m.mate]}, not {m.then_mm:.0f}; {m.by_mm:.0f} mm from its place"
        work.add("distance", mistake, why)


def _parted(source: IntArray, nats: npt.NDArray[np.float64], pairs: IntArray, n_frames: int) -> list[Mistake]:
    """One mistake for each ring of labels; all pairs of left and right that are exchanged are one."""
    of_pairs = {frozenset(p) for p in pairs.tolist()}
    rings, left = [], set(np.flatnonzero(source != np.arange(len(source))).tolist())
    while left:
        ring = [min(left)]
        while (following := int(source[ring[-1]])) != ring[0]:
            ring.append(following)
        left -= set(ring)
        rings.append(ring)
    sides = [r for r in rings if frozenset(r) in of_pairs]
    others = [r for r in rings if frozenset(r) not in of_pairs]
    found = []
    for some in [[x for r in sides for x in r], *others]:
        if not some:
            continue
        # The points of `source[x]` should carry label x.
        labels, should = tuple(int(source[x]) for x in some), tuple(some)
        found.append(Mistake(0, n_frames, labels, should, float(nats[some].max())))
    return found


def _seen(work: _Labelled, mistake: Mistake) -> Mistake:
    """The mistake without labels that the trial does not show: they are names to give, not names that are wrong."""
    there = np.isfinite(work.points[..., 0]).sum(0) > 0
    kept = [(a, b) for a, b in zip(mistake.labels, mistake.should, strict=True) if there[a]]
    labels, should = (tuple(x[n] for x in kept) for n in (0, 1))
    return Mistake(mistake.start, mistake.stop, labels, should, mistake.nats)


def _tell_whole(work: _Labelled, mistake: Mistake, pairs: IntArray) -> None:
    """Something is wrong throughout; where it was found to be otherwise, it is right, and wrong elsewhere."""
    names = {work.names[x] for x in mistake.labels}
    begin, n_frames = work.trial.first_frame, work.trial.n_frames
    before = [f for f in work.found if set(f.labels) == names and f.kind in ("swap", "flip", "wrong name")]
    why = "by the distances of the reference"
    if not before:
        work.add(kind_of(mistake, pairs, whole=True), mistake, why)
        return
    right = np.zeros(n_frames, np.bool_)
    for f in before:
        work.found.remove(f)
        right[f.first_frame - begin : f.last_frame - begin + 1] = True
    for start, stop in runs(~right).tolist():
        part = Mistake(start, stop, mistake.labels, mistake.should, mistake.nats)
        work.add(kind_of(part, pairs), part, why)


def _by_direction(work: _Labelled, pairs: IntArray) -> None:
    """Whoever walks, walks forwards as a rule: if not, left and right may be exchanged."""
    step = max(1, round(work.trial.rate_hz / 2))
    places = work.points[::step].astype(np.float64)
    if len(pairs) < 2 or len(places) < 3:
        return
    across = _median_seen(places[:, pairs[:, 0]] - places[:, pairs[:, 1]])
    moved = _median_seen(places[1:] - places[:-1])
    walks = np.linalg.norm(moved, axis=1) * work.trial.rate_hz / step > _WALKS_MM_S
    to_left = np.stack([-moved[:, 1], moved[:, 0]], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.linalg.norm(to_left, axis=1) * np.linalg.norm(across[:-1], axis=1)
        cosine = (to_left * across[:-1]).sum(1) / size
    known = walks & ~np.isnan(cosine)
    if known.sum() >= 2 and float(np.median(cosine[known])) < _TURNED:
        everything = Mistake(0, len(work.points), *mirrored_pairs(pairs), 1.0)
        work.add("flip", everything, "walks backwards as labelled", _BACKWARDS)


def _median_seen(vectors: FloatArray | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`(n, 2)`: the horizontal median of `(n, n_labels, 3)` vectors, NaN where none is known."""
    median = np.ma.median(np.ma.masked_invalid(vectors[..., :2]), axis=1)  # type: ignore[no-untyped-call]
    return np.asarray(np.ma.filled(median, np.nan), np.float64)


def _by_labelling(work: _Labelled, labelling: Labelling) -> list[str]:
    """What a method that knows nothing of the names says. Returns notes."""
    trial = work.trial
    of_column = {c: n for n, c in enumerate(work.column) if c >= 0}
    index = {x: n for n, x in enumerate(work.names)}
    known = [x for x in labelling.labels if x in index]
    if len(known) < _LEAST_KNOWN * len(of_column):
        return [f"the method knows {len(known)} of {len(of_column)} labels by these names: not compared"]
    told = {x for f in work.found for x in f.labels if f.kind != "distance"}
    for n, t in enumerate(labelling.tracklets):
        given, found = of_column.get(t.column), labelling.label_of(n)
        if given is None or found is None or work.names[given] not in known or found == work.names[given]:
            continue
        if labelling.confidence[n] < _SURE or work.names[given] in told or (t.stop - t.start) < trial.rate_hz / 4:
            continue
        other = index.get(found)
        if other is None:
            continue
        mutual = _mutual(labelling, of_column, other, work.names[given])
        if mutual and other < given:
            continue  # told with the other
        whole = t.stop - t.start >= _WHOLE * trial.visible[:, t.column].sum()
        kind = "exchanged" if mutual and whole else "swap" if mutual else "wrong name"
        labels, should = ((given, other), (other, given)) if mutual else ((given,), (other,))
        sure = round(float(labelling.confidence[n]) * _BY_METHOD, 3)
        why = "by a labelling that ignores the names"
        work.add(kind, Mistake(t.start, t.stop, labels, should, 1.0), why, sure)
    return []


def _mutual(labelling: Labelling, of_column: dict[int, int], other: int, label: str) -> bool:
    """Whether a piece of the column that carries `other` got `label`."""
    return any(
        of_column.get(t.column) == other and labelling.label_of(n) == label for n, t in enumerate(labelling.tracklets)
    )
