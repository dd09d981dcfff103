"""Writer of a summary in Markdown, for the job page of a CI system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from chatws_loadtest.report.compare import describe_difference
from chatws_loadtest.results import name_scenarios
from chatws_loadtest.text_summary import WORDS, count, format_value, headline
from chatws_loadtest.verdict import Outcome

if TYPE_CHECKING:
    from chatws_loadtest.report.compare import Change
    from chatws_loadtest.results import Report, ScenarioResult
    from chatws_loadtest.verdict import VerdictRow

SYMBOLS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INVALID: "⚠️"}


def write_markdown(report: Report, changes: Sequence[Change] | None) -> str:
    """Return the summary: verdict, thresholds not met, latencies, and the changes since an older report if given."""
    server = "the bundled server" if report.bundled_server else report.url
    lines = [f"## {SYMBOLS[report.outcome]} Load test of {_escape(server)}: {headline(report)}", ""]
    for name, result in name_scenarios(report):
        lines += _scenario(name, result)
    if changes is not None:
        lines += _changes(changes)
    return "\n".join(lines) + "\n"


def _scenario(name: str, result: ScenarioResult) -> Iterator[str]:
    verdict = result.verdict
    yield f"### {SYMBOLS[verdict.outcome]} {_escape(name)}: {WORDS[verdict.outcome]}"
    yield ""
    balance = result.balance
    yield (
        f"{result.users} users, {result.load}, measured for {result.duration_s:.0f} s; "
        f"{balance.sent} messages sent, {balance.acked} acked, {balance.delivered} received by peers"
    )
    yield ""
    missed = [row for row in verdict.rows if row.outcome is not Outcome.PASS]
    if missed:
        yield from _table(("threshold", "measured", "verdict"), map(_row, missed))
    else:
        yield f"All {count(len(verdict.rows), 'threshold')} met."
        yield ""
    notes = [*(f"invalid because {reason}" for reason in verdict.invalid_because), *verdict.notes, *result.findings]
    if notes:
        yield from (f"- {_escape(note)}" for note in notes)
        yield ""
    yield from _table(("latency, ms", "p50", "p95", "p99", "max", "samples"), _latency_rows(result))


def _row(row: VerdictRow) -> tuple[str, ...]:
    verdict = f"{SYMBOLS[row.outcome]} {_escape(row.reason or WORDS[row.outcome])}"
    return f"`{row.target}`", format_value(row.metric, row.value), verdict


def _latency_rows(result: ScenarioResult) -> Iterator[tuple[str, ...]]:
    for name, row in result.latencies.items():
        if row.count:
            yield name, *(f"{us / 1000:.2f}" for us in (row.p50, row.p95, row.p99, row.max)), str(row.count)


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    yield "### Changes since the older report"
    yield ""
    if not changes:
        yield "The reports have no measurement in common."
        return
    rows = [
        (change.name, describe_difference(change), "❌ regression" if change.is_regression else "")
        for change in changes
    ]
    yield from _table(("measurement", "change", ""), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 2)}---|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _escape(text: str) -> str:
    """Escape characters that would end a cell or start an element of HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;")
