"""A lab's own marker set: train on its trials, label broken cases of held-out ones, score by where points lie.

    python docs/benchmarks/own_marker_set.py DATA MARKER_CASE.py WORK [--types hybrid,...] [--test NAME,...]

DATA is a folder of labelled trials, MARKER_CASE.py the tool that makes and scores cases (`make` with
`--swaps 0 --rotate --up UP`, all else by default). Everything is written into WORK; a model that is there is used.
Prints a table in Markdown: training time, and accuracy, F1, ghosts left unlabelled and lost points of each case.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from cases import call

TEST = "DJ3,DJAsym3,STSAsym1,squatsAsym1,walking4,walkingTI3,walkingTO3,walkingTS3"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("marker_case", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--types", default="hybrid,lstm,transformer")
    parser.add_argument("--test", default=TEST)
    parser.add_argument("--up", default="y")
    parser.add_argument("--options", default="", help="more options for aml train")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    test = args.test.split(",")
    trials = sorted(p for p in args.data.iterdir() if p.suffix in (".trc", ".c3d"))
    (args.work / "train.txt").write_text("\n".join(str(p.resolve()) for p in trials if p.stem not in test))
    aml = [sys.executable, "-m", "automarkerlabel"]
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for kind in args.types.split(","):
        model = args.work / f"{kind}.ckpt"
        if not model.exists():
            started = time.perf_counter()
            call(*aml, "train", args.work / "train.txt", "-o", model, "--model-type", kind, *args.options.split())
            print(f"{kind}: trained in {time.perf_counter() - started:.0f} s", flush=True)
        rows[kind] = {}
        for name in test:
            case, answer = args.work / "cases" / name, args.work / f"{name}_{kind}.c3d"
            source = next(p for p in trials if p.stem == name)
            if not (case / "truth.npz").exists():
                call(sys.executable, args.marker_case, "make", source, case, "--swaps", 0, "--rotate", "--up", args.up)
            started = time.perf_counter()
            call(*aml, "label", case / "unlabelled.c3d", "--model", model, "-o", answer, "--overwrite")
            seconds = time.perf_counter() - started
            rows[kind][name] = json.loads(call(sys.executable, args.marker_case, "score", case, answer, "--json"))
            rows[kind][name]["seconds"] = seconds
    print("| type | case | accuracy | F1 | ghosts left | lost | twice | seconds |\n|---|---|---|---|---|---|---|---|")
    for kind, cases in rows.items():
        for name, r in cases.items():
            shares = " | ".join(f"{r[x]:.4f}" for x in ("accuracy", "f1", "ghosts"))
            print(f"| {kind} | {name} | {shares} | {r['lost']} | {r['twice']} | {r['seconds']:.1f} |")
        means = " | ".join(
            f"{sum(r[x] for r in cases.values()) / len(cases):.4f}" for x in ("accuracy", "f1", "ghosts")
        )
        lost, twice = (sum(int(r[x]) for r in cases.values()) for x in ("lost", "twice"))
        print(f"| **{kind}** | **mean** | {means} | {lost} | {twice} | |")


if __name__ == "__main__":
    main()
