"""``chatws simulate``: runs the program of the simulation."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def simulate(ctx: typer.Context) -> None:
    """Simulate servers and clients with injected faults."""
    execute_program("chatws_loadtest.simulate", ctx.args)
