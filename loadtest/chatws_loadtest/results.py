"""Report of a load test run: the fields of ``report.json``."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

import msgspec

from chatws.client.gevent.transport_choice import TransportChoice
from chatws_loadtest.capacity_curve import CapacityCurve
from chatws_loadtest.histogram import Histogram, Point
from chatws_loadtest.indicators import IndicatorCounts
from chatws_loadtest.ledger import Balance
from chatws_loadtest.verdict import GeneratorHealth, Outcome, Verdict

SCHEMA: Final = "chatws.loadtest/1"


class ResultStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the report's structs, which have camelCase field names in JSON."""


class Latency(ResultStruct, frozen=True, kw_only=True):
    """Latency distribution in microseconds; ``histogram`` is a compressed HdrHistogram (V2) in base64."""

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
    """One second of the run; ``at`` is in seconds since the first message, latencies in microseconds, CPU in cores."""

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
    """Action on the server or the load, ``at`` seconds after the first message."""

    at: float
    what: str


class RampStep(ResultStruct, frozen=True, kw_only=True):
    """One step of a ramp; ``rate`` is the number of scheduled messages per second of all users."""

    rate: float
    message_p95: int
    outcome: Outcome


class StageResult(ResultStruct, frozen=True, kw_only=True):
    """Stage of a scenario run: its load, and the connections at its end."""

    users: int
    rate: float
    """Messages per second of each user."""
    duration_s: float
    connections: int


class ScenarioResult(ResultStruct, frozen=True, kw_only=True):
    """Result of one scenario run; ``unchecked`` names the checks that the server cannot support."""

    scenario: str
    users: int
    processes: int
    duration_s: float
    rate: float
    profile: str = ""
    """Name of the scenario file that gave the users' habits; empty: there was none."""
    transport: TransportChoice = TransportChoice.WEBSOCKET
    mapping: str = ""
    """Name of the mapping file; empty: the events of the guide."""
    verdict: Verdict
    latencies: dict[str, Latency]
    by_transport: dict[str, dict[str, Latency]] = {}
    """Latencies of connects, messages (by receiver), acks and upgrades, by the users' transport."""
    numbers: dict[str, float]
    balance: Balance
    indicators: dict[str, IndicatorCounts] = {}
    """Typing, presence and read marks that peers should have seen."""
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
    stages: list[StageResult] = []
    """Stages of a load profile that have ended."""
    curve: CapacityCurve | None = None
    """Connections that the server carries, and the steps that found them."""
    partial: bool = False
    """The run was stopped before its end."""

    @property
    def load(self) -> str:
        """Rate of each user, or the number of stages."""
        return f"in {len(self.stages)} stages" if self.stages else f"{self.rate:g} messages/s each"


class Report(ResultStruct, frozen=True, kw_only=True):
    """Report of a whole run; its outcome is that of the worst scenario."""

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
    """Return each scenario with a unique name: scenarios that ran several times are numbered."""
    runs = Counter(result.scenario for result in report.scenarios)
    seen: Counter[str] = Counter()
    named = []
    for result in report.scenarios:
        seen[result.scenario] += 1
        number = f" {seen[result.scenario]}" if runs[result.scenario] > 1 else ""
        named.append((result.scenario + number, result))
    return named


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of ``report.json``."""
    return msgspec.json.schema(Report)


def write_json(report: Report) -> bytes:
    """Encode a report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report)) + b"\n"


def read_json(content: bytes) -> Report:
    """Decode a report.

    Raises:
        msgspec.DecodeError: the content is not a report, or of another version.
    """
    try:
        report = msgspec.json.decode(content, type=Report)
    except UnicodeDecodeError as problem:
        raise msgspec.DecodeError("not UTF-8 text") from problem
    except RecursionError as problem:
        raise msgspec.DecodeError("nested too deeply") from problem
    if report.schema != SCHEMA:
        raise msgspec.ValidationError(f"this is {report.schema!r}, not {SCHEMA!r}")
    return report
