"""Bus over Redis: one connection for requests, one for subscriptions, and reconnection when either is lost."""

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
from chatws.bus.redis.connection import Command, RedisConnection, Reply, describe_error, open_connection
from chatws.bus.redis.keys import RedisKeys
from chatws.bus.redis.lease import ServerLease
from chatws.bus.redis.publish_queue import PublishQueue
from chatws.bus.redis.subscriber import RedisSubscriber
from chatws.bus.redis.subscriptions import Subscriptions
from chatws.bus.redis.url import RedisEndpoint
from chatws.logging import RateLimitedLogger
from chatws.protocol.ids import new_id, now_unix_ms

if TYPE_CHECKING:
    from chatws.bus.messages import BusMessage, PresenceEntry

BATCH_MESSAGES = 500

NOT_CONNECTED = "not connected"

OUTAGE_LOG_INTERVAL_S = 60.0
"""Interval of the log line during an outage of Redis."""

_log = logging.getLogger("chatws.bus")


class RedisTiming(NamedTuple):
    """Intervals and timeouts of the bus, in seconds.

    Other servers show the users of a crashed server as offline after the sum of lease, renewal interval and presence
    grace period: 17 s of the promised 20 s.
    """

    lease: float = 10.0
    renewal: float = 2.0
    """Interval at which the lease is renewed and the leases of other servers are checked."""
    timeout: float = 1.0
    """Time limit for a reply of Redis."""
    retry: float = 1.0
    """Longest pause before the next connection attempt."""


def _new_outage_log() -> RateLimitedLogger:
    return RateLimitedLogger(_log, time.monotonic, OUTAGE_LOG_INTERVAL_S)


class RedisBus:
    """Bus of one server; servers with the same Redis and prefix form a cluster.

    The task of the bus owns both connections. The loss of either closes both. After the reconnect all subscriptions and
    presence entries are written again, since Redis may have been emptied.
    """

    def __init__(self, endpoint: RedisEndpoint, prefix: str, timing: RedisTiming | None = None) -> None:
        self._endpoint = endpoint
        self._timing = timing or RedisTiming()
        self._origin = new_id(now_unix_ms())
        self._stats = BusStats()
        self._limited_log = RateLimitedLogger(_log, time.monotonic)
        self._outage_log = _new_outage_log()
        """Replaced after each connect, so that the first line of every outage is written at once."""
        keys = RedisKeys(prefix)
        self._channel = keys.channel
        self._publish_queue = PublishQueue(self._origin, self._stats, now_unix_ms)
        self._subscriptions = Subscriptions()
        self._subscriber = RedisSubscriber(
            self._origin, keys, self._subscriptions, self._stats, log=self._limited_log, on_message=self._on_message
        )
        self._lease = ServerLease(self._origin, keys, self._timing.lease)
        self._write_lock = asyncio.Lock()
        """Held while presence is written, so that a rewrite of all entries and single changes keep their order."""
        self._wake = asyncio.Event()
        """Set when there may be something to send."""
        self._listener: BusListener | None = None
        """Set between open and close."""
        self._connection: RedisConnection | None = None
        """Connection for requests; set while the bus is connected."""
        self._task: asyncio.Task[None] | None = None
        self._first_attempt_done = asyncio.Event()

    @property
    def origin(self) -> str:
        """Random id of this server."""
        return self._origin

    @property
    def stats(self) -> BusStats:
        """Live statistics."""
        return self._stats

    @property
    def has_others(self) -> bool:
        """True: a server may connect to Redis at any time."""
        return True

    async def open(self, listener: BusListener) -> None:
        """Start the bus; return when Redis is connected or the first attempt has failed."""
        self._listener = listener
        self._task = asyncio.create_task(self._run())
        await self._first_attempt_done.wait()

    async def close(self) -> None:
        """Send the queued messages, release the lease, and close the connections."""
        self._listener = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._subscriptions.close()

    def publish(self, channel: str, message: BusMessage) -> None:
        """Queue a message."""
        self._publish_queue.put(self._channel(channel), message)
        self._wake.set()

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Subscribe to a channel."""
        confirmed, is_new = self._subscriptions.add(channel)
        if is_new:
            self._subscriber.subscribe([channel])
        return confirmed

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        if self._subscriptions.remove(channel):
            self._subscriber.unsubscribe(channel)

    def set_presence(self, entry: PresenceEntry) -> None:
        """Store a user's entry in Redis, before any message that is published after this call."""
        self._lease.presence.put(entry)
        self._wake.set()

    async def presence_of(self, user_ids: Iterable[str]) -> dict[str, list[RemotePresenceEntry]]:
        """Read the entries of these users on other servers."""
        found: dict[str, list[RemotePresenceEntry]] = {user_id: [] for user_id in user_ids}
        for remote in await self._lease.entries_of(self._require_connection(), list(found)) if found else []:
            if remote.entry.user.user_id in found:
                found[remote.entry.user.user_id].append(remote)
        return found

    async def agents(self) -> list[RemotePresenceEntry]:
        """Read the entries of agents on other servers."""
        return await self._lease.agents(self._require_connection())

    async def ping(self) -> bool:
        """Return whether Redis replies; return False when the connection is lost."""
        try:
            await self._require_connection().request_checked(("PING",))
        except BusUnavailable:
            return False
        return True

    def _require_connection(self) -> RedisConnection:
        if self._connection is None:
            raise BusUnavailable(NOT_CONNECTED)
        return self._connection

    async def _run(self) -> None:
        while True:
            try:
                await self._connect_and_serve()
            except BusUnavailable as error:
                self._outage_log.write(
                    logging.WARNING, "bus_unavailable", redis=str(self._endpoint), reason=error.reason
                )
            except Exception as error:  # noqa: BLE001  the server depends on its bus: an unexpected error must not end it
                self._limited_log.write(logging.ERROR, "bus_failed", problem=error)
            finally:
                self._first_attempt_done.set()
            await asyncio.sleep(random.uniform(0.5, 1.0) * self._timing.retry)

    async def _connect_and_serve(self) -> None:
        """Connect and serve until a connection is lost.

        Raises:
            BusUnavailable: always, unless cancelled or a defect raises another exception.
        """
        async with contextlib.AsyncExitStack() as connections:
            requests = await connections.enter_async_context(open_connection(self._endpoint, self._timing.timeout))
            subscriptions = await connections.enter_async_context(open_connection(self._endpoint, self._timing.timeout))
            connections.callback(self._on_disconnected)
            gone = await self._lease.acquire(requests)
            await self._subscriber.start(subscriptions)
            self._on_connected(requests, gone)
            await self._serve(requests, subscriptions)

    def _on_connected(self, connection: RedisConnection, gone: list[str]) -> None:
        self._connection = connection
        self._stats.connected = True
        self._outage_log = _new_outage_log()
        _log.info("bus_connected", extra={"keys": {"redis": str(self._endpoint), "origin": self._origin}})
        for origin in gone:
            self._on_server_gone(origin)
        if self._first_attempt_done.is_set():
            self._stats.reconnects += 1
            self._notify(lambda listener: listener.resumed())
        self._first_attempt_done.set()

    def _on_disconnected(self) -> None:
        self._connection = None
        self._stats.connected = False
        self._subscriber.stop()

    async def _serve(self, requests: RedisConnection, subscriptions: RedisConnection) -> None:
        tasks = [asyncio.create_task(self._send_all(requests)), asyncio.create_task(self._renew_lease(requests))]
        watched: list[asyncio.Future[Any]] = [*tasks, requests.lost, subscriptions.lost]
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if self._listener is None:
                await self._close_gracefully(requests)
        for result in results:
            if isinstance(result, Exception):
                raise result
        raise BusUnavailable(next(each.result() for each in (subscriptions.lost, requests.lost) if each.done()))

    async def _close_gracefully(self, connection: RedisConnection) -> None:
        with contextlib.suppress(BusUnavailable, TimeoutError):
            async with asyncio.timeout(self._timing.timeout):
                while await self._send_batch(connection):
                    pass
                await self._lease.release(connection)

    async def _send_all(self, connection: RedisConnection) -> None:
        while True:
            self._wake.clear()
            while await self._send_batch(connection):
                pass
            await self._wake.wait()

    async def _send_batch(self, connection: RedisConnection) -> bool:
        """Send presence changes and then messages in one request; return whether there were any."""
        async with self._write_lock:
            changes = self._lease.presence.take_changes()
            messages = self._publish_queue.take(BATCH_MESSAGES)
            if not changes and not messages:
                return False
            publishes: list[Command] = [("PUBLISH", channel, payload) for channel, payload in messages]
            try:
                replies = await connection.request(*changes, *publishes)
            except (BusUnavailable, asyncio.CancelledError):
                self._stats.dropped += len(messages)
                raise
        self._check_replies(replies[: len(changes)], replies[len(changes) :])
        return True

    def _check_replies(self, changed: list[Reply], published: list[Reply]) -> None:
        rejected = [reply for reply in published if isinstance(reply, ResponseError)]
        self._stats.published += len(published) - len(rejected)
        self._stats.dropped += len(rejected)
        # Only a reconnect writes a rejected presence change again.
        if unwritten := [reply for reply in changed if isinstance(reply, ResponseError)]:
            raise BusUnavailable(f"rejected: {describe_error(unwritten[0])}")
        self._lease.presence.confirm()
        if rejected:
            reason = describe_error(rejected[0])
            self._limited_log.write(logging.WARNING, "bus_message_rejected", reason=reason, messages=len(rejected))

    async def _renew_lease(self, connection: RedisConnection) -> None:
        while True:
            await asyncio.sleep(self._timing.renewal)
            async with self._write_lock:
                renewal = await self._lease.renew(connection)
            for origin in renewal.gone:
                self._on_server_gone(origin)
            if not renewal.was_held:
                _log.warning("bus_lease_lost", extra={"keys": {"redis": str(self._endpoint)}})
                self._notify(lambda listener: listener.resumed())

    def _on_message(self, channel: str, origin: str, message: BusMessage) -> None:
        self._lease.membership.add(origin)
        self._notify(lambda listener: listener.received(channel, origin, message))

    def _on_server_gone(self, origin: str) -> None:
        self._notify(lambda listener: listener.server_gone(origin))

    def _notify(self, call: Callable[[BusListener], None]) -> None:
        if self._listener is None:
            return
        try:
            call(self._listener)
        except Exception as error:  # noqa: BLE001  a defect in the handling of one message must not close the connection
            self._limited_log.write(logging.ERROR, "bus_listener_failed", problem=error)
