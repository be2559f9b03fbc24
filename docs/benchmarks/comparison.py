"""Every figure of the README's table "Measured", made anew on your machine from folders laid out as ours, or your own.

    python docs/benchmarks/comparison.py DATA MARKER_CASE.py WORK [--plan comparison.toml] [--only NAME ...]

DATA is the folder that the plan's paths are in, MARKER_CASE.py the tool that makes and scores cases. Each step writes
what it prints to WORK/NAME.txt; one that is done is not run again. Ends with what the README claims beside what was
measured. Times are of this machine, with whatever else it does.
"""

import argparse
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def command(step: Mapping[str, Any], places: Mapping[str, Path]) -> list[str]:
    """The command line of a step: a script beside this one, or options of Python."""
    first, *rest = (word.format(**places) for word in step["run"])
    return [sys.executable, str(HERE / first) if first.endswith(".py") else first, *rest]


def output_of(step: Mapping[str, Any], places: Mapping[str, Path]) -> str:
    """What a step prints, from its file where it is done. Raises `SystemExit` if it fails."""
    done = places["work"] / f"{step['name']}.txt"
    if not done.exists():
        started = time.perf_counter()
        found = subprocess.run(command(step, places), capture_output=True, text=True)
        if found.returncode:
            last = found.stderr.strip().splitlines()[-1:] or ["no message"]
            raise SystemExit(f"{step['name']}: expected it to end well, found exit code {found.returncode}: {last[0]}")
        print(f"{step['name']}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        part = done.with_suffix(".part")
        part.write_text(found.stdout, encoding="utf-8")
        part.replace(done)
    return done.read_text(encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--plan", type=Path, default=HERE / "comparison.toml")
    parser.add_argument("--only", nargs="+", help="names of steps")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    weights = Path(str(resources.files("automarkerlabel.models.checkpoints") / "pretrained" / "matcher.safetensors"))
    places = {"data": args.data, "tool": args.marker_case, "work": args.work, "weights": weights}
    for step in tomllib.loads(args.plan.read_text(encoding="utf-8"))["step"]:
        if args.only and step["name"] not in args.only:
            continue
        lines = output_of(step, places).splitlines()
        print(f"\n{step['name']}")
        if "claim" in step:
            print(f"  README: {step['claim']}")
        for line in lines:
            if line.strip() and re.search(step["shows"], line):
                print(f"  {line}")


if __name__ == "__main__":
    main()
