"""Factory of the agents and customers of one test."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from chatws.client import ClientError, ClientOptions
from chatws_loadtest.pytest_plugin.recorded_client import RecordedAgent, RecordedClient, RecordedCustomer
from chatws_loadtest.pytest_plugin.target_server import TargetServer

CLOSE_TIMEOUT_S: Final = 5.0


class ClientFactory:
    """Creator of connected clients of one test; ``url`` is that of the server, or of the proxy in front of it."""

    def __init__(self, server: TargetServer, url: str) -> None:
        self._server = server
        self._url = url
        self._options = ClientOptions(ca_file=server.ca_file, user_agent="chatws-pytest")
        self._clients: list[RecordedClient] = []
        self._counts = {"agent": 0, "customer": 0}

    async def agent(self, name: str | None = None, *, join: str | RecordedClient | None = None) -> RecordedAgent:
        """Connect an agent, and let it join a conversation, or that of another client."""
        name = name or self._next_name("agent")
        client = RecordedAgent(self._url, self._server.token(name), self._options, name)
        await self._connect(client)
        if join is not None:
            await client.join(join)
        return client

    async def customer(self, name: str | None = None) -> RecordedCustomer:
        """Connect a new customer, and let it join its conversation."""
        name = name or self._next_name("customer")
        session = await asyncio.to_thread(self._server.session, name)
        client = RecordedCustomer(self._url, session.session_id, self._options, name, session.conversation_id)
        await self._connect(client)
        await client.join(session.conversation_id)
        return client

    async def close(self) -> None:
        """Disconnect every client; one that does not end in time is left to the end of its loop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*(client.disconnect() for client in self._clients), return_exceptions=True)

    async def _connect(self, client: RecordedClient) -> None:
        self._clients.append(client)
        try:
            await client.connect()
        except ClientError as problem:
            problem.add_note(f"{client.name} could not connect to {self._url}")
            raise

    def _next_name(self, role: str) -> str:
        self._counts[role] += 1
        return f"{role}-{self._counts[role]}"
