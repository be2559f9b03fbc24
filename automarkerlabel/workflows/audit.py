"""What `aml audit` does with files: what to check against, one trial, a table of findings."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.audit.audit import Audit, audit
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.trial import Trial
from automarkerlabel.io.files import atomic, check_input, check_output
from automarkerlabel.labellers import load
from automarkerlabel.labellers.labeller import Labeller
from automarkerlabel.labellers.request import LabelRequest, labeller_for, template_of
from automarkerlabel.marker_sets.segments import known_segments
from automarkerlabel.models.device import as_device


@dataclass(frozen=True)
class AuditOptions:
    """What trials are checked against, and how they are read; names as on the command line."""

    wanted: LabelRequest
    units: str | None = None
    up: str | None = None


def against(options: AuditOptions, device: str = "auto") -> tuple[Reference | None, Labeller | None]:
    """The labelled pose and the labelling method that the user asked to check against; None for what he did not.

    A model or marker set alone is asked as in labelling. The matcher matches to the reference if there is one.
    Raises `InputError` for options that contradict each other, and what reading their files raises.
    """
    wanted = options.wanted
    matches = load.find_matcher(wanted.model) is not None
    template = template_of(wanted if matches else replace(wanted, marker_set=None))
    pose = None if template is None else template.poses[0]
    if wanted.model is None and wanted.marker_set is None:
        return pose, None
    if not matches:
        wanted = replace(wanted, reference=None, reference_frame=None)
    return pose, labeller_for(wanted, as_device(device), template)


def audit_file(path: Path, to: tuple[Reference | None, Labeller | None], options: AuditOptions) -> Audit:
    """Read a labelled trial and audit it. Raises what reading and labelling raise."""
    check_input(path)
    return audit_trial(io.read(path, options.units, options.up, options.wanted.exclude), *to, name=str(path))


def audit_trial(
    trial: Trial, pose: Reference | None = None, method: Labeller | None = None, name: str = "trial"
) -> Audit:
    """The audit of a trial against a pose, and by what a method says of it without its names, where there are any."""
    segments = None if pose is None else known_segments(pose.labels)
    if method is None:
        return audit(trial, pose, segments=segments, name=name)
    answer = method.label(trial)
    return audit(trial, pose, answer, answer.by, segments, name)


def write_csv(path: Path, audits: Sequence[Audit], overwrite: bool = False) -> None:
    """One row a finding. Raises `OutputError` for a file that is there."""
    check_output(path, overwrite=overwrite)
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["trial", "kind", "labels", "columns", "first_frame", "last_frame", "should", "sure", "why"])
        for a in audits:
            for f in a.findings:
                columns = " ".join(map(str, f.columns))
                rows.writerow(
                    [a.trial, f.kind, " ".join(f.labels), columns, f.first_frame, f.last_frame, " ".join(f.should),
                     f.sure, f.why]
                )  # fmt: skip
