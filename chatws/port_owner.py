"""Look-up of the processes that listen on a TCP port (Linux: proc_net(5), proc(5))."""

from __future__ import annotations

from pathlib import Path

_LISTENING = "0A"
"""State TCP_LISTEN in the kernel's table of sockets."""


def find_listeners(port: int, proc: Path = Path("/proc")) -> list[int]:
    """Return the ids of the processes that listen on a port, as far as this user may see them."""
    inodes = {f"socket:[{inode}]" for table in ("net/tcp", "net/tcp6") for inode in _inodes(proc / table, port)}
    if not inodes:
        return []
    return [pid for pid in _pids(proc) if _has_socket(proc / str(pid) / "fd", inodes)]


def _inodes(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _pids(proc: Path) -> list[int]:
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]


def _has_socket(descriptors: Path, inodes: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in inodes for entry in descriptors.iterdir())
    except OSError:
        # The process belongs to another user, or it has just ended.
        return False
