"""Reading and writing files safely: regular files only, outputs whole or not at all."""

import os
import re
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from automarkerlabel.errors import FileFormatError, InputError, OutputError

_LEFTOVER = re.compile(r"\.(.*)\.[0-9a-f]{8}(\.[^.]*|)", re.S)  # a name that `atomic` gives


def check_input(path: Path) -> None:
    """Raise `InputError` unless `path` is a regular file."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a file, found none that can be read ({_reason(error)})") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: expected a file, found a folder; name a file in it")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: expected a regular file, found a device or a pipe")


def read_bytes(path: Path, max_bytes: int | None = None) -> bytes:
    """The content of a regular file.

    Raises `InputError` if it cannot be read, `FileFormatError` if it is larger than `max_bytes` or the memory.
    """
    check_input(path)
    size = path.stat().st_size
    if max_bytes is not None and size > max_bytes:
        raise FileFormatError(f"{path}: expected at most {max_bytes:,} bytes, found {size:,}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({_reason(error)})") from error
    except (MemoryError, OverflowError) as error:
        raise FileFormatError(f"{path}: {size:,} bytes are more than fit into memory") from error


def read_head(path: Path, n_bytes: int) -> bytes:
    """The first bytes of a regular file. Raises `InputError` if it cannot be read."""
    check_input(path)
    try:
        with path.open("rb") as file:
            return file.read(n_bytes)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({_reason(error)})") from error


def check_output(
    path: Path, sources: Collection[Path] = (), overwrite: bool = False, suffixes: Collection[str] = ()
) -> None:
    """Raise `OutputError` unless `path` can be written.

    It must not be one of `sources`, whatever name or link leads there; not exist unless `overwrite`; stand in
    an existing folder; and end in one of `suffixes`, upper or lower case alike, where any are given.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise OutputError(
            f"{path}: expected a name that ends in {one_of(suffixes)}, found {path.suffix or 'no suffix'!r}"
        )
    if path.is_dir():
        raise OutputError(f"{path}: expected a file to write, found a folder; add a file name")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.path.lexists(path):
        return
    if any(same_file(path, source) for source in sources):
        raise OutputError(f"{path}: the output would replace its own input; choose another name")
    if not overwrite:
        raise OutputError(f"{path}: exists already; choose another name or use --overwrite")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: expected a regular file to replace, found a device or a pipe")


def make_folder(path: Path) -> None:
    """Make a folder, and those it stands in, where it is not there yet. Raises `OutputError` where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made ({_reason(error)}); name a place that can be written") from error


def one_of(names: Collection[str]) -> str:
    """`.c3d, .trc or .csv`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name in the folder of `path`, with its suffix, for the `with` block to write.

    The file is synced and moved to `path` when the block ends well; after any exception it is removed and `path` is as
    it was. An `OSError` on the way (no permission, disk full) becomes an `OutputError`.
    """
    temporary = path.with_name(f".{path.stem[:100]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        try:
            # Made here, not by the writer: so that nobody else's file is ever written over.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({_reason(error)})") from error


def remove_leftovers(*paths: Path) -> None:
    """Remove what processes that were killed while they wrote `paths` with `atomic` have left beside them."""
    beginnings: dict[Path, set[tuple[str, str]]] = {}
    for path in paths:
        beginnings.setdefault(path.parent, set()).add((path.stem[:100], path.suffix))
    for folder, names in beginnings.items():
        for other in folder.iterdir():
            left = _LEFTOVER.fullmatch(other.name)
            if left is not None and (left[1], left[2]) in names:
                with suppress(OSError):
                    other.unlink()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Not every system lets a folder be opened or synced; the file itself is safe already.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
