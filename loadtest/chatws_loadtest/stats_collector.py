"""Collector of the statistics of all load processes: histograms, totals, and one record per second."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.ipc import Outage, WorkerDone, WorkerStats
from chatws_loadtest.results import Second
from chatws_loadtest.samples import percentiles
from chatws_loadtest.verdict import SUSPECT_CPU, GeneratorHealth


@dataclass(slots=True)
class _Bucket:
    """Measurements of one second."""

    connections: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    acked: int = 0
    message: list[int] = field(default_factory=list)
    lag: list[int] = field(default_factory=list)
    cpu: float = 0.0
    server: tuple[float, int] | None = None


class StatsCollector:
    """Statistics of one scenario run; times are those of ``time.perf_counter``."""

    def __init__(self, processes: int) -> None:
        self.latencies: dict[str, Histogram] = {}
        self.outages: list[Outage] = []
        self.start_s = float("inf")
        """Time at which users start sending."""
        self.measure_from_s = float("inf")
        self.measure_until_s = float("inf")
        self._last: list[WorkerStats | None] = [None] * processes
        self._measured_from: list[WorkerStats | None] = [None] * processes
        self._measured_to: list[WorkerStats | None] = [None] * processes
        self._cpu_cores: list[list[float]] = [[] for _ in range(processes)]
        self._buckets: dict[int, _Bucket] = {}
        self._fewest_connections: int | None = None

    def latency(self, metric: str) -> Histogram:
        """Return a metric's histogram, empty if nothing was recorded."""
        return self.latencies.setdefault(metric, Histogram())

    def is_measured(self, at_s: float) -> bool:
        return self.measure_from_s <= at_s < self.measure_until_s

    def add(self, process: int, stats: WorkerStats) -> None:
        """Add the statistics of one load process."""
        is_measured = self.is_measured(stats.at_s)
        for metric, samples in stats.samples.items():
            if metric != "loop_lag" or is_measured:
                self.latency(metric).record(samples)
        self.outages += stats.outages
        before = self._last[process]
        self._last[process] = stats
        self._count_connections(stats.at_s)
        if before is not None:
            self._add_second(process, before, stats, is_measured=is_measured)

    def add_server_sample(self, at_s: float, cores: float, rss_bytes: int) -> None:
        """Add the server's CPU use and memory of the last second."""
        self._bucket(at_s).server = (cores, rss_bytes)

    def reset_measurements(self) -> None:
        """Discard measurements, but not totals; the caller sets the times of the next step of the scenario."""
        self.measure_from_s = self.measure_until_s = float("inf")
        processes = len(self._last)
        self.latencies = {}
        self._measured_from = [None] * processes
        self._measured_to = [None] * processes
        self._cpu_cores = [[] for _ in range(processes)]
        self._fewest_connections = None

    @property
    def connections(self) -> int:
        """Number of open connections, as last reported."""
        return sum(stats.connections for stats in self._last if stats is not None)

    @property
    def connect_error(self) -> str:
        """Reason of a failed connection attempt; empty if none failed."""
        return next((stats.connect_error for stats in self._last if stats is not None and stats.connect_error), "")

    @property
    def sent(self) -> int:
        return sum(stats.sent for stats in self._last if stats is not None)

    @property
    def acked(self) -> int:
        return sum(stats.acked for stats in self._last if stats is not None)

    @property
    def requests(self) -> int:
        return sum(stats.requests for stats in self._last if stats is not None)

    @property
    def rss_bytes(self) -> int:
        return sum(stats.rss_bytes for stats in self._last if stats is not None)

    @property
    def fewest_connections(self) -> int:
        """Lowest number of open connections in the reports of the measurement, else in the next one; 0 without any."""
        return self._fewest_connections or 0

    def generator_cpu_s(self) -> float:
        """Return the CPU time that the load processes used during the measurement."""
        pairs = zip(self._measured_from, self._measured_to, strict=True)
        return sum(end.cpu_s - begin.cpu_s for begin, end in pairs if begin is not None and end is not None)

    def acked_while_measured(self) -> int:
        """Return the number of messages acked in the same time as `generator_cpu_s`."""
        pairs = zip(self._measured_from, self._measured_to, strict=True)
        return sum(end.acked - begin.acked for begin, end in pairs if begin is not None and end is not None)

    def acked_per_s(self) -> float:
        """Return the rate of acks between the last statistics before the measurement and the last ones in it."""
        pairs = zip(self._measured_from, self._measured_to, strict=True)
        return sum(
            (end.acked - begin.acked) / max(1e-6, end.at_s - begin.at_s)
            for begin, end in pairs
            if begin is not None and end is not None
        )

    def health(self, done: list[WorkerDone], workers_lost: int, *, stopped: bool = False) -> GeneratorHealth:
        """Return the generator's health; ``stopped``: the run ended early."""
        means = [sum(cores) / len(cores) for cores in self._cpu_cores if cores]
        seconds = [cores for process in self._cpu_cores for cores in process]
        failures = sum((Counter(report.failures) for report in done), Counter[str]())
        return GeneratorHealth(
            offered=sum(stats.offered for stats in self._last if stats is not None),
            sent=self.sent,
            send_lag_p99_us=self.latency("send_lag").percentile(99),
            send_lag_max_us=self.latency("send_lag").max_us,
            loop_lag_p99_us=self.latency("loop_lag").percentile(99),
            loop_lag_max_us=self.latency("loop_lag").max_us,
            cpu_cores=round(max(means, default=0.0), 3),
            busy_seconds_share=round(sum(cores > SUSPECT_CPU for cores in seconds) / max(1, len(seconds)), 3),
            workers_lost=workers_lost,
            rate_limited=failures["rate_limited"],
            stopped=stopped,
        )

    @property
    def last_second(self) -> Second | None:
        """Record of the last complete second."""
        complete = sorted(self._buckets)[-2:-1]
        return _make_second(complete[0], self._buckets[complete[0]]) if complete else None

    def series(self) -> list[Second]:
        """Return one record for each second."""
        return [_make_second(second, bucket) for second, bucket in sorted(self._buckets.items())]

    def _count_connections(self, at_s: float) -> None:
        if None in self._last or at_s < self.measure_from_s:
            return
        fewest = self._fewest_connections
        if fewest is None:  # after the end, too: a starved load process may report only then
            self._fewest_connections = self.connections
        elif self.is_measured(at_s):
            self._fewest_connections = min(self.connections, fewest)

    def _add_second(self, process: int, before: WorkerStats, stats: WorkerStats, *, is_measured: bool) -> None:
        cores = (stats.cpu_s - before.cpu_s) / max(1e-6, stats.at_s - before.at_s)
        bucket = self._bucket(stats.at_s)
        bucket.connections[process] = stats.connections
        bucket.sent += stats.sent - before.sent
        bucket.acked += stats.acked - before.acked
        bucket.message += stats.samples.get("message", [])
        bucket.lag += stats.samples.get("send_lag", [])
        bucket.cpu += cores
        if is_measured:
            self._cpu_cores[process].append(cores)
            self._measured_from[process] = self._measured_from[process] or before
            self._measured_to[process] = stats

    def _bucket(self, at_s: float) -> _Bucket:
        second = -1 if self.start_s == float("inf") else int(at_s - self.start_s)
        return self._buckets.setdefault(max(-1, second), _Bucket())


def _make_second(second: int, bucket: _Bucket) -> Second:
    message, lag = percentiles(bucket.message), percentiles(bucket.lag)
    return Second(
        at=second,
        connections=sum(bucket.connections.values()),
        sent=bucket.sent,
        acked=bucket.acked,
        message_p50=round(message.p50_ms * 1000) if message.count else None,
        message_p95=round(message.p95_ms * 1000) if message.count else None,
        message_max=round(message.max_ms * 1000) if message.count else None,
        send_lag_max=round(lag.max_ms * 1000) if lag.count else None,
        generator_cpu=round(bucket.cpu, 3),
        server_cpu=None if bucket.server is None else round(bucket.server[0], 3),
        server_rss_bytes=None if bucket.server is None else bucket.server[1],
    )
