"""CPU time of a server's threads, user and kernel, grouped by their work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_US_PER_TICK: Final = 1e6 / _TICKS_PER_S
_USER_TICKS, _KERNEL_TICKS = 11, 12
"""Fields of ``/proc/PID/task/TID/stat`` after the name of the thread."""


class ThreadGroup(StrEnum):
    """Threads with the same work; Node's threads other than its main thread are in the last group."""

    EVENT_LOOP = "event loop"
    STORE = "store thread"
    READERS = "read threads"
    OTHER = "other threads"


class ThreadTime(msgspec.Struct, frozen=True):
    """CPU time, in the kernel and outside of it."""

    user: float = 0.0
    kernel: float = 0.0

    def __add__(self, other: ThreadTime) -> ThreadTime:
        return ThreadTime(self.user + other.user, self.kernel + other.kernel)


ThreadTimes = dict[ThreadGroup, ThreadTime]


def group_threads(pid: int) -> dict[int, ThreadGroup]:
    """Return the group of each thread of a server, by thread id.

    py-spy reads the names of Python's threads, which Python before 3.14 does not pass on to the system. If it fails,
    for example because the process must not be traced, only the event loop is known.
    """
    groups = {pid: ThreadGroup.EVENT_LOOP}
    dump = subprocess.run(
        [Path(sys.executable).with_name("py-spy"), "dump", "--json", "--pid", str(pid)],
        capture_output=True,
        check=False,
    )
    for thread in json.loads(dump.stdout) if dump.returncode == 0 else ():
        name, thread_id = str(thread["thread_name"]), thread["os_thread_id"]
        if thread_id is not None and "writer" in name:
            groups[thread_id] = ThreadGroup.STORE
        elif thread_id is not None and "reader" in name:
            groups[thread_id] = ThreadGroup.READERS
    return groups


def read_thread_times(pid: int, groups: Mapping[int, ThreadGroup]) -> ThreadTimes:
    """Read the CPU time of all threads in microseconds; the system counts it in ticks of 10 ms."""
    times: ThreadTimes = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        group = groups.get(int(task.name), ThreadGroup.OTHER)
        times[group] = times.get(group, ThreadTime()) + _read_task(task)
    return times


def divide_times(begin: ThreadTimes, end: ThreadTimes, count: int) -> ThreadTimes:
    """Return the CPU time between two readings, divided by the number of operations; idle groups are omitted."""
    divided: ThreadTimes = {}
    for group in ThreadGroup:
        first, last = begin.get(group, ThreadTime()), end.get(group, ThreadTime())
        time = ThreadTime((last.user - first.user) / max(1, count), (last.kernel - first.kernel) / max(1, count))
        if time.user > 0 or time.kernel > 0:
            divided[group] = time
    return divided


def median_times(measured: Sequence[ThreadTimes]) -> ThreadTimes:
    """Return the median of each value over the rounds; a group that used no CPU in a round counts as zero there."""
    middle = len(measured) // 2
    return {
        group: ThreadTime(
            sorted(times.get(group, ThreadTime()).user for times in measured)[middle],
            sorted(times.get(group, ThreadTime()).kernel for times in measured)[middle],
        )
        for group in ThreadGroup
        if any(group in times for times in measured)
    }


def _read_task(task: Path) -> ThreadTime:
    try:
        fields = (task / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # the thread has ended
        return ThreadTime()
    return ThreadTime(int(fields[_USER_TICKS]) * _US_PER_TICK, int(fields[_KERNEL_TICKS]) * _US_PER_TICK)
