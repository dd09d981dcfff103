from __future__ import annotations

from chatws_loadtest.ipc import WorkerStats
from chatws_loadtest.stats_collector import StatsCollector


def test_moment_without_any_connection_is_the_lowest_number_of_connections() -> None:
    stats = StatsCollector(1)
    stats.measure_from_s = 0.0
    for second, connections in enumerate((500, 500, 0, 500)):
        stats.add(0, make_stats(float(second), connections))
    assert stats.fewest_connections == 0


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
