"""CPU time of the servers, of the load generator and of the whole machine."""

from __future__ import annotations

import os
from collections.abc import Sequence

from benchmarks.common.schedule import clock_s
from chatws_loadtest import procfs


class CpuSnapshot:
    """CPU seconds used so far, read at one moment."""

    def __init__(self, server_pids: Sequence[int]) -> None:
        self.at_s = clock_s()
        self.servers_s = [procfs.cpu_seconds(pid) for pid in server_pids]
        self.generator_s = procfs.cpu_seconds(os.getpid())
        self.machine_s = procfs.machine_busy_seconds()

    def other_s(self) -> float:
        """Return the CPU time of all processes that do not belong to the benchmark."""
        return self.machine_s - self.generator_s - sum(self.servers_s)


def other_cores(begin: CpuSnapshot, end: CpuSnapshot) -> float:
    """Return the cores that other processes used between two snapshots.

    The clocks of processes and machine have different resolutions: the difference can be slightly below zero on an idle
    machine, and is then returned as zero.
    """
    return max(0.0, end.other_s() - begin.other_s()) / (end.at_s - begin.at_s)
