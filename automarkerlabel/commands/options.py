"""Turns the annotated fields of a settings class into options of a command."""

import inspect
import tomllib
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from automarkerlabel.errors import InputError


def add_field_options(*classes: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: every field of `classes` becomes an option of the command, None unless given.

    The command takes them as `**fields`; the help text is the field's annotation.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        kept = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        added = []
        for cls in classes:
            hints = get_type_hints(cls, include_extras=True)
            panel = (cls.__doc__ or cls.__name__).partition(".")[0].partition(";")[0]
            for field in fields(cls):
                added.append(_option(field, hints[field.name], panel))
        command.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
        command.__annotations__ |= {p.name: p.annotation for p in added}
        return command

    return decorate


def _option(field: "Field[Any]", hint: Any, panel: str) -> inspect.Parameter:
    kind, text = get_args(hint)
    default = "" if field.default in (MISSING, None) else f" (light: {field.default})"
    option = typer.Option(help=text + default, show_default=False, rich_help_panel=panel)
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def read_config(path: Path | None, known: set[str]) -> dict[str, Any]:
    """Settings from a TOML file of `name = value` lines. Raises `InputError` for an unknown name."""
    if path is None:
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: expected a TOML file of settings, found none: {error}") from error
    strange = sorted(set(values) - known)
    if strange:
        raise InputError(f"{path}: expected settings among {', '.join(sorted(known))}, found {', '.join(strange)}")
    return values
