"""Writer of ``report.html``: a self-contained page without scripts, which begins with the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from chatws_loadtest.report.capacity_section import (
    capacity_columns,
    capacity_notes,
    capacity_plots,
    capacity_rows,
)
from chatws_loadtest.report.page_parts import begin_page, table
from chatws_loadtest.report.svg import Plot, PlotLine, draw
from chatws_loadtest.results import name_scenarios
from chatws_loadtest.text_summary import WORDS, count, format_value, headline, not_judged
from chatws_loadtest.thresholds import METRICS, MetricKind

if TYPE_CHECKING:
    from chatws_loadtest.results import Latency, Report, ScenarioResult


def write_html(report: Report) -> str:
    """Return the content of the page."""
    server = "the bundled server" if report.bundled_server else report.url
    title = f"Load test of {server}: {headline(report)}"
    return "\n".join(
        [
            *begin_page(title),
            f"<h1>{escape(title)}</h1>",
            f'<p class="verdict {report.outcome}">{_sentence(report)}</p>',
            *(part for name, result in name_scenarios(report) for part in _scenario(name, result)),
            *_run_details(report),
            "</body></html>\n",
        ]
    )


def _sentence(report: Report) -> str:
    missed = [f"{row.target} ({result.scenario})" for result in report.scenarios for row in result.verdict.missed]
    reasons = [reason for result in report.scenarios for reason in result.verdict.invalid_because]
    if missed:
        return f"FAIL: missed {escape(', '.join(missed))}"
    if reasons:
        return f"INVALID, this run proves nothing about the server: {escape('; '.join(reasons))}"
    return f"pass: every threshold was met in {count(len(report.scenarios), 'scenario')}"


def _scenario(name: str, result: ScenarioResult) -> Iterator[str]:
    yield f"<h2>{escape(name)}</h2>"
    yield (
        f"<p>{result.users} users in {count(result.processes, 'process', 'es')}, {result.load}, "
        f"measured for {result.duration_s:.0f} s</p>"
    )
    over_time, *plots = map(draw, _plots(result))
    yield table("Thresholds", ("threshold", "measured", "samples", "verdict"), _threshold_rows(result))
    if result.curve is not None:
        yield from capacity_notes(result.curve)
        yield table("Steps", capacity_columns(), capacity_rows(result.curve))
        yield from map(draw, capacity_plots(result.curve))
    yield over_time
    yield table("Latency, ms", ("", "p50", "p90", "p95", "p99", "max", "samples"), _latency_rows(result))
    if len(result.by_transport) > 1:
        rows = list(_transport_rows(result))
        yield table("Latency by transport, ms", ("", "p50", "p90", "p95", "p99", "max", "samples"), rows)
    yield table("Ledger", ("", "number"), _number_rows(result))
    yield from _notes(result)
    yield from plots


def _threshold_rows(result: ScenarioResult) -> Iterator[tuple[str, ...]]:
    for row in result.verdict.rows:
        words = f"{WORDS[row.outcome]} {row.reason}".strip()
        samples = str(row.samples) if row.statistic is not None else ""
        value = format_value(row.metric, row.value)
        yield escape(row.target), value, samples, f'<span class="{row.outcome}">{escape(words)}</span>'


def _transport_rows(result: ScenarioResult) -> Iterator[tuple[str, ...]]:
    for transport, latencies in result.by_transport.items():
        for name, *cells in _rows_of(latencies):
            yield f"{transport} {name}", *cells


def _latency_rows(result: ScenarioResult) -> Iterator[tuple[str, ...]]:
    return _rows_of(result.latencies)


def _rows_of(latencies: dict[str, Latency]) -> Iterator[tuple[str, ...]]:
    for name, row in latencies.items():
        if row.count:
            values = (row.p50, row.p90, row.p95, row.p99, row.max)
            yield name, *(f"{us / 1000:.2f}" for us in values), str(row.count)


def _number_rows(result: ScenarioResult) -> Iterator[tuple[str, ...]]:
    for name, value in result.numbers.items():
        yield f"{name} ({METRICS[name][1]})", format_value(name, value)
    for name, times in sorted(result.failures.items()):
        yield f"failure: {escape(name)}", str(times)
    health = result.health
    yield "generator, CPU in cores", f"{health.cpu_cores:.2f}"
    yield "generator, send lag p99", f"{health.send_lag_p99_us / 1000:.2f} ms"
    yield "generator, CPU per message", f"{result.generator_us_per_message:.0f} µs"
    if result.server_us_per_message is not None and result.server_rss_bytes is not None:
        yield "server, CPU per message", f"{result.server_us_per_message:.0f} µs"
        yield "server, memory", f"{result.server_rss_bytes / 1e6:.0f} MB"


def _notes(result: ScenarioResult) -> Iterator[str]:
    notes = [
        *(f"invalid because {reason}" for reason in result.verdict.invalid_because),
        *result.verdict.notes,
        *result.findings,
        *(f"not checked: {reason}" for reason in result.unchecked),
        *(f"not judged: {losses}" for losses in not_judged(result.balance)),
        *(
            f"{step.rate:,.0f} messages/s: message p95 {step.message_p95 / 1000:.1f} ms, {WORDS[step.outcome]}"
            for step in result.steps
        ),
    ]
    if notes:
        yield f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"


def _plots(result: ScenarioResult) -> Iterator[Plot]:
    series = result.series
    xs = [second.at for second in series]
    marks = [(mark.what, mark.at) for mark in result.marks]

    def over_time(title: str, unit: str, lines: list[PlotLine], limits: Iterable[tuple[str, float]] = ()) -> Plot:
        return Plot(title, xs, lines, "seconds since the first message", unit, list(limits), marks)

    yield over_time(
        "Message latency over time",
        "ms",
        [
            PlotLine("p50", [_ms(second.message_p50) for second in series]),
            PlotLine("p95", [_ms(second.message_p95) for second in series]),
            PlotLine("generator's maximum send lag", [_ms(second.send_lag_max) for second in series]),
        ],
        _limits(result, "message"),
    )
    yield _curve(result.latencies)
    yield over_time("Connections", "open", [PlotLine("connections", [second.connections for second in series])])
    rates = [
        PlotLine("sent", [second.sent for second in series]),
        PlotLine("acked", [second.acked for second in series]),
    ]
    yield over_time("Rate", "messages per second", rates)
    yield over_time(
        "CPU",
        "cores",
        [
            PlotLine("generator", [second.generator_cpu for second in series]),
            PlotLine("server", [second.server_cpu for second in series]),
        ],
    )


def _curve(latencies: dict[str, Latency]) -> Plot:
    shown = [name for name in ("message", "ack", "typing", "connect", "reconnect") if name in latencies]
    drawn = {name: latencies[name].curve for name in shown if latencies[name].curve}
    percents = [point.percentile for point in next(iter(drawn.values()))] if drawn else []
    return Plot(
        "Percentiles",
        list(range(len(percents))),
        [PlotLine(name, [point.us / 1000 for point in curve]) for name, curve in drawn.items()],
        "percent of samples at or below",
        "ms",
        x_labels=[f"{percent:g}" for percent in percents],
    )


def _limits(result: ScenarioResult, metric: str) -> Iterator[tuple[str, float]]:
    for row in result.verdict.rows:
        if row.metric == metric and METRICS[metric][0] is MetricKind.LATENCY:
            yield row.target, row.limit / 1000


def _run_details(report: Report) -> Iterator[str]:
    rows = [
        ("started", report.started_at.isoformat(timespec="seconds")),
        ("command", " ".join(["chatws", "loadtest", *report.command])),
        ("seed", str(report.seed)),
        *report.machine.items(),
        *report.versions.items(),
    ]
    yield table("Run", ("", ""), [(escape(name), f"<code>{escape(value)}</code>") for name, value in rows])


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000
