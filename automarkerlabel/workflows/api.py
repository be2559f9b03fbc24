"""What a script calls: trials and files labelled in one line, and labelled copies written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.core.labelling import OutputColumn, output_columns
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.labellers.labeller import Labeller, LabelResult
from automarkerlabel.labellers.request import load_labeller
from automarkerlabel.workflows.label import LabelOptions, LabelSummary, label_with


def label(
    trial: Trial | str | Path, *, reference: str | Path | None = None, marker_set: str | Path | None = None,
    model: str | Path | None = None, subjects: Mapping[str, str | Path] | int | None = None,
    reference_frame: int | None = None, training_values: str | Path | None = None, keep_labels: bool = False,
    heading_deg: float | None = None, exclude: str | None = None, device: str = "cpu",
) -> LabelResult:  # fmt: skip
    """Label one trial: by a reference, a marker set, a model or several subjects; where nothing is named, by the
    likeliest known marker set.

    trial        a trial, or the path of its file.
    keep_labels  holds names fixed that the trial has already.
    heading_deg  degrees that turn the person to face +x; only converted models of the predecessor need it.

    The others are those of `load_labeller`, which is made for many trials. The result holds every label, however
    doubtful; `result.above(0.5)` is what `aml label` writes by default.

    Raises what `load_labeller` and `read` raise, `TrialError` for a trial without visible points, `InputError` for a
    parameter that has no use with what labels.

    >>> from automarkerlabel import label
    >>> result = label("sample_data/walk_unlabelled.c3d", model="sample")
    >>> len(result.found), result.above(0.5).trial().points("LKNE").shape
    (39, (360, 3))
    """
    labeller = load_labeller(
        reference=reference, reference_frame=reference_frame, marker_set=marker_set, model=model, subjects=subjects,
        training_values=training_values, exclude=exclude, device=device,
    )  # fmt: skip
    read = trial if isinstance(trial, Trial) else io.read(trial, exclude=exclude)
    return labeller.label(read, keep_labels, heading_deg)


def label_file(
    source: str | Path, output: str | Path, *, labeller: Labeller | None = None, min_confidence: float = 0.5,
    keep_labels: bool = False, all_labels: bool = False, units: str | None = None, up: str | None = None,
    exclude: str | None = None, heading_deg: float | None = None, overwrite: bool = False,
    reference: str | Path | None = None, marker_set: str | Path | None = None, model: str | Path | None = None,
    subjects: Mapping[str, str | Path] | int | None = None, device: str = "cpu",
) -> LabelSummary:  # fmt: skip
    """What `aml label` does with one file: read, label, write a copy in which names and columns alone change.

    output          where the labelled copy goes; its suffix says the format.
    labeller        of `load_labeller`, for many files; otherwise `reference`, `marker_set`, `model`, `subjects` and
                    `device` make one.
    min_confidence  labels below it, 0 to 1, are left out.
    all_labels      adds labels that were not found as empty columns.
    units, up       overrule the file's, see `read`.

    Returns its figures, as `aml label --json` prints them. Raises what `read`, `load_labeller` and `write_labelled`
    raise.

    >>> from automarkerlabel import label_file                                                  # doctest: +SKIP
    >>> label_file("walk.c3d", "walk_labelled.c3d", reference="static.c3d").found               # doctest: +SKIP
    """
    given = {"reference": reference, "marker_set": marker_set, "model": model, "subjects": subjects}
    if labeller is None:
        labeller = load_labeller(
            reference=reference, marker_set=marker_set, model=model, subjects=subjects, exclude=exclude, device=device
        )
    elif any(given.values()):
        names = ", ".join(name for name, value in given.items() if value is not None)
        raise InputError(f"{names}: expected none beside a labeller, which has its own, found some")
    options = LabelOptions(
        min_confidence=min_confidence, keep_labels=keep_labels, all_labels=all_labels, units=units, up=up,
        exclude=exclude, heading_deg=heading_deg, overwrite=overwrite,
    )  # fmt: skip
    return label_with(labeller, Path(source), Path(output), options)


def write_labelled(
    source: str | Path, path: str | Path, labelled: LabelResult | Trial,
    columns: Sequence[OutputColumn] | None = None, overwrite: bool = False, verify: bool = True, *,
    min_confidence: float = 0.0, all_labels: bool = False, keep_labels: bool = False,
) -> tuple[str, ...]:  # fmt: skip
    """The file `source` with the labels of a result; every point stays where it was, bit for bit in the same format.

    labelled        a result of `label`; or the trial that was read from `source`, with its output `columns`.
    verify          has a C3D copy checked by ezc3d, too.
    min_confidence  labels of a result below it, 0 to 1, are left out; `all_labels`, `keep_labels`: see
                    `output_columns`.

    Returns notes. Raises `OutputError` where it cannot be written, `TrialError` where columns and trial do not fit
    together, `VerificationError` if the copy is not what was to be written; `path` is then as it was.

    >>> from automarkerlabel import label, write_labelled                                       # doctest: +SKIP
    >>> result = label("walk.c3d", reference="static.c3d")                                      # doctest: +SKIP
    >>> write_labelled("walk.c3d", "out.c3d", result, min_confidence=0.5)                       # doctest: +SKIP
    """
    if isinstance(labelled, Trial):
        if columns is None:
            raise InputError("columns: expected those of the labelled file beside a trial, found none")
        return io.write_labelled(source, path, labelled, columns, overwrite, verify)
    if columns is not None or labelled.source is None:
        raise InputError("labelled: expected a result of `label` alone, or a trial with columns, found a mixture")
    chosen = output_columns(labelled.source, labelled.above(min_confidence), all_labels, keep_labels)
    return io.write_labelled(source, path, labelled.source, chosen, overwrite, verify)
