"""How fast `aml label` gets through many files: trial-seconds labelled a second, by number of files and processes.

    python docs/benchmarks/archive.py -o FOLDER [--trial FILE] [--model NAME] [--reference FILE]
        [--files 1 10 100 1000] [--jobs 0 1 2] [--no-verify]

Copies a trial under new names in sub-folders, and labels them with the whole command, from its first instruction to its
last, as a user runs it: `aml label 'FOLDER/in/**/*.c3d' -o ... --jobs N --manifest ...`. `--jobs 0` stands for the
command without `--jobs`. Each measurement is appended to FOLDER/archive.jsonl when it is done; one that is there is not
done again, so that the same command goes on after a stop. Prints a table, the start-up cost (a straight line through
the times by the number of files, at no files), the time of one more file, and what that comes to for 100,000 trials of
this length: as if all else stays as it was, the file system keeps up, and, for many processes, each has a core to
itself. `--no-verify` leaves out the second look at each output, a process of its own for each trial.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from automarkerlabel import read

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data" / "walk_unlabelled.c3d"
PER_FOLDER = 100
ARCHIVE = 100_000  # trials, of the projection
MANY = 100  # processes, of that for a cluster


def copies(trial: Path, folder: Path, n: int) -> Path:
    """A folder with `n` copies of the trial in sub-folders."""
    for k in range(n):
        copy = folder / f"s{k // PER_FOLDER:04d}" / f"trial{k % PER_FOLDER:03d}{trial.suffix}"
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(trial, copy)
    return folder


def measured(args: argparse.Namespace, n: int, jobs: int) -> dict[str, object]:
    """One run of the command over `n` files."""
    inputs = copies(args.trial, args.out / f"in{n}", n)
    out, manifest = args.out / f"out{n}-{jobs}", args.out / f"manifest{n}-{jobs}.jsonl"
    shutil.rmtree(out, ignore_errors=True)
    manifest.unlink(missing_ok=True)
    out.mkdir()
    command = [sys.executable, "-m", "automarkerlabel", "label", str(inputs / "**" / f"*{args.trial.suffix}")]
    command += ["-o", str(out), "--manifest", str(manifest)]
    for option, value in (("--model", args.model), ("--reference", args.reference), ("--jobs", jobs or None)):
        command += [] if value is None else [option, str(value)]
    command += ["--no-verify"] * args.no_verify
    if n == 1:
        command[command.index("-o") + 1] = str(out / f"labelled{args.trial.suffix}")
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    shutil.rmtree(out)
    return {
        "trial": args.trial.name, "how": args.how, "files": n, "jobs": jobs,
        "seconds": seconds, "cpu_seconds": cpu, "trial_seconds": n * args.duration, "load": os.getloadavg()[0],
    }  # fmt: skip


def line_through(files: list[int], seconds: list[float]) -> tuple[float, float]:
    """Seconds at no files, and of one more: least squares, each time weighing as its relative error."""
    slope, start = np.polyfit(files, seconds, 1, w=1 / np.array(seconds))
    return float(start), float(slope)


def told(found: list[dict[str, object]]) -> None:
    print("| files | jobs | seconds | CPU seconds | trial-seconds a second | seconds a file |")
    print("|---|---|---|---|---|---|")
    for x in found:
        rate = x["trial_seconds"] / x["seconds"]
        print(
            f"| {x['files']:,} | {x['jobs'] or 'none'} | {x['seconds']:.1f} | {x['cpu_seconds']:.1f} | {rate:.2f}"
            f" | {x['seconds'] / x['files']:.2f} |"
        )
    for jobs in sorted({x["jobs"] for x in found}):
        own = [x for x in found if x["jobs"] == jobs]
        if len({x["files"] for x in own}) < 2:
            continue
        start, each = line_through([x["files"] for x in own], [x["seconds"] for x in own])
        hours = (start + ARCHIVE * each) / 3600
        line = f"jobs {jobs or 'none'}: start-up {start:.1f} s, then {each:.2f} s a file; {ARCHIVE:,} such files: "
        line += f"{hours:.1f} h on this machine"
        if jobs == 1:
            line += f", {(start + ARCHIVE * each / MANY) / 3600:.1f} h in {MANY} processes that do not slow each other"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--trial", type=Path, default=SAMPLE)
    parser.add_argument("--model")
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--files", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--jobs", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--no-verify", action="store_true")
    args = parser.parse_args()
    if args.reference is None and args.model is None:
        args.model = "sample"
    trial = read(args.trial)
    args.how = (args.model or args.reference.name) + (", --no-verify" if args.no_verify else "")
    args.duration = trial.n_frames / trial.rate_hz
    args.out.mkdir(parents=True, exist_ok=True)
    results = args.out / "archive.jsonl"
    found = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    key = ("trial", "how", "files", "jobs")
    done = {tuple(x[k] for k in key) for x in found}
    for n in args.files:
        for jobs in args.jobs:
            if (args.trial.name, args.how, n, jobs) in done:
                continue
            found.append(measured(args, n, jobs))
            with results.open("a") as file:
                file.write(json.dumps(found[-1]) + "\n")
            print(f"{n} files, jobs {jobs}: {found[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    told([x for x in found if (x["trial"], x["how"]) == (args.trial.name, args.how)])


if __name__ == "__main__":
    main()
