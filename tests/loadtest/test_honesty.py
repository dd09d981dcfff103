"""The load test is believed because it tells these servers apart."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.loadtest.command import SMALL, TIMELESS_TARGETS, Loadtest
from tests.support.guide_server import Faults, GuideOnlyServer

PASS, INVALID, MISSED = 0, 98, 99
IN_VAIN = "--drain=2"
"""For loads of which something never comes."""


@asynccontextmanager
async def served(faults: Faults) -> AsyncIterator[str]:
    server = GuideOnlyServer(faults)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@pytest.mark.alone
async def test_slow_server_fails_for_exactly_that(loadtest: Loadtest) -> None:
    # Slower than the lane of one user: what is late is the server's answer, not what waits behind another message.
    pace = ("--rate=3", "--duration=4")
    async with served(Faults(slow_s=0.15)) as url:
        outcome = await loadtest.run_until_valid("--url", url, "--scenario=steady", *loadtest.people(10), *SMALL, *pace)
    assert (outcome.code, outcome.missed) == (MISSED, ["message"]), outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("faults", "missed"),
    [
        (Faults(drop_every=25), "lost"),
        (Faults(double_every=25), "duplicated"),
        (Faults(swap_every=50), "reordered"),
    ],
    ids=["lossy", "duplicating", "reordering"],
)
async def test_server_with_a_fault_fails_for_exactly_that(loadtest: Loadtest, faults: Faults, missed: str) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    async with served(faults) as url:
        drain = [IN_VAIN] if missed == "lost" else []
        outcome = await loadtest.run("--url", url, "--scenario=steady", *loadtest.people(10), *SMALL, *drain)
    assert (outcome.code, outcome.missed) == (MISSED, [missed]), outcome.stdout + outcome.stderr


async def test_server_that_is_deaf_after_a_reconnect_fails_for_exactly_that(loadtest: Loadtest) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    async with served(Faults(deaf_after_reconnect=True)) as url:
        outcome = await loadtest.run("--url", url, "--scenario=reconnect", *loadtest.people(10), *SMALL, IN_VAIN)
    assert (outcome.code, outcome.missed) == (MISSED, ["deaf"]), outcome.stdout + outcome.stderr
    assert outcome.scenario.balance.deaf == 20


@pytest.mark.alone
async def test_server_that_knows_only_the_guide_passes_and_what_cannot_be_checked_is_named(loadtest: Loadtest) -> None:
    async with served(Faults()) as url:
        outcome = await loadtest.run_until_valid("--url", url, "--scenario=steady", *loadtest.people(10), *SMALL)
    assert outcome.code == PASS, outcome.stdout + outcome.stderr
    # It says who somebody is before it answers CONNECT.
    latencies = outcome.scenario.latencies
    assert latencies["transport"].max + latencies["namespace"].max >= 0.99 * latencies["connect"].max
    assert latencies["authenticated"].max <= 1
    assert [line.partition(":")[0] for line in outcome.scenario.unchecked] == ["gaps", "unstored"]
    assert "gaps" not in outcome.scenario.numbers


async def test_server_that_never_acks_is_not_waited_for_for_ever(loadtest: Loadtest) -> None:
    async with served(Faults(acks=False)) as url:
        outcome = await loadtest.run("--url", url, "--scenario=steady", *loadtest.people(10), *SMALL, IN_VAIN)
    assert outcome.code == MISSED
    assert "unanswered" in outcome.missed


@pytest.mark.alone
async def test_generator_starved_of_its_processor_is_invalid_and_no_fault_of_the_server(loadtest: Loadtest) -> None:
    async with served(Faults()) as url:
        child = await loadtest.start("--url", url, "--scenario=steady", *loadtest.people(10), *SMALL)
        starving = asyncio.create_task(starve(child.pid))
        outcome = await loadtest.finish(child)
        await starving
    assert outcome.code == INVALID, outcome.stdout + outcome.stderr
    assert outcome.missed == []
    assert any("send lag" in reason for reason in outcome.scenario.verdict.invalid_because)


async def starve(command_pid: int) -> None:
    """Take the processor from the load process for most of its time, until the command is gone."""
    while (children := children_of(command_pid)) is not None:
        for pid in children:
            await deprive(pid, 0.3)
        await asyncio.sleep(0.1)


def children_of(pid: int) -> list[int] | None:
    """Give a process's children; None once it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return None


async def deprive(pid: int, seconds: float) -> None:
    try:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
