"""The way of a command through the files: python docs/walk.py [--package FOLDER] label TRIAL -o OUT ...

Runs `aml` with the arguments given, and notes each module of the package when one of its functions is called for the
first time, import time left out. Prints the modules in that order, a line for each stay in a room, and how many stays
are in a room that the way had left before. --package names a folder that holds another checkout. Calls in other
processes are not seen.
"""

import inspect
import sys
import threading
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType

NAME = "automarkerlabel"


class Walk:
    """The modules of a package in the order of their first call."""

    def __init__(self, package: Path) -> None:
        self.package = f"{package}/"
        self.modules: dict[str, None] = {}
        self.importing = threading.local()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        depth = getattr(self.importing, "depth", 0)
        if code.co_name == "<module>":
            self.importing.depth = depth + (1 if event == "call" else -1)
        elif event == "call" and not depth and _is_function(code) and code.co_filename.startswith(self.package):
            self.modules.setdefault(code.co_filename.removeprefix(self.package))


def _is_function(code: CodeType) -> bool:
    """The body of a class runs like a function, without optimised names."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def stays(modules: list[str]) -> list[tuple[str, list[str]]]:
    """Each room with the modules met there, one stay after the other."""
    return [(room, list(those)) for room, those in groupby(modules, lambda x: x.partition("/")[0].removesuffix(".py"))]


def returns(modules: list[str]) -> int:
    """How many stays are in a room that was left before."""
    rooms = [room for room, _ in stays(modules)]
    return len(rooms) - len(set(rooms))


def main() -> int:
    arguments = sys.argv[1:]
    top = Path(__file__).resolve().parents[1]
    if arguments[:1] == ["--package"]:
        top, arguments = Path(arguments[1]).resolve(), arguments[2:]
    if not arguments:
        print(__doc__)
        return 2
    sys.path.insert(0, str(top))
    from automarkerlabel.cli import run

    walk = Walk(top / NAME)
    threading.setprofile(walk)
    sys.setprofile(walk)
    code = run(arguments)
    sys.setprofile(None)
    threading.setprofile(None)
    modules = list(walk.modules)
    for room, those in stays(modules):
        print(f"{room}: {', '.join(x.partition('/')[2] or x for x in those)}")
    rooms = len({room for room, _ in stays(modules)})
    print(f"{len(modules)} modules in {rooms} places, {len(stays(modules))} stays, {returns(modules)} returns")
    return code


if __name__ == "__main__":
    sys.exit(main())
