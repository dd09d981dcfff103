"""``chatws help``: help of a command, as its option ``--help`` prints it."""

from __future__ import annotations

from typing import Annotated

import typer

from chatws_cli.lazy_group import make_app

app = make_app()


@app.command("help", epilog="Example: chatws help token create")
def show_help(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]...", help="Command; default: all commands.")
    ] = None,
) -> None:
    """Show the help of a command."""
    root = ctx.find_root()
    # By the option, because `run`, `check` and `loadtest` are other programs, with a help of their own.
    root.command.main([*(words or []), "--help"], prog_name=root.info_name, standalone_mode=False)
