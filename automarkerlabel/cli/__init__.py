"""The command `aml`. Commands import what pulls in torch inside, so that `aml --help` answers at once."""

import re
import sys
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException

from automarkerlabel.cli import (
    adapt,
    audit,
    bench,
    console,
    eval,
    explain,
    export,
    fill,
    info,
    label,
    marker_sets,
    report,
    review,
    simulate,
    train,
    tune,
)
from automarkerlabel.cli.options import option_name
from automarkerlabel.errors import AutoMarkerLabelError
from automarkerlabel.version import __version__

app = typer.Typer(
    name="aml",
    help="Labels optical motion-capture markers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("label")(label.label)
app.command("fill")(fill.fill)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("adapt")(adapt.adapt)
app.command("simulate")(simulate.simulate)
app.command("eval")(eval.evaluate)
app.command("audit")(audit.audit)
app.command("report")(report.report)
app.command("review")(review.review)
app.command("explain")(explain.explain)
app.command("export")(export.export)
app.command("info")(info.info)
app.add_typer(info.models, name="models")
app.add_typer(marker_sets.app, name="marker-sets")
app.command("bench")(bench.bench)
app.command("test-models")(eval.test_models)


def _version(asked: bool) -> None:
    if asked:
        console.results.print(f"automarkerlabel {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """Labels optical motion-capture markers."""


def main() -> None:
    """Run `aml` and leave with its exit code: 0 done, 1 failed, 2 bad usage or input, 3 some of many files failed,
    4 `audit --strict` found something, 130 Ctrl-C."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line; errors become one line on stderr (with --json also JSON on stdout) and an exit code."""
    try:
        code = int(app(arguments, prog_name="aml", standalone_mode=False) or 0)
        return _failed("stopped", 130, arguments) if code == 130 else code
    except AutoMarkerLabelError as error:
        return _failed(_naming_the_option(str(error), arguments), error.exit_code, arguments)
    except TyperException as error:
        usage = getattr(error, "ctx", None)
        hint = f" (see {usage.command_path} --help)" if usage is not None else ""
        return _failed(error.format_message() + hint, error.exit_code, arguments)
    except (KeyboardInterrupt, Abort):
        return _failed("stopped", 130, arguments)
    except BrokenPipeError:
        # The reader of our output went away; there is nobody left to tell.
        sys.stderr.close()
        return 1
    except OSError as error:
        return _failed(f"{error.filename or 'system'}: {error.strerror or error}", 1, arguments)
    except MemoryError:
        return _failed("memory: expected room for the work, found none; close other programs", 1, arguments)


def _naming_the_option(text: str, arguments: list[str]) -> str:
    """A message of the library, which begins with the name of a parameter, with the option of the command instead."""
    parameter = re.match(r"([a-z][a-z_0-9]*)(?=: expected)", text)
    if parameter is None:
        return text
    command: Any = typer.main.get_command(app)
    for word in arguments:
        command = getattr(command, "commands", {}).get(word, command)
    asked = option_name(parameter[1])
    known = {option for p in command.params for option in p.opts}
    return asked + text[parameter.end() :] if asked in known else text


def _failed(text: str, code: int, arguments: list[str]) -> int:
    line = " ".join(text.split())
    console.say(f"aml: {line}")
    if "--json" in arguments:
        console.print_json({"error": line, "exit_code": code})
    return code
