"""Entry point of the ``chatws`` command."""

from __future__ import annotations

from chatws.interrupts import end_at_interrupts


def run() -> None:
    """Import the command, run it, and exit with its code."""
    with end_at_interrupts():
        from chatws_cli.main import run as run_command
    run_command()
