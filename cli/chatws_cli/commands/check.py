"""``chatws check``: runs the conformance checks, which are a separate program."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def check(ctx: typer.Context) -> None:
    """Check that a server conforms to the integration guide. It also lists the additions that the server offers."""
    execute_program("chatws_loadtest.check", ctx.args, needs=())
