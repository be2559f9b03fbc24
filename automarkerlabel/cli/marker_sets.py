"""`aml marker-sets`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import AsJson, Exclude, Overwrite, Units, Up

app = typer.Typer(help="Marker sets that are there; a laboratory's own.", no_args_is_help=True)


@app.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """List the marker sets that come with the package and the laboratory's own."""
    from automarkerlabel.marker_sets import catalogue as catalogue

    found = [_facts(definition) for definition in catalogue.every()]
    if as_json:
        console.print_json({"own_folder": str(catalogue.own_folder()), "marker_sets": found})
        return
    rows = [
        [
            f["name"],
            f["n_labels"],
            f["n_static"],
            f["n_optional"],
            f["title"] if f["kind"] != "own" else f"own: {f['title']}",
        ]
        for f in found
    ]
    head = ["name", "labels", "static", "optional", "title"]
    console.results.print(console.table("", head, rows, frozenset({1, 2, 3})))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="name of a marker set, or a .toml file", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show the labels of a marker set, where each sits and when it is worn."""
    from automarkerlabel.marker_sets import catalogue as catalogue

    definition = catalogue.find(name)
    facts = _facts(definition)
    markers = [
        {"label": line.label, "segment": line.body_segment, "place": line.where(), "worn": line.worn}
        for line in definition.lines
    ]
    if as_json:
        console.print_json({**facts, "source": definition.source, "markers": markers})
        return
    rows = [[m["label"], m["segment"], m["place"], m["worn"]] for m in markers]
    console.results.print(
        console.table(f"{definition.name}: {definition.title}", ["label", "segment", "place", "worn"], rows)
    )
    console.results.print(f"source: {definition.source}", markup=False)


@app.command("landmarks")
def landmarks(as_json: AsJson = False) -> None:
    """List the places of the body that a marker set's file can name."""
    from automarkerlabel.marker_sets.body.landmarks import LANDMARKS

    found = [{"landmark": name, "segment": segment, "mm": place} for name, (segment, place) in LANDMARKS.items()]
    if as_json:
        console.print_json(found)
        return
    rows = [[name, segment, ", ".join(f"{v:g}" for v in place)] for name, (segment, place) in LANDMARKS.items()]
    console.results.print(console.table("", ["landmark", "segment", "x, y, z in mm"], rows))


@app.command("add")
def add(
    source: Annotated[
        Path,
        typer.Argument(help="labelled static trial, OpenSim .xml or .osim, or marker set .toml", show_default=False),
    ],
    name: Annotated[str, typer.Option(help="name to keep it under")],
    frame: Annotated[
        int | None, typer.Option(help="frame of the trial, as the file counts (default: the stillest full one)")
    ] = None,
    static_only: Annotated[
        str | None, typer.Option(help="regular expression: labels worn in static trials only")
    ] = None,
    optional: Annotated[str | None, typer.Option(help="regular expression: labels that may be absent")] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Keep a marker set of your own: from a labelled static trial, an OpenSim file or a .toml file."""
    from automarkerlabel.marker_sets import catalogue as catalogue

    path = catalogue.add(source, name, frame, static_only, optional, units, up, exclude, overwrite)
    definition = catalogue.find(path)
    if as_json:
        console.print_json({"file": str(path), **_facts(definition)})
        return
    kind = "on the body" if definition.on_body else "as measured"
    text = f"written: {path}  ({len(definition.labels)} labels, {kind})"
    console.results.print(text, markup=False, soft_wrap=True)


def _facts(definition: Any) -> dict[str, Any]:
    worn = list(definition.worn.values())
    return {
        "name": definition.name,
        "title": definition.title,
        "kind": "built in" if definition.built_in else "own",
        "on_body": definition.on_body,
        "n_labels": len(worn),
        "n_static": worn.count("static"),
        "n_optional": worn.count("optional"),
    }
