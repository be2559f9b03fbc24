"""Counts the structure of the package: python docs/structure.py [--before REVISION]

A place is a room (a folder of the package) or a loose module. An arrow is a place that imports another, at any point of
its files; floors are the places on the longest chain of arrows, taken as if circles were one place. With --before the
same is counted of an earlier revision of this repository. Prints a table in Markdown.
"""

import argparse
import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
NAME = "automarkerlabel"
LONG = 60  # lines


def files_here() -> Iterator[tuple[str, str]]:
    """Path below the package and text of each of its modules."""
    for path in sorted((TOP / NAME).rglob("*.py")):
        yield path.relative_to(TOP / NAME).as_posix(), path.read_text(encoding="utf-8")


def files_of(revision: str) -> Iterator[tuple[str, str]]:
    """As `files_here`, of a revision."""
    listed = _git("ls-tree", "-r", "--name-only", revision, f"{NAME}/").splitlines()
    for path in listed:
        if path.endswith(".py"):
            yield path.removeprefix(f"{NAME}/"), _git("show", f"{revision}:{path}")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=TOP, check=True, capture_output=True, text=True).stdout


def place(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def arrows(files: dict[str, str]) -> dict[str, set[str]]:
    """The places that each place imports."""
    places = {place(x) for x in files}
    found: dict[str, set[str]] = {x: set() for x in places}
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{a.name}".split(".") for a in node.names]
            elif isinstance(node, ast.Import):
                names = [a.name.split(".") for a in node.names]
            else:
                continue
            for name in names:
                if name[0] == NAME and len(name) > 1 and name[1] in places:
                    found[place(path)].add(name[1])
    return {a: bs - {a} for a, bs in found.items()}


def floors(graph: dict[str, set[str]]) -> int:
    """How many places stand on the longest way down; those on a circle count as one."""
    circle = {x: frozenset(_reached(graph, x) & {y for y in graph if x in _reached(graph, y)} | {x}) for x in graph}
    below: dict[frozenset[str], set[frozenset[str]]] = defaultdict(set)
    for a, bs in graph.items():
        below[circle[a]] |= {circle[b] for b in bs} - {circle[a]}
    heights: dict[frozenset[str], int] = {}

    def height(group: frozenset[str]) -> int:
        if group not in heights:
            heights[group] = 1 + max((height(x) for x in below[group]), default=0)
        return heights[group]

    return max(height(x) for x in set(circle.values()))


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen, rest = set(), [start]
    while rest:
        for x in graph[rest.pop()] - seen:
            seen.add(x)
            rest.append(x)
    return seen


def long_functions(files: dict[str, str]) -> list[tuple[int, str]]:
    """Functions of more than `LONG` lines, the longest first."""
    found = []
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if n_lines > LONG:
                    found.append((n_lines, f"{path}:{node.name}"))
    return sorted(found, reverse=True)


def counts(files: dict[str, str]) -> dict[str, object]:
    """What the table shows."""
    graph = arrows(files)
    rooms = {place(x) for x in files if "/" in x}
    return {
        "rooms": len(rooms),
        "loose modules": len(graph) - len(rooms),
        "floors of imports": floors(graph),
        "arrows between places": sum(map(len, graph.values())),
        "pairs of places that import each other": sum(a in graph[b] for a in graph for b in graph[a]) // 2,
        f"functions over {LONG} lines": len(long_functions(files)),
        "files": len(files),
        "lines": sum(text.count("\n") for text in files.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="REVISION")
    parser.add_argument("--long", action="store_true", help="name the functions that are too long")
    args = parser.parse_args()
    here = dict(files_here())
    columns = {"now": counts(here)}
    if args.before:
        columns = {args.before: counts(dict(files_of(args.before))), **columns}
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name in columns["now"]:
        print(f"| {name} | " + " | ".join(str(c[name]) for c in columns.values()) + " |")
    if args.long:
        print(*(f"{n} {where}" for n, where in long_functions(here)), sep="\n")


if __name__ == "__main__":
    main()
