"""``chatws timeline``: runs the program that shows a recording."""

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
def timeline(ctx: typer.Context) -> None:
    """Show a recording of chat traffic as a page."""
    os.execv(sys.executable, [sys.executable, "-m", "chatws_loadtest.chatlog_timeline", *ctx.args])  # noqa: S606 - no shell is involved
