"""``chatws demo``: an agent and a customer in one conversation."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.lazy_group import make_app

app = make_app()


@app.command(epilog="Example: chatws demo")
def demo(
    typing: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Typing time of each message.")] = 1.0,
    *,
    plain: Annotated[
        bool, typer.Option("--plain", help="Watch a scripted conversation as lines, as in a pipe.")
    ] = False,
) -> None:
    """Chat as customer and agent side by side. With --plain, watch a scripted conversation.

    Real clients and a real server, on a free port and in a temporary directory. The script restarts the server.
    """
    from chatws_cli.text_ui.terminal import can_show_screen

    with tempfile.TemporaryDirectory(prefix="chatws-demo-") as directory:
        if not plain and can_show_screen():
            from chatws_cli.demo.split_view import show_both
            from chatws_cli.tui.preferences import load_preferences

            raise typer.Exit(asyncio.run(show_both(Path(directory), load_preferences())))
        if not asyncio.run(_run_script(Path(directory), typing)):
            raise typer.Exit(ExitCode.TERMINATED)


async def _run_script(directory: Path, typing: float) -> bool:
    """Run the script; return False if SIGTERM ended it, after cleaning up server, clients and directory."""
    from chatws_cli.demo.script import run_script

    script = asyncio.create_task(run_script(directory, typing, lambda line: print(line, flush=True)))
    # Python's own handler would raise anywhere in the loop, also in a task that is not awaited.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, script.cancel)
    await asyncio.wait([script])
    if script.cancelled():
        return False
    script.result()
    return True
