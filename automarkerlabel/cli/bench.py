"""`aml bench`."""

from typing import Annotated, Any

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import AsJson


def bench(
    only: Annotated[
        list[str] | None,
        typer.Option(help="floor, training, labelling or processes; several with an --only each (default: all)"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="fewer and shorter rounds: good to a third or so")] = False,
    threads: Annotated[int, typer.Option(help="of torch")] = 1,
    as_json: AsJson = False,
) -> None:
    """Measure this machine: training and labelling speed, start-up and memory, beside what it could do at most.

    It makes its own trials. Figures mean something while nothing else runs.
    """
    from automarkerlabel.workflows.bench.report import PARTS, Order, measure

    order = Order(tuple(dict.fromkeys(only or PARTS)), threads, quick)
    if as_json:
        console.print_json(measure(order, lambda what: None))
        return
    with console.messages.status("measuring") as status:
        result = measure(order, lambda what: status.update(what))
    _print(result)


def _print(result: dict[str, Any]) -> None:
    machine = result["machine"]
    load = machine["load_at_the_start"]
    console.results.print(
        f"{machine['processor']}, {machine['cores']} cores; torch {machine['torch']} on {machine['threads']} threads"
        + ("" if load is None else f"; load at the start {load:.1f}"),
        markup=False,
    )
    for name, show in (
        ("floor", _floor),
        ("training", _training),
        ("labelling", _labelling),
        ("processes", _processes),
    ):
        if name in result:
            show(result[name])


def _floor(floor: dict[str, Any]) -> None:
    rates = floor["flop_per_s"]
    rows = [[name, *(f"{rates[kind][name] / 1e9:.0f}" for kind in rates)] for name in rates["float32"]]
    title = f"The machine: {floor['bytes_per_s'] / 1e9:.0f} GB/s of memory, and GFLOP/s of matrix products"
    _show(title, ["product", *rates], rows)


def _training(rows: list[dict[str, Any]]) -> None:
    _show("", ["training", "windows/s", "times", "network", "batches", "at most", "share"], [
        [
            r["name"], f"{r['windows_per_s']:,.0f}", _number(r["times_baseline"], ".1f"), f"{r['network_alone']:,.0f}",
            f"{r['batches_alone']:,.0f}", f"{r['floor_windows_per_s']:,.0f}", f"{r['share_of_floor']:.0%}",
        ]
        for r in rows
    ])  # fmt: skip
    for r in rows:
        console.results.print(
            f"{r['name']}: {r['weights']:,} weights, {r['about']}; a window is {r['flop_per_window'] / 1e6:,.1f} MFLOP"
            f" ({r['numbers']}) and {r['bytes_per_window'] / 1e3:,.0f} kB",
            markup=False,
        )


def _labelling(rows: list[dict[str, Any]]) -> None:
    _show("", ["labelling", "frames/s", "features and network alone"], [
        [r["name"], _number(r["frames_per_s"], ",.0f"), _number(r["frames_per_s_scored"], ",.0f")] for r in rows
    ])  # fmt: skip


def _processes(rows: list[dict[str, Any]]) -> None:
    def megabytes(value: int | None) -> str:
        return "" if value is None else f"{value / 1e6:,.0f}"

    _show("", ["whole process", "s", "MB at most"], [
        [r["name"], f"{r['seconds']:.2f}", megabytes(r["peak_bytes"])] for r in rows
    ])  # fmt: skip


def _show(title: str, head: list[str], rows: list[list[str]]) -> None:
    console.results.print(console.table(title, head, rows, frozenset(range(1, len(head)))))


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
