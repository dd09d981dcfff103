"""Load test and checks against servers that are not ours."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.loadtest.command import SMALL, TIMELESS_TARGETS, LoadtestCommand, run_command
from tests.support.node import NODE_DIR, NodeRunner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import ServerProcess

PASS, FAILED, USAGE = 0, 1, 2
INVALID = 98
ATTEMPTS = 3
"""Runs until a message is in flight at the moment of a cut, and is sent again."""


@pytest.fixture(scope="module")
def node_server(node: NodeRunner) -> Iterator[str]:
    """URL of a server of the guide's events on the official socket.io."""
    with subprocess.Popen([node.program, NODE_DIR / "guide_server.mjs"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = json.loads(child.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}"
        child.kill()


@pytest.fixture
def credentials(loadtest: LoadtestCommand) -> tuple[str, ...]:
    """Options that name files of credentials of the Node server."""
    return loadtest.make_credentials(20)


async def check(*options: str) -> tuple[int, dict[str, str]]:
    """Run ``chatws check``, and return its exit code and the result of each check."""
    done = await run_command("check", *options, "--json")
    assert done.stdout, done.stderr
    return done.returncode, {row["name"]: row["result"] for row in json.loads(done.stdout)["checks"]}


async def test_load_test_runs_on_the_official_server(
    loadtest: LoadtestCommand, node_server: str, credentials: tuple[str, ...]
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    result = await loadtest.run("--url", node_server, "--scenario=reconnect", *credentials, *SMALL)
    assert result.code in (PASS, INVALID), result.stdout + result.stderr
    assert result.missed == []
    assert result.scenario.latencies["reconnect"].count == result.scenario.users
    assert result.scenario.failures == {}


async def test_resent_message_arrives_twice_from_the_official_server_and_is_not_judged(
    loadtest: LoadtestCommand, node_server: str, credentials: tuple[str, ...]
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    faults = ("--scenario=faults", "--users=20", "--rate=5", "--duration=6", "--warmup=0", "--quiet")
    results = [await loadtest.run("--url", node_server, *credentials, *faults)]
    while len(results) < ATTEMPTS and not (results[-1].missed or results[-1].scenario.balance.repeated):
        results.append(await loadtest.run("--url", node_server, *credentials, *faults))
    result, balance = results[-1], results[-1].scenario.balance
    assert result.missed == [], result.stdout + result.stderr
    assert balance.repeated > 0
    assert f"not judged: {balance.repeated} messages sent again" in result.stdout


async def test_checks_distinguish_our_server_from_one_with_the_guide_only(
    node_server: str, credentials: tuple[str, ...], shared_server: ServerProcess
) -> None:
    key = ("--jwt-secret-file", str(shared_server.data_dir / "secret"))
    (our_code, ours), (node_code, node_results) = await asyncio.gather(
        check(shared_server.url, *key), check(node_server, *credentials)
    )
    assert [name for name, result in ours.items() if result == "fail"] == []
    assert [name for name, result in node_results.items() if result == "fail"] == []
    assert (our_code, node_code) == (PASS, PASS)
    assert {result for name, result in ours.items() if name.startswith("catchup")} == {"pass"}
    assert {result for name, result in node_results.items() if name.startswith("catchup")} == {"not offered"}


async def test_failed_check_gives_its_reason_advice_and_exit_code(
    tmp_path: Path, node_server: str, credentials: tuple[str, ...]
) -> None:
    # The server accepts connections, but there is no chat at this path.
    junit = tmp_path / "junit.xml"
    code, results = await check(f"{node_server}/nothing", *credentials, "--only=room.join", "--junit", str(junit))
    assert (code, results) == (FAILED, {"room.join": "fail"})
    [case] = ET.parse(junit).getroot().iter("testcase")  # noqa: S314 - our own file
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message")
    assert failure.text
