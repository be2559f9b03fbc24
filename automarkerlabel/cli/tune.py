"""`aml tune`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import (
    AsJson,
    Data,
    Device,
    Exclude,
    MarkerSetFile,
    Units,
    Up,
    Val,
    ValBy,
    ValShare,
    add_field_options,
    read_config,
)
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import InputError
from automarkerlabel.training.settings import PRESETS, TRAJECTORY_TYPES, Augmentation, NetworkSettings, TrainSettings

if TYPE_CHECKING:
    from automarkerlabel.training.tuning.study import Finished, Standing

_MINUTES = 30.0


@add_field_options(TrainSettings, WindowConfig, Augmentation, NetworkSettings)
def tune(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="the study, a SQLite file; gone on with where it exists")],
    best: Annotated[
        Path | None, typer.Option(help="the best settings, for aml train --config (default: beside the study, .toml)")
    ] = None,
    model_type: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(TRAJECTORY_TYPES)}; several to choose among (default: hybrid)"),
    ] = None,
    preset: Annotated[str, typer.Option(help=f"where the search begins: {', '.join(PRESETS)}")] = "light",
    minutes: Annotated[
        float | None, typer.Option(help=f"stop after this time (default: {_MINUTES:g}, unless --trials is given)")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="stop when the study holds so many finished trials")] = None,
    jobs: Annotated[int, typer.Option(help="processes that search, of one thread each")] = 1,
    pruner: Annotated[str, typer.Option(help="what ends poor trials early: median, hyperband or none")] = "median",
    plots: Annotated[Path | None, typer.Option(help="folder for pictures of the search")] = None,
    val: Val = None, val_share: ValShare = 0.08, val_by: ValBy = "trial", marker_set: MarkerSetFile = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings that are not searched")] = None,
    units: Units = None, up: Up = None, exclude: Exclude = None, device: Device = "auto", as_json: AsJson = False,
    **given: Any,
) -> None:  # fmt: skip
    """Search for good training settings. A setting that is given is held; the others of docs/tune.md are searched."""
    from automarkerlabel.core.source import Source
    from automarkerlabel.io import collect
    from automarkerlabel.models.device import as_device
    from automarkerlabel.training.tuning import results, search
    from automarkerlabel.training.tuning.space import Search
    from automarkerlabel.training.tuning.study import require_optuna

    require_optuna()
    if plots is not None:
        results.require_matplotlib()
    if preset not in PRESETS:
        raise InputError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    fixed = read_config(config, set(given)) | {k: v for k, v in given.items() if v is not None}

    def read(places: list[Path]) -> list[Source]:
        paths = collect.find_trials(places)
        with console.progress("reading", len(paths), as_json) as bar:
            return collect.read_labelled(paths, units, up, exclude, lambda *_: console.advance(bar))

    wanted = Search(
        out, best or out.with_suffix(".toml"), read(data), tuple(dict.fromkeys(model_type or ["hybrid"])), preset,
        fixed, read(val) if val else None, val_share, val_by, marker_set,
        _MINUTES if minutes is None and trials is None else minutes, trials, jobs, pruner, as_device(device),
    )  # fmt: skip
    with _telling(as_json) as tell, _telling_how_to_go_on(wanted.study, wanted.best):
        standing = search.run(wanted, tell)
    pictures = results.draw(wanted, plots) if plots is not None else []
    if as_json:
        console.print_json(results.plain(wanted, standing, pictures))
    else:
        _print(wanted.study, wanted.best, standing, pictures)


@contextmanager
def _telling(quiet: bool) -> "Iterator[Callable[[Standing], None]]":
    """A line for each trial that is finished, by whichever process, and on a terminal one that says what is left."""
    known: set[int] | None = None

    def tell(standing: "Standing") -> None:
        nonlocal known
        for trial in standing.trials:
            if known is not None and trial.number not in known:
                console.say(_line(trial, standing))
        known = {t.number for t in standing.trials}  # the first time: what is there from earlier runs
        status.update(_left(standing))

    if quiet:
        yield lambda standing: None
        return
    with console.messages.status("searching") as status:
        yield tell


def _line(trial: "Finished", standing: "Standing") -> str:
    best = standing.best
    loss = "no loss" if trial.loss is None else f"loss {trial.loss:.4f}"
    accuracy = "" if trial.accuracy is None else f"  accuracy {trial.accuracy:.4f}"
    leading = "" if best is None else f"  best {best.loss:.4f} (trial {best.number})"
    return f"trial {trial.number}  {trial.state}  {loss}{accuracy}  {trial.seconds:.0f} s{leading}  {_left(standing)}"


def _left(standing: "Standing") -> str:
    left = "" if standing.left_s is None else f", {standing.left_s / 60:.1f} min left"
    return f"{standing.per_minute:.1f} trials/min{left}"


@contextmanager
def _telling_how_to_go_on(study: Path, best: Path) -> Iterator[None]:
    """On Ctrl-C say what is kept and what to do."""
    try:
        yield
    except KeyboardInterrupt:
        found = f"; the best settings so far are in {best}" if best.exists() else ""
        console.say(f"stopped; finished trials are kept in {study}. Go on with the same command{found}")
        raise


def _print(study: Path, best: Path, standing: "Standing", pictures: list[Path]) -> None:
    winner = standing.best
    assert winner is not None
    states = [t.state for t in standing.trials]
    rows = [[name, value] for name, value in winner.settings.items()]
    title = f"Trial {winner.number}, validation loss {winner.loss:.4f}"
    console.results.print(console.table(title, ["setting", "value"], rows))
    console.results.print(
        f"{study}: {states.count('complete')} trials complete, {states.count('pruned')} ended early,"
        f" {states.count('failed')} failed",
        markup=False,
    )
    for path in pictures:
        console.results.print(f"drawn: {path}", markup=False, soft_wrap=True)
    console.results.print(
        f"written: {best}  (train with: aml train DATA --config {best} -o FILE)", markup=False, soft_wrap=True
    )
