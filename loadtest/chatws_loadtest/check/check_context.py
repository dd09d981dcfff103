"""Who takes part in the checks: two customers with a conversation each, two agents, and plain HTTP."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiohttp

from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.raw_client import Fields, RawClient

if TYPE_CHECKING:
    import ssl

    from chatws_loadtest.ipc import RoomAssignment


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """The server, its two conversations with their members, and whose certificates are trusted."""

    url: str
    rooms: list[RoomAssignment]
    tls: ssl.SSLContext


class CheckContext:
    """Opens connections for one check and closes them after it."""

    def __init__(self, site: CheckTarget) -> None:
        self.url = site.url
        self.rooms = site.rooms
        self._tls = site.tls
        self._peers: list[RawClient] = []
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls), timeout=aiohttp.ClientTimeout(total=10)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self._peers:
            await peer.close()
        self._peers.clear()
        await self.http.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        assert self._http is not None, "used outside of its block"
        return self._http

    @property
    def conversation_id(self) -> str:
        """The first customer's conversation."""
        return self.rooms[0].conversation_id

    def auth(self, *, agent: bool = False, number: int = 0) -> Fields:
        """Give the credentials of the first or second customer or agent."""
        return dict(self.rooms[number].members[1 if agent else 0])

    async def connect(self, auth: Fields | None = None) -> RawClient:
        """Connect without waiting for ``authenticated``."""
        return self._keep(await RawClient.open(self.url, self._tls, auth))

    async def customer(self, number: int = 0) -> RawClient:
        """Connect a customer."""
        return self._keep(await RawClient.authenticated(self.url, self._tls, self.auth(number=number)))

    async def agent(self, number: int = 0) -> RawClient:
        """Connect an agent."""
        return self._keep(await RawClient.authenticated(self.url, self._tls, self.auth(agent=True, number=number)))

    async def pair(self) -> tuple[RawClient, RawClient]:
        """Connect a customer and an agent and put both into the customer's conversation."""
        customer, agent = await self.customer(), await self.agent()
        for peer in (customer, agent):
            await self.join(peer)
        return customer, agent

    async def join(self, peer: RawClient, conversation_id: str | None = None) -> None:
        """Enter a conversation as the guide does: without a callback."""
        wanted = conversation_id or self.conversation_id
        await peer.tell("join_conversation", wanted)
        await peer.expect("joined_conversation", conversationId=wanted)

    async def say(self, peer: RawClient, content: str, **more: object) -> Fields:
        """Send a message into the first conversation and return its ack."""
        return await peer.ask("send_message", {"conversationId": self.conversation_id, "content": content, **more})

    async def extended(self) -> tuple[RawClient, RawClient]:
        """Like `pair`, for checks of what goes beyond the guide.

        Raises:
            NotOffered: messages have no seq here.
        """
        customer, agent = await self.pair()
        if "epoch" not in customer.identity:
            raise NotOffered("`authenticated` names no epoch: messages have no numbers here")
        return customer, agent

    async def get(self, path: str, **headers: str) -> tuple[int, object]:
        """Ask over HTTP: the status, and the body if it is JSON."""
        async with self.http.get(self.url + path, headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    def _keep(self, peer: RawClient) -> RawClient:
        self._peers.append(peer)
        return peer


def word() -> str:
    """Make a content that nobody else sends."""
    return f"check-{secrets.token_hex(6)}"
