"""Options that several commands share, and those that the annotated fields of a settings class become."""

import inspect
import tomllib
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from automarkerlabel.errors import InputError

Val = Annotated[list[Path] | None, typer.Option(help="validation trials or folders, instead of held-out ones")]
ValShare = Annotated[float, typer.Option(help="share of the trials that is held out")]
ValBy = Annotated[str, typer.Option(help="hold out by whole trial or whole subject")]
MarkerSetFile = Annotated[Path | None, typer.Option(help="OpenSim .xml or .osim; read from the trials if not given")]


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


_SUFFIXES = ".c3d, .trc, .csv, .tsv, .mat, .hdf5"
Trial = Annotated[Path, typer.Argument(help=f"trial: {_SUFFIXES}", show_default=False)]
Trials = Annotated[
    list[Path],
    typer.Argument(help=f"trials: {_SUFFIXES}; or patterns in quotes: 'archive/**/*.c3d'", show_default=False),
]
Data = Annotated[
    list[Path],
    typer.Argument(help="labelled trials, folders of them, or lists (.txt, a path a line)", show_default=False),
]
Units = Annotated[str | None, typer.Option(help="units of the trial's points: mm, cm, m, ...; overrules the file")]
Up = Annotated[str | None, typer.Option(help="the trial's upward axis: x, y, z, -x, -y or -z; overrules the file")]
Exclude = Annotated[
    str | None, typer.Option(help="regular expression: columns that hold computed points beside those recognised")
]
Rename = Annotated[Path | None, typer.Option(help='TOML file of lines old = "new" that renames labels')]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a script instead of text")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
Jobs = Annotated[
    int | None, typer.Option(help="worker processes, of one thread each; default: none, one trial after the other")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace an output that exists")]
Seed = Annotated[int, typer.Option(help="of the corruption")]
Reference = Annotated[Path | None, typer.Option(help="labelled trial of the same marker set, such as a static one")]
References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference", help="labelled trial of the same marker set, such as a static one; one for each person"
    ),
]
NamedSubjects = Annotated[
    list[str] | None,
    typer.Option("--subject", help="NAME=FILE or NAME=MARKER_SET: somebody in the trial and his reference; repeatable"),
]
Subjects = Annotated[
    int | None, typer.Option(help="number of people in the trial, who share a reference or marker set")
]
ReferenceFrame = Annotated[int | None, typer.Option(help="its frame to match to, counted as the file does")]
WornSet = Annotated[
    str | None,
    typer.Option(help="worn set: a name (`aml marker-sets list`) or file (.toml, .xml, .osim, .vst, .vsk)"),
]
Model = Annotated[
    str | None, typer.Option(help="model file, or name of a model that comes along; default: the matcher")
]
TrainingValues = Annotated[Path | None, typer.Option(help="of a checkpoint of the predecessor")]
Heading = Annotated[
    float | None, typer.Option(help="degrees that turn the person to face +x; only the predecessor's models need it")
]
MinConfidence = Annotated[float, typer.Option(help="leave labels below this confidence away")]
KeepLabels = Annotated[bool, typer.Option("--keep-labels", help="hold names fixed that are there, also unknown ones")]


# Options that are called otherwise than their parameter.
_NAMES = {"base": "from", "as_json": "json", "n_subjects": "subjects", "subjects": "subject", "heading_deg": "heading"}


def option_name(parameter: str) -> str:
    """The option of a parameter, as it is typed.

    >>> option_name("val_share"), option_name("base")
    ('--val-share', '--from')
    """
    return "--" + _NAMES.get(parameter, parameter).replace("_", "-")


def given_options(context: typer.Context) -> list[str]:
    """The parameters that stand on the command line, whatever their values, in the order of the help."""
    names = [p.name for p in context.command.params if p.name]
    return [x for x in names if getattr(context.get_parameter_source(x), "name", "") == "COMMANDLINE"]


def refuse_others(context: typer.Context, known: Collection[str], why: str) -> None:
    """Raise `InputError` for the first option on the command line that is not among the `known` parameters."""
    for name in given_options(context):
        if name not in known:
            raise InputError(f"{option_name(name)}: expected none {why}")


def refuse_both(context: typer.Context, parameter: str, beside: str, why: str) -> None:
    """Raise `InputError` if an option stands on the command line beside one that it cannot go with."""
    given = given_options(context)
    if parameter in given and beside in given:
        raise InputError(f"{option_name(parameter)}: expected no {option_name(beside)} beside it, found both; {why}")
