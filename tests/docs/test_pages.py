"""What the documents promise: commands run, examples run, options exist, links lead somewhere."""

import doctest
import importlib
import pkgutil
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import automarkerlabel
from automarkerlabel.cli import app, run
from automarkerlabel.models.checkpoints import find_model
from tests.fixtures.places import SAMPLE_FILES, TOP

PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
EVERY_PAGE = [*PAGES, *sorted((TOP / "docs" / "decisions").glob("*.md"))]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.M | re.S)
# Of `aml` itself, torchrun, pip, and Dask's workers.
OTHER_OPTIONS = {
    "--help", "--version", "--nproc-per-node", "--index-url", "--lifetime", "--lifetime-stagger", "--scheduler-file",
    "--nthreads", "--nworkers",
    "--plain", "--runs",  # of tests/fuzz/run.py
    "--before",  # of docs/structure.py
}  # fmt: skip


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block, in order."""
    return [(language, text) for language, text in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(text: str) -> Iterator[tuple[list[str], bool]]:
    """(arguments, whether `# long` says not to run it) of each line that starts with `aml`, alone or behind `&&`."""
    for line in text.splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words[:1] == ["aml"]:
                yield words[1:], line.rstrip().endswith("# long")


def parse(arguments: list[str]) -> None:
    """Parse a command line without running it; unknown options and wrong types raise."""
    command = typer.main.get_command(app)
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context("aml", list(arguments), resilient_parsing=False)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: a copy of the sample data, without what somebody made of it; own marker sets apart."""
    monkeypatch.setenv("AML_MARKER_SETS", str(tmp_path / "marker_sets"))
    (tmp_path / "sample_data").mkdir()
    for source in SAMPLE_FILES:
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / "sample_data" / source.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_blocks_of_a_page_run_in_order(page, folder, capsys):
    names: dict[str, object] = {"__name__": "example"}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, f"{page.name}, example", "exec"), names)
        elif language in ("sh", "console"):
            for arguments, is_long in commands(text):
                parse(arguments)
                if is_long:  # training; the packaged model stands in for what it would make
                    shutil.copy(find_model("sample"), arguments[arguments.index("-o") + 1])
                    continue
                code = run(arguments)
                assert code == 0, f"aml {shlex.join(arguments)}: {code}, {capsys.readouterr().err}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda p: p.stem)
def test_commands_on_files_of_the_reader_parse(page):
    for language, text in blocks(page):
        if language == "text":
            for arguments, _ in commands(text):
                parse(arguments)


def options(command: object) -> set[str]:
    """All options of a command and of those below it."""
    found = {name for p in getattr(command, "params", []) for name in (*p.opts, *p.secondary_opts)}
    return found.union(*(options(c) for c in getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda p: p.stem)
def test_every_option_named_exists(page):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page.read_text(encoding="utf-8")))
    assert named <= options(typer.main.get_command(app)) | OTHER_OPTIONS


def test_every_option_of_training_is_documented():
    text = (TOP / "docs" / "train.md").read_text(encoding="utf-8")
    command = typer.main.get_command(app).commands["train"]
    settings = [p for p in command.params if getattr(p, "rich_help_panel", None)]
    assert len(settings) > 30
    missing = [p.opts[0] for p in settings if not re.search(rf"`{p.opts[0]}\b", text)]
    assert missing == []


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "module",
    [m.name for m in pkgutil.walk_packages(automarkerlabel.__path__, "automarkerlabel.") if "__main__" not in m.name],
)
def test_examples_in_docstrings(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0
