"""Text summary of a report for a terminal: thresholds, latencies, deliveries and the generator's health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatws_loadtest.capacity_text import describe_capacity
from chatws_loadtest.results import name_scenarios
from chatws_loadtest.text_table import align
from chatws_loadtest.thresholds import METRICS, MetricKind
from chatws_loadtest.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws_loadtest.ledger import Balance
    from chatws_loadtest.results import Report, ScenarioResult
    from chatws_loadtest.verdict import VerdictRow

WORDS: Final = {Outcome.PASS: "pass", Outcome.FAIL: "FAIL", Outcome.INVALID: "INVALID"}


def format_value(metric: str, value: float | None) -> str:
    """Format a metric's value with its unit; ``-`` for None."""
    if value is None:
        return "-"
    match METRICS[metric][0]:
        case MetricKind.LATENCY:
            return f"{value / 1000:.1f} ms"
        case MetricKind.SHARE:
            return f"{value:.3%}"
        case MetricKind.COUNT:
            return f"{value:,.0f}"


def count(number: int, noun: str, ending: str = "s") -> str:
    """Format a number of things; the noun gets the ending unless there is one."""
    return f"{number} {noun}{'' if number == 1 else ending}"


def printable(text: str) -> str:
    """Replace control characters, which a server may send and XML cannot contain."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def describe(report: Report) -> str:
    """Return the text summary of a run."""
    blocks = ["\n".join(_describe_scenario(name, result)) for name, result in name_scenarios(report)]
    return "\n\n".join([*blocks, f"result: {headline(report)}"])


def headline(report: Report) -> str:
    """Return the outcome of the run, and whether it is partial."""
    return f"{WORDS[report.outcome]}, partial" if report.partial else WORDS[report.outcome]


def not_judged(balance: Balance) -> Iterator[str]:
    """Yield the losses that a server without additions to the guide cannot prevent."""
    if balance.excused:
        yield f"{balance.excused} messages missed while disconnected from a server without history"
    if balance.repeated:
        yield f"{balance.repeated} messages sent again and received twice from a server without idempotent send"


def _describe_scenario(name: str, result: ScenarioResult) -> Iterator[str]:
    transports = ", ".join(result.by_transport)
    users = f"{result.users} users{f' over {transports}' if transports else ''}, {result.load}"
    yield f"{name}: {users}, measured for {result.duration_s:.0f} s"
    yield from align([("threshold", "measured", "samples", "verdict"), *map(_row, result.verdict.rows)])
    yield ""
    header = ("latency, ms", "p50", "p95", "p99", "max", "samples")
    rows = [
        (metric, *(f"{us / 1000:.2f}" for us in (row.p50, row.p95, row.p99, row.max)), str(row.count))
        for metric, row in result.latencies.items()
        if row.count
    ]
    yield from align([header, *rows])
    yield ""
    if len(result.by_transport) > 1:
        yield from align([("by transport, ms", *header[1:]), *_transport_rows(result)])
        yield ""
    balance, health = result.balance, result.health
    yield f"messages: {balance.sent} sent, {balance.acked} acked, {balance.delivered} received by peers"
    yield from (f"{kind}: {counts.describe()}" for kind, counts in result.indicators.items() if counts.sent)
    yield from (f"not judged: {losses}" for losses in not_judged(balance))
    if result.failures:
        yield "failures: " + ", ".join(f"{number} {name}" for name, number in sorted(result.failures.items()))
    yield (
        f"generator: {health.cpu_cores:.2f} of a core, send lag p99 {health.send_lag_p99_us / 1000:.1f} ms, "
        f"{result.generator_us_per_message:.0f} µs per message"
    )
    if result.server_us_per_message is not None and result.server_rss_bytes is not None:
        memory = f"{result.server_rss_bytes / 1e6:.0f} MB"
        yield f"server: {result.server_us_per_message:.0f} µs of CPU per message, {memory}"
    if result.curve is not None:
        yield ""
        yield from describe_capacity(result.curve)
        yield ""
    for number, stage in enumerate(result.stages, 1):
        yield f"  stage {number}: {stage.connections} of {stage.users} users, {stage.rate:g} messages/s each"
    for step in result.steps:
        yield f"  {step.rate:,.0f} messages/s: p95 {step.message_p95 / 1000:.1f} ms, {WORDS[step.outcome]}"
    notes = (
        *(f"invalid because {reason}" for reason in result.verdict.invalid_because),
        *(f"note: {note}" for note in result.verdict.notes),
        *(f"note: {finding}" for finding in result.findings),
        *(f"not checked: {reason}" for reason in result.unchecked),
    )
    yield from notes


def _transport_rows(result: ScenarioResult) -> Iterator[tuple[str, ...]]:
    for transport, latencies in result.by_transport.items():
        for metric, row in latencies.items():
            values = (row.p50, row.p95, row.p99, row.max)
            yield f"{transport} {metric}", *(f"{us / 1000:.2f}" for us in values), str(row.count)


def _row(row: VerdictRow) -> tuple[str, str, str, str]:
    verdict = WORDS[row.outcome] if not row.reason else f"{WORDS[row.outcome]} ({row.reason})"
    samples = str(row.samples) if row.statistic is not None else ""
    return row.target, format_value(row.metric, row.value), samples, verdict
