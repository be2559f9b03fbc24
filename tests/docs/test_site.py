"""The docs as a site: each page has its place, the reference is what the program has, nothing comes from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
import typer

import automarkerlabel
from automarkerlabel.cli import app
from tests.fixtures.places import TOP

DOCS = TOP / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def loaded(path: Path) -> ModuleType:
    """A script of the docs as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return loaded(DOCS / "hooks" / "reference.py")


def test_every_page_has_one_place(reference):
    placed = re.findall(r"(\S+\.md)$", (TOP / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    there = [p.relative_to(DOCS).as_posix() for p in PAGES] + [reference.COMMANDS, reference.NAMES]
    assert sorted(set(there) - set(placed)) == [], "give it a line below `nav` in mkdocs.yml"
    assert sorted(placed) == sorted(there)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_links_stay_within_the_docs(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).resolve().is_relative_to(DOCS), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_lists_are_lists_to_python_markdown_too(page):
    """It wants a blank line before a list, and four spaces before what goes on in one; GitHub wants neither."""
    before, is_code = "", False
    for line in page.read_text(encoding="utf-8").splitlines():
        assert not re.match(r" {1,3}(```|[-*] |\d+\. )", line), line
        is_code ^= line.lstrip().startswith("```")
        if re.match(r"([-*]|\d+\.) ", line) and before and not is_code:
            assert re.match(r"([-*]|\d+\.) |  ", before), line
        before = line


def every_command(path: str, command: object) -> Iterator[tuple[str, object]]:
    """(name as typed, command) of all commands, groups of them left out."""
    below = getattr(command, "commands", {})
    for name, sub in below.items():
        yield from every_command(f"{path} {name}", sub)
    if not below:
        yield path, command


def test_every_command_and_option_is_in_the_reference(reference):
    page = reference.commands_page()
    sections = dict(re.findall(r"^## (aml .*?)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    commands = dict(every_command("aml", typer.main.get_command(app)))
    assert list(sections) == list(commands)
    assert len(commands) > 15
    for path, command in commands.items():
        shown = set(
            re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(re.findall(r"^- `(.*?)`:", sections[path], re.M)))
        )
        expected = {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("-")}
        assert shown == expected, path
        assert f"aml {path.removeprefix('aml ')} " in sections[path]


def test_what_help_says_is_not_taken_for_markdown(reference):
    assert reference._plain("`a*b_c` *0, *1 and <x>_") == r"`a*b_c` \*0, \*1 and &lt;x&gt;\_"


def test_every_public_name_is_in_the_reference(reference):
    found = re.findall(r"^::: automarkerlabel\.(?:\w+\.)(\w+)$", reference.names_page(), re.M)
    assert sorted([*found, "AutoMarkerLabelError"]) == sorted(automarkerlabel.__all__)


class Outside(HTMLParser):
    """Collects addresses of other places that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        address = named.get("src") or (named.get("href") if tag == "link" else None) or ""
        if re.match(r"(https?:)?//", address):
            self.found.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; a warning would have stopped it."""
    for module in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(module, reason="needs `pip install -e '.[docs]'`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        parser = Outside()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


def test_docstrings_become_lists_and_sessions(site):
    names = (site / "reference" / "names" / "index.html").read_text(encoding="utf-8")
    assert "<li><code>rate_hz</code>: frames a second.</li>" in names
    assert "doctest" not in names
    docstrings = loaded(DOCS / "hooks" / "docstrings.py")
    assert docstrings.as_markdown("Of a trial:\n\nrate_hz  frames\n         a second.\n\nEnd.") == (
        "Of a trial:\n\n- `rate_hz`: frames\n    a second.\n\nEnd."
    )
    assert docstrings.as_markdown(">>> 1 + 1  # doctest: +SKIP\n2\n\nEnd.") == "```pycon\n>>> 1 + 1\n2\n```\n\nEnd."


def test_python_files_are_no_part_of_the_site(site):
    assert not list(site.rglob("*.py"))
    assert (site / "pictures" / "way.svg").exists()


@pytest.mark.slow
def test_the_pictures_of_concepts_are_drawn(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "pictures"))
    pictures = loaded(DOCS / "pictures" / "make_concepts.py").PICTURES
    for name, draw in pictures.items():
        assert draw().startswith("<svg"), name
        assert f"pictures/{name}.svg" in (DOCS / "concepts.md").read_text(encoding="utf-8")
