"""``chatws tap``: runs the tap, which is a separate program."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def tap(ctx: typer.Context) -> None:
    """Show the traffic of Socket.IO clients as events, with flags."""
    execute_program("chatws_loadtest.tap", ctx.args)
