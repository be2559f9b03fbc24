"""`aml info`, `aml models`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import AsJson, Exclude, Overwrite, Units, Up, refuse
from automarkerlabel.errors import AutoMarkerLabelError

models = typer.Typer(help="Models that are there; old checkpoints to new.", no_args_is_help=True)


def info(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(help="trials, marker sets (.xml, .osim, .vst, .vsk) or models", show_default=False)
    ],
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in a trial, a marker set or a model."""
    from automarkerlabel.io import READABLE
    from automarkerlabel.workflows.info import file_facts

    if not any(path.suffix.lower() in READABLE for path in files):
        refuse(context, ("units", "up", "exclude"), "a trial beside it, found none")
    shown, failed = [], 0
    for path in files:
        try:
            facts = file_facts(path, units, up, exclude)
        except AutoMarkerLabelError as error:
            if len(files) == 1:
                raise
            failed += 1
            facts = {"file": str(path), "error": str(error)}
            console.say(f"aml: {error}")
        shown.append(facts)
        if not as_json and "error" not in facts:
            _print(facts)
    if as_json:
        console.print_json(shown[0] if len(shown) == 1 else shown)
    if failed:
        raise typer.Exit(3 if failed < len(files) else 1)


def _print(facts: dict[str, Any]) -> None:
    """A table of facts, and for a trial one of its columns."""
    columns = facts.get("columns")
    rows = [[k.replace("_", " "), _text(v)] for k, v in facts.items() if k not in ("file", "columns")]
    console.results.print(console.table(facts["file"], ["", ""], rows))
    if isinstance(columns, list) and columns:
        head = ["column", "kind", "gaps", "longest", "hidden %", "first", "last"]
        rows = [
            [
                f"{c['subject']}:{c['label']}" if c["subject"] else c["label"],
                c["kind"],
                c["n_gaps"],
                c["longest_gap_frames"],
                f"{100 * c['hidden_share']:.1f}",
                _text(c["first_seen_frame"]),
                _text(c["last_seen_frame"]),
            ]
            for c in columns
        ]
        console.results.print(console.table("", head, rows, frozenset(range(2, 7))))


def _text(value: Any) -> str:
    """A fact in a table's cell."""
    if isinstance(value, dict):
        return "\n".join(f"{k}: {_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        if any(isinstance(v, dict | list | tuple) for v in value):
            return "\n".join(_text(v) for v in value)
        return ", ".join(_text(v) for v in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models that come with the package."""
    from automarkerlabel.labellers import load
    from automarkerlabel.labellers.trajectory import facts
    from automarkerlabel.models.checkpoints import find_model, pretrained_names
    from automarkerlabel.models.checkpoints import trajectory as store

    found = {name: facts(store.load(find_model(name))) for name in pretrained_names()}
    if load.SHIPPED_MATCHER.is_file():
        found[load.MATCHER] = load.matcher_facts(load.SHIPPED_MATCHER)
    if as_json:
        console.print_json(found)
        return
    rows = [
        [name, f["model_type"], f.get("n_labels", "any"), f["parameters"], f.get("version", "")]
        for name, f in found.items()
    ]
    head = ["name", "type", "labels", "weights", "made by version"]
    console.results.print(console.table("", head, rows, frozenset({2, 3})))


@models.command("convert")
def convert_model(
    checkpoint: Annotated[Path, typer.Argument(help="the predecessor's .ckpt", show_default=False)],
    training_values: Annotated[Path, typer.Option(help="the predecessor's trainingvals .pickle")],
    marker_set: Annotated[Path, typer.Option(help="its OpenSim marker set .xml")],
    out: Annotated[Path, typer.Option("-o", "--out", help="model file")],
    overwrite: Overwrite = False,
) -> None:
    """Make one model file of the predecessor's three."""
    from automarkerlabel.io.files import check_output
    from automarkerlabel.labellers import load
    from automarkerlabel.models.checkpoints import trajectory as store

    check_output(out, [checkpoint, training_values, marker_set], overwrite)
    made = load.converted(checkpoint, training_values, marker_set)
    store.save(made, out)
    console.results.print(f"written: {out}  ({len(made.marker_set)} labels)", markup=False)
