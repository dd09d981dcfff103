"""``chatws run``: plays a scenario file with the load test's package, which is a separate program."""

from __future__ import annotations

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.load_tools import PROGRAM_OPTIONS, execute_program

app = make_app()


@app.command(**PROGRAM_OPTIONS)
def run(ctx: typer.Context) -> None:
    """Play a scenario file: people who talk and lose connections."""
    execute_program("chatws_loadtest.scenario_file", ctx.args, needs=("hdrh", "locust"))
