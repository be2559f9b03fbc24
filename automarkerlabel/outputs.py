"""Where a command's outputs go, and that none of them is an input or another output."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.errors import OutputError
from automarkerlabel.io.files import make_folder


def outputs_for(
    sources: Sequence[Path], out: Path | None, what: str = "labelled", suffix: str = "",
    folders: Sequence[Path | None] = (),
) -> list[Path]:  # fmt: skip
    """Where `what` each source becomes goes: `out` itself for one, inside the folder `out` for many; None: beside the
    source. It ends in `suffix`, by default the source's, or in `.c3d` where that format cannot be written.

    folders  for each source the folder below `out` that what it becomes lies in; None: in `out` itself.

    Raises `OutputError` where a folder is needed.
    """
    unwritable = set(io.READABLE) - set(io.WRITABLE)
    own = [".c3d" if s.suffix.lower() in unwritable else s.suffix for s in sources]
    names = [f"{s.stem}_{what}{suffix or x}" for s, x in zip(sources, own, strict=True)]
    if out is None:
        return [s.with_name(name) for s, name in zip(sources, names, strict=True)]
    if len(sources) == 1 and not out.is_dir():
        return [out]
    if not out.is_dir():
        raise OutputError(f"{out}: expected a folder that is there for {len(sources)} trials, found none; make it")
    below = folders or [None] * len(sources)
    return [out / (folder or "") / name for folder, name in zip(below, names, strict=True)]


def refuse_collisions(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise `OutputError` if an output is an input of the same command, by whatever name, or if two are one file."""
    there = _identities(inputs)
    for output in outputs:
        if not there.isdisjoint(_identities([output])):
            raise OutputError(f"{output}: expected an output beside the inputs, found one of them; name another")
    folders = {folder: folder.resolve() for folder in {x.parent for x in outputs}}
    times = Counter(folders[x.parent] / x.name for x in outputs)
    twice = sorted({path.name for path, n in times.items() if n > 1})
    if twice:
        shown = ", ".join(twice[:5]) + (f", ... ({len(twice)})" if len(twice) > 5 else "")
        raise OutputError(
            f"expected a name for each output, found several that are {shown}; trials found by a pattern in quotes,"
            " such as 'archive/**/*.c3d', keep their folders"
        )


def make_folders(outputs: Iterable[Path], out: Path | None) -> None:
    """Make the folders below `out` that outputs lie in. Raises `OutputError` where that cannot be."""
    for folder in sorted({x.parent for x in outputs}):
        if out is not None and folder != out and folder.is_relative_to(out):
            make_folder(folder)


def _identities(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """Device and number of each file that is there, which all its names share."""
    found = set()
    for path in paths:
        try:
            facts = path.stat()
        except (OSError, ValueError):
            continue
        found.add((facts.st_dev, facts.st_ino))
    return found
