"""The load test and the checks on servers that are not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.loadtest.command import CHATWS, SMALL, TIMELESS_TARGETS, Loadtest
from tests.support.node import NODE_DIR, NodeRunner
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import ServerProcess

PASS, FAILED, USAGE = 0, 1, 2
INVALID = 98


@pytest.fixture
async def node_server(node: NodeRunner) -> AsyncIterator[str]:
    """A server of the guide's events on the official socket.io; its address."""
    del node  # it has installed the packages
    child = await asyncio.create_subprocess_exec(
        require_tool("node", "apt install nodejs"), NODE_DIR / "guide_server.mjs", stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    port = json.loads(await child.stdout.readline())["port"]
    yield f"http://127.0.0.1:{port}"
    child.kill()
    await child.wait()


@pytest.fixture
def people(tmp_path: Path) -> tuple[str, ...]:
    """Files of credentials that the Node server knows."""
    sessions, tokens = tmp_path / "sessions", tmp_path / "tokens"
    sessions.write_text("".join(f"session-{number} conv-{number}\n" for number in range(20)))
    tokens.write_text("token-1\ntoken-2\n")
    return ("--sessions", str(sessions), "--tokens", str(tokens))


async def check(*options: str) -> tuple[int, dict[str, str]]:
    """Run ``chatws check`` and give its exit code and each check's result."""
    child = await asyncio.create_subprocess_exec(
        CHATWS, "check", *options, "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    stdout, stderr = await child.communicate()
    assert child.returncode is not None
    assert stdout, stderr.decode()
    return child.returncode, {row["name"]: row["result"] for row in json.loads(stdout)["checks"]}


async def test_load_test_runs_on_the_official_server(
    loadtest: Loadtest, node_server: str, people: tuple[str, ...]
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    outcome = await loadtest.run("--url", node_server, "--scenario=reconnect", *people, *SMALL)
    assert outcome.code in (PASS, INVALID), outcome.stdout + outcome.stderr
    assert outcome.missed == []
    assert outcome.scenario.latencies["reconnect"].count == outcome.scenario.users
    assert outcome.scenario.failures == {}


async def test_message_whose_ack_was_lost_comes_twice_from_the_official_server_and_is_not_judged(
    loadtest: Loadtest, node_server: str, people: tuple[str, ...]
) -> None:
    loadtest.targets.write_text(TIMELESS_TARGETS)
    faults = ("--scenario=faults", "--users=20", "--rate=5", "--duration=6", "--warmup=0", "--quiet")
    outcome = await loadtest.run("--url", node_server, *people, *faults)
    balance = outcome.scenario.balance
    assert outcome.missed == [], outcome.stdout + outcome.stderr
    assert balance.repeated > 0
    assert f"not judged: {balance.repeated} messages sent again" in outcome.stdout


async def test_checks_tell_our_server_from_one_that_knows_only_the_guide(
    node_server: str, people: tuple[str, ...], shared_server: ServerProcess
) -> None:
    key = ("--jwt-secret-file", str(shared_server.data_dir / "secret"))
    (our_code, ours), (node_code, theirs) = await asyncio.gather(
        check(shared_server.url, *key), check(node_server, *people)
    )
    assert [name for name, result in ours.items() if result == "fail"] == []
    assert [name for name, result in theirs.items() if result == "fail"] == []
    assert (our_code, node_code) == (PASS, PASS)
    assert {result for name, result in ours.items() if name.startswith("catchup")} == {"pass"}
    assert {result for name, result in theirs.items() if name.startswith("catchup")} == {"not offered"}


async def test_failed_check_gives_its_reason_advice_and_exit_code(
    tmp_path: Path, node_server: str, people: tuple[str, ...]
) -> None:
    # Its health page is there, and where the chat should be there is none.
    junit = tmp_path / "junit.xml"
    code, results = await check(f"{node_server}/elsewhere", *people, "--only=room.join", "--junit", str(junit))
    assert (code, results) == (FAILED, {"room.join": "fail"})
    [case] = ET.parse(junit).getroot().iter("testcase")  # noqa: S314 - written a moment ago
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message")
    assert failure.text
