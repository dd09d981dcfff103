"""``chatws replay``: runs the program that repeats a recording."""

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
def replay(ctx: typer.Context) -> None:
    """Repeat a recording of chat traffic, and judge the server."""
    os.execv(sys.executable, [sys.executable, "-m", "chatws_loadtest.replay", *ctx.args])  # noqa: S606 - no shell is involved
