"""Reports with given values, for tests of the files written from them."""

from __future__ import annotations

from datetime import UTC, datetime

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.ledger import Balance
from chatws_loadtest.results import Latency, Report, ScenarioResult, Second, TimelineMark
from chatws_loadtest.thresholds import parse_threshold
from chatws_loadtest.verdict import GeneratorHealth, judge, worst

HEALTH = GeneratorHealth(
    offered=1_000, sent=1_000, send_lag_p99_us=1_500, loop_lag_p99_us=900, cpu_cores=0.25, busy_seconds_share=0.0
)


def make_scenario(message_us: int, *, lost: int = 0, samples: int = 1_000, server_us: float = 150.0) -> ScenarioResult:
    """Create the result of a scenario in which every message took the same time."""
    message = Histogram.of([message_us] * samples)
    targets = [parse_threshold("message.p95<100ms"), parse_threshold("lost==0")]
    numbers = {"lost": float(lost), "errors": 0.0}
    seconds = [
        Second(
            at=at,
            connections=500,
            sent=50,
            acked=50,
            message_p50=message_us,
            message_p95=message_us if at else None,
            message_max=message_us,
            send_lag_max=1_200,
            generator_cpu=0.25,
            server_cpu=0.1,
            server_rss_bytes=90_000_000,
        )
        for at in range(20)
    ]
    return ScenarioResult(
        scenario="steady",
        users=500,
        processes=1,
        duration_s=20.0,
        rate=1.0,
        verdict=judge(targets, {"message": message}, numbers, HEALTH),
        latencies={"message": Latency.of(message)},
        numbers=numbers,
        balance=Balance(sent=samples, acked=samples, delivered=samples - lost, lost=lost),
        failures={},
        health=HEALTH,
        generator_us_per_message=260.0,
        generator_rss_bytes=70_000_000,
        server_us_per_message=server_us,
        server_rss_bytes=90_000_000,
        series=seconds,
        marks=[TimelineMark(at=7.5, what="server <killed>")],
        unchecked=[],
        findings=[],
    )


def make_report(*scenarios: ScenarioResult) -> Report:
    return Report(
        started_at=datetime(2025, 10, 28, 9, 30, tzinfo=UTC),
        command=["--url", "http://127.0.0.1:3000/<script>"],
        url="http://127.0.0.1:3000/<script>",
        bundled_server=False,
        machine={"cpu": "a processor"},
        versions={"chatws": "1"},
        seed=1,
        outcome=worst(scenario.verdict.outcome for scenario in scenarios),
        targets=["message.p95<100ms", "lost==0"],
        scenarios=list(scenarios),
    )
