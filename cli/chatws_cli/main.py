"""Entry point: global options, and translation of errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from chatws import __version__
from chatws.command_failures import explain_failure, translate_exit
from chatws.exit_codes import ExitCode
from chatws.standard_streams import open_missing_streams, replace_unencodable_characters
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import LazyGroup

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: chatws serve",
)
DEBUG_VARIABLE = "CHATWS_DEBUG"


def _print_version(is_requested: bool) -> None:  # noqa: FBT001  Typer calls it with the option's value
    if is_requested:
        print(f"chatws {__version__}")
        raise typer.Exit


@app.callback()
def chatws(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (also CHATWS_DEBUG=1).")] = False,
) -> None:
    """Customer chat in real time: a server, and terminal clients for agents and customers."""
    del version
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def run() -> None:
    """Run the command given in argv and exit with its code."""
    open_missing_streams()
    replace_unencodable_characters()
    try:
        app()
    except CommandError as problem:
        if _is_debugging():
            raise
        _fail(str(problem), problem.code)
    except SystemExit as end:
        raise translate_exit(end) from None
    except Exception as problem:
        if _is_debugging():
            raise
        _fail(*explain_failure(problem, "--debug"))


def _is_debugging() -> bool:
    return os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}


def _fail(line: str, code: ExitCode) -> None:
    print(f"chatws: {line}", file=sys.stderr)
    sys.exit(code)
