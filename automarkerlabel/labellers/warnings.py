"""What speaks against a labelling as a whole, in words."""

from collections import Counter
from collections.abc import Sequence

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import labelled_columns
from automarkerlabel.core.tracklets import n_samples
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.labeller import LabelResult
from automarkerlabel.labellers.matcher.template_search import GOOD_FIT
from automarkerlabel.labellers.subjects.bodies import groups_apart

_FEW = 0.8  # share of the labels below which the marker set is in doubt
_UNSURE = 0.9  # mean confidence below which a match is in doubt
_MANY_UNLABELLED = 0.2  # share of the points
_NEARLY_HALF, _HALF = 0.4, 0.5  # of them are another person's, where at least half of one's labels were found
_SURE, _THROUGHOUT = 0.9, 0.8  # a label and the share of a column's points that it has, to contradict the column's name
_NEAR = 0.97  # a second marker set that fits this much as well as the first is worth naming
_MOST_NAMED = 12


def doubts_about(answer: LabelResult, trial: Trial) -> tuple[str, ...]:
    """A line for each doubt."""
    labelling = answer
    doubts = _about_model(labelling) if answer.match is None else _about_match(answer, trial)
    if labelling.gap:
        share = f"{100 * labelling.gap:.2g} %"
        doubts.append(
            f"the model knows too little to prove this labelling in time: the best may have {share} more evidence"
        )
    return tuple(doubts)


def _about_model(labelling: Labelling) -> list[str]:
    n_found = len(labelling.found)
    if n_found >= _FEW * len(labelling.labels):
        return []
    return [
        f"only {n_found} of the model's {len(labelling.labels)} labels were found;"
        " does the trial wear the model's marker set?"
    ]


def _about_match(answer: LabelResult, trial: Trial) -> list[str]:
    labelling, doubts = answer, []
    labelled = labelling.assigned >= 0
    if not labelled.any():
        return [f"no label is sure enough; does the trial wear the marker set of {answer.by}?"]
    lacking = [x for x in answer.missing if x not in answer.optional]
    if lacking:
        doubts.append(f"not found: {_some(lacking)}")
    seen = n_samples(trial, labelling.tracklets)
    left = float(seen[~labelled].sum() / seen.sum())
    if left > _MANY_UNLABELLED:
        doubts.append(
            f"{100 * left:.0f} % of the points got no label; does the trial wear the marker set of {answer.by}?"
        )
    confidence = labelling.mean_confidence(trial)
    if confidence < _UNSURE:
        doubts.append(f"the labels are unsure (mean confidence {confidence:.2f}); look at them before use")
    if answer.candidates and answer.candidates[0].fit < GOOD_FIT:
        doubts.append(
            f"the marker set fits by {answer.candidates[0].fit:.2f} only; is it the one that the trial wears?"
        )
    if len(answer.candidates) > 1 and answer.candidates[1].fit > _NEAR * answer.candidates[0].fit:
        doubts.append(f"another marker set fits nearly as well: {answer.candidates[1]}")
    doubts += _about_names(labelling, trial)
    apart = groups_apart(trial)
    if len(apart) > max(1, len(answer.subjects)):
        doubts.append(
            f"{_counted(apart)} points stand in groups apart from each other, as {len(apart)} people would;"
            f" --subjects {len(apart)} labels each of them"
        )
    elif left > _NEARLY_HALF and len(answer.found) > _HALF * len(labelling.labels) and not answer.subjects:
        doubts.append("about as many points are left over as were labelled; if another person is there: --subjects 2")
    return doubts


def _about_names(labelling: Labelling, trial: Trial) -> list[str]:
    """What columns that have a name of the reference already were called otherwise, surely and nearly throughout."""
    names = {c: x for x, c in labelled_columns(trial) if x in labelling.labels}
    n_points: Counter[tuple[str, str]] = Counter()  # of a column's name and another label that it got
    for n, t in enumerate(labelling.tracklets):
        name, label = names.get(t.column), labelling.label_of(n)
        if name and label not in (None, name) and labelling.confidence[n] >= _SURE:
            n_points[name, str(label)] += int(trial.visible[t.start : t.stop, t.column].sum())
    n_seen = {x: int(trial.visible[:, c].sum()) for c, x in names.items()}
    others = [f"{x} (labelled {label})" for (x, label), n in n_points.items() if n > _THROUGHOUT * n_seen[x]]
    if not others:
        return []
    return [
        f"the names of the reference do not fit the trial: {_some(others)}; one of the two is named wrongly; aml audit"
        " with the reference tells more"
    ]


def _counted(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return ", ".join(labels[:_MOST_NAMED]) + more
