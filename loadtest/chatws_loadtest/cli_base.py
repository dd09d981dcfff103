"""How the two commands are made and run, and the options that both have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from chatws_loadtest.errors import CommandExit

JwtSecretFile = Annotated[
    Path | None, typer.Option(help="Key that agents' tokens are signed with (HS256).", metavar="FILE")
]
Sessions = Annotated[
    Path | None, typer.Option(help="Customers: SESSION [CONVERSATION] per line; else over REST.", metavar="FILE")
]
CaFile = Annotated[Path | None, typer.Option(help="Certificates to trust.", metavar="FILE")]
AllowRemote = Annotated[bool, typer.Option("--allow-remote", help="Allow addresses that are not private.")]


def make_app() -> typer.Typer:
    """Make the app of one command."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run_app(app: typer.Typer, name: str) -> None:
    """Run the command that argv asks for and exit with its code."""
    try:
        app(prog_name=name)
    except CommandExit as stop:
        print(f"{name}: {stop.line}", file=sys.stderr)
        sys.exit(stop.code)
