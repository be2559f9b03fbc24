"""Fuzz readers: python tests/fuzz/run.py READER... [--runs N] [--seconds S]

With atheris (pip install -e '.[fuzz]'), coverage of the package guides libFuzzer; every other input is one with
something wrong in a place that matters (mutations.py, c3d_mutations.py). With --plain all are, and nothing guides them:
no atheris is needed. An input is a finding if

- an error that is not ours leaves the reader, or one of more than a line;
- memory runs out: the address space is bounded, and a MemoryError inside an error of ours counts, too;
- the process has grown by more than --memory MB;
- it takes longer than --timeout seconds.

A finding is written to tests/fuzz/corpus/READER/found_..., which the tests read again; the exit code is 1 then.
"""

import argparse
import faulthandler
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP))

from tests.fuzz.readers import CORPUS, READERS, seeds, whole  # noqa: E402

_ROOM_MB = 1024  # of address space, beyond what is taken when fuzzing begins
_NO_MEMORY = re.compile("cannot allocate|can't allocate|unable to allocate|not enough memory", re.I)  # of numpy, torch
_SHARE = 0.5  # of inputs that are mutated with knowledge of their format, and of those that began as a whole file


class FoundError(Exception):
    """What a reader did that it must not."""


@dataclass
class Tally:
    """How many inputs were read and refused, kept in a file so that it outlives atheris' exit."""

    path: Path
    read: int = 0
    refused: int = 0
    begun_mb: float = 0.0

    def write(self) -> None:
        self.path.write_text(f"{self.read} {self.refused} {_peak_mb() - self.begun_mb:.0f}")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + (_ROOM_MB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class Target:
    """One input after the other through a reader, each as a file in memory."""

    def __init__(self, name: str, tally: Tally, folder: Path, memory_mb: float) -> None:
        from automarkerlabel.errors import AutoMarkerLabelError
        from automarkerlabel.io.hdf5 import guard

        guard._TIME_S = 0.5  # these files are small
        self.reader, self.tally, self.ours = READERS[name], tally, AutoMarkerLabelError
        self.path = folder / f"input{self.reader.suffix}"
        for beside in CORPUS.joinpath(name).iterdir():  # what an input names, such as a reviewed trial
            if beside not in seeds(name):
                shutil.copy(beside, folder / beside.name)
        for data in whole(name):
            self(data)
        _bound_memory()
        tally.read = tally.refused = 0
        tally.begun_mb, self.most_mb = _peak_mb(), _peak_mb() + memory_mb

    def __call__(self, data: bytes) -> None:
        self.path.write_bytes(data)
        try:
            self.reader.read(self.path)
            self.tally.read += 1
        except self.ours as error:
            self.tally.refused += 1
            _check(error)
        if (self.tally.read + self.tally.refused) % 100 == 0:
            self.tally.write()
            if hasattr(self, "most_mb") and _peak_mb() > self.most_mb:
                raise FoundError(f"the process has grown to {_peak_mb():.0f} MB")


def _check(error: BaseException) -> None:
    if "\n" in str(error):
        raise FoundError("an error of more than one line") from error
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, MemoryError) or _NO_MEMORY.search(str(inner)):
            raise FoundError("memory ran out") from error
        inner = inner.__cause__ or inner.__context__


def _guided(name: str, options: argparse.Namespace, folder: Path) -> None:
    """Does not return: atheris ends the process."""
    import atheris

    with atheris.instrument_imports(include=["automarkerlabel"]):
        target = Target(name, Tally(Path(options.tally)), folder, options.memory)
    reader, known = READERS[name], whole(name)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() > _SHARE:
            return bytes(atheris.Mutate(data, most))
        return reader.mutate(data if rng.random() < _SHARE else rng.choice(known), rng)[:most]

    new = folder / "new"
    new.mkdir()
    flags = [
        f"-runs={options.runs}", f"-max_total_time={options.seconds}", f"-timeout={options.timeout}",
        f"-seed={options.seed}",
        f"-max_len={reader.largest}", f"-artifact_prefix={options.tally}.", "-rss_limit_mb=0", "-print_final_stats=1",
        "-verbosity=0", "-detect_leaks=0",
    ]  # fmt: skip
    first = folder / "seeds"
    first.mkdir()
    for n, data in enumerate(known):
        (first / str(n)).write_bytes(data)
    atheris.Setup([sys.argv[0], *flags, str(new), str(first)], target, custom_mutator=mutate)
    atheris.Fuzz()


def _plain(name: str, options: argparse.Namespace, folder: Path) -> None:
    target = Target(name, Tally(Path(options.tally)), folder, options.memory)
    rng, known = random.Random(options.seed), whole(name)
    began = time.monotonic()
    for _ in range(options.runs):
        if time.monotonic() - began > options.seconds:
            break
        data = READERS[name].mutate(rng.choice(known), rng)[: READERS[name].largest]
        faulthandler.dump_traceback_later(options.timeout, exit=True)
        target(data)
    faulthandler.cancel_dump_traceback_later()
    target.tally.write()
    print(f"stat::number_of_executed_units: {target.tally.read + target.tally.refused}", file=sys.stderr)


def _worker(name: str, options: argparse.Namespace) -> None:
    (_plain if options.plain else _guided)(name, options, Path(options.tally).parent)


def _fuzz(name: str, options: argparse.Namespace) -> bool:
    """Fuzz one reader in a process of its own, print its row; whether nothing was found."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        tally = Path(folder) / "tally"
        runs = options.runs or READERS[name].n_runs
        command = [sys.executable, __file__, name, "--worker", "--tally", str(tally), "--runs", str(runs)]
        command += ["--seconds", str(options.seconds), "--timeout", str(options.timeout), "--seed", str(options.seed)]
        command += ["--memory", str(options.memory), *(["--plain"] if options.plain else [])]
        began, cpu = time.monotonic(), _cpu_s()
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TMPDIR": folder}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
        counts = (tally.read_text().split() if tally.exists() else []) or ["?", "?", "?"]
        units = re.findall(r"number_of_executed_units: *(\d+)", done.stderr)
        found = sorted(Path(folder).glob("tally.*"))
        if done.returncode and not found:  # the process ended, or was ended, at its last input
            found = sorted(Path(folder).glob("input.*"))
        kept = [_keep(name, x) for x in found]
        cells = [name, units[-1] if units else "?", *counts[:2], f"{time.monotonic() - began:.0f}"]
        print(f"| {' | '.join([*cells, f'{_cpu_s() - cpu:.0f}', counts[2], str(len(found))])} |", flush=True)
        if found:
            print(done.stderr[-options.told :], done.stdout[-options.told :], sep="\n", file=sys.stderr)
            print(f"found: {', '.join(x.name for x in kept)}", file=sys.stderr)
        return not found


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _keep(name: str, path: Path) -> Path:
    data = path.read_bytes()
    kept = CORPUS / name / f"found_{sha1(data).hexdigest()[:12]}{READERS[name].suffix}"
    kept.write_bytes(data)
    return kept


def main() -> None:
    """Parse the command line, fuzz one reader after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="+", choices=[*READERS, "all"], metavar="READER", help="or all")
    parser.add_argument("--runs", type=int, default=0, help="inputs; by default 10,000, of C3D 100,000")
    parser.add_argument("--seconds", type=int, default=600, help="at most, for each reader")
    parser.add_argument("--timeout", type=int, default=10, help="seconds for one input")
    parser.add_argument("--memory", type=float, default=256, help="MB by which the process may grow")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn")
    parser.add_argument("--told", type=int, default=3000, help="characters of what a finding's process said")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tally", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _worker(options.readers[0], options)
        return
    print(
        "| reader | inputs | read | refused | seconds | of them CPU | grown by MB | findings |\n|---" + "|--:" * 7 + "|"
    )
    names = list(READERS) if "all" in options.readers else options.readers
    well = [_fuzz(name, options) for name in names]
    sys.exit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
