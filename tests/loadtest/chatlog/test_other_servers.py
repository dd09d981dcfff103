"""Recording, timeline and replay with a Node server that has its own event names (about 20 s)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.client.mapping import read_mapping
from chatws_loadtest.chatlog.analysis import analyse
from chatws_loadtest.chatlog.event_names import ChatEventNames
from chatws_loadtest.chatlog.reader import read_chatlog
from tests.loadtest.command import TIMELESS_TARGETS, LoadtestCommand, run_command
from tests.loadtest.other_server import MAPPING, make_nicknames, run_example_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.node import NodeRunner

LOAD = ("--users=12", "--rate=3", "--duration=2", "--warmup=0", "--connects=500", "--quiet")


async def test_traffic_of_a_server_with_other_names_is_recorded_explained_and_replayed(
    node: NodeRunner, loadtest: LoadtestCommand, tmp_path: Path
) -> None:
    del node  # the fixture has installed the packages
    loadtest.targets.write_text(TIMELESS_TARGETS)
    file, names = tmp_path / "other.chatlog", make_nicknames(tmp_path)
    with run_example_server(tmp_path) as url:
        options = ("--url", url, *names, "--mapping", str(MAPPING), "--scenario=steady", *LOAD)
        recorded = await loadtest.run(*options, "--chatlog", str(file))
        sent = recorded.scenario.balance.sent
        found = analyse(read_chatlog(file), ChatEventNames.of_mapping(read_mapping(MAPPING)))
        assert len(found.messages) == sent
        assert all(message.acked_s is not None and len(message.deliveries) == 2 for message in found.messages)
        name = found.messages[0].name
        explained = await run_command("timeline", str(file), "--mapping", str(MAPPING), "--explain", name)
        assert explained.stdout.count("received it live") == 2
        both = ("--mapping", str(MAPPING), "--recorded-mapping", str(MAPPING))
        replayed = await run_command("replay", str(file), "--against", url, *names, *both, "--quiet")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert f"messages: {sent} sent, {sent} acked" in replayed.stdout
