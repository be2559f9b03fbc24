"""What a person reads: one console for messages on stderr, one for results on stdout."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


class _Console(Console):
    """One that shows control characters, which a label may have, instead of sending them to the terminal."""

    def render_str(self, text: str, **style: Any) -> Text:
        return super().render_str(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text), **style)


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tabs and ends of lines
messages = _Console(stderr=True, highlight=False, soft_wrap=True)
results = _Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A message to the person, on stderr; names from files are shown as text, never as markup."""
    messages.print(escape(text))


def print_json(value: Any) -> None:
    """A result for a script, on stdout; what is no number becomes null."""
    sys.stdout.write(json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def table(title: str, columns: list[str], rows: list[list[Any]], right: frozenset[int] = frozenset()) -> Table:
    """A table of plain text; columns in `right` are aligned to the right."""
    made = Table(title=escape(title) if title else None, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD)
    for n, name in enumerate(columns):
        made.add_column(escape(name), justify="right" if n in right else "left", overflow="fold", no_wrap=n in right)
    for row in rows:
        made.add_row(*[escape(str(x)) for x in row])
    return made


@contextmanager
def progress(what: str, total: int, quiet: bool = False) -> Iterator[Progress]:
    """A bar with count, rate and time left where stderr is a terminal; gone when done. Advance task 0."""
    bar = Progress(
        TextColumn(escape(what)), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), console=messages, transient=True, redirect_stdout=results.is_terminal,
        disable=quiet or total < 2 or not messages.is_terminal,
    )  # fmt: skip
    with bar:
        bar.add_task(what, total=total, rate="")
        yield bar


def advance(bar: Progress, counts: bool = True) -> None:
    """One more done: move the bar, and say how many a second, or a minute; one that does not count is none to do."""
    task = bar.tasks[0]
    if not counts:
        bar.update(task.id, total=(task.total or 0) - 1)
        return
    bar.update(task.id, advance=1)
    rate = task.completed / task.elapsed if task.elapsed else 0.0
    bar.update(task.id, rate=f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min")


@contextmanager
def heard(yes: bool) -> Iterator[None]:
    """Nothing is written within unless `yes`."""
    before = messages.quiet, results.quiet
    messages.quiet, results.quiet = (quiet or not yes for quiet in before)
    try:
        yield
    finally:
        messages.quiet, results.quiet = before


class EpochView:
    """Shows training: a live table with the step under way on a terminal, a line an epoch elsewhere."""

    HEAD = ("epoch", "loss", "accuracy", "val. loss", "val. accuracy", "windows/s", "time left", "")

    def __init__(self, live: Live | None) -> None:
        self.live = live
        self.rows: list[list[str]] = []
        self.under_way = ""

    def step(self, step: int, steps: int, loss: float) -> None:
        """A step is done."""
        if self.live is not None:
            self.under_way = f"step {step} of {steps}, loss {loss:.3f}"
            self.live.update(self._table())

    def epoch(self, e: dict[str, Any]) -> None:
        """An epoch is done."""
        left = (e["epochs"] - e["epoch"]) * e["seconds"]
        row = [
            f"{e['epoch']}/{e['epochs']}", _number(e["loss"]), f"{e['accuracy']:.4f}", _number(e["val_loss"]),
            _number(e["val_accuracy"]), f"{e['windows_per_s']:.0f}", f"{int(left // 60)}:{int(left % 60):02d}",
            "best" if e["best"] else "",
        ]  # fmt: skip
        self.rows.append(row)
        if e["skipped_steps"]:
            say(f"{e['skipped_steps']} steps of epoch {e['epoch']} had a loss that is no number and were skipped")
        if self.live is not None:
            self.under_way = ""
            self.live.update(self._table())
        else:
            pairs = (f"{name} {value}" if name else value for name, value in zip(self.HEAD, row, strict=True) if value)
            say("  ".join(pairs))

    def _table(self) -> Table:
        made = table("", list(self.HEAD), [list(r) for r in self.rows[-12:]], frozenset(range(7)))
        made.caption = escape(self.under_way)
        return made


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


@contextmanager
def live_epochs(quiet: bool) -> Iterator[EpochView]:
    """The view of a training run on stderr; it says nothing if `quiet`."""
    if quiet:
        yield _Silent(None)
    elif messages.is_terminal:
        with Live(console=messages, refresh_per_second=4) as live:
            yield EpochView(live)
    else:
        yield EpochView(None)


class _Silent(EpochView):
    def step(self, step: int, steps: int, loss: float) -> None:
        pass

    def epoch(self, e: dict[str, Any]) -> None:
        pass
