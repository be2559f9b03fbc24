"""`aml eval` and `aml test-models`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from automarkerlabel import console
from automarkerlabel.commands.common import (
    AsJson,
    Data,
    Device,
    Exclude,
    Reference,
    ReferenceFrame,
    Seed,
    Units,
    Up,
)
from automarkerlabel.errors import InputError


def evaluate(
    data: Data,
    model: Annotated[
        list[str] | None,
        typer.Option(help="model file or name; several are compared side by side; default: the matcher"),
    ] = None,
    reference: Reference = None,
    reference_frame: ReferenceFrame = None,
    protocol: Annotated[str, typer.Option(help="own, or soma: the five settings of SOMA (ICCV 2021)")] = "own",
    cuts: Annotated[int, typer.Option(help="cuts inside trajectories")] = 50,
    occlude: Annotated[float, typer.Option(help="share of the points hidden, in stretches of 0.05-0.5 s")] = 0.05,
    ghosts: Annotated[float, typer.Option(help="ghosts a frame, about")] = 3.0,
    swaps: Annotated[int, typer.Option(help="swaps without a gap")] = 4,
    hidden_markers: Annotated[int, typer.Option(help="markers missing from the whole trial")] = 0,
    rotate: Annotated[bool, typer.Option(help="turn each trial to a random heading")] = True,
    seed: Seed = 0,
    min_confidence: Annotated[float, typer.Option(help="leave labels below this confidence away")] = 0.5,
    training_values: Annotated[Path | None, typer.Option(help="of a checkpoint of the predecessor")] = None,
    marker_set: Annotated[
        str | None, typer.Option(help="for the matcher: a known set's name or file; OpenSim file of a checkpoint")
    ] = None,
    units: Units = None,
    up: Up = None,
    exclude: Exclude = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Corrupt labelled trials, label them, and compare with the truth: overall and per marker."""
    from automarkerlabel import collect
    from automarkerlabel import evaluate as measure
    from automarkerlabel.labeller import as_device
    from automarkerlabel.methods import Wanted, methods_for
    from automarkerlabel.simulate.corrupt import Corruption

    model = model or []
    if len(set(model)) != len(model):
        raise InputError(f"--model: expected each model once, found {', '.join(model)}")
    paths = collect.find_trials(data)
    wanted = Wanted(None, reference, reference_frame, marker_set, training_values, exclude)
    models = methods_for(wanted, model, as_device(device))
    model = [name for name, _ in models]
    corruption = Corruption(cuts, occlude, ghosts, swaps, rotate, hidden_markers, seed)
    with console.progress("reading", len(paths), as_json) as bar:
        sources = collect.read_labelled(paths, units, up, exclude, lambda *_: console.advance(bar))
    with console.progress("evaluating", len(sources), as_json) as bar:
        found = measure.evaluate(models, sources, corruption, protocol, min_confidence, lambda *_: console.advance(bar))
    report = measure.report(found)
    if as_json:
        console.print_json(report)
        return
    _print(report, model)


def _print(report: dict[str, Any], models: list[str]) -> None:
    """A table of cases and one of markers, shares in per cent; with several models the mistakes of each."""
    several = len(models) > 1
    shares = ("accuracy", "precision", "coverage", "f1", "ghosts")
    head = ["case", *(["model"] if several else []), "acc.", "prec.", "cover.", "F1", "ghosts", "swaps", "twice"]
    rows = []
    for r in report["cases"] + report["means"]:
        case = Path(r["trial"]).stem + ("" if r["setting"] == "own" else f" {r['setting']}")
        name = [Path(r["model"]).stem] if several else []
        rows.append([case, *name, *(_percent(r[k]) for k in shares), r["swaps"], r["twice"]])
    numbers = frozenset(range(len(head) - 7, len(head)))
    console.results.print(console.table("", head, rows, numbers))
    head = ["marker", *(Path(m).stem if several else "acc." for m in models)]
    rows = [[label, *(_percent(report["markers"][m].get(label)) for m in models)] for label in report["labels"]]
    console.results.print(console.table("", head, rows, frozenset(range(1, len(head)))))
    for m in models:
        worst = ", ".join(f"{a} taken for {b} ({n})" for a, b, n in report["confusions"][m][:5])
        if worst:
            console.results.print(f"{Path(m).stem}: {worst}", markup=False)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def test_models(
    as_json: AsJson = False,
    device: Device = "cpu",
) -> None:
    """Check every architecture: build, overfit a tiny set, save, load, same output, attention weights."""
    from automarkerlabel import selfcheck
    from automarkerlabel.labeller import as_device

    results = []
    for name in selfcheck.names():
        if not as_json:
            console.results.print(f"Testing {name.upper()} architecture... ", end="")
        result = selfcheck.check(name, as_device(device))
        results.append(result)
        if not as_json:
            console.results.print("✓ PASSED" if result.passed else f"✗ FAILED: {result.detail}", markup=False)
    passed = all(r.passed for r in results)
    if as_json:
        console.print_json({"passed": passed, "architectures": [r.to_dict() for r in results]})
    else:
        console.results.print("\nALL TESTS PASSED ✓✓✓" if passed else "\nSOME TESTS FAILED")
    if not passed:
        raise typer.Exit(1)
