"""Load test against servers with known faults, each of which it must detect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.loadtest.command import SMALL, TIMELESS_TARGETS, LoadtestCommand
from tests.loadtest.starvation import starve
from tests.support.guide_server import GuideOnlyServer, ServerFaults

PASS, INVALID, MISSED = 0, 98, 99
SHORT_DRAIN = "--drain=2"
"""For runs in which messages or acks never arrive."""


@asynccontextmanager
async def served(faults: ServerFaults) -> AsyncIterator[str]:
    server = GuideOnlyServer(faults)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@pytest.mark.alone
async def test_slow_server_misses_only_the_latency_threshold(loadtest: LoadtestCommand) -> None:
    # A user sends less often than the server replies, so that no message waits behind another one.
    pace = ("--rate=3", "--duration=4")
    users = loadtest.make_credentials(10)
    async with served(ServerFaults(slow_s=0.15)) as url:
        result = await loadtest.run_until_valid("--url", url, "--scenario=steady", *users, *SMALL, *pace)
    assert (result.code, result.missed) == (MISSED, ["message"]), result.stdout + result.stderr


@pytest.mark.parametrize(
    ("faults", "missed"),
    [
        (ServerFaults(drop_every=25), "lost"),
        (ServerFaults(double_every=25), "duplicated"),
        (ServerFaults(swap_every=50), "reordered"),
        (ServerFaults(reply={"status": "ok"}), "malformed"),
    ],
    ids=["lossy", "duplicating", "reordering", "other acks"],
)
async def test_faulty_server_misses_only_the_matching_threshold(
    loadtest: LoadtestCommand, faults: ServerFaults, missed: str
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    users = loadtest.make_credentials(10)
    async with served(faults) as url:
        drain = [SHORT_DRAIN] if missed == "lost" else []
        result = await loadtest.run("--url", url, "--scenario=steady", *users, *SMALL, *drain)
    assert (result.code, result.missed) == (MISSED, [missed]), result.stdout + result.stderr


async def test_server_without_typing_and_presence_fails_with_the_numbers(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(f'{TIMELESS_TARGETS}typing = "p95 < 50ms"\n')
    users = loadtest.make_credentials(10)
    async with served(ServerFaults(silent=True)) as url:
        result = await loadtest.run("--url", url, "--scenario=steady", *users, *SMALL)
    assert (result.code, result.missed) == (MISSED, ["typing", "typing_lost", "presence_lost"]), result.stdout
    assert "0 of 10 indicators arrived" in result.stdout
    assert result.scenario.indicators["typing"].lost == result.scenario.indicators["typing"].sent > 10


async def test_server_that_refuses_some_users_fails_with_its_reason_and_is_judged(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    users = loadtest.make_credentials(10)
    async with served(ServerFaults(max_connections=12)) as url:
        result = await loadtest.run("--url", url, "--scenario=steady", *users, *SMALL)
    assert (result.code, result.missed) == (MISSED, ["connections"]), result.stdout + result.stderr
    assert "12 of 20 users could join; unauthorized: the server is full" in result.stdout
    assert result.scenario.balance.acked == result.scenario.balance.sent > 0


async def test_server_that_refuses_nearly_all_users_fails_without_load(loadtest: LoadtestCommand) -> None:
    users = loadtest.make_credentials(10)
    async with served(ServerFaults(max_connections=1)) as url:
        result = await loadtest.run("--url", url, "--scenario=reconnect", *users, *SMALL)
    assert (result.code, result.missed[:1]) == (MISSED, ["connections"]), result.stdout + result.stderr
    assert result.scenario.balance.sent == 0


async def test_stalled_stream_after_a_reconnect_misses_only_that_threshold(loadtest: LoadtestCommand) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    users = loadtest.make_credentials(10)
    async with served(ServerFaults(stalled_after_reconnect=True)) as url:
        result = await loadtest.run("--url", url, "--scenario=reconnect", *users, *SMALL, SHORT_DRAIN)
    assert (result.code, result.missed) == (MISSED, ["deaf"]), result.stdout + result.stderr
    assert result.scenario.balance.stalled == 20


@pytest.mark.alone
async def test_server_with_the_guide_only_passes_and_unchecked_metrics_are_reported(loadtest: LoadtestCommand) -> None:
    users = loadtest.make_credentials(10)
    async with served(ServerFaults()) as url:
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


async def test_run_against_a_server_without_acks_ends(loadtest: LoadtestCommand) -> None:
    users = loadtest.make_credentials(10)
    async with served(ServerFaults(acks=False)) as url:
        result = await loadtest.run("--url", url, "--scenario=steady", *users, *SMALL, SHORT_DRAIN)
    assert result.code == MISSED
    assert "unanswered" in result.missed


@pytest.mark.alone
async def test_run_of_a_starved_generator_is_invalid(loadtest: LoadtestCommand) -> None:
    users = loadtest.make_credentials(10)
    async with served(ServerFaults()) as url:
        child = await loadtest.start("--url", url, "--scenario=steady", *users, *SMALL)
        starving = asyncio.create_task(starve(child.pid))
        result = await loadtest.finish(child)
        await starving
    assert result.code == INVALID, result.stdout + result.stderr
    assert result.missed == []
    assert any("send lag" in reason for reason in result.scenario.verdict.invalid_because)
