"""Several whole servers in the test's event loop, over one database and one bus."""

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
    """Starts servers whose settings name what they share; all end with ``close``."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        self.servers: list[RunningChat] = []
        self._settings = settings
        self._stack = AsyncExitStack()

    async def start(self) -> RunningChat:
        """Start one more server."""
        server = await self._stack.enter_async_context(self._make())
        self.servers.append(server)
        return server

    async def pair(self, conversation_id: str = "conv-1") -> tuple[Peer, Peer]:
        """Return an agent on the first server and a customer on the second, joined and with nothing left unread."""
        customer = await self.servers[1].customer()
        assert (await customer.ask("join_conversation", conversation_id))["success"]
        agent = await self.servers[0].agent()
        assert (await agent.ask("join_conversation", conversation_id))["success"]
        await customer.expect("presence_update", userId="agent-1")
        for peer in (agent, customer):
            await peer.settle()
            peer.events.clear()
        return agent, customer

    async def join_third(self, witness: Peer, user_id: str = "agent-2") -> Peer:
        """Return one more agent on the first server, whom somebody in the conversation has seen come."""
        agent = await self.servers[0].agent(user_id)
        await agent.ask("join_conversation", "conv-1")
        await witness.expect("presence_update", userId=user_id, status="online")
        return agent

    async def close(self) -> None:
        """End every server."""
        await self._stack.aclose()

    def _make(self) -> RunningChat:
        return RunningChat(self.data_dir, **self._settings)


class LossyBus(MemoryBus):
    """A place at a hub that loses the kinds of notes a test names, as a broker may."""

    def __init__(self, hub: MemoryHub) -> None:
        super().__init__(hub)
        self.lost: tuple[type[BusMessage], ...] = ()
        self.confirms_late = False
        """Whether channels are heard, and confirmed, only after ``confirm``."""
        self._unconfirmed: dict[str, asyncio.Future[None]] = {}

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        if not self.confirms_late:
            return super().subscribe(channel)
        return self._unconfirmed.setdefault(channel, asyncio.get_running_loop().create_future())

    def confirm(self) -> None:
        """Hear what was subscribed."""
        self.confirms_late = False
        for channel, done in self._unconfirmed.items():
            self._channels.add(channel)
            done.set_result(None)

    def publish(self, channel: str, note: BusMessage) -> None:
        if not isinstance(note, self.lost):
            super().publish(channel, note)

    def freeze(self) -> None:
        """Lose the link without anybody taking this server for gone, as when the broker itself is away."""
        self._hub._members.pop(self.origin)
        self._stats.connected = False


class HubCluster(Cluster):
    """Servers on one SQLite file and a hub: quick, and notes are lost exactly when a test wants it."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        super().__init__(data_dir, **settings)
        self.buses: list[LossyBus] = []
        self._hub = MemoryHub()

    def _make(self) -> RunningChat:
        bus = LossyBus(self._hub)
        self.buses.append(bus)
        database = Settings(data_dir=self.data_dir, **self._settings).database
        # A database file belongs to one server; a second one may open it as other programs do.
        store = make_store(database, server=not self.servers)
        return RunningChat(self.data_dir, store, bus, **self._settings)


async def crossed(*peers: Peer) -> None:
    """Return when what these clients have caused has crossed a hub: in one event loop that takes a few turns."""
    for _ in range(3):
        for peer in peers:
            await peer.settle()
