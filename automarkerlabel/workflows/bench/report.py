"""One run of the benchmark: rounds in which everything that is compared takes its turn, and what they come to."""

import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from automarkerlabel.errors import InputError
from automarkerlabel.models import MODELS
from automarkerlabel.version import __version__
from automarkerlabel.workflows.bench import labelling, made, processes
from automarkerlabel.workflows.bench.floor import Floor
from automarkerlabel.workflows.bench.racers import BASELINE, MATCHER, Racer, racers

PARTS = ("floor", "training", "labelling", "processes")


@dataclass(frozen=True)
class Order:
    """What to measure, by names of `PARTS`; `quick`: fewer and shorter rounds. Raises `InputError` for other names."""

    only: tuple[str, ...] = PARTS
    threads: int = 1
    quick: bool = False

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in PARTS:
                raise InputError(f"only: expected some of {', '.join(PARTS)}, found {name!r}")
        if self.threads < 1:
            raise InputError(f"threads: expected 1 or more, found {self.threads}")

    @property
    def n_rounds(self) -> int:
        return 2 if self.quick else 5

    @property
    def n_steps(self) -> int:
        return 10 if self.quick else 20

    @property
    def seconds(self) -> float:
        """Length of the trial that is labelled."""
        return 5.0 if self.quick else 15.0


Tell = Callable[[str], None]


def measure(order: Order, tell: Tell) -> dict[str, Any]:
    """Measure what is asked for, as plain values; `tell` hears what is being done.

    A round of everything comes before the ones that count, to warm up. Raises `ProcessingError` if a process fails.
    """
    torch.set_num_threads(order.threads)
    result: dict[str, Any] = {"machine": _machine(order)}
    floor = Floor()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if set(order.only) & {"floor", "training"}:
            tell("floor")
            floor.try_once()
        if "training" in order.only:
            tell("making trials and models")
            result["training"] = _training(order, racers(folder, order.threads, order.n_steps), floor, tell)
        if floor.bytes:
            result["floor"] = {"flop_per_s": floor.flop, "bytes_per_s": floor.bytes}
        if set(order.only) & {"labelling", "processes"}:
            known = made.labelled(order.seconds)
            trial, models = made.unlabelled(known), dict[str, Path]()
            for kind in MODELS:
                tell(f"learning one trial by heart: {kind}")
                models[kind] = labelling.learnt(kind, known, folder, order.threads)
        if "labelling" in order.only:
            ways = labelling.ways(models, trial, folder, order.threads)
            result["labelling"] = _labelling(order, ways, trial.n_frames, tell)
        if "processes" in order.only:
            result["processes"] = _processes(order, processes.jobs(folder, models, trial), tell)
    result["machine"]["load_at_the_end"] = _load()
    return result


def _training(order: Order, found: Sequence[Racer], floor: Floor, tell: Tell) -> list[dict[str, Any]]:
    """Each racer in turn, in each round; ratios are taken within a round."""
    rates: dict[str, list[tuple[float, float, float]]] = {racer.name: [] for racer in found}
    for n in range(order.n_rounds + 1):
        for racer in found:
            tell(f"training, round {n} of {order.n_rounds}: {racer.name}")
            rates[racer.name].append((racer.train(), racer.network(), racer.batches()))
        floor.try_once()
    rows = []
    for racer in found:
        whole, network, batches = zip(*rates[racer.name][1:], strict=True)
        pairs = zip(whole, rates[BASELINE][1:], strict=True)
        at_most = floor.per_second(racer.work, racer.kind)
        rows.append({
            "name": racer.name, "about": racer.about, "weights": racer.n_weights,
            "windows_per_s": statistics.median(whole), "lowest": min(whole), "highest": max(whole),
            "times_baseline": None if racer.name == MATCHER else statistics.median(a / b[0] for a, b in pairs),
            "network_alone": statistics.median(network), "batches_alone": statistics.median(batches),
            "flop_per_window": racer.work.flop, "bytes_per_window": racer.work.bytes, "numbers": racer.kind,
            "floor_windows_per_s": at_most, "share_of_floor": max(whole) / at_most,
            "network_share_of_floor": max(network) / at_most,
        })  # fmt: skip
    return rows


def _labelling(order: Order, ways: Sequence[labelling.Labelled], n_frames: int, tell: Tell) -> list[dict[str, Any]]:
    rates: dict[str, list[tuple[float | None, float | None]]] = {way.name: [] for way in ways}
    for n in range(order.n_rounds + 1):
        for way in ways:
            tell(f"labelling, round {n} of {order.n_rounds}: {way.name}")
            rates[way.name].append((way.label() if way.label else None, way.score() if way.score else None))
    rows = []
    for way in ways:
        label, score = zip(*rates[way.name][1:], strict=True)
        rows.append({
            "name": way.name, "n_frames": n_frames, "frames_per_s": _median(label),
            "frames_per_s_scored": _median(score),
        })  # fmt: skip
    return rows


def _processes(order: Order, jobs: dict[str, list[str]], tell: Tell) -> list[dict[str, Any]]:
    taken: dict[str, list[processes.Process]] = {name: [] for name in jobs}
    for n in range(1 if order.quick else 3):
        tell(f"whole processes, round {n + 1}")
        # Memory does not change from run to run: training is run once.
        again = {name: job for name, job in jobs.items() if n == 0 or not name.startswith("train")}
        for process in processes.run(again, order.threads):
            taken[process.name].append(process)
    return [
        {
            "name": name,
            "seconds": statistics.median(p.seconds for p in runs),
            "peak_bytes": max((p.peak_bytes for p in runs if p.peak_bytes is not None), default=None),
        }
        for name, runs in taken.items()
    ]


def _median(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None


def _machine(order: Order) -> dict[str, Any]:
    return {
        "processor": _processor(), "cores": os.cpu_count(), "threads": order.threads, "system": platform.platform(),
        "python": platform.python_version(), "torch": torch.__version__, "automarkerlabel": __version__,
        "load_at_the_start": _load(),
    }  # fmt: skip


def _processor() -> str:
    """As the system names it: Linux tells more than Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _load() -> float | None:
    """Programs that wanted a core in the last minute, where the system tells."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
