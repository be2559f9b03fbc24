"""`aml train --model-type matcher`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel.cli import console

if TYPE_CHECKING:
    from automarkerlabel.cli.train import TrainOptions
    from automarkerlabel.core.source import Source
    from automarkerlabel.training.matcher import MatchLog
    from automarkerlabel.training.matcher_plan import MatchPlan

_PANEL = "The matcher alone"
Steps = Annotated[
    int | None, typer.Option(help="stop at this step, counting those of earlier runs", rich_help_panel=_PANEL)
]
Minutes = Annotated[float | None, typer.Option(help="stop after this time", rich_help_panel=_PANEL)]
CoolDown = Annotated[
    int | None,
    typer.Option(help="steps before --steps in which the learning rate falls to 0", rich_help_panel=_PANEL),
]
BatchPoints = Annotated[
    int | None, typer.Option(help="samples of a step times markers of a sample: 1500", rich_help_panel=_PANEL)
]


def train_matcher(options: "TrainOptions", rename: dict[str, str], why: list[str]) -> None:
    """Train it endlessly on simulated bodies, or fine-tune it on labelled trials.

    rename   new labels by old ones.
    why      it is the matcher, in a line, where the user did not name it.
    """
    from automarkerlabel.models.device import as_device
    from automarkerlabel.training import matcher_plan

    out, given, as_json = options.default_out("matcher"), options.settings, options.as_json
    plan = matcher_plan.MatchPlan(
        out, device=as_device(options.device), motion=tuple(Path(m) for m in options.motion),
        seed=given.get("seed") or 0, learning_rate=given.get("learning_rate"), base=options.base,
        resume=options.resume, overwrite=options.overwrite, steps=options.steps, minutes=options.minutes,
        cool_down=options.cool_down, batch_points=options.batch_points,
    )  # fmt: skip
    matcher_plan.check(plan)
    sources = _read(options, plan, rename)
    if options.motion and not as_json:
        console.say("reading motion clips")
    trainer, lines = matcher_plan.prepare(plan, sources)
    last: dict[str, Any] = {}
    steps, _ = matcher_plan.ends(plan, bool(sources))
    started, first = time.monotonic(), trainer.step

    def tell(log: "MatchLog") -> None:
        last.update(vars(log))
        if not as_json:
            spent = (time.monotonic() - started) / 60
            console.say(_line(log, steps, plan.minutes, spent, (log.step - first) / spent))

    if not as_json:
        for line in [*why, *lines]:
            console.say(line)
        if steps is None and plan.minutes is None:
            console.say("training until Ctrl-C, which saves; go on with the same command and --resume (no --from)")
    matcher_plan.run(trainer, plan, bool(sources), tell)
    if as_json:
        console.print_json({"model": str(out), "steps": trainer.step, **last})
    else:
        console.results.print(f"written: {out} at step {trainer.step}", markup=False, soft_wrap=True)
    if trainer.stop:
        raise typer.Exit(130)


def _read(options: "TrainOptions", plan: "MatchPlan", rename: dict[str, str]) -> "list[Source]":
    """The labelled trials to learn from, if any. Raises `InputError`, also where one is the output."""
    from automarkerlabel.io import collect
    from automarkerlabel.training import trajectory_plan

    if not options.data:
        return []
    paths = collect.find_trials(options.data)
    trajectory_plan.refuse_inputs(plan.out, [*paths, *plan.motion, None if plan.base is None else Path(plan.base)])
    with console.progress("reading", len(paths), options.as_json) as bar:
        return collect.read_labelled(
            paths, options.units, options.up, options.exclude, lambda *_: console.advance(bar), rename
        )


def _line(log: "MatchLog", steps: int | None, minutes: float | None, spent: float, steps_per_min: float) -> str:
    """A step's figures, the rate, and the minutes that are left."""
    left = [] if steps is None else [(steps - log.step) / steps_per_min]
    left += [] if minutes is None else [minutes - spent]
    of = "" if steps is None else f" of {steps}"
    time_left = f"  {max(0.0, min(left)):.1f} min left" if left else ""
    return (
        f"step {log.step}{of}  loss {log.loss:.3f}  accuracy {log.accuracy:.4f}  ghosts {log.ghosts:.3f}"
        f"  {log.samples_per_s:.0f} samples/s{time_left}"
    )
