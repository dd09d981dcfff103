"""Load processes of a running command, and their starvation, for tests of its honesty."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path


async def starve(command_pid: int) -> None:
    """Stop the load processes for most of the time, until the command ends."""
    while (load_processes := load_processes_of(command_pid)) is not None:
        for pid in load_processes:
            await suspend(pid, 0.3)
        await asyncio.sleep(0.1)


def load_processes_of(pid: int) -> list[int] | None:
    """Return the load processes of a command, which `tests.support.load_process` names; None once it has ended."""
    children = children_of(pid)
    if children is None:
        return None
    names = [read_name(child) for child in children]
    return [int(number) for word, _, number in (name.partition(" ") for name in names) if word == "load"]


async def wait_for_load_processes(command_pid: int) -> list[int]:
    """Wait until a command has started its load processes."""
    while not (load_processes := load_processes_of(command_pid)):
        assert load_processes is not None, "the command has ended"
        await asyncio.sleep(0.05)
    return load_processes


def children_of(pid: int) -> list[int] | None:
    """Return a process's children; None once it has ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return None


def read_name(pid: int) -> str:
    """Return the name of a process; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


async def suspend(pid: int, seconds: float) -> None:
    try:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
