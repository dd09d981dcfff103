"""A chat server with two people who keep talking, and the means to see what an attack left behind."""

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
"""Of what attackers send, none may be in the log."""

MAX_LOG_CHARS = 1_000
"""What one attack may add to the log."""

QUICK: dict[str, Any] = {"limits": "off", "presence_grace_ms": 0, "write_stall_ms": 1_000}
"""Nothing waits for a grace or a slow tick; rates and counts have tests of their own."""


class Census(NamedTuple):
    """Everything a connection takes; after an attack it is what it was before."""

    sessions: int
    unadmitted: int
    sockets: int
    rooms: int
    hosted: int
    users: int
    last_polls: int
    watched: int
    tasks: int


class Arena:
    """The server, the healthy neighbours and the log."""

    def __init__(self, chat: RunningChat, log: io.StringIO) -> None:
        self.chat = chat
        self.log = log
        self._neighbours: tuple[Peer, Peer]
        self._said = 0

    async def settle_in(self) -> None:
        """Let the neighbours begin their conversation."""
        self._neighbours = await self.chat.pair("conv-neighbour")

    def census(self) -> Census:
        engine, parts = self.chat.engine, self.chat.parts
        main = engine.of("/")
        return Census(
            engine.session_count,
            engine.unadmitted_count,
            len(main.sockets),
            main.room_count,
            len(parts.hosting),
            len(parts.registry._by_user),
            engine._registry.last_poll_count,
            len(engine._context.write_monitor),
            len(asyncio.all_tasks()),
        )

    async def chatter(self) -> None:
        """The neighbours exchange a message."""
        agent, customer = self._neighbours
        self._said += 1
        sent = {"conversationId": "conv-neighbour", "content": f"still here {self._said}"}
        assert (await customer.ask("send_message", sent))["success"]
        await agent.expect("message_received", content=sent["content"])
        customer.events.clear()

    @asynccontextmanager
    async def attack(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend an attacker an HTTP client; afterwards the neighbours still talk, and nothing is left but a log line."""
        before, logged = self.census(), len(self.log.getvalue())
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield http
        await self.chatter()
        await self.back_to(before)
        self.check_log(logged, MAX_LOG_CHARS)

    async def back_to(self, before: Census) -> None:
        """Wait until nothing is there that was not there before."""
        try:
            await until(lambda: self.census() == before)
        except TimeoutError:
            raise AssertionError(f"left behind: {self.census()}, was {before}") from None

    @property
    def port(self) -> int:
        return int(self.chat.url.rpartition(":")[2])

    def check_log(self, since: int, max_chars: int) -> None:
        """Look at what was logged: no traceback, not much, and nothing of what was sent."""
        lines = self.log.getvalue()[since:]
        assert "Traceback" not in lines
        assert len(lines) <= max_chars, lines
        assert not [secret for secret in SECRETS if secret in lines], lines

    async def attacker(self, **options: Any) -> Peer:
        """Connect a customer; whoever uses it closes it."""
        return await Peer.connect(self.chat.url, {"sessionId": "hostile-session"}, **options)


@asynccontextmanager
async def open_arena(data_dir: Path, **settings: Any) -> AsyncIterator[Arena]:
    """Start the server and its neighbours, everything logged that a server logs by default, and aiohttp's too."""
    log = io.StringIO()
    handler = make_handler(log, "text")
    root, ours = logging.getLogger(), logging.getLogger("chatws")
    root.addHandler(handler)
    level, ours.level = ours.level, logging.INFO
    try:
        async with RunningChat(data_dir, **{**QUICK, **settings}) as chat:
            arena = Arena(chat, log)
            await arena.settle_in()
            yield arena
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
