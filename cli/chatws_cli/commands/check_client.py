"""``chatws check-client``: runs the checks of a client, which are a separate program."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def check_client(ctx: typer.Context) -> None:
    """Check a client: inject faults, and judge what it sends."""
    execute_program("chatws_loadtest.client_check", ctx.args)
