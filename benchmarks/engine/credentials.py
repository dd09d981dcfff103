"""Who takes part: sessions and tokens where the server checks them, made-up ones elsewhere."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import aiohttp

from benchmarks.engine.implementations import RunningServer, ServerImplementation
from chatws.server.auth import tokens
from chatws.server.auth.keys import load_keys
from chatws.settings import Settings
from chatws_loadtest.server_process import HOST, ServerStartFailed

AGENTS = 25
"""Agents who share all conversations, with a connection for each."""

_TOKEN_LIFE_S = 24 * 3600
_AT_ONCE = 20


class BenchmarkCustomer(NamedTuple):
    """A customer's credentials and conversation."""

    session_id: str
    conversation_id: str


def agent_tokens(contender: ServerImplementation, server: RunningServer) -> list[str]:
    """Sign a token for each agent with the server's own key."""
    names = [f"bench-agent-{number}" for number in range(AGENTS)]
    if not contender.is_chatws:
        return names
    settings = Settings(data_dir=server.folder)
    keys = load_keys(settings, create=False)
    return [tokens.mint(keys, settings, subject=name, name=name, ttl_s=_TOKEN_LIFE_S) for name in names]


async def start_sessions(contender: ServerImplementation, server: RunningServer, count: int) -> list[BenchmarkCustomer]:
    """Start customers' sessions over REST.

    Raises:
        ServerStartFailed: the server refused one.
    """
    if not contender.is_chatws:
        return [BenchmarkCustomer(f"session-{number}", f"conversation-{number}") for number in range(count)]
    gate = asyncio.Semaphore(_AT_ONCE)

    async with aiohttp.ClientSession(f"http://{HOST}:{server.port}") as client:

        async def start_one() -> BenchmarkCustomer:
            async with gate, client.post("/api/sessions", json={}) as response:
                if not response.ok:
                    raise ServerStartFailed(f"POST /api/sessions: {response.status} {await response.text()}")
                fields = await response.json()
                return BenchmarkCustomer(fields["sessionId"], fields["conversationId"])

        return await asyncio.gather(*(start_one() for _ in range(count)))
