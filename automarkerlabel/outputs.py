"""Where a command's outputs go, and that none of them is an input or another output."""

from collections.abc import Sequence
from pathlib import Path

from automarkerlabel import io
from automarkerlabel.errors import OutputError
from automarkerlabel.io.files import same_file


def outputs_for(sources: Sequence[Path], out: Path | None, what: str = "labelled", suffix: str = "") -> list[Path]:
    """Where `what` each source becomes goes: `out` itself for one, inside the folder `out` for many; None: beside the
    source. It ends in `suffix`, by default the source's, or in `.c3d` where that format cannot be written.

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
    return [out / name for name in names]


def refuse_collisions(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise `OutputError` if an output is an input of the same command, by whatever name, or if two are one file."""
    for output in outputs:
        if any(same_file(output, x) for x in inputs):
            raise OutputError(f"{output}: expected an output beside the inputs, found one of them; name another")
    real = [x.resolve() for x in outputs]
    twice = sorted({x.name for x in real if real.count(x) > 1})
    if twice:
        raise OutputError(f"expected a name for each output, found several that are {', '.join(twice)}")
