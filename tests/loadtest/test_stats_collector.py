from __future__ import annotations

from chatws_loadtest.ipc import WorkerStats
from chatws_loadtest.stats_collector import StatsCollector


def test_moment_without_any_connection_is_the_lowest_number_of_connections() -> None:
    stats = StatsCollector(1)
    stats.measure_from_s = 0.0
    for second, connections in enumerate((500, 500, 0, 500)):
        stats.add(0, make_stats(float(second), connections))
    assert stats.fewest_connections == 0


def test_connections_of_load_processes_that_first_report_after_the_measurement_are_counted() -> None:
    stats = StatsCollector(2)
    stats.measure_from_s, stats.measure_until_s = 0.0, 2.0
    for process, at_s in enumerate((0.5, 2.5)):
        stats.add(process, make_stats(at_s, 10))
    assert stats.fewest_connections == 20


def test_connections_between_two_steps_are_not_counted() -> None:
    stats = StatsCollector(1)
    stats.measure_from_s, stats.measure_until_s = 0.0, 2.0
    stats.add(0, make_stats(1.0, 10))
    stats.reset_measurements()
    stats.add(0, make_stats(3.0, 15))
    stats.measure_from_s, stats.measure_until_s = 4.0, 6.0
    stats.add(0, make_stats(5.0, 20))
    assert stats.fewest_connections == 20


def make_stats(at_s: float, connections: int) -> WorkerStats:
    return WorkerStats(
        at_s=at_s,
        samples={},
        outages=[],
        connections=connections,
        cpu_s=0.0,
        rss_bytes=0,
        offered=0,
        sent=0,
        acked=0,
        requests=0,
    )
