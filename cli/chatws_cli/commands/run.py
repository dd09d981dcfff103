"""``chatws run``: plays a scenario file with the load test's package, which is a separate program."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app

app = make_app()


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def run(ctx: typer.Context) -> None:
    """Play a scenario file: people who talk and lose connections."""
    if find_spec("locust") is None or find_spec("hdrh") is None:
        raise CommandError(
            "the load test is not installed", advice="pip install 'chatws[loadtest]'", code=ExitCode.USAGE
        )
    # Replaces this process, so that signals, terminal and exit code are those of the program.
    os.execv(sys.executable, [sys.executable, "-m", "chatws_loadtest.scenario_file", *ctx.args])  # noqa: S606 - no shell is involved
