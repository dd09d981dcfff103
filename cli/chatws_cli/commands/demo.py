"""``chatws demo``: watch an agent and a customer talk."""

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
    typing: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long each message is typed.")] = 1.0,
    *,
    plain: Annotated[bool, typer.Option("--plain", help="Watch a conversation as lines, as in a pipe.")] = False,
) -> None:
    """Be customer and agent side by side, or watch them talk with --plain.

    Real clients and a real server, on a free port and in a temporary directory; in the lines it restarts in the middle.
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
    """Play the script; False when SIGTERM ended it, after server, clients and directory were cleaned up."""
    from chatws_cli.demo.script import run_script

    script = asyncio.create_task(run_script(directory, typing, lambda line: print(line, flush=True)))
    # A handler of Python's own would raise wherever the loop happens to be, also in a task that nobody awaits.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, script.cancel)
    await asyncio.wait([script])
    if script.cancelled():
        return False
    script.result()
    return True
