"""The labels that a file has already, as a labelling; and what an audit says of them, as a list to review."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automarkerlabel.audit.audit import Audit
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import is_unlabelled, labelled_columns
from automarkerlabel.core.tracklets import split
from automarkerlabel.core.trial import Trial
from automarkerlabel.io.names import told_apart


def named_labelling(trial: Trial) -> tuple[Labelling, tuple[str, ...]]:
    """What the columns of a trial are called, and notes. Confidence is 1 throughout: whoever gave the names meant them.

    Of a repeated name the first column counts; names of several subjects keep their prefixes. A trial without names has
    no labels.
    """
    trial = told_apart(trial)
    named = labelled_columns(trial)
    labels = [x for x, _ in named]
    of_column = {c: n for n, (_, c) in enumerate(named)}
    tracklets = split(trial)
    n = len(tracklets)
    assigned = np.array([of_column.get(t.column, -1) for t in tracklets], np.int64)
    labelling = Labelling(labels, tracklets, assigned, np.ones(n, np.float32), np.full(n, -1, np.int64))
    repeated = [
        trial.labels[c] for c in trial.marker_columns if c not in of_column and not is_unlabelled(trial.labels[c])
    ]
    notes = (f"names that more than one column has; the first counts: {', '.join(sorted(set(repeated)))}",)
    return labelling, notes if repeated else ()


def findings_as_doubts(audit: Audit, labelling: Labelling, trial: Trial) -> list[dict[str, Any]]:
    """The findings of an audit, one for each label that each concerns, the surest first."""
    doubts: list[dict[str, Any]] = []
    for f in audit.findings:
        first, last = f.first_frame - trial.first_frame, f.last_frame - trial.first_frame
        for column, should in zip(f.columns, f.should, strict=True):
            piece = _piece_in(labelling, column - 1, first, last)
            if piece is None:  # a label that only the reference has
                continue
            doubts.append(
                {"piece": piece, "label": labelling.label_of(piece) or "none", "column": trial.labels[column - 1],
                 "first": first, "last": last, "confidence": None, "second": should,
                 "why": f"{f.kind} {_with(f.labels)}: {f.why} (sure {f.sure:.2f})"}
            )  # fmt: skip
    return doubts


def _piece_in(labelling: Labelling, column: int, first: int, last: int) -> int | None:
    """The first piece of a column that reaches into some frames."""
    inside = [n for n, t in enumerate(labelling.tracklets) if t.column == column and t.start <= last and t.stop > first]
    return inside[0] if inside else None


def _with(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 4} more" if len(labels) > 4 else ""
    return ", ".join(labels[:4]) + more
