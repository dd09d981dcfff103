"""End of a chat loop's input, on a real server; a few seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chatws.client import CustomerClient
from chatws_cli.text_ui import chat_loop
from chatws_cli.text_ui.chat_loop import ChatOptions
from chatws_cli.text_ui.editor import LineSubmitted
from chatws_cli.text_ui.text_mode import TextMode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from chatws_cli.text_ui.renderer import OutputLine
    from tests.conftest import StartServer


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
