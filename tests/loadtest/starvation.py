"""Starvation of the load processes of a running command, for tests of its honesty."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path


async def starve(command_pid: int) -> None:
    """Stop the load processes for most of the time, until the command ends."""
    while (children := children_of(command_pid)) is not None:
        for pid in children:
            await suspend(pid, 0.3)
        await asyncio.sleep(0.1)


def children_of(pid: int) -> list[int] | None:
    """Return a process's children; None once it has ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return None


async def suspend(pid: int, seconds: float) -> None:
    try:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
