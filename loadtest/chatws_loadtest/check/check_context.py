"""Context of a check: connections of two customers, each with a conversation, and two agents, and an HTTP client."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiohttp

from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.raw_client import Fields, RawClient

if TYPE_CHECKING:
    import ssl

    from chatws_loadtest.ipc import RoomAssignment


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """Server to check, two conversations with the credentials of their members, and trusted certificates."""

    url: str
    rooms: list[RoomAssignment]
    tls: ssl.SSLContext


class CheckContext:
    """Connections of one check, closed at its end."""

    def __init__(self, target: CheckTarget, http: aiohttp.ClientSession) -> None:
        self.url = target.url
        self.rooms = target.rooms
        self.http = http
        self._tls = target.tls
        self._clients: list[RawClient] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, target: CheckTarget) -> AsyncIterator[Self]:
        """Yield a context for one check, and close its connections at the end of the block."""
        connector = aiohttp.TCPConnector(ssl=target.tls)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as http:
            context = cls(target, http)
            try:
                yield context
            finally:
                for client in context._clients:
                    await client.close()

    @property
    def conversation_id(self) -> str:
        """Conversation of the first customer."""
        return self.rooms[0].conversation_id

    def auth(self, *, agent: bool = False, number: int = 0) -> Fields:
        """Return the credentials of the first (0) or second (1) customer or agent."""
        return dict(self.rooms[number].members[1 if agent else 0])

    async def connect(self, auth: Fields | None = None) -> RawClient:
        """Connect without waiting for ``authenticated``."""
        return self._track(await RawClient.open(self.url, self._tls, auth))

    async def customer(self, number: int = 0) -> RawClient:
        """Connect a customer."""
        return self._track(await RawClient.authenticated(self.url, self._tls, self.auth(number=number)))

    async def agent(self, number: int = 0) -> RawClient:
        """Connect an agent."""
        return self._track(await RawClient.authenticated(self.url, self._tls, self.auth(agent=True, number=number)))

    async def pair(self) -> tuple[RawClient, RawClient]:
        """Connect a customer and an agent, both of which join the customer's conversation."""
        customer, agent = await self.customer(), await self.agent()
        for client in (customer, agent):
            await self.join(client)
        return customer, agent

    async def join(self, client: RawClient, conversation_id: str | None = None) -> None:
        """Join a conversation as in the guide: without an ack callback."""
        joined = conversation_id or self.conversation_id
        await client.emit("join_conversation", joined)
        await client.expect("joined_conversation", conversationId=joined)

    async def send_message(self, client: RawClient, content: str, **more: object) -> Fields:
        """Send a message to the first conversation, and return its ack."""
        return await client.request(
            "send_message", {"conversationId": self.conversation_id, "content": content, **more}
        )

    async def numbered_pair(self) -> tuple[RawClient, RawClient]:
        """Connect a pair as `pair` does, for checks that need messages with ``seq``.

        Raises:
            NotOffered: the server's messages have none.
        """
        customer, agent = await self.pair()
        if "epoch" not in customer.identity:
            raise NotOffered("`authenticated` has no epoch: the server's messages have no seq")
        return customer, agent

    async def get(self, path: str, **headers: str) -> tuple[int, object]:
        """Send a GET request, and return the status and the body, decoded if it is JSON."""
        async with self.http.get(self.url + path, headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    def _track(self, client: RawClient) -> RawClient:
        self._clients.append(client)
        return client


def unique_text() -> str:
    """Return a text that no other client sends."""
    return f"check-{secrets.token_hex(6)}"
