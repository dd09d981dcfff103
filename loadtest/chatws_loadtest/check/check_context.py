"""Context of a check: connections of two customers, each with a conversation, and two agents, and an HTTP client."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiohttp

from chatws.client.mapping import GUIDE_MAPPING, CompiledMapping, ServerTranslator
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.raw_client import Fields, RawClient

if TYPE_CHECKING:
    from chatws_loadtest.check.webhook_receiver import CheckReceiver
    from chatws_loadtest.ipc import RoomAssignment
    from chatws_loadtest.server_address import ServerAddress

_MIN_HTTP_TIMEOUT_S = 10.0
"""Least time limit of an HTTP request; that of a reply may be longer."""


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """Server to check, and two conversations with the credentials of their members."""

    server: ServerAddress
    rooms: list[RoomAssignment]
    webhook: CheckReceiver | None = None
    """Receiver of what the server posts; None if the command was not told the URL."""


class CheckContext:
    """Connections of one check, closed at its end."""

    def __init__(self, target: CheckTarget, http: aiohttp.ClientSession) -> None:
        self.url = target.server.url
        self.rooms = target.rooms
        self.http = http
        self.mapping = target.server.mapping
        self.reply_timeout_s = target.server.reply_timeout_s
        self.webhook = target.webhook
        self._server = target.server
        self._clients: list[RawClient] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, target: CheckTarget) -> AsyncIterator[Self]:
        """Yield a context for one check, and close its connections at the end of the block."""
        connector = aiohttp.TCPConnector(ssl=target.server.tls)
        timeout = aiohttp.ClientTimeout(total=max(_MIN_HTTP_TIMEOUT_S, target.server.reply_timeout_s))
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
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

    @property
    def is_mapped(self) -> bool:
        """Whether a mapping file describes the server."""
        return self.mapping != GUIDE_MAPPING

    def engine_url(self, transport: str, auth: Fields | None = None) -> str:
        """Return the URL of a new Engine.IO session; ``auth`` matters only to servers that expect it in the URL."""
        request = ServerTranslator(CompiledMapping(self.mapping)).connect(auth)
        return f"{self.url}{request.path}?EIO=4&transport={transport}{request.query}"

    def require_acks(self) -> None:
        """Check that the server acks messages.

        Raises:
            NotOffered: the mapping says that it does not.
        """
        if self.mapping.send.ack.kind == "none":
            raise NotOffered("the mapping says that messages are not acked")

    def require_confirmed_join(self) -> None:
        """Check that the server confirms a join.

        Raises:
            NotOffered: the mapping says that it does not.
        """
        if self.mapping.join.confirmed_by == "none":
            raise NotOffered("the mapping says that no join is confirmed")

    def require_shape(self, name: str, found: Fields, fields: dict[str, str]) -> None:
        """Fail the check if a payload lacks a field; ``fields`` are the paths in the mapping, without those it lacks.

        Raises:
            NotOffered: the mapping has none of the fields.
            CheckFailed: a field is missing.
        """
        expected = {field for field, path in fields.items() if path}
        if not expected:
            raise NotOffered(f"the mapping names no field of {name}")
        if not expected <= found.keys():
            raise CheckFailed(f"it has {sorted(found)}")

    def auth(self, *, agent: bool = False, number: int = 0) -> Fields:
        """Return the credentials of the first (0) or second (1) customer or agent."""
        return dict(self.rooms[number].members[1 if agent else 0])

    async def connect(self, auth: Fields | None = None) -> RawClient:
        """Connect without waiting for ``authenticated``."""
        return self._track(await RawClient.open(self._server, auth))

    async def customer(self, number: int = 0) -> RawClient:
        """Connect a customer."""
        return await self._authenticate(self.auth(number=number))

    async def agent(self, number: int = 0) -> RawClient:
        """Connect an agent."""
        return await self._authenticate(self.auth(agent=True, number=number))

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

    async def _authenticate(self, auth: Fields) -> RawClient:
        return self._track(await RawClient.authenticated(self._server, auth))

    def _track(self, client: RawClient) -> RawClient:
        self._clients.append(client)
        return client


def unique_text() -> str:
    """Return a text that no other client sends."""
    return f"check-{secrets.token_hex(6)}"
