"""The page as HTML: with its data inside, or for a server that hands the data out.

Names in it come from files, so they are never markup: data stands in elements that no browser runs or parses, with
every `<` escaped, and the page's script shows them as text. Its own policy lets it run that script alone, and ask no
network for anything.
"""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).parent / "assets"
_NO_SCRIPT = "This page draws a motion-capture trial; it needs JavaScript and asks nothing of any network."


def report_page(view: dict[str, Any], points: bytes) -> str:
    """One file for any browser; `points` are the bytes of `pack_points`."""
    data = (
        f'<script type="application/json" id="view">{_as_data(view)}</script>\n'
        f'<script type="text/plain" id="points">{b64encode(points).decode()}</script>\n'
    )
    return _page(str(view["title"]), data, "")


def served_page(title: str) -> str:
    """The page that asks `api/view` and `api/points`, beside its own address, for its data."""
    return _page(title, "", " connect-src 'self';")


def _page(title: str, data: str, more: str) -> str:
    script, style = ((ASSETS / name).read_text(encoding="utf-8").strip() for name in ("page.js", "page.css"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data: blob:;{more}"
        " base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<noscript>{_NO_SCRIPT}</noscript>\n{data}<script>{script}</script>\n</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _as_data(value: dict[str, Any]) -> str:
    """JSON that no HTML parser can take for the end of its element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
