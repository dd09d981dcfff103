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
) -> None:
    """Watch an agent and a customer talk.

    Two real clients and a real server that restarts in the middle, on a free port and in a temporary directory.
    """
    from chatws_cli.demo.play import play

    signal.signal(signal.SIGTERM, _terminate)
    with tempfile.TemporaryDirectory(prefix="chatws-demo-") as directory:
        asyncio.run(play(Path(directory), typing, lambda line: print(line, flush=True)))


def _terminate(number: int, frame: object) -> NoReturn:
    """End as at an exception, so that server, clients and the directory are cleaned up."""
    del number, frame
    sys.exit(ExitCode.TERMINATED)
