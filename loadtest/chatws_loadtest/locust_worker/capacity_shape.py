"""Scenario ``capacity`` under the ``locust`` command: a load shape, and the statistics that its workers send it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from locust import LoadTestShape, events
from locust.runners import LocalRunner, MasterRunner
from msgspec import convert, structs, to_builtins

from chatws_loadtest.capacity_search import CapacitySearch
from chatws_loadtest.capacity_steps import CapacityRun, step_thresholds
from chatws_loadtest.capacity_text import describe_capacity
from chatws_loadtest.ipc import WorkerStats
from chatws_loadtest.load_state import now_s
from chatws_loadtest.locust_worker.locust_user import ScheduledLocustUser
from chatws_loadtest.locust_worker.self_stats import collect_stats
from chatws_loadtest.stats_collector import StatsCollector

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from locust.runners import Runner

    from chatws_loadtest.thresholds import Threshold
    from chatws_loadtest.verdict import GeneratorHealth

SCENARIO: Final = "capacity"
REPORT_KEY: Final = "chatws_stats"
"""Key of a worker's statistics in Locust's report to the master."""
REPORT_S: Final = 4.0
"""Locust's workers report every 3 s."""

_log = logging.getLogger("chatws_loadtest")


class CapacityShape(LoadTestShape):
    """Users of the current step of a capacity search, judged by exact latencies, not by Locust's rounded ones.

    The search ends the test. Locust's option ``--users`` gives the most users, and ``--spawn-rate`` those that connect
    per second. Implements `CapacityLoad`.
    """

    # The locustfile chooses the class by an option; Locust would use it for every test.
    abstract = True
    no_progress_s = 5.0 + REPORT_S

    def __init__(self, thresholds: Sequence[Threshold], rate: float, step_s: float, seats: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust's shapes are not typed
        self.rate = rate
        self.stats = StatsCollector(0)
        self._thresholds = step_thresholds(thresholds)
        self._step_s = step_s
        self._seats = seats
        # Position of each worker's statistics, by its id.
        self._indices: dict[str, int] = {}
        self._workers = 1
        # Set by the first tick of a test.
        self._search: CapacityRun | None = None
        self._wanted: Iterator[int] = iter(())
        self._tick = 0, 1.0

    def reset_time(self) -> None:
        """Start a new search; Locust calls this at the start of a test, as master also after the first tick."""
        super().reset_time()  # type: ignore[no-untyped-call]  # Locust's shapes are not typed
        if self._search is not None and self._search.curve is not None:
            self._search = None

    def tick(self) -> tuple[int, float] | None:
        search = self._search or self._begin()
        if isinstance(self._runner, LocalRunner):
            self.add_report("local", report_stats())
        users = next(self._wanted, None)
        if users is None:
            assert search.curve is not None
            _log.info("%s", "\n".join(describe_capacity(search.curve)))
            return None
        if users != self._tick[0]:
            spawn_rate = float(self._options.spawn_rate or 1)
            # Users to stop are stopped at once.
            self._tick = users, max(spawn_rate, float(self._tick[0] - users))
        return self._tick

    def add_report(self, worker: str, report: dict[str, Any] | None) -> None:
        """Add the statistics of a worker; their times become those of this machine."""
        index = self._indices.setdefault(worker, len(self._indices))
        if report is not None and index < self._workers:
            self.stats.add(index, structs.replace(convert(report, WorkerStats), at_s=now_s()))

    def begin_step(self, users: int) -> None:
        _log.info("capacity: %d users", users)

    def begin_measurement(self, seconds: float) -> float:
        self.stats.reset_measurements()
        self.stats.measure_from_s = now_s()
        self.stats.measure_until_s = self.stats.measure_from_s + seconds + REPORT_S
        return seconds + REPORT_S

    def health(self) -> GeneratorHealth:
        lost = len(self._runner.clients.missing) if isinstance(self._runner, MasterRunner) else 0
        return self.stats.health([], lost)

    @property
    def _runner(self) -> Runner:
        assert self.runner is not None
        return self.runner

    @property
    def _options(self) -> Namespace:
        options: Namespace | None = self._runner.environment.parsed_options
        assert options is not None
        return options

    def _begin(self) -> CapacityRun:
        self._workers = max(1, getattr(self._runner, "worker_count", 1))
        self.stats = StatsCollector(self._workers)
        self.stats.start_s = now_s()
        self._indices.clear()
        most = min(self._options.num_users or self._seats, self._seats * self._workers)
        self._search = CapacityRun(CapacitySearch(most), self._thresholds, self._step_s)
        self._wanted, self._tick = self._search.run(self), (0, 1.0)
        return self._search


def report_stats() -> dict[str, Any] | None:
    """Return the statistics of this process since the last call; None before its users exist."""
    pool = ScheduledLocustUser.pool
    return None if pool is None else to_builtins(collect_stats(pool))


def register_reports(options: Namespace, shape: CapacityShape | None) -> None:
    """Send this worker's statistics in Locust's reports, or as master, pass those of the workers to the shape.

    A worker gets the master's options, which name the scenario, only at the start of a test.
    """

    def send(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001  # Locust passes its arguments by name
        if options.scenario == SCENARIO:
            data[REPORT_KEY] = report_stats()

    def receive(client_id: str, data: dict[str, Any]) -> None:
        if shape is not None:
            shape.add_report(client_id, data.get(REPORT_KEY))

    events.report_to_master.add_listener(send)  # type: ignore[no-untyped-call]  # Locust's hooks are not typed
    events.worker_report.add_listener(receive)  # type: ignore[no-untyped-call]  # Locust's hooks are not typed
