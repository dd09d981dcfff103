"""``chatws check-client``: runs the checks of a client, which are a separate program."""

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
def check_client(ctx: typer.Context) -> None:
    """Check a client: inject faults, and judge what it sends."""
    os.execv(sys.executable, [sys.executable, "-m", "chatws_loadtest.client_check", *ctx.args])  # noqa: S606 - no shell is involved
