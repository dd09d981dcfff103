"""The result of a load test: what ``report.json`` holds, documented field by field."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

import msgspec

from chatws_loadtest.histogram import Histogram, Point
from chatws_loadtest.ledger import Balance
from chatws_loadtest.verdict import GeneratorHealth, Outcome, Verdict

SCHEMA: Final = "chatws.loadtest/1"


class ResultStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything in the report: camelCase names."""


class Latency(ResultStruct, frozen=True, kw_only=True):
    """One distribution, in microseconds; ``histogram`` is HdrHistogram V2, compressed, base64."""

    count: int
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    mean: float
    curve: list[Point]
    histogram: str

    @classmethod
    def of(cls, histogram: Histogram) -> Latency:
        """Describe a histogram."""
        return cls(
            count=histogram.count,
            p50=histogram.percentile(50),
            p90=histogram.percentile(90),
            p95=histogram.percentile(95),
            p99=histogram.percentile(99),
            max=histogram.max_us,
            mean=round(histogram.mean_us, 1),
            curve=histogram.curve(),
            histogram=histogram.encode(),
        )


class Second(ResultStruct, frozen=True, kw_only=True):
    """One second of the run; ``at`` in seconds from the start of talking, latencies in microseconds, CPU in cores."""

    at: float
    connections: int
    sent: int
    acked: int
    message_p50: int | None
    message_p95: int | None
    message_max: int | None
    send_lag_max: int | None
    generator_cpu: float
    server_cpu: float | None
    server_rss_bytes: int | None


class TimelineMark(ResultStruct, frozen=True, kw_only=True):
    """Something that was done to the server or the load, ``at`` seconds from the start of talking."""

    at: float
    what: str


class RampStep(ResultStruct, frozen=True, kw_only=True):
    """One step of a ramp: the offered messages per second, and what came of them."""

    rate: float
    message_p95: int
    outcome: Outcome


class ScenarioResult(ResultStruct, frozen=True, kw_only=True):
    """One scenario; ``unchecked`` says what this server gives no means to check."""

    scenario: str
    users: int
    processes: int
    duration_s: float
    rate: float
    verdict: Verdict
    latencies: dict[str, Latency]
    numbers: dict[str, float]
    balance: Balance
    failures: dict[str, int]
    health: GeneratorHealth
    generator_us_per_message: float
    generator_rss_bytes: int
    server_us_per_message: float | None
    server_rss_bytes: int | None
    series: list[Second]
    marks: list[TimelineMark]
    unchecked: list[str]
    findings: list[str]
    steps: list[RampStep] = []
    partial: bool = False
    """It was stopped before its end."""


class Report(ResultStruct, frozen=True, kw_only=True):
    """The whole run; the worst scenario's outcome is the run's."""

    schema: str = SCHEMA
    started_at: datetime
    command: list[str]
    url: str
    bundled_server: bool
    machine: dict[str, str]
    versions: dict[str, str]
    seed: int
    outcome: Outcome
    targets: list[str]
    scenarios: list[ScenarioResult]
    partial: bool = False
    """The run was stopped before its end; scenarios may be missing."""


def name_scenarios(report: Report) -> list[tuple[str, ScenarioResult]]:
    """Give each scenario a name of its own: one that ran several times is numbered."""
    runs = Counter(result.scenario for result in report.scenarios)
    seen: Counter[str] = Counter()
    named = []
    for result in report.scenarios:
        seen[result.scenario] += 1
        number = f" {seen[result.scenario]}" if runs[result.scenario] > 1 else ""
        named.append((result.scenario + number, result))
    return named


def json_schema() -> dict[str, object]:
    """Give the JSON Schema of ``report.json``."""
    return msgspec.json.schema(Report)


def write_json(report: Report) -> bytes:
    """Write a report for people and programs."""
    return msgspec.json.format(msgspec.json.encode(report)) + b"\n"


def read_json(content: bytes) -> Report:
    """Read a report.

    Raises:
        msgspec.DecodeError: it is none, or of another version.
    """
    report = msgspec.json.decode(content, type=Report)
    if report.schema != SCHEMA:
        raise msgspec.ValidationError(f"this is {report.schema!r}, not {SCHEMA!r}")
    return report
