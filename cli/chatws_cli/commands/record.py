"""``chatws record``: runs the recording, which is a separate program."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def record(ctx: typer.Context) -> None:
    """Record the traffic of Socket.IO clients in a .chatlog."""
    execute_program("chatws_loadtest.tap.record_program", ctx.args)
