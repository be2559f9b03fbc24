"""XML files of others, read with nothing open: no document type, no entities, no other file, no deep nesting."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from automarkerlabel.errors import FileFormatError
from automarkerlabel.io.files import read_bytes

_MAX_BYTES = 64 << 20
_MAX_DEPTH = 100


def parse(path: Path, kind: str, start: Callable[[str, dict[str, str]], None], end: Callable[[str, str], None]) -> None:
    """Call `start(tag, attributes)` and `end(tag, text)` of each element; text is what stands last inside it.

    `kind` names what is expected, for messages. Raises `InputError` if the file cannot be read; `FileFormatError` if it
    is no XML, is larger than 64 MB, or declares a document type or entities, which could make a small file a huge one.
    """
    depth = 0
    text: list[str] = []

    def refuse(*_: object) -> NoReturn:
        raise FileFormatError(
            f"{path}: expected a plain {kind} file, found one that declares a document type or entities;"
            " remove <!DOCTYPE ...> if you trust it"
        )

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise FileFormatError(f"{path}: expected at most {_MAX_DEPTH} levels of elements, found more")
        text.clear()
        start(tag, attributes)

    def finish(tag: str) -> None:
        nonlocal depth
        depth -= 1
        end(tag, "".join(text).strip())
        text.clear()

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = finish
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path, _MAX_BYTES), True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise FileFormatError(
            f"{path}: expected XML of the kind {kind}, found none that is well-formed ({error})"
        ) from error
