"""CPU time, memory and scheduling delay of the server's process, read from the kernel."""

from __future__ import annotations

from dataclasses import dataclass

from chatws_loadtest import procfs


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Resources that a process has used since its start, sampled at one time."""

    pid: int
    at_s: float
    cpu_s: float
    starved_s: float
    """Time in which the process was ready to run but had no core."""
    rss_bytes: int

    @classmethod
    def of(cls, pid: int, at_s: float) -> ProcessUsage:
        """Sample a process.

        Raises:
            OSError: there is no such process.
        """
        return cls(pid, at_s, procfs.cpu_seconds(pid), procfs.starved_seconds(pid), procfs.resident_bytes(pid))


class ServerUsage:
    """Resources that the server used during the measurement, added up across restarts."""

    def __init__(self) -> None:
        self.cpu_s_while_measured = 0.0
        self.rss_bytes = 0
        self._measured_s = 0.0
        self._starved_s = 0.0
        self._last: ProcessUsage | None = None

    def reset_measurements(self) -> None:
        """Discard what was measured, before another step of the same scenario."""
        self.cpu_s_while_measured = self._measured_s = self._starved_s = 0.0

    @property
    def starved_share(self) -> float:
        """Share of the measured time in which the server was ready to run but had no core."""
        return self._starved_s / max(1e-6, self._measured_s)

    def add(self, sample: ProcessUsage, *, is_measured: bool) -> float | None:
        """Add a sample; return the cores used since the last one, None after a restart."""
        last, self._last = self._last, sample
        self.rss_bytes = sample.rss_bytes
        if last is None or last.pid != sample.pid:
            return None
        used_s, passed_s = sample.cpu_s - last.cpu_s, sample.at_s - last.at_s
        if is_measured:
            self.cpu_s_while_measured += used_s
            self._starved_s += sample.starved_s - last.starved_s
            self._measured_s += passed_s
        return used_s / max(1e-6, passed_s)
