"""Reference pages made while the site is built, so that they cannot say anything else than the program: every command
with its options, as `--help` shows them, and every public name of the package."""

import re
from collections.abc import Iterator
from html import escape
from typing import Any

import typer

import automarkerlabel
from automarkerlabel.cli import app, main

COMMANDS, NAMES = "reference/commands.md", "reference/names.md"


def on_files(files: Any, config: Any) -> Any:
    """Called by MkDocs when it has found the files of `docs/`: adds the two pages."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, COMMANDS, content=commands_page()))
    files.append(File.generated(config, NAMES, content=names_page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> None:
    """Called by MkDocs for each page: figures and decisions stand below what explains, when searched for."""
    if page.file.src_uri.startswith(("benchmarks/", "decisions/")):
        page.meta["search"] = {"boost": 0.3}


def commands_page() -> str:
    """Every command below `aml`, each with its arguments and options."""
    head = "What `aml COMMAND --help` shows, for all commands."
    codes = " ".join((main.__doc__ or "").split()).partition("leave with its exit code: ")[2]
    return f"# Commands\n\n{head} Exit codes: {codes}\n\n" + "\n".join(
        _section(path, command) for path, command in commands("aml", typer.main.get_command(app))
    )


def commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """(name as typed, command) of a command that does something and of those below it."""
    below = getattr(command, "commands", {})
    if not below:
        yield path, command
    for name, sub in below.items():
        yield from commands(f"{path} {name}", sub)


def _section(path: str, command: Any) -> str:
    context = command.make_context(path, [], resilient_parsing=True)
    usage = command.get_usage(context).removeprefix("Usage: ")
    text = [f"## {path}\n", f"{_plain(command.help)}\n", f"```text\n{usage}\n```\n"]
    for title, lines in _panels(command, context).items():
        text += [f"**{_plain(title)}**\n", *lines, ""]
    return "\n".join(text)


def _panels(command: Any, context: Any) -> dict[str, list[str]]:
    """A list item for each parameter, under the title of its panel."""
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        title = parameter.rich_help_panel or ("Options" if parameter.param_type_name == "option" else "Arguments")
        names, text = parameter.get_help_record(context)
        panels.setdefault(title, []).append(f"- `{names}`: {_plain(text)}")
    return panels


def _plain(text: str) -> str:
    """Text as it stands in `--help`, in which Markdown knows nothing but what is between backticks."""
    return re.sub(r"(`[^`]*`)|([*_<>])", lambda m: m[1] or (escape(m[2]) if m[2] in "<>" else f"\\{m[2]}"), text)


def names_page() -> str:
    """The public names, from their docstrings, and the errors."""
    names = [n for n in automarkerlabel.__all__ if n != "AutoMarkerLabelError"]
    homes = [f"::: automarkerlabel.{automarkerlabel._HOMES[name]}.{name}\n" for name in names]
    head = "What `from automarkerlabel import ...` offers. [Examples](../python.md)."
    return f"# Python names\n\n{head}\n\n" + "\n".join([*homes, "## Errors\n", "::: automarkerlabel.errors\n"])
