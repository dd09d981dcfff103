"""End of a chat loop's input, on a real server and behind a relay that swallows acks; about 10 s."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from chatws.client import CustomerClient
from chatws_cli.text_ui import chat_loop
from chatws_cli.text_ui.chat_loop import ChatOptions
from chatws_cli.text_ui.editor import LineSubmitted
from chatws_cli.text_ui.json_mode import JsonMode
from chatws_cli.text_ui.text_mode import TextMode
from chatws_loadtest.tap.fault_rules import parse_rule
from tests.loadtest.tap.tap_run import TapRun

if TYPE_CHECKING:
    from chatws_cli.text_ui.renderer import OutputLine
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess


class ListConsole:
    """Console with given lines as input."""

    is_interactive = False

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.output: list[str] = []

    async def typed(self) -> AsyncIterator[LineSubmitted]:
        for line in self._lines:
            yield LineSubmitted(line)

    async def until_ended(self) -> None:
        return

    def show(self, lines: list[OutputLine]) -> None:
        self.output += [line.text for line in lines]


async def test_messages_that_a_rate_limit_delays_beyond_the_ack_timeout_are_sent(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_loop, "ACK_TIMEOUT_S", 3.0)
    server = await asyncio.to_thread(start_server, "--set", "send_burst=1", "--set", "send_per_s=4")
    session = await asyncio.to_thread(server.new_session)
    console = ListConsole([f"line {number}" for number in range(13)])  # more than 3 s
    client = CustomerClient(server.url, session["sessionId"])
    code = await TextMode(client, console, ChatOptions(session["conversationId"])).run()
    assert code == 0, console.output


@pytest.fixture
async def relay(shared_server: ServerProcess) -> AsyncIterator[TapRun]:
    """Relay that swallows every ack of a message."""
    async with TapRun(shared_server.url, rules=(parse_rule("drop ack of send_message"),)) as running:
        yield running


async def test_message_whose_ack_is_lost_has_an_unknown_result(
    shared_server: ServerProcess, relay: TapRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_loop, "ACK_TIMEOUT_S", 1.0)
    session = await asyncio.to_thread(shared_server.new_session)
    console = ListConsole(["stored all the same", "never sent"])
    client = CustomerClient(relay.url, session["sessionId"])
    code = await TextMode(client, console, ChatOptions(session["conversationId"])).run()
    # The second message waits for the ack of the first one.
    results = [line.strip() for line in console.output if line.strip().startswith(("?", "!"))]
    assert code == 1
    assert results[0].startswith("? result unknown: stored all the same (sent, but not acked; it may be stored: ")
    assert results[1].startswith("! not sent: never sent (")
    async with CustomerClient(shared_server.url, session["sessionId"]) as reader:
        await reader.join_conversation(session["conversationId"])
        page = await reader.history(session["conversationId"])
    assert [message.content for message in page.messages] == ["stored all the same"]


async def test_lost_ack_is_a_record_with_its_own_code(
    shared_server: ServerProcess, relay: TapRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chat_loop, "ACK_TIMEOUT_S", 1.0)
    session = await asyncio.to_thread(shared_server.new_session)
    console = ListConsole(['{"content": "hello", "clientMessageId": "id-1"}'])
    client = CustomerClient(relay.url, session["sessionId"])
    code = await JsonMode(client, console, ChatOptions(session["conversationId"])).run()
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [refused] = [record for record in records if record["event"] == "refused"]
    assert code == 1
    assert (refused["clientMessageId"], refused["error"]["code"]) == ("id-1", "outcome_unknown")
