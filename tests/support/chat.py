"""Complete server in the test's event loop, with a real listening socket and a real database file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVarTuple
from weakref import ref

import aiohttp
from aiohttp import web

from chatws.bus import Bus
from chatws.protocol.ids import new_id
from chatws.server import ENGINE, SERVICE, WebSocketService, create_app
from chatws.server.app import DRAIN
from chatws.server.auth import tokens
from chatws.server.auth.keys import load_keys
from chatws.server.clock import SystemClock
from chatws.server.services import Services
from chatws.settings import Settings
from chatws.store import Store
from chatws.store.factory import make_store
from tests.support.peer import TIMEOUT_S, Payload, Peer

Args = TypeVarTuple("Args")


class MovableClock(SystemClock):
    """System clocks that a test can advance, together with the timers started by `call_later`."""

    def __init__(self) -> None:
        self._moved_s = 0.0
        # Weak: a cancelled timer keeps nothing alive.
        self._timers: list[tuple[float, ref[asyncio.TimerHandle], ref[partial[object]]]] = []

    def now_ms(self) -> int:
        return super().now_ms() + round(self._moved_s * 1000)

    def monotonic(self) -> float:
        return super().monotonic() + self._moved_s

    def call_later(self, delay_s: float, callback: Callable[[*Args], object], *args: *Args) -> asyncio.TimerHandle:
        call = partial(callback, *args)
        timer = super().call_later(delay_s, call)
        self._timers.append((self.monotonic() + delay_s, ref(timer), ref(call)))
        return timer

    def advance(self, seconds: float) -> None:
        """Advance both clocks and run the timers that become due."""
        self._moved_s += seconds
        now, loop_now = self.monotonic(), asyncio.get_running_loop().time()
        due = [entry for entry in self._timers if entry[0] <= now]
        self._timers = [entry for entry in self._timers if entry[0] > now]
        for _, timer_ref, call_ref in due:
            timer, call = timer_ref(), call_ref()
            if timer is not None and call is not None and not timer.cancelled() and timer.when() > loop_now:
                timer.cancel()
                call()


class RunningChat:
    """Running server, with shortcuts to connect agents and customers and to send REST requests."""

    def __init__(self, data_dir: Path, store: Store | None = None, bus: Bus | None = None, /, **settings: Any) -> None:
        self.settings = Settings(data_dir=data_dir, port=0, **settings)
        self.clock = MovableClock()
        self.app = create_app(self.settings, clock=self.clock, store=store, bus=bus)
        self.url = ""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=2.0)
        self._peers: list[Peer] = []
        self.http = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close all connections and stop the server, keeping its data. Idempotent."""
        for peer in self._peers:
            await peer.close()
        await self.http.close()
        await self._runner.cleanup()

    @property
    def service(self) -> WebSocketService:
        """The guide's server-side API."""
        return self.app[SERVICE]

    @property
    def parts(self) -> Services:
        """Internal parts of the server, for states that no client can cause."""
        return self.app[SERVICE]._services

    @asynccontextmanager
    async def other_store(self) -> AsyncIterator[Store]:
        """Open the same database again, as another process would."""
        store = make_store(self.settings.database, server=False, clock_ms=self.clock.now_ms)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    async def drain(self) -> None:
        await self.app[DRAIN].run()

    @property
    def engine(self) -> Any:
        return self.app[ENGINE]

    def token(self, user_id: str = "agent-1", *, ttl_s: int = 3600, **claims: Any) -> str:
        """Sign a token for an agent, with times of the server's clock."""
        name = claims.pop("name", user_id.title())
        options = {"now_s": self.clock.now_ms() / 1000, **claims}
        return tokens.mint(load_keys(self.settings), self.settings, subject=user_id, name=name, ttl_s=ttl_s, **options)

    async def connect(self, auth: Payload = None, **options: Any) -> Peer:
        """Connect a client with these credentials; `stop` closes it."""
        peer = await Peer.connect(self.url, auth, **options)
        self._peers.append(peer)
        return peer

    async def agent(self, user_id: str = "agent-1", *, after: Peer | None = None, **options: Any) -> Peer:
        """Connect an agent; ``after`` is the previous connection of the same client, to any server."""
        auth = {"token": self.token(user_id)}
        return await self.connect(auth if after is None else {**auth, "pid": after.accepted["pid"]}, **options)

    async def customer(self, session_id: str | None = None, **options: Any) -> Peer:
        """Connect a customer; in development mode an unknown session id creates a session."""
        return await self.connect({"sessionId": session_id or new_id(0)}, **options)

    async def pair(self, conversation_id: str = "conv-1") -> tuple[Peer, Peer]:
        """Return an agent and a customer joined to one conversation, with no unread events."""
        customer = await self.customer()
        assert (await customer.call("join_conversation", conversation_id))["success"]
        agent = await self.agent()
        assert (await agent.call("join_conversation", conversation_id))["success"]
        await customer.settle()
        for peer in (agent, customer):
            peer.events.clear()
        return agent, customer

    async def get(self, path: str, **options: Any) -> tuple[int, Payload]:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Payload = None, **options: Any) -> tuple[int, Payload]:
        return await self.request("POST", path, json={} if body is None else body, **options)

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Payload]:
        """Send a request and return its status and JSON body."""
        async with self.http.request(method, self.url + path, **options) as response:
            return response.status, await response.json()


async def until(condition: Any, timeout_s: float = TIMEOUT_S) -> None:
    """Poll until the condition is true; for states that no event announces."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  no event announces it
            await asyncio.sleep(0.01)
