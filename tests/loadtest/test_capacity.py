"""Scenario ``capacity`` against real servers with a known, low limit (60 s)."""

from __future__ import annotations

import asyncio
import signal
from html import unescape
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from chatws_loadtest.capacity_curve import CapacityStep, make_curve
from chatws_loadtest.capacity_search import CapacityLimit, CapacityStepResult
from chatws_loadtest.report.html import write_html
from chatws_loadtest.results import read_json, write_json
from chatws_loadtest.text_summary import describe
from tests.loadtest.command import TIMELESS_TARGETS, LoadtestCommand, LoadtestResult, read_until
from tests.loadtest.reports import make_report, make_scenario
from tests.loadtest.starvation import starve
from tests.support.broken_server import QueueingServer
from tests.support.guide_server import GuideOnlyServer
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

MISSED, INTERRUPTED = 99, 130
CAPACITY = ("--scenario=capacity", "--warmup=0.1", "--connects=100", "--drain=5")


def results_of_steps(result: LoadtestResult) -> set[CapacityStepResult]:
    assert result.scenario.curve is not None
    return {step.result for step in result.scenario.curve.steps}


async def test_capacity_is_the_number_of_connections_that_the_server_permits(
    loadtest: LoadtestCommand, tmp_path: Path
) -> None:
    loadtest.targets.write_text(f'{TIMELESS_TARGETS}capacity = ">= 6"\n')
    server = ServerProcess(tmp_path / "server", "--set", "connections=5")
    await asyncio.to_thread(server.start)
    try:
        key = str(server.data_dir / "secret")
        options = ("--users=24", "--rate=4", "--duration=2", "--quiet", "--url", server.url, "--jwt-secret-file", key)
        result = await loadtest.run(*CAPACITY, *options)
        if not results_of_steps(result) <= {CapacityStepResult.PASSED, CapacityStepResult.REFUSED}:
            # A busy machine may delay the messages of a step.
            result = await loadtest.run(*CAPACITY, *options)
    finally:
        await asyncio.to_thread(server.stop)
    curve = result.scenario.curve
    assert curve is not None
    assert (curve.connections, curve.limit) == (5, CapacityLimit.CONNECTIONS), result.stdout
    assert [(step.users, step.connections, step.result) for step in curve.steps] == [
        (4, 4, CapacityStepResult.PASSED),
        (6, 5, CapacityStepResult.REFUSED),
    ]
    assert all(step.server_rss_bytes and step.server_cpu is not None and step.acked_per_s for step in curve.steps)
    assert curve.fit is None
    assert "capacity: 5 connections; the server kept no more: the server answered HTTP/1.1 503" in result.stdout
    assert "not enough points: 2 loads, 5 needed" in result.stdout
    assert (result.code, result.missed) == (MISSED, ["capacity"])
    assert "capacity: 5 connections" in (loadtest.folder / "report" / "report.html").read_text()


@pytest.mark.extended
async def test_capacity_of_a_server_that_slows_down_is_limited_by_the_threshold(loadtest: LoadtestCommand) -> None:
    # The server handles at most 50 messages/s, those of five users.
    loadtest.targets.write_text(f'{TIMELESS_TARGETS}message = "p50 < 200ms"\n')
    server = QueueingServer(message_s=0.02)
    await server.start()
    try:
        options = ("--users=8", "--rate=10", "--duration=1.5", "--processes=2", "--quiet", "--url", server.url)
        result = await loadtest.run(*CAPACITY, *loadtest.make_credentials(8), *options)
    finally:
        await server.stop()
    curve = result.scenario.curve
    assert curve is not None
    # A busy machine makes the generator the limit, or the server even slower.
    assert curve.connections <= 6, result.stdout
    assert curve.limit in {CapacityLimit.THRESHOLD, CapacityLimit.GENERATOR}
    if curve.limit is CapacityLimit.THRESHOLD:
        assert "message.p50<200ms was missed" in curve.reason
    # Users are removed without losing their messages.
    assert result.scenario.balance.sent == result.scenario.balance.acked == result.scenario.balance.delivered > 0


@pytest.mark.extended
async def test_capacity_stopped_early_reports_the_steps_so_far(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    server = GuideOnlyServer()
    await server.start()
    try:
        options = ("--users=24", "--rate=4", "--duration=2", "--url", server.url)
        child = await loadtest.start(*CAPACITY, *loadtest.make_credentials(12), *options)
        await read_until(child, "6 users")
        child.send_signal(signal.SIGINT)
        result = await loadtest.finish(child)
    finally:
        await server.stop()
    curve = result.scenario.curve
    assert result.code == INTERRUPTED
    assert result.scenario.partial
    assert curve is not None
    assert (curve.connections, curve.limit, len(curve.steps)) == (4, CapacityLimit.STOPPED, 1)
    assert "capacity: 4 connections; the run was stopped before the limit was found" in result.stdout


@pytest.mark.extended
async def test_capacity_found_by_a_starved_generator_is_a_lower_bound(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(f'{TIMELESS_TARGETS}message = "p90 < 200ms"\n')
    server = GuideOnlyServer()
    await server.start()
    try:
        options = ("--users=8", "--rate=50", "--duration=1.5", "--url", server.url)
        child = await loadtest.start(*CAPACITY, *loadtest.make_credentials(4), *options)
        # The first step passes.
        await read_until(child, "4 users")
        starving = asyncio.create_task(starve(child.pid))
        result = await loadtest.finish(child)
        await starving
    finally:
        await server.stop()
    curve = result.scenario.curve
    assert curve is not None
    assert (curve.connections, curve.limit) == (2, CapacityLimit.GENERATOR), result.stdout
    assert "so this is a lower bound; try --processes" in curve.reason


def test_report_shows_the_curve_with_its_fit() -> None:
    steps = [
        CapacityStep(
            users=users,
            connections=users,
            acked_per_s=round(users / (1 + 0.0005 * (users - 1) + 2e-6 * users * (users - 1)), 6),
            message_p95=20_000,
            connect_p95=None,
            generator_cpu=0.2,
            server_cpu=None,
            server_rss_bytes=90_000_000,
            result=CapacityStepResult.PASSED if users < 500 else CapacityStepResult.MISSED,
            reason="" if users < 500 else "message.p95<100ms was missed",
        )
        for users in (60, 90, 120, 180, 250, 350, 500)
    ]
    curve = make_curve(steps, 350, CapacityLimit.THRESHOLD)
    report = make_report(structs.replace(make_scenario(12_340), curve=curve))
    page, text = write_html(report), describe(report)
    for shown in (unescape(page), text):
        assert "350 connections" in shown
        assert "with more, message.p95<100ms was missed" in shown
        assert "highest throughput at 707 connections (707 to 707), beyond the measured ones" in shown
        assert "1 messages/s of a single user" in shown
    assert page.count("fitted") == 1
    read = read_json(write_json(report)).scenarios[0].curve
    assert read is not None
    assert read == curve
