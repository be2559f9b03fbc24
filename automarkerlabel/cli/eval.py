"""`aml eval` and `aml test-models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import (
    AsJson,
    Data,
    Device,
    Exclude,
    NamedSubjects,
    Reference,
    ReferenceFrame,
    Seed,
    Units,
    Up,
    refuse,
    refuse_both,
)
from automarkerlabel.errors import InputError

if TYPE_CHECKING:
    from automarkerlabel.core.trial import Trial
    from automarkerlabel.labellers.labeller import Labeller
    from automarkerlabel.simulate.corrupt import Corruption

_BROKEN = ("cuts", "occlude", "ghosts", "swaps", "hidden_markers", "rotate")


def evaluate(
    context: typer.Context,
    data: Data,
    model: Annotated[
        list[str] | None,
        typer.Option(help="model file or name; several are compared side by side; default: the matcher"),
    ] = None,
    reference: Reference = None, reference_frame: ReferenceFrame = None, subject: NamedSubjects = None,
    protocol: Annotated[str, typer.Option(help="own, or soma: the five settings of SOMA (ICCV 2021)")] = "own",
    cuts: Annotated[int, typer.Option(help="cuts inside trajectories")] = 50,
    occlude: Annotated[float, typer.Option(help="share of the points hidden, in stretches of 0.05-0.5 s")] = 0.05,
    ghosts: Annotated[float, typer.Option(help="ghosts a frame, about")] = 3.0,
    swaps: Annotated[int, typer.Option(help="swaps without a gap")] = 4,
    hidden_markers: Annotated[int, typer.Option(help="markers missing from the whole trial")] = 0,
    rotate: Annotated[bool, typer.Option(help="turn each trial to a random heading")] = True,
    seed: Seed = 0,
    min_confidence: Annotated[float, typer.Option(help="leave out labels below this confidence")] = 0.5,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="fit the model's confidences to these trials and store that in its file")
    ] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="with --calibrate: a new file for the model")] = None,
    training_values: Annotated[Path | None, typer.Option(help="of a checkpoint of the predecessor")] = None,
    marker_set: Annotated[
        str | None, typer.Option(help="for the matcher: a known set's name or file; OpenSim file of a checkpoint")
    ] = None,
    units: Units = None, up: Up = None, exclude: Exclude = None, device: Device = "auto",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Corrupt labelled trials, label them, and compare with the truth: overall and per marker."""
    from automarkerlabel.evaluation import evaluate as measure
    from automarkerlabel.io import collect
    from automarkerlabel.labellers.request import LabelRequest, labellers_for
    from automarkerlabel.labellers.subjects.options import one_or_entries
    from automarkerlabel.models.device import as_device
    from automarkerlabel.simulate.corrupt import Corruption

    _check_choice(context, protocol, calibrate)
    paths = collect.find_trials(data)
    wanted = LabelRequest(
        reference=reference, reference_frame=reference_frame, marker_set=marker_set, training_values=training_values,
        exclude=exclude, subjects=one_or_entries((), subject or ())[1],
    )  # fmt: skip
    models = labellers_for(wanted, _each_once(model or []), as_device(device))
    model = [name for name, _ in models]
    corruption = Corruption(cuts, occlude, ghosts, swaps, rotate, hidden_markers, seed)
    target = _calibrated_file(model, calibrate, out)
    with console.progress("reading", len(paths), as_json) as bar:
        sources = collect.read_labelled(paths, units, up, exclude, lambda *_: console.advance(bar))
    if subject:
        sources = collect.with_prefixes(sources)
    if target is not None:
        _calibrate(models[0][1], *target, [s.trial for s in sources], corruption, as_json)
        return
    with console.progress("evaluating", len(sources), as_json) as bar:
        found = measure.evaluate(models, sources, corruption, protocol, min_confidence, lambda *_: console.advance(bar))
    report = measure.report(found)
    if as_json:
        console.print_json(report)
        return
    _print(report, model)


def _check_choice(context: typer.Context, protocol: str, calibrate: bool) -> None:
    """Raise `InputError` for an option that the protocol or a calibration has no use for."""
    if calibrate:
        for name in ("protocol", "min_confidence"):
            refuse_both(context, name, "calibrate", "calibrating neither labels nor compares")
    if protocol == "soma":
        refuse(context, _BROKEN, "--protocol own beside it, found soma, whose five settings are fixed")


def _each_once(models: list[str]) -> list[str]:
    if len(set(models)) != len(models):
        raise InputError(f"--model: expected each model once, found {', '.join(models)}")
    return models


def _calibrated_file(models: list[str], wanted: bool, out: Path | None) -> tuple[Path, Path] | None:
    """The model's file and where the calibrated one goes, if that is wanted. Raises `InputError`, `OutputError`."""
    from automarkerlabel.evaluation import calibration
    from automarkerlabel.labellers import load
    from automarkerlabel.models.checkpoints import find_model

    if not wanted:
        if out is not None:
            raise InputError("-o: expected --calibrate beside it, found none")
        return None
    if len(models) != 1:
        raise InputError(f"--calibrate: expected one --model, found {', '.join(models)}")
    path = load.find_matcher(models[0]) or find_model(models[0])
    return path, calibration.output_for(path, out)


def _calibrate(
    method: "Labeller", path: Path, out: Path, trials: "list[Trial]", corruption: "Corruption", as_json: bool
) -> None:
    """Fit, store and tell."""
    from automarkerlabel.evaluation import calibration

    with console.progress("calibrating", calibration.number_of_cases(trials), as_json) as bar:
        fitted, temperature, offset = calibration.recalibrate(
            method, trials, corruption, lambda *_: console.advance(bar)
        )
    calibration.store_in(path, out, fitted, temperature, offset)
    if as_json:
        told = {"model": str(out), "temperature": temperature, "no_label_offset": offset, **fitted.to_dict()}
        console.print_json(told)
        return
    console.results.print(
        f"{fitted.n_tracklets} tracklets in {fitted.n_cases} cases; calibration error by points, in cases"
        f" not fitted to: {fitted.before.points:.4f} before, {fitted.after.points:.4f} with what was fitted to others",
        markup=False,
    )
    if fitted.calibration is None:
        console.results.print("that foretells no better: confidences stay as they were", markup=False)
    console.results.print(f"written: {out}", markup=False, soft_wrap=True)


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
    from automarkerlabel.evaluation import selfcheck
    from automarkerlabel.models.device import as_device

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
