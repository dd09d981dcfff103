"""``chatws record``: runs the recording, which is a separate program."""

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
def record(ctx: typer.Context) -> None:
    """Record the traffic of Socket.IO clients in a .chatlog."""
    os.execv(sys.executable, [sys.executable, "-m", "chatws_loadtest.tap.record_command", *ctx.args])  # noqa: S606 - no shell is involved
