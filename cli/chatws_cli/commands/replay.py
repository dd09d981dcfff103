"""``chatws replay``: runs the program that repeats a recording."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def replay(ctx: typer.Context) -> None:
    """Repeat a recording of chat traffic, and judge the server."""
    execute_program("chatws_loadtest.replay", ctx.args, needs=("hdrh", "locust"))
