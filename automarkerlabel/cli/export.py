"""`aml export`."""

from pathlib import Path
from typing import Annotated

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import Exclude, Overwrite, Rename, Units, Up, refuse_others
from automarkerlabel.errors import InputError

_ONNX = ".onnx"


def export(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="trial, or with --to onnx a model file or name", show_default=False)],
    to: Annotated[
        str | None, typer.Option(help="trc, csv, c3d, tsv, parquet, hdf5, or onnx; otherwise the suffix of -o")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="output file (default: beside the input)")] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    to_units: Annotated[str | None, typer.Option(help="units of a .c3d or .trc written; .trc: mm")] = None,
    to_up: Annotated[str | None, typer.Option(help="upward axis of a .c3d or .trc written; .trc: y")] = None,
    rotate_deg: Annotated[float, typer.Option(help="turn about the vertical, counter-clockwise seen from above")] = 0.0,
    frames: Annotated[
        str | None, typer.Option(help="A:B, first and last frame as the file counts; either may be missing")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="columns to write, in this order: LASI,RASI,...")] = None,
    named: Annotated[bool, typer.Option("--named", help="leave out columns without a name and computed ones")] = False,
    rename: Rename = None,
    prefix: Annotated[str | None, typer.Option(help="subject's prefix of every label")] = None,
    no_prefix: Annotated[bool, typer.Option("--no-prefix", help="labels without subjects' prefixes")] = False,
    tidy: Annotated[bool, typer.Option("--tidy", help="csv: a row for each point, as in Parquet")] = False,
    trust_coordinates: Annotated[
        bool, typer.Option("--trust-coordinates", help="c3d: points count as seen even where their residual is below 0")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a trial in another format, or a model as ONNX."""
    target = _target(source, to, out)
    if target.suffix.lower() == _ONNX:
        refuse_others(context, ("source", "to", "out", "overwrite"), "with ONNX, which takes a model and no trial")
        _export_model(source, target, overwrite)
        return
    from automarkerlabel.io.renaming import read_renaming
    from automarkerlabel.workflows.export import TrialExport, export_trial

    if prefix is not None and no_prefix:
        raise InputError("expected --prefix or --no-prefix, found both")
    options = TrialExport(
        units, up, exclude, to_units, to_up, rotate_deg, _frames(frames),
        [x.strip() for x in labels.split(",") if x.strip()] if labels is not None else (), named,
        read_renaming(rename) if rename is not None else {}, "" if no_prefix else prefix, tidy, overwrite,
        trust_coordinates,
    )  # fmt: skip
    trial = export_trial(source, target, options)
    for note in trial.notes:
        console.say(f"note: {source.name}: {note}")
    console.results.print(
        f"written: {target}  ({trial.n_frames} frames, {trial.n_columns} columns)", markup=False, soft_wrap=True
    )


def _target(source: Path, to: str | None, out: Path | None) -> Path:
    """The output, by `--to`, `-o` or both."""
    from automarkerlabel import io

    suffixes = [*io.WRITABLE, _ONNX]
    known = ", ".join(suffix[1:] for suffix in suffixes)
    if to is None and out is None:
        raise InputError(f"expected --to or -o to say the format, found neither; --to takes {known}")
    if to is not None and f".{to.lower()}" not in suffixes:
        raise InputError(f"--to: expected {known}, found {to!r}")
    target = out or source.with_suffix(f".{(to or '').lower()}")
    if to is not None and target.suffix.lower() != f".{to.lower()}":
        raise InputError(f"--to {to}: expected an output that ends in .{to.lower()}, found {target.name}")
    return target


def _frames(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    first, colon, last = text.partition(":")
    try:
        if colon:
            return int(first) if first.strip() else None, int(last) if last.strip() else None
    except ValueError:
        pass
    raise InputError(f"--frames: expected A:B, such as 100:250, :250 or 100:, found {text!r}")


def _export_model(source: Path, target: Path, overwrite: bool) -> None:
    from automarkerlabel.models.checkpoints.onnx import export_onnx

    report = export_onnx(str(source), target, overwrite)
    sizes = ", ".join(f"{c.batch} x {c.time}: {c.difference:.1e}" for c in report.checks)
    console.results.print(
        f"written: {target}  ({report.model_type}, {report.n_labels} labels, opset {report.opset}); largest difference"
        f" from PyTorch by windows x samples: {sizes}", markup=False, soft_wrap=True,
    )  # fmt: skip
