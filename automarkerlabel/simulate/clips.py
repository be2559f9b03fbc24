"""Loads the motion clips that the simulator draws from: BVH and ASF/AMC files, folders and zip archives of them."""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from automarkerlabel.errors import FileFormatError, InputError
from automarkerlabel.io.files import check_input, read_bytes
from automarkerlabel.io.motion.asf_amc import parse_amc, parse_asf
from automarkerlabel.io.motion.bvh import parse_bvh
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.retarget import in_human_size, retarget

MAX_CLIP_BYTES = 32 << 20
MAX_ZIP_BYTES = 2 << 30
_MAX_ZIP_FILES = 10_000
_CLIPS = (".bvh", ".amc")
_KNOWN = (*_CLIPS, ".asf")

Reader = Callable[[], bytes]  # gives a file's bytes when they are needed


def load_clips(
    paths: Iterable[Path],
    rate_hz: float = 30.0,
    on_progress: Callable[[str], None] | None = None,
    on_skipped: Callable[[str, str], None] | None = None,
) -> list[Motion]:
    """All motions in `paths`, at `rate_hz`, in the order of `paths` and then of names.

    A path is a `.bvh` or `.amc` file (with its `.asf` beside it: `02.asf` for `02_01.amc`), a folder searched through,
    or a `.zip` of them, read in memory. `on_progress(name)` is called before each clip; `on_skipped(name, message)` for
    one that cannot be used.

    Raises `InputError` if a path cannot be read or holds no clip; without `on_skipped` also for the first clip that
    cannot be used.
    """
    motions = []
    for path in paths:
        files = _files(path)
        clips = sorted(name for name in files if _suffix(name) in _CLIPS)
        if not clips:
            raise InputError(f"{path}: expected motion clips ({', '.join(_CLIPS)}), found none")
        for name in clips:
            if on_progress:
                on_progress(name)
            try:
                motions.append(_load(name, files).resampled(rate_hz))
            except InputError as error:
                message = str(error) if str(error).startswith(name) else f"{name}: {error}"
                if on_skipped is None:
                    raise type(error)(message) from error
                on_skipped(name, message)
    return motions


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _files(path: Path) -> dict[str, Reader]:
    """What can be read at a path: names with forward slashes, and how to get their bytes."""
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in _KNOWN and p.is_file())
        return {p.as_posix(): _from_disk(p) for p in found}
    if path.suffix.lower() == ".zip":
        return dict(_in_zip(path))
    if path.suffix.lower() not in _CLIPS:
        raise InputError(f"{path}: expected a folder, a .zip or a clip ({', '.join(_CLIPS)}), found none of them")
    beside = {p.as_posix(): _from_disk(p) for p in path.parent.glob("*") if p.suffix.lower() == ".asf"}
    return {path.as_posix(): _from_disk(path)} | (beside if path.suffix.lower() == ".amc" else {})


def _from_disk(path: Path) -> Reader:
    return lambda: read_bytes(path, MAX_CLIP_BYTES)


def _in_zip(path: Path) -> Iterator[tuple[str, Reader]]:
    check_input(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [info for info in archive.infolist() if _suffix(info.filename) in _KNOWN and not info.is_dir()]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise InputError(f"{path}: expected a zip archive, found none that can be read ({error})") from error
    total = sum(info.file_size for info in entries)
    if len(entries) > _MAX_ZIP_FILES or total > MAX_ZIP_BYTES:
        raise FileFormatError(
            f"{path}: expected at most {_MAX_ZIP_FILES:,} clips and {MAX_ZIP_BYTES:,} bytes of them, found"
            f" {len(entries):,} and {total:,}"
        )
    for info in entries:
        yield info.filename, _from_zip(path, info)


def _from_zip(path: Path, info: zipfile.ZipInfo) -> Reader:
    def read() -> bytes:
        if info.file_size > MAX_CLIP_BYTES:
            raise FileFormatError(f"expected at most {MAX_CLIP_BYTES:,} bytes, found {info.file_size:,}")
        try:
            with zipfile.ZipFile(path) as archive, archive.open(info) as file:
                return file.read(MAX_CLIP_BYTES)
        except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise FileFormatError(f"expected a file that unpacks, found one that does not ({error})") from error

    return read


def _load(name: str, files: dict[str, Reader]) -> Motion:
    if _suffix(name) == ".bvh":
        return retarget(in_human_size(parse_bvh(files[name](), name)))
    skeleton = _skeleton_of(name, files)
    return retarget(parse_amc(files[name](), parse_asf(files[skeleton](), skeleton), what=name))


def _skeleton_of(clip: str, files: dict[str, Reader]) -> str:
    """The name of the `.asf` that an `.amc` goes with: that of its subject (`02` of `02_01.amc`), or its own."""
    place = PurePosixPath(clip)
    wanted = {place.stem.split("_")[0].lower(), place.stem.lower()}
    for name in files:
        other = PurePosixPath(name)
        if other.parent == place.parent and other.suffix.lower() == ".asf" and other.stem.lower() in wanted:
            return name
    raise FileFormatError(f"expected its skeleton {place.stem.split('_')[0]}.asf beside it, found none")
