"""The bus over Redis: one link that listens, one that sends and asks, and what happens when either is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import ResponseError

from chatws.bus.errors import BusUnavailable
from chatws.bus.interface import BusListener, BusStats, RemotePresenceEntry
from chatws.bus.redis.connection import Command, RedisConnection, Reply, open_connection, words_of
from chatws.bus.redis.keys import RedisKeys
from chatws.bus.redis.lease import Lease
from chatws.bus.redis.publish_queue import PublishQueue
from chatws.bus.redis.subscriber import RedisSubscriber
from chatws.bus.redis.subscriptions import Subscriptions
from chatws.bus.redis.url import RedisEndpoint
from chatws.logging import RateLimitedLogger
from chatws.protocol.ids import new_id

if TYPE_CHECKING:
    from chatws.bus.messages import Note, PresenceEntry

BATCH_NOTES = 500

NOT_CONNECTED = "not connected"

AWAY_LINE_S = 60.0
"""How often the log is told again that the broker is away."""

_log = logging.getLogger("chatws.bus")


class RedisTiming(NamedTuple):
    """The clockwork, in seconds.

    A crashed server's users are offline for the others after a lease, a beat and the grace: 17 s of the 20 promised.
    """

    lease: float = 10.0
    beat: float = 2.0
    """How often the lease is renewed and those of the others are looked at."""
    timeout: float = 1.0
    """Redis has this long to answer."""
    retry: float = 1.0
    """Longest pause before the next attempt to reach it."""


def _absence_log() -> RateLimitedLogger:
    return RateLimitedLogger(_log, time.monotonic, AWAY_LINE_S)


def unix_ms() -> int:
    """Return the time of day in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class RedisBus:
    """One server's place among those that share a Redis and a prefix.

    Its task owns both links. A fault of either ends the session; the next begins with all subscriptions and all
    presence written again, since Redis may have come back empty.
    """

    def __init__(self, address: RedisEndpoint, prefix: str, timing: RedisTiming | None = None) -> None:
        self._address = address
        self._timing = timing or RedisTiming()
        self._origin = new_id(unix_ms())
        self._stats = BusStats()
        self._lines = RateLimitedLogger(_log, time.monotonic)
        self._absence = _absence_log()
        """Made anew whenever the broker is reached, so that each absence is told at once."""
        keys = RedisKeys(prefix)
        self._channel = keys.channel
        self._outbox = PublishQueue(self._origin, self._stats, unix_ms)
        self._subscriptions = Subscriptions()
        self._listener = RedisSubscriber(
            self._origin, keys, self._subscriptions, self._stats, lines=self._lines, take=self._received
        )
        self._lease = Lease(self._origin, keys, self._timing.lease)
        self._writing = asyncio.Lock()
        """Held while presence is written, so that the whole and its changes do not overtake each other."""
        self._wake = asyncio.Event()
        """Set when there may be something to send."""
        self._receiver: BusListener | None = None
        """Set between open and close."""
        self._link: RedisConnection | None = None
        """The link that sends and asks; set while the bus is connected."""
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        """Set after the first attempt to connect."""

    @property
    def origin(self) -> str:
        """The server's id."""
        return self._origin

    @property
    def stats(self) -> BusStats:
        """Live figures."""
        return self._stats

    async def open(self, receiver: BusListener) -> None:
        """Start; returns when Redis is reached or has not answered in time."""
        self._receiver = receiver
        self._task = asyncio.create_task(self._run())
        await self._tried.wait()

    async def close(self) -> None:
        """Send what waits, give the lease back, end."""
        self._receiver = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._subscriptions.close()

    def publish(self, channel: str, note: Note) -> None:
        """Queue a note."""
        self._outbox.put(self._channel(channel), note)
        self._wake.set()

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Hear a channel."""
        confirmed, is_new = self._subscriptions.want(channel)
        if is_new:
            self._listener.subscribe([channel])
        return confirmed

    def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""
        if self._subscriptions.drop(channel):
            self._listener.unsubscribe(channel)

    def hold(self, part: PresenceEntry) -> None:
        """Keep a user's part in Redis; it is there before any note that is published after this call."""
        self._lease.shelf.put(part)
        self._wake.set()

    async def presence_of(self, user_ids: Iterable[str]) -> dict[str, list[RemotePresenceEntry]]:
        """Read these users' parts."""
        found: dict[str, list[RemotePresenceEntry]] = {user_id: [] for user_id in user_ids}
        for held in await self._lease.parts_of(self._connected(), list(found)) if found else []:
            if held.part.user.user_id in found:
                found[held.part.user.user_id].append(held)
        return found

    async def agents(self) -> list[RemotePresenceEntry]:
        """Read the agents' parts."""
        return await self._lease.agents(self._connected())

    async def ping(self) -> bool:
        """Whether Redis answers; a link that is lost meanwhile ends the wait."""
        try:
            await self._connected().demand(("PING",))
        except BusUnavailable:
            return False
        return True

    def _connected(self) -> RedisConnection:
        if self._link is None:
            raise BusUnavailable(NOT_CONNECTED)
        return self._link

    async def _run(self) -> None:
        while True:
            try:
                await self._live()
            except BusUnavailable as problem:
                self._absence.write(logging.WARNING, "bus_away", redis=str(self._address), reason=problem.reason)
            except Exception as problem:  # noqa: BLE001  without its bus a server is slow: no bug may end it for good
                self._lines.write(logging.ERROR, "bus_failed", problem=problem)
            finally:
                self._tried.set()
            await asyncio.sleep(random.uniform(0.5, 1.0) * self._timing.retry)

    async def _live(self) -> None:
        """Connect and serve until a link is lost.

        Raises:
            Away: that is how it always ends.
        """
        async with contextlib.AsyncExitStack() as links:
            link = await links.enter_async_context(open_connection(self._address, self._timing.timeout))
            listening = await links.enter_async_context(open_connection(self._address, self._timing.timeout))
            links.callback(self._disconnected)
            gone = await self._lease.begin(link)
            await self._listener.begin(listening)
            self._connected_by(link, gone)
            await self._serve(link, listening)

    def _connected_by(self, link: RedisConnection, gone: list[str]) -> None:
        self._link = link
        self._stats.connected = True
        self._absence = _absence_log()
        _log.info("bus_connected", extra={"keys": {"redis": str(self._address), "origin": self._origin}})
        for origin in gone:
            self._gone(origin)
        if self._tried.is_set():
            self._stats.reconnects += 1
            self._tell(lambda receiver: receiver.resumed())
        self._tried.set()

    def _disconnected(self) -> None:
        self._link = None
        self._stats.connected = False
        self._listener.end()

    async def _serve(self, link: RedisConnection, listening: RedisConnection) -> None:
        tasks = [asyncio.create_task(self._send_all(link)), asyncio.create_task(self._beat(link))]
        any_of: list[asyncio.Future[Any]] = [*tasks, link.lost, listening.lost]
        try:
            await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            endings = await asyncio.gather(*tasks, return_exceptions=True)
            if self._receiver is None:
                await self._say_goodbye(link)
        for ending in endings:
            if isinstance(ending, Exception):
                raise ending
        raise BusUnavailable(next(each.result() for each in (listening.lost, link.lost) if each.done()))

    async def _say_goodbye(self, link: RedisConnection) -> None:
        with contextlib.suppress(BusUnavailable, TimeoutError):
            async with asyncio.timeout(self._timing.timeout):
                while await self._send_some(link):
                    pass
                await self._lease.end(link)

    async def _send_all(self, link: RedisConnection) -> None:
        while True:
            self._wake.clear()
            while await self._send_some(link):
                pass
            await self._wake.wait()

    async def _send_some(self, link: RedisConnection) -> bool:
        """Send changes of presence, then notes, at once; whether there was anything."""
        async with self._writing:
            changes = self._lease.shelf.changes()
            notes = self._outbox.take(BATCH_NOTES)
            if not changes and not notes:
                return False
            published: list[Command] = [("PUBLISH", channel, note) for channel, note in notes]
            try:
                replies = await link.ask(*changes, *published)
            except (BusUnavailable, asyncio.CancelledError):
                self._stats.dropped += len(notes)
                raise
        self._count(replies[: len(changes)], replies[len(changes) :])
        return True

    def _count(self, changed: list[Reply], published: list[Reply]) -> None:
        refused = [reply for reply in published if isinstance(reply, ResponseError)]
        self._stats.published += len(published) - len(refused)
        self._stats.dropped += len(refused)
        # Nobody else would ever write these again, except the next session.
        if unwritten := [reply for reply in changed if isinstance(reply, ResponseError)]:
            raise BusUnavailable(f"it refused: {words_of(unwritten[0])}")
        if refused:
            self._lines.write(logging.WARNING, "bus_note_refused", reason=words_of(refused[0]), notes=len(refused))

    async def _beat(self, link: RedisConnection) -> None:
        while True:
            await asyncio.sleep(self._timing.beat)
            async with self._writing:
                renewal = await self._lease.renew(link)
            for origin in renewal.gone:
                self._gone(origin)
            if not renewal.was_held:
                _log.warning("bus_lease_lost", extra={"keys": {"redis": str(self._address)}})
                self._tell(lambda receiver: receiver.resumed())

    def _received(self, channel: str, origin: str, note: Note) -> None:
        self._lease.peers.heard(origin)
        self._tell(lambda receiver: receiver.received(channel, origin, note))

    def _gone(self, origin: str) -> None:
        self._tell(lambda receiver: receiver.server_gone(origin))

    def _tell(self, tell: Callable[[BusListener], None]) -> None:
        if self._receiver is None:
            return
        try:
            tell(self._receiver)
        except Exception as problem:  # noqa: BLE001  one note's fault must not cost the link and all the others
            self._lines.write(logging.ERROR, "bus_receiver_failed", problem=problem)
