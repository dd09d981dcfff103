"""Puts together what all load processes report: histograms, numbers, and a line for each second."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.ipc import Outage, Tick, WorkerDone
from chatws_loadtest.results import Second
from chatws_loadtest.samples import percentiles
from chatws_loadtest.verdict import SUSPECT_CPU, GeneratorHealth


@dataclass(slots=True)
class _Bucket:
    """What is known of one second so far."""

    connections: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    acked: int = 0
    message: list[int] = field(default_factory=list)
    lag: list[int] = field(default_factory=list)
    cpu: float = 0.0
    server: tuple[float, int] | None = None


class StatsCollector:
    """One scenario's observations; ``begin_s`` is the moment the talking starts."""

    def __init__(self, processes: int) -> None:
        self.latencies: dict[str, Histogram] = {}
        self.outages: list[Outage] = []
        self.begin_s = float("inf")
        self.measure_from_s = float("inf")
        self.measure_until_s = float("inf")
        self._last: list[Tick | None] = [None] * processes
        self._measured_from: list[Tick | None] = [None] * processes
        self._measured_to: list[Tick | None] = [None] * processes
        self._cpu_seconds: list[list[float]] = [[] for _ in range(processes)]
        self._buckets: dict[int, _Bucket] = {}
        self._fewest_connections: int | None = None

    def latency(self, metric: str) -> Histogram:
        """Give a metric's histogram, empty when nothing was recorded."""
        return self.latencies.setdefault(metric, Histogram())

    def take(self, process: int, tick: Tick) -> None:
        """Add what one load process saw in its last second."""
        is_measured = self.measure_from_s <= tick.at_s < self.measure_until_s
        for metric, samples in tick.samples.items():
            if metric != "loop_lag" or is_measured:
                self.latency(metric).record(samples)
        self.outages += tick.outages
        before = self._last[process]
        self._last[process] = tick
        if before is not None:
            self._note_second(process, before, tick, is_measured=is_measured)

    def restart(self) -> None:
        """Forget the measurements so far, but not the account: another step of the same scenario begins."""
        processes = len(self._last)
        self.latencies = {}
        self._measured_from = [None] * processes
        self._measured_to = [None] * processes
        self._cpu_seconds = [[] for _ in range(processes)]
        self._fewest_connections = None

    def watch_server(self, at_s: float, cores: float, rss_bytes: int) -> None:
        """Add what the server used in the last second."""
        self._bucket(at_s).server = (cores, rss_bytes)

    @property
    def connections(self) -> int:
        """Connections now, as far as known."""
        return sum(tick.connections for tick in self._last if tick is not None)

    @property
    def trouble(self) -> str:
        """Why a connection last failed to come about; empty if none did."""
        return next((tick.trouble for tick in self._last if tick is not None and tick.trouble), "")

    @property
    def sent(self) -> int:
        return sum(tick.sent for tick in self._last if tick is not None)

    @property
    def acked(self) -> int:
        return sum(tick.acked for tick in self._last if tick is not None)

    @property
    def requests(self) -> int:
        return sum(tick.requests for tick in self._last if tick is not None)

    @property
    def rss_bytes(self) -> int:
        return sum(tick.rss_bytes for tick in self._last if tick is not None)

    @property
    def fewest_connections(self) -> int:
        """Fewest connections at one time while measured; 0 when nothing was measured."""
        return self._fewest_connections or 0

    def generator_cpu_s(self) -> float:
        """CPU that the load processes used while measured."""
        pairs = zip(self._measured_from, self._measured_to, strict=True)
        return sum(end.cpu_s - begin.cpu_s for begin, end in pairs if begin is not None and end is not None)

    def acked_while_measured(self) -> int:
        """Messages acked in the same time as `generator_cpu_s`."""
        pairs = zip(self._measured_from, self._measured_to, strict=True)
        return sum(end.acked - begin.acked for begin, end in pairs if begin is not None and end is not None)

    def health(self, done: list[WorkerDone], workers_lost: int, *, stopped: bool = False) -> GeneratorHealth:
        """Say how the generator did; ``stopped``: it was not let to its end."""
        cpu = [sum(cores) / len(cores) for cores in self._cpu_seconds if cores]
        seconds = [cores for process in self._cpu_seconds for cores in process]
        failures = sum((Counter(end.failures) for end in done), Counter[str]())
        return GeneratorHealth(
            offered=sum(tick.offered for tick in self._last if tick is not None),
            sent=self.sent,
            send_lag_p99_us=self.latency("send_lag").percentile(99),
            loop_lag_p99_us=self.latency("loop_lag").percentile(99),
            cpu_cores=round(max(cpu, default=0.0), 3),
            busy_seconds_share=round(sum(cores > SUSPECT_CPU for cores in seconds) / max(1, len(seconds)), 3),
            workers_lost=workers_lost,
            rate_limited=failures["rate_limited"],
            stopped=stopped,
        )

    @property
    def last_second(self) -> Second | None:
        """The last whole second."""
        whole = sorted(self._buckets)[-2:-1]
        return _line(whole[0], self._buckets[whole[0]]) if whole else None

    def series(self) -> list[Second]:
        """Give a line for each second."""
        return [_line(second, bucket) for second, bucket in sorted(self._buckets.items())]

    def _note_second(self, process: int, before: Tick, tick: Tick, *, is_measured: bool) -> None:
        cores = (tick.cpu_s - before.cpu_s) / max(1e-6, tick.at_s - before.at_s)
        bucket = self._bucket(tick.at_s)
        bucket.connections[process] = tick.connections
        bucket.sent += tick.sent - before.sent
        bucket.acked += tick.acked - before.acked
        bucket.message += tick.samples.get("message", [])
        bucket.lag += tick.samples.get("send_lag", [])
        bucket.cpu += cores
        if is_measured:
            self._cpu_seconds[process].append(cores)
            self._measured_from[process] = self._measured_from[process] or before
            self._measured_to[process] = tick
            present = self.connections
            self._fewest_connections = min(present, self._fewest_connections or present)

    def _bucket(self, at_s: float) -> _Bucket:
        second = -1 if self.begin_s == float("inf") else int(at_s - self.begin_s)
        return self._buckets.setdefault(max(-1, second), _Bucket())


def _line(second: int, bucket: _Bucket) -> Second:
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
