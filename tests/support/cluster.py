"""Several servers in the test's event loop that share a database and a bus."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from chatws.bus import BusMessage, MemoryBus, MemoryHub
from chatws.settings import Settings
from chatws.store.factory import make_store
from tests.support.chat import RunningChat
from tests.support.peer import Peer


class Cluster:
    """Cluster of servers with the same settings, which name the shared database and bus."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        self.servers: list[RunningChat] = []
        self._settings = settings
        self._stack = AsyncExitStack()

    async def start(self) -> RunningChat:
        """Start another server."""
        server = await self._stack.enter_async_context(self._make_server())
        self.servers.append(server)
        return server

    async def pair(self, conversation_id: str = "conv-1") -> tuple[Peer, Peer]:
        """Return an agent on the first server and a customer on the second, joined and with no unread events."""
        customer = await self.servers[1].customer()
        assert (await customer.call("join_conversation", conversation_id))["success"]
        agent = await self.servers[0].agent()
        assert (await agent.call("join_conversation", conversation_id))["success"]
        await customer.expect("presence_update", userId="agent-1")
        for peer in (agent, customer):
            await peer.settle()
            peer.events.clear()
        return agent, customer

    async def join_third(self, observer: Peer, user_id: str = "agent-2") -> Peer:
        """Join another agent on the first server and wait until ``observer`` has received its presence."""
        agent = await self.servers[0].agent(user_id)
        await agent.call("join_conversation", "conv-1")
        await observer.expect("presence_update", userId=user_id, status="online")
        return agent

    async def close(self) -> None:
        """Stop all servers."""
        await self._stack.aclose()

    def _make_server(self) -> RunningChat:
        return RunningChat(self.data_dir, **self._settings)


class LossyBus(MemoryBus):
    """Member of an in-memory hub that drops the kinds of messages selected by a test, as a broker may."""

    def __init__(self, hub: MemoryHub) -> None:
        super().__init__(hub)
        self.lost: tuple[type[BusMessage], ...] = ()
        self.confirms_late = False
        """Whether subscriptions take effect and are confirmed only by ``confirm``."""
        self._unconfirmed: dict[str, asyncio.Future[None]] = {}

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        if not self.confirms_late:
            return super().subscribe(channel)
        return self._unconfirmed.setdefault(channel, asyncio.get_running_loop().create_future())

    def confirm(self) -> None:
        """Confirm the delayed subscriptions."""
        self.confirms_late = False
        for channel, done in self._unconfirmed.items():
            self._channels.add(channel)
            done.set_result(None)

    def publish(self, channel: str, note: BusMessage) -> None:
        if not isinstance(note, self.lost):
            super().publish(channel, note)

    def freeze(self) -> None:
        """Disconnect without notice to the other servers, as when the broker itself fails."""
        self._hub._members.pop(self.origin)
        self._stats.connected = False


class HubCluster(Cluster):
    """Cluster on one SQLite file and an in-memory hub: fast, and loses only the messages that a test selects."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        super().__init__(data_dir, **settings)
        self.buses: list[LossyBus] = []
        self._hub = MemoryHub()

    def _make_server(self) -> RunningChat:
        bus = LossyBus(self._hub)
        self.buses.append(bus)
        database = Settings(data_dir=self.data_dir, **self._settings).database
        # Only one server may own a database file; further servers open it as other programs do.
        store = make_store(database, server=not self.servers)
        return RunningChat(self.data_dir, store, bus, **self._settings)


async def settle_all(*peers: Peer) -> None:
    """Wait until the effects of these clients' requests have passed the hub, which takes a few round trips."""
    for _ in range(3):
        for peer in peers:
            await peer.settle()
