"""Finds who listens on a port (Linux: proc_net(5), proc(5)), so that an error can name the process."""

from __future__ import annotations

from pathlib import Path

_LISTENING = "0A"
"""TCP_LISTEN in the kernel's table."""


def find_listener(port: int, proc: Path = Path("/proc")) -> int | None:
    """Return the id of a process that listens on a TCP port; None when nobody does or it can not be seen."""
    inodes = {f"socket:[{inode}]" for table in ("net/tcp", "net/tcp6") for inode in _inodes(proc / table, port)}
    if not inodes:
        return None
    return next((pid for pid in _pids(proc) if _holds(proc / str(pid) / "fd", inodes)), None)


def _inodes(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _pids(proc: Path) -> list[int]:
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]


def _holds(descriptors: Path, inodes: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in inodes for entry in descriptors.iterdir())
    except OSError:
        # Another user's process, or one that has just ended.
        return False
