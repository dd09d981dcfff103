"""``chatws demo``: watch an agent and a customer talk."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from chatws_cli.errors import ExitCode
from chatws_cli.tree import make_app

app = make_app()


@app.command(epilog="Example: chatws demo")
def demo(
    typing: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long each message is typed.")] = 1.0,
    *,
    plain: Annotated[bool, typer.Option("--plain", help="Watch a conversation as lines, as in a pipe.")] = False,
) -> None:
    """Be customer and agent side by side, or watch them talk with --plain.

    Real clients and a real server, on a free port and in a temporary directory; in the lines it restarts in the middle.
    """
    from chatws_cli.line.terminal import can_show_screen

    with tempfile.TemporaryDirectory(prefix="chatws-demo-") as directory:
        if not plain and can_show_screen():
            from chatws_cli.demo.side_by_side import show_both
            from chatws_cli.tui.preferences import load_preferences

            raise typer.Exit(asyncio.run(show_both(Path(directory), load_preferences())))
        from chatws_cli.demo.play import play

        signal.signal(signal.SIGTERM, _terminate)
        asyncio.run(play(Path(directory), typing, lambda line: print(line, flush=True)))


def _terminate(number: int, frame: object) -> NoReturn:
    """End as at an exception, so that server, clients and the directory are cleaned up."""
    del number, frame
    sys.exit(ExitCode.TERMINATED)
