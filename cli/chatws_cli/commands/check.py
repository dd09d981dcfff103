"""``chatws check``: runs the conformance checks, which are a separate program."""

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
def check(ctx: typer.Context) -> None:
    """Check that a server conforms to the integration guide. It also lists the additions that the server offers."""
    os.execv(sys.executable, [sys.executable, "-m", "chatws_loadtest.check", *ctx.args])  # noqa: S606 - no shell is involved
