"""Files by patterns, where a command's outputs go, and that none of them is an input or another output."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.errors import InputError, OutputError
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


@dataclass(frozen=True)
class Found:
    """An input. `folder` is where it lies below the fixed part of its pattern; None for one that was named."""

    path: Path
    folder: Path | None = None


def found(arguments: Sequence[Path]) -> list[Found]:
    """The files that arguments mean: one that is there, itself; a pattern of `*`, `?`, `[abc]` and `**` (any folders),
    what fits it, in order of the alphabet. Patterns find no hidden files. Nothing comes twice.

    Raises `InputError` for a pattern that nothing fits.
    """
    inputs: list[Found] = []
    seen: set[Path] = set()
    for argument in arguments:
        if not has_magic(str(argument)) or argument.exists():
            if argument not in seen:
                inputs.append(Found(argument))
                seen.add(argument)
            continue
        fixed = fixed_part(argument)
        fit = sorted(path for path in map(Path, glob(str(argument), recursive=True)) if path.is_file())
        if not fit:
            raise InputError(f"{argument}: expected files that fit this pattern, found none")
        inputs += [Found(path, path.parent.relative_to(fixed)) for path in fit if path not in seen]
        seen.update(fit)
    return inputs


def fixed_part(pattern: Path) -> Path:
    """The folder before the first wildcard of a pattern.

    >>> print(fixed_part(Path("archive/2024/**/walk*.c3d")).as_posix())
    archive/2024
    """
    parts = pattern.parts
    first = next(n for n, part in enumerate(parts) if has_magic(part))
    return Path(*parts[:first])


@dataclass(frozen=True)
class Inputs:
    """The trials of a command, where what they become goes, and how many outputs of earlier runs a pattern found."""

    sources: list[Path]
    folders: list[Path | None]
    outputs: list[Path]
    n_left_out: int

    def beside(self, where: Path | None, what: str, suffix: str) -> list[Path] | list[None]:
        """Where `what` else of each trial goes, in the file or folder `where`, if it is wanted."""
        if where is None:
            return [None] * len(self.sources)
        return outputs_for(self.sources, where, what, suffix, self.folders)


def placed(arguments: Sequence[Path], out: Path | None, what: str) -> Inputs:
    """The trials that arguments mean, but not those that a pattern found and that are outputs of this same command.

    What was found by a pattern keeps its folder below `out`. Raises `InputError` for a pattern that nothing fits,
    `OutputError` where a folder is needed.
    """
    inputs = found(arguments)
    outputs = outputs_for([x.path for x in inputs], out, what, folders=[x.folder for x in inputs])
    made = {path for x, path in zip(inputs, outputs, strict=True) if path != x.path}
    kept = [n for n, x in enumerate(inputs) if x.folder is None or x.path not in made]
    return Inputs(
        [inputs[n].path for n in kept], [inputs[n].folder for n in kept], [outputs[n] for n in kept],
        len(inputs) - len(kept),
    )  # fmt: skip
