"""Load test with a starved generator, and against servers that it cannot judge completely; about half a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.loadtest.command import FEW, LENIENT_TARGETS, SMALL, TIMELESS_TARGETS, LoadtestCommand, LoadtestResult
from tests.loadtest.starvation import starve
from tests.support.broken_server import FullServer, LosingServer, MessagesOnlyServer
from tests.support.guide_server import GuideOnlyServer

PASS, INVALID, MISSED = 0, 98, 99


@asynccontextmanager
async def served(server: GuideOnlyServer) -> AsyncIterator[str]:
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@pytest.mark.timeout(300)  # up to three runs
async def test_server_with_the_guide_only_passes_and_unchecked_metrics_are_reported(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(LENIENT_TARGETS)
    users = loadtest.make_credentials(10)
    async with served(GuideOnlyServer()) as url:
        result = await loadtest.run_until_valid("--url", url, "--scenario=steady", *users, *SMALL)
    assert result.code == PASS, result.stdout + result.stderr
    # This server sends `authenticated` before its reply to CONNECT.
    latencies = result.scenario.latencies
    assert latencies["transport"].max + latencies["namespace"].max >= 0.99 * latencies["connect"].max
    assert latencies["authenticated"].max <= 1
    assert [line.partition(":")[0] for line in result.scenario.unchecked] == [
        "gaps",
        "unstored",
        "read, read_lost, read_stuck, read_wrong",
    ]
    assert "gaps" not in result.scenario.numbers


async def test_server_without_typing_and_presence_fails_with_the_numbers(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(f'{TIMELESS_TARGETS}typing = "p95 < 50ms"\n')
    users = loadtest.make_credentials(10)
    async with served(MessagesOnlyServer()) as url:
        result = await loadtest.run("--url", url, "--scenario=steady", *users, *FEW)
    assert (result.code, result.missed) == (MISSED, ["typing", "typing_lost", "presence_lost"]), result.stdout
    assert "0 of 10 indicators arrived" in result.stdout
    assert result.scenario.indicators["typing"].lost == result.scenario.indicators["typing"].sent > 10


async def test_server_that_refuses_some_users_fails_with_its_reason_and_is_judged(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    users = loadtest.make_credentials(10)
    async with served(FullServer(max_connections=12)) as url:
        result = await loadtest.run("--url", url, "--scenario=steady", *users, *FEW)
    assert (result.code, result.missed) == (MISSED, ["connections"]), result.stdout + result.stderr
    assert "12 of 20 users could join; unauthorized: the server is full" in result.stdout
    assert result.scenario.balance.acked == result.scenario.balance.sent > 0


async def test_server_that_refuses_nearly_all_users_fails_without_load(loadtest: LoadtestCommand) -> None:
    users = loadtest.make_credentials(10)
    async with served(FullServer(max_connections=1)) as url:
        result = await loadtest.run("--url", url, "--scenario=reconnect", *users, *FEW)
    assert (result.code, result.missed[:1]) == (MISSED, ["connections"]), result.stdout + result.stderr
    assert result.scenario.balance.sent == 0


async def test_run_of_a_starved_generator_is_invalid(loadtest: LoadtestCommand) -> None:
    # The run drains until every message has arrived.
    result = await run_starved(loadtest, GuideOnlyServer(), drain_s=60)
    assert result.code == INVALID, result.stdout + result.stderr
    assert result.missed == []
    assert any("send lag" in reason for reason in result.scenario.verdict.invalid_because)


async def test_delivery_failure_fails_the_run_of_a_starved_generator(loadtest: LoadtestCommand) -> None:
    # Acks have to arrive in this time, messages that were lost never do.
    result = await run_starved(loadtest, LosingServer(), drain_s=4)
    assert (result.code, result.missed) == (MISSED, ["lost"]), result.stdout + result.stderr


async def run_starved(loadtest: LoadtestCommand, server: GuideOnlyServer, drain_s: int) -> LoadtestResult:
    """Run the load test while its load processes are stopped for half of the time."""
    options = (*loadtest.make_credentials(10), *SMALL, f"--drain={drain_s}")
    async with served(server) as url:
        child = await loadtest.start("--url", url, "--scenario=steady", *options)
        starving = asyncio.create_task(starve(child.pid))
        result = await loadtest.finish(child)
        await starving
    return result
