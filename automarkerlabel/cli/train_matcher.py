"""`aml train --model-type matcher`."""

import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.errors import InputError

if TYPE_CHECKING:
    from automarkerlabel.training.matcher import MatchLog

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
MATCHER_SETTINGS = ("learning_rate", "seed")


def train_matcher(
    data: list[Path],
    motion: list[str],
    reading: tuple[str | None, str | None, str | None],
    given: dict[str, Any],
    unfit: list[str],
    as_json: bool,
    *,
    out: Path | None,
    device: str,
    why: list[str],
    rename: dict[str, str],
    **options: Any,
) -> None:
    """Train it endlessly on simulated bodies, or fine-tune it on labelled trials.

    reading  units, upward axis and excluded columns of the trials.
    given    settings as options; `unfit` other options that were given and that the matcher has not.
    why      it is the matcher, in a line, where the user did not name it.
    rename   new labels by old ones.
    """
    from automarkerlabel.io import collect
    from automarkerlabel.models.device import as_device
    from automarkerlabel.training import matcher_plan as teach_matcher
    from automarkerlabel.training import trajectory_plan

    unfit += [name for name, value in given.items() if value is not None and name not in MATCHER_SETTINGS]
    if unfit:
        option = unfit[0].replace("_", "-")
        raise InputError(f"--{option}: expected none with --model-type matcher, which has no such choice")
    out = out or Path(f"model_matcher_{datetime.date.today().isoformat()}.ckpt")
    plan = teach_matcher.MatchPlan(
        out, device=as_device(device), motion=tuple(Path(m) for m in motion), seed=given.get("seed") or 0,
        learning_rate=given.get("learning_rate"), **options,
    )  # fmt: skip
    teach_matcher.check(plan)
    sources = []
    if data:
        paths = collect.find_trials(data)
        trajectory_plan.refuse_inputs(out, [*paths, *plan.motion, None if plan.base is None else Path(plan.base)])
        with console.progress("reading", len(paths), as_json) as bar:
            sources = collect.read_labelled(paths, *reading, lambda *_: console.advance(bar), rename)
    if motion and not as_json:
        console.say("reading motion clips")
    trainer, lines = teach_matcher.prepare(plan, sources)
    last: dict[str, Any] = {}
    steps, _ = teach_matcher.ends(plan, bool(sources))
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
    teach_matcher.run(trainer, plan, bool(sources), tell)
    if as_json:
        console.print_json({"model": str(out), "steps": trainer.step, **last})
    else:
        console.results.print(f"written: {out} at step {trainer.step}", markup=False, soft_wrap=True)
    if trainer.stop:
        raise typer.Exit(130)


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
