"""Chat server with two healthy clients, and checks of what an attack leaves behind."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from chatws.server.logs import make_handler
from tests.support.chat import RunningChat, until
from tests.support.peer import Peer

SECRETS = ("hostile-session", "garbage", "forged", "aaaaaaaa")
"""Parts of the attackers' input that must not be logged."""

MAX_LOG_CHARS = 1_000
"""Limit of what one attack may add to the log."""

QUICK: dict[str, Any] = {"limits": "off", "presence_grace_ms": 0, "write_stall_ms": 1_000}
"""Short waits, and no rate limits, which have tests of their own."""


class HeldResources(NamedTuple):
    """Resources that connections use; an attack must not change them for good."""

    sessions: int
    unadmitted: int
    sockets: int
    rooms: int
    hosted: int
    users: int
    last_polls: int
    monitored: int
    tasks: int


class HostileHarness:
    """Server, two healthy clients and the log."""

    def __init__(self, chat: RunningChat, log: io.StringIO) -> None:
        self.chat = chat
        self.log = log
        self._healthy: tuple[Peer, Peer]
        self._sent_count = 0

    async def connect_healthy(self) -> None:
        """Connect the healthy clients to a conversation."""
        self._healthy = await self.chat.pair("conv-other")

    def held_resources(self) -> HeldResources:
        """Count the resources in use."""
        engine, parts = self.chat.engine, self.chat.parts
        main = engine.of("/")
        return HeldResources(
            engine.session_count,
            engine.unadmitted_count,
            len(main.sockets),
            main.room_count,
            len(parts.hub),
            parts.registry.user_count,
            engine._registry.last_poll_count,
            len(engine._context.write_monitor),
            len(asyncio.all_tasks()),
        )

    async def exchange_message(self) -> None:
        """Send a message between the healthy clients."""
        agent, customer = self._healthy
        self._sent_count += 1
        sent = {"conversationId": "conv-other", "content": f"still here {self._sent_count}"}
        assert (await customer.call("send_message", sent))["success"]
        await agent.expect("message_received", content=sent["content"])
        customer.events.clear()

    @asynccontextmanager
    async def attack(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Yield an HTTP client for an attack; afterwards check the healthy clients, the resources and the log."""
        before, logged = self.held_resources(), len(self.log.getvalue())
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield http
        await self.exchange_message()
        await self.wait_until_released(before)
        self.check_log(logged, MAX_LOG_CHARS)

    async def wait_until_released(self, before: HeldResources) -> None:
        """Wait until no more resources are held than before."""
        try:
            await until(lambda: self.held_resources() == before)
        except TimeoutError:
            raise AssertionError(f"left behind: {self.held_resources()}, was {before}") from None

    @property
    def port(self) -> int:
        return int(self.chat.url.rpartition(":")[2])

    def check_log(self, since: int, max_chars: int) -> None:
        """Check the log since an offset: short, without traceback and without the attackers' input."""
        lines = self.log.getvalue()[since:]
        assert "Traceback" not in lines
        assert len(lines) <= max_chars, lines
        assert not [secret for secret in SECRETS if secret in lines], lines

    async def attacker(self, **options: Any) -> Peer:
        """Connect a customer; the caller closes it."""
        return await Peer.connect(self.chat.url, {"sessionId": "hostile-session"}, **options)


@asynccontextmanager
async def open_harness(data_dir: Path, **settings: Any) -> AsyncIterator[HostileHarness]:
    """Start the server with its default log, that of aiohttp included, and connect the healthy clients."""
    log = io.StringIO()
    handler = make_handler(log, "text")
    root, ours = logging.getLogger(), logging.getLogger("chatws")
    root.addHandler(handler)
    level, ours.level = ours.level, logging.INFO
    try:
        async with RunningChat(data_dir, **{**QUICK, **settings}) as chat:
            harness = HostileHarness(chat, log)
            await harness.connect_healthy()
            yield harness
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
