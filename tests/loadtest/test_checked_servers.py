"""``chatws check`` on our server and on one with the guide's events only; 40 s, in which it mostly waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.loadtest.command import LoadtestCommand, check, check_correct

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import ServerProcess

PASS, FAILED = 0, 1


async def test_checks_distinguish_our_server_from_one_with_the_guide_only(
    loadtest: LoadtestCommand, node_server: str, shared_server: ServerProcess
) -> None:
    key = ("--jwt-secret-file", str(shared_server.data_dir / "secret"))
    # Each of seven additions counts as not offered when the time of a reply has passed.
    (our_code, ours), (node_code, node_results) = await asyncio.gather(
        check_correct(shared_server.url, *key),
        check_correct(node_server, *loadtest.make_credentials(20), timeout_s=6),
    )
    assert [name for name, result in ours.items() if result == "fail"] == []
    assert [name for name, result in node_results.items() if result == "fail"] == []
    assert (our_code, node_code) == (PASS, PASS)
    assert {result for name, result in ours.items() if name.startswith("catchup")} == {"pass"}
    assert {result for name, result in node_results.items() if name.startswith("catchup")} == {"not offered"}


async def test_failed_check_gives_its_reason_advice_and_exit_code(
    loadtest: LoadtestCommand, node_server: str, tmp_path: Path
) -> None:
    # The server accepts connections, but there is no chat at this path.
    junit = tmp_path / "junit.xml"
    options = (*loadtest.make_credentials(20), "--only=room.join", "--junit", str(junit))
    code, results = await check(f"{node_server}/nothing", *options)
    assert (code, results) == (FAILED, {"room.join": "fail"})
    [case] = ET.parse(junit).getroot().iter("testcase")  # noqa: S314 - our own file
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message")
    assert failure.text
