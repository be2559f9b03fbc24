"""What `aml audit` does with files: what to check against, one trial, a table of findings."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automarkerlabel import io, loading
from automarkerlabel.audit import Audit, audit
from automarkerlabel.errors import InputError
from automarkerlabel.io.files import atomic, check_input, check_output
from automarkerlabel.labeller import as_device
from automarkerlabel.matching.reference import Reference, reference_from_trial
from automarkerlabel.methods import Method, Wanted, method_for


@dataclass(frozen=True)
class AuditOptions:
    """What trials are checked against, and how they are read; names as on the command line."""

    reference: Path | None = None
    reference_frame: int | None = None
    model: str | None = None
    marker_set: str | None = None
    units: str | None = None
    up: str | None = None
    exclude: str | None = None


def against(options: AuditOptions, device: str = "auto") -> tuple[Reference | None, Method | None]:
    """The labelled pose and the labelling method that the user asked to check against; None for what he did not.

    A model or marker set alone is asked as in labelling. The matcher matches to the reference if there is one.
    Raises `InputError` for options that contradict each other, and what reading their files raises.
    """
    if options.reference is None and options.reference_frame is not None:
        raise InputError("--reference-frame: expected --reference beside it, found none")
    pose = None
    if options.reference is not None:
        trial = io.read(options.reference, exclude=options.exclude)
        trial.require_points(str(options.reference))
        pose = reference_from_trial(trial, options.reference_frame, source=options.reference.name)
    if options.model is None and options.marker_set is None:
        return pose, None
    matches = loading.find_matcher(options.model) is not None
    wanted = Wanted(
        options.model,
        options.reference if matches else None,
        options.reference_frame if matches else None,
        options.marker_set,
        exclude=options.exclude,
    )
    return pose, method_for(wanted, as_device(device))


def audit_file(path: Path, to: tuple[Reference | None, Method | None], options: AuditOptions) -> Audit:
    """Read a labelled trial and audit it. Raises what reading and labelling raise."""
    check_input(path)
    trial = io.read(path, options.units, options.up, options.exclude)
    return audit(trial, *to, name=str(path))


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
