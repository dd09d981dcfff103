"""A server of ours seen from outside: the CPU and the memory it uses, and how long others kept it from its core."""

from __future__ import annotations

from dataclasses import dataclass

from chatws_loadtest import procfs


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What one process of the server has used so far, and waited for a core."""

    pid: int
    at_s: float
    cpu_s: float
    starved_s: float
    rss_bytes: int

    @classmethod
    def of(cls, pid: int, at_s: float) -> ProcessUsage:
        """Read it.

        Raises:
            OSError: the process is gone.
        """
        return cls(pid, at_s, procfs.cpu_seconds(pid), procfs.starved_seconds(pid), procfs.resident_bytes(pid))


class ServerUsage:
    """The server's use of CPU, process by process."""

    def __init__(self) -> None:
        self.cpu_s_while_measured = 0.0
        self.rss_bytes = 0
        self._measured_s = 0.0
        self._starved_s = 0.0
        self._last: ProcessUsage | None = None

    @property
    def starved_share(self) -> float:
        """For how much of the measured time it was ready to run, and others had its core."""
        return self._starved_s / max(1e-6, self._measured_s)

    def note(self, reading: ProcessUsage, *, is_measured: bool) -> float | None:
        """Add a reading; the cores used since the last one of the same process."""
        last, self._last = self._last, reading
        self.rss_bytes = reading.rss_bytes
        if last is None or last.pid != reading.pid:
            return None
        used_s, passed_s = reading.cpu_s - last.cpu_s, reading.at_s - last.at_s
        if is_measured:
            self.cpu_s_while_measured += used_s
            self._starved_s += reading.starved_s - last.starved_s
            self._measured_s += passed_s
        return used_s / max(1e-6, passed_s)
