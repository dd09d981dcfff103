"""Options and start-up code that the commands of this package share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from chatws.command_failures import explain_failure, translate_exit
from chatws.command_numbers import require_finite
from chatws.exit_codes import ExitCode
from chatws.standard_streams import replace_unencodable_characters
from chatws_loadtest.errors import CommandExit

DEBUG_VARIABLE = "CHATWS_DEBUG"
"""Set to show tracebacks; ``chatws --debug`` sets it."""

JwtSecretFile = Annotated[
    Path | None, typer.Option(help="Key that agents' tokens are signed with (HS256).", metavar="FILE")
]
Sessions = Annotated[
    Path | None,
    typer.Option(help="Customers: SESSION [CONVERSATION] per line; default: create them.", metavar="FILE"),
]
CaFile = Annotated[Path | None, typer.Option(help="Certificates to trust instead of the system's.", metavar="FILE")]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help="Names of another server's events (TOML).", metavar="FILE")
]
ReplyTimeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0.1, callback=require_finite, help="Time after which a reply counts as missing."
    ),
]
AllowRemote = Annotated[bool, typer.Option("--allow-remote", help="Allow addresses that are not private.")]
AgentTokens = Annotated[Path | None, typer.Option(help="Agents' tokens, one per line.", metavar="FILE")]


def make_app() -> typer.Typer:
    """Create the Typer app of one command."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run_app(app: typer.Typer, name: str) -> None:
    """Run the command, and exit with its code."""
    replace_unencodable_characters()
    try:
        app(prog_name=name)
    except CommandExit as exit_:
        _fail(name, exit_.line, exit_.code)
    except SystemExit as end:
        raise translate_exit(end) from None
    except Exception as problem:
        if os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}:
            raise
        _fail(name, *explain_failure(problem, f"{DEBUG_VARIABLE}=1"))


def _fail(name: str, line: str, code: ExitCode) -> None:
    print(f"{name}: {line}", file=sys.stderr)
    sys.exit(code)
