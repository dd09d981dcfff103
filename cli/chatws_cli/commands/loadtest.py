"""``chatws loadtest``: runs the load test, which is a separate program."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def loadtest(ctx: typer.Context) -> None:
    """Put a server under load. The measurements are compared with thresholds."""
    execute_program("chatws_loadtest", ctx.args, needs=("hdrh", "locust"))
