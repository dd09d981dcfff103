"""CPU time, memory and listening ports of processes, from Linux's /proc and process clocks."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from chatws.port_owner import find_listeners

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SCHEDULED_TIME = 2
"""Low bits of the id of a process's CPU clock; the high bits are the inverted pid (clock_getcpuclockid(3))."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its threads, in nanosecond resolution; /proc counts ticks of 10 ms.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime(~pid << 3 | _SCHEDULED_TIME)


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children, for servers that fork for each client.

    The time of a child that ends between two calls is included in its parent's.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S + sum(cpu_seconds(int(child)) for child in children)


def starved_seconds(pid: int) -> float:
    """Return the time in which a process's main thread was ready to run but had no core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def find_listener(port: int) -> int | None:
    """Find the process that listens on a TCP port of this machine; None if it is not visible to us, or not unique."""
    listeners = find_listeners(port)
    return listeners[0] if len(listeners) == 1 else None


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def is_python_shared() -> bool:
    """Whether this process's interpreter is in a shared library, which costs it about a tenth of its speed."""
    maps = Path("/proc/self/maps")
    return maps.exists() and "/libpython3." in maps.read_text()


def machine_busy_seconds() -> float:
    """Return the CPU time that all processes have used since the machine started."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
