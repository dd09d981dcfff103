"""Load test against a server that is not ours; 40 s."""

from __future__ import annotations

import pytest

from tests.loadtest.command import FEW, TIMELESS_TARGETS, LoadtestCommand

PASS, INVALID = 0, 98
ATTEMPTS = 3
"""Runs until a message is in flight at the moment of a cut, and is sent again."""


@pytest.fixture
def credentials(loadtest: LoadtestCommand) -> tuple[str, ...]:
    """Options that name files of credentials of the Node server."""
    return loadtest.make_credentials(20)


async def test_load_test_runs_on_the_official_server(
    loadtest: LoadtestCommand, node_server: str, credentials: tuple[str, ...]
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    result = await loadtest.run("--url", node_server, "--scenario=reconnect", *credentials, *FEW)
    assert result.code in (PASS, INVALID), result.stdout + result.stderr
    assert result.missed == []
    assert result.scenario.latencies["reconnect"].count == result.scenario.users
    assert result.scenario.failures == {}


async def test_resent_message_arrives_twice_from_the_official_server_and_is_not_judged(
    loadtest: LoadtestCommand, node_server: str, credentials: tuple[str, ...]
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    faults = ("--scenario=faults", "--users=20", "--rate=3", "--duration=6", "--warmup=0", "--quiet")
    results = [await loadtest.run("--url", node_server, *credentials, *faults)]
    while len(results) < ATTEMPTS and not (results[-1].missed or results[-1].scenario.balance.repeated):
        results.append(await loadtest.run("--url", node_server, *credentials, *faults))
    result, balance = results[-1], results[-1].scenario.balance
    assert result.missed == [], result.stdout + result.stderr
    assert balance.repeated > 0
    assert f"not judged: {balance.repeated} messages sent again" in result.stdout
