"""Clients under test within the event loop of a test: the Python SDK, and a careless client that hammers."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from abc import ABC, abstractmethod
from contextlib import suppress

from chatws.client import AgentClient, CustomerClient
from chatws_loadtest.check.check_context import unique_text
from chatws_loadtest.raw_client import ConnectErrorReceived, PacketMissing, RawClient
from chatws_loadtest.server_address import ServerAddress

CONVERSATION = "conv-1"
INTERVAL_S = 0.2
RETRY_S = 0.02


class ClientTask(ABC):
    """Client that runs as a task instead of a process."""

    ending = ""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self._task is None or self._task.done()

    async def start(self, url: str) -> None:
        self.lines.clear()
        self._task = asyncio.create_task(self.run(url))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    async def run(self, url: str) -> None:
        """Connect, join, and send messages until cancelled."""


class SdkTask(ClientTask):
    """Customer's client of the SDK, which types all the time."""

    def make_client(self, url: str) -> CustomerClient | AgentClient:
        return CustomerClient(url, "session-1")

    async def run(self, url: str) -> None:
        async with self.make_client(url) as client:
            client.on_message_received(lambda message: self.lines.append(message.content))
            await client.join_conversation(CONVERSATION)
            for number in itertools.count(1):
                await client.send_typing_start(CONVERSATION)
                client.post_message(CONVERSATION, f"message {number}")
                await asyncio.sleep(INTERVAL_S)


class AgentSdkTask(SdkTask):
    """Agent's client of the SDK, whose token is renewed."""

    def make_client(self, url: str) -> AgentClient:
        tokens = itertools.count(1)
        return AgentClient(url, lambda: f"token-{next(tokens)}")


class CarelessTask(ClientTask):
    """Client that connects again at once, and repeats a message without an ack under another id."""

    keeps_unsent = True

    async def run(self, url: str) -> None:
        server, numbers, unsent = ServerAddress(url, ssl.create_default_context()), itertools.count(1), ""
        while True:
            with suppress(ConnectErrorReceived, PacketMissing):
                client = await RawClient.open(server, {"sessionId": "session-1"})
                try:
                    await client.emit("join_conversation", CONVERSATION)
                    while not client.ended.is_set():
                        unsent = unsent or f"message {next(numbers)}"
                        await self._send(client, unsent)
                        unsent = ""
                finally:
                    await client.close()
            if not self.keeps_unsent:
                unsent = ""
            await asyncio.sleep(RETRY_S)

    async def _send(self, client: RawClient, content: str) -> None:
        """Send a message, and wait for its ack or the end of the connection."""
        message = {"conversationId": CONVERSATION, "content": content, "clientMessageId": unique_text()}
        acked = asyncio.create_task(client.request("send_message", message))
        ended = asyncio.create_task(client.ended.wait())
        try:
            await asyncio.wait({acked, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not acked.done():
                raise PacketMissing("the connection ended")
            await acked
        finally:
            acked.cancel()
            ended.cancel()
            await asyncio.gather(acked, ended, return_exceptions=True)
        await asyncio.sleep(INTERVAL_S)


class ForgetfulTask(CarelessTask):
    """Client that forgets a message when the connection is lost."""

    keeps_unsent = False
