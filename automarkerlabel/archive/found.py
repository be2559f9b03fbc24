"""Files by patterns, for shells that expand none, or not `**`, or not as many as an archive has."""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from automarkerlabel.errors import InputError
from automarkerlabel.outputs import outputs_for


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
