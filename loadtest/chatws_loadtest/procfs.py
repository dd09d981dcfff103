"""What the kernel says about processes and the machine (Linux's /proc, and its clocks)."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LISTENING = "0A"
"""State of a socket in /proc/net/tcp."""

_SCHEDULED_TIME = 2
"""Last bits of the id of a process's CPU clock; the others are the inverted pid (clock_getcpuclockid(3))."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all its threads, user and system; to the nanosecond, where /proc counts ticks of 10 ms.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime(~pid << 3 | _SCHEDULED_TIME)


def family_cpu_seconds(pid: int) -> float:
    """CPU time of a process with its children, those it has waited for included: for servers that fork for each client.

    A child that ends between two calls is not lost: its parent's account has it then.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S + sum(cpu_seconds(int(child)) for child in children)


def starved_seconds(pid: int) -> float:
    """Time in which a process's main thread was ready to run and no core was free for it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def find_listener(port: int) -> int | None:
    """Find the process that listens on a TCP port of this machine; None if that is nobody we may see, or several."""
    names = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    holders = {int(link.parts[2]) for link in Path("/proc").glob("[1-9]*/fd/*") if _read_link(link) in names}
    return holders.pop() if len(holders) == 1 else None


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def machine_busy_seconds() -> float:
    """CPU time that everything on the machine has used since it started."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in Path("/proc/net").glob("tcp*"):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _read_link(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
