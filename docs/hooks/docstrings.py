"""Docstrings of this package as Markdown: it writes lists of names in columns and examples as a session."""

import re
from typing import Any

import griffe

_ITEM = re.compile(r"(\w+(?:, \w+)*) {2,}(\S.*)")  # "rate_hz      frames a second."
_FLAG = re.compile(r" +# doctest: .*")


class ColumnsAsLists(griffe.Extension):
    """Rewrites each docstring when its object is found."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """Names in columns become list items, `>>>` sessions fenced blocks; the rest stays."""
    lines: list[str] = []
    in_item = in_session = False
    for line in docstring.splitlines():
        if line.startswith(">>> ") and not in_session:
            lines.append("```pycon")
            in_session = True
        elif in_session and not line.strip():
            lines.append("```")
            in_session = False
        item = None if in_session else _ITEM.fullmatch(line)
        in_item = bool(line.strip()) and (in_item or item is not None)
        if item:
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif in_session:
            lines.append(_FLAG.sub("", line))
        else:
            lines.append(f"    {line.strip()}" if in_item and line.startswith("  ") else line)
    return "\n".join([*lines, "```"] if in_session else lines)
