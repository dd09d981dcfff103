from __future__ import annotations

import math
from io import StringIO

import pytest
from rich.console import Console

from chatws_cli.top.poller import Frame
from chatws_cli.top.scrape import NotChatwsMetrics, Scrape, read
from chatws_cli.top.stats import ServerStats, between, quantile_ms, stats_of, total_of
from chatws_cli.top.table import line, table

TEXT = """\
# TYPE chatws_connections gauge
chatws_connections{{state="authenticated"}} 7.0
chatws_connections{{state="unauthenticated"}} 1.0
chatws_conversations 3.0
chatws_outbox_bytes 2048.0
chatws_draining 0.0
chatws_delivery_gaps_total 2.0
chatws_messages_total{{role="customer"}} {messages}
chatws_messages_total{{role="admin"}} 10.0
# TYPE chatws_event_seconds histogram
chatws_event_seconds_bucket{{event="send_message",le="0.001"}} {fast}
chatws_event_seconds_bucket{{event="send_message",le="0.01"}} {all}
chatws_event_seconds_bucket{{event="send_message",le="+Inf"}} {all}
chatws_event_seconds_bucket{{event="mark_read",le="0.001"}} 4.0
chatws_event_seconds_bucket{{event="mark_read",le="0.01"}} 4.0
chatws_event_seconds_bucket{{event="mark_read",le="+Inf"}} 4.0
process_start_time_seconds {started}
process_cpu_seconds_total {cpu}
process_resident_memory_bytes 8.0e+07
"""


def reading(
    at_s: float, *, messages: int = 0, fast: int = 0, slow: int = 0, cpu: float = 0, started: int = 1
) -> Scrape:
    text = TEXT.format(messages=messages, fast=fast, all=fast + slow, cpu=cpu, started=started)
    return read(text, at_s)


def test_first_scrape_has_counts_and_no_rates() -> None:
    row = stats_of("a:1", reading(0), None)
    assert (row.connections, row.rooms, row.outbox_bytes, row.gaps, row.rss_bytes) == (8, 3, 2048, 2, 80_000_000)
    assert (row.messages_per_s, row.p99_ms, row.cpu_percent, row.bus_lag_ms) == (None, None, None, None)


def test_second_scrape_has_rates_of_the_interval() -> None:
    before, now = reading(0, messages=100, fast=1000, cpu=5), reading(4, messages=140, fast=1090, slow=10, cpu=6)
    row = stats_of("a:1", now, between(before, now))
    assert row.messages_per_s == 10
    assert row.cpu_percent == 25
    assert row.p50_ms is not None
    assert row.p50_ms < 1, "requests before the interval do not count"
    assert row.p99_ms is not None
    assert 1 < row.p99_ms <= 10


def test_restarted_server_has_no_interval() -> None:
    assert between(reading(0, messages=100), reading(4, messages=3, started=2)) is None


def test_bus_lag_is_shown_only_while_the_bus_is_connected() -> None:
    bus = "chatws_bus_connected {}\nchatws_bus_lag_seconds 0.002\n"
    text = TEXT.format(messages=0, fast=0, all=0, cpu=0, started=1)
    assert stats_of("a:1", read(text + bus.format(1), 0), None).bus_lag_ms == 2
    assert stats_of("a:1", read(text + bus.format(0), 0), None).bus_lag_ms is None


def test_total_sums_counts_and_merges_the_latencies_of_all_requests() -> None:
    intervals = [
        between(reading(0), reading(1, fast=99, messages=5)),
        between(reading(0), reading(1, slow=1, messages=2)),
    ]
    known = [interval for interval in intervals if interval is not None]
    rows = [stats_of(name, reading(1), interval) for name, interval in zip("ab", known, strict=True)]
    total = total_of([*rows, ServerStats(server="c", state="away", why="Connection refused")], known)
    assert (total.connections, total.messages_per_s, total.why) == (16, 7, "1 of 3")
    assert total.p99_ms is not None
    assert total.p99_ms <= 1
    assert total_of(rows[1:], known[1:]).p99_ms is not None


@pytest.mark.parametrize(
    ("requests", "share", "expected"),
    [
        ({}, 0.5, None),
        ({0.001: 0.0, math.inf: 0.0}, 0.5, None),
        ({0.001: 10.0, 0.01: 0.0}, 0.5, 0.5),
        ({0.001: 0.0, 0.003: 10.0}, 0.5, 2.0),
        ({0.001: 1.0, math.inf: 9.0}, 0.99, 1.0),
    ],
)
def test_quantile_lies_inside_its_bucket(requests: dict[float, float], share: float, expected: float | None) -> None:
    found = quantile_ms(requests, share)
    assert found == expected if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "<html>", "other_program_total 1\n", '{"a": 1}'])
def test_text_without_chatws_metrics_is_rejected(text: str) -> None:
    with pytest.raises(NotChatwsMetrics):
        read(text, 0)


def frame() -> Frame:
    now = reading(1, fast=10, messages=10)
    row = stats_of("chat-1.internal.example:3000", now, between(reading(0), now))
    away = ServerStats(server="10.0.0.6:3001", state="away", why="Connection refused")
    return Frame(0.0, [row, away], total_of([row, away], []))


@pytest.mark.parametrize(("width", "last"), [(60, "cpu %"), (80, "outbox"), (120, "memory"), (200, "memory")])
def test_table_fits_the_terminal_and_lists_servers_that_are_away(width: int, last: str) -> None:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=False, color_system=None)
    console.print(table(frame(), width))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].rstrip().endswith(last)
    assert "away" in lines[2]
    assert lines[3].split()[:2] == ["total", "1/2"]
    assert lines[4].rstrip() == "10.0.0.6:3001: Connection refused"


def test_line_sums_up_all_servers() -> None:
    text = line(frame())
    assert "8 connections" in text
    assert "outbox 2K" in text
    assert text.endswith(", 1 of 2 away")
