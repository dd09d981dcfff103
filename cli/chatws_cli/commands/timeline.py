"""``chatws timeline``: runs the program that shows a recording."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def timeline(ctx: typer.Context) -> None:
    """Show a recording of chat traffic as a page."""
    execute_program("chatws_loadtest.chatlog_timeline", ctx.args)
