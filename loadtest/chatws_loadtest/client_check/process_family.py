"""Processes that a command has started, also those that have left its process group or lost their parent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

ROUNDS: Final = 5
"""A process that is forked meanwhile is found in the next round; a fork bomb is left to the system's limits."""

PARENT, STARTED = 1, 19
"""Fields of ``/proc/PID/stat`` after the name of the program (proc_pid_stat(5))."""


class FamilyMember(NamedTuple):
    """Process; the time of its start distinguishes it from a later one with the same id."""

    pid: int
    started: int


def find_family(pid: int, variable: str, value: str) -> set[FamilyMember]:
    """Return the descendants of a process, and all processes with this environment variable.

    A daemon has lost its parent and its process group, but keeps the environment. Without ``/proc``, as on macOS, none
    are found.
    """
    marker = f"{variable}={value}".encode()
    parents: dict[FamilyMember, int] = {}
    family: set[FamilyMember] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another user
            member, parent = _read_stat(int(folder.name))
            parents[member] = parent
            if marker in (folder / "environ").read_bytes().split(b"\0"):
                family.add(member)
    family |= _descendants(pid, parents)
    return {member for member in family if member.pid != os.getpid()}


def kill_family(pid: int, variable: str, value: str, known: Iterable[FamilyMember]) -> None:
    """Kill the ``known`` processes and those that `find_family` finds, until it finds none."""
    found = {*known, *find_family(pid, variable, value)}
    for _ in range(ROUNDS):
        if not found:
            return
        for member in found:
            with suppress(OSError):
                if _read_stat(member.pid)[0] == member:
                    os.kill(member.pid, signal.SIGKILL)
        found = find_family(pid, variable, value)


def _read_stat(pid: int) -> tuple[FamilyMember, int]:
    """Return a process and the id of its parent.

    Raises:
        OSError: there is no such process.
    """
    # The name of the program, in parentheses, may contain anything.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return FamilyMember(pid, int(fields[STARTED])), int(fields[PARENT])


def _descendants(pid: int, parents: dict[FamilyMember, int]) -> set[FamilyMember]:
    found: set[FamilyMember] = set()
    latest = {pid}
    while latest:
        children = {member for member, parent in parents.items() if parent in latest} - found
        found |= children
        latest = {member.pid for member in children}
    return found
