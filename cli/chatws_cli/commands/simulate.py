"""``chatws simulate``: runs the program of the simulation."""

from __future__ import annotations

import os
import sys

import typer

from chatws_cli.lazy_group import make_app

app = make_app()


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def simulate(ctx: typer.Context) -> None:
    """Simulate servers and clients with injected faults."""
    os.execv(sys.executable, [sys.executable, "-m", "chatws_loadtest.simulate", *ctx.args])  # noqa: S606 - no shell is involved
