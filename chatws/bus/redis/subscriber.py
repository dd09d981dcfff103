"""Subscriber that validates received messages and records confirmed subscriptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import ResponseError

from chatws.bus.messages import MAX_MESSAGE_BYTES, Envelope
from chatws.bus.redis.connection import Reply, describe_error
from chatws.protocol.ids import now_unix_ms

if TYPE_CHECKING:
    from chatws.bus.interface import BusStats
    from chatws.bus.messages import BusMessage
    from chatws.bus.redis.connection import RedisConnection
    from chatws.bus.redis.keys import RedisKeys
    from chatws.bus.redis.subscriptions import Subscriptions
    from chatws.logging import RateLimitedLogger

MAX_LAG_MS = 60_000
"""Upper bound of the measured lag: it includes the clock difference of two machines, which has no bound."""

SUBSCRIBE_CHUNK = 500
"""Channels subscribed by one command."""

MessageHandler = Callable[[str, str, "BusMessage"], None]
"""Callback with the channel, the origin and the message."""

_decode = msgspec.json.Decoder(Envelope).decode


class RedisSubscriber:
    """Receiver on the current connection; ``on_message`` gets the messages of other servers."""

    def __init__(
        self,
        origin: str,
        keys: RedisKeys,
        subscriptions: Subscriptions,
        stats: BusStats,
        *,
        log: RateLimitedLogger,
        on_message: MessageHandler,
    ) -> None:
        self._origin = origin
        self._own_prefix = b'{"origin":"%s",' % origin.encode()
        """First bytes of this server's own messages, half of those received, which are skipped without decoding."""
        self._keys = keys
        self._subscriptions = subscriptions
        self._stats = stats
        self._log = log
        self._on_message = on_message
        self._connection: RedisConnection | None = None
        """Set while connected."""
        self._all_confirmed = asyncio.Event()

    async def start(self, connection: RedisConnection) -> None:
        """Receive on a new connection and subscribe to all channels; return when all are confirmed or it is lost."""
        self._connection = connection
        connection.handle_replies(self._handle_reply)
        self._all_confirmed.set()
        channels = self._subscriptions.reset()
        for start in range(0, len(channels), SUBSCRIBE_CHUNK):
            self.subscribe(channels[start : start + SUBSCRIBE_CHUNK])
        confirmed = asyncio.create_task(self._all_confirmed.wait())
        watched: list[asyncio.Future[Any]] = [confirmed, connection.lost]
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            confirmed.cancel()

    def stop(self) -> None:
        """Stop using the lost connection."""
        self._connection = None
        self._subscriptions.reset()

    def subscribe(self, channels: list[str]) -> None:
        """Send SUBSCRIBE for newly added channels; without a connection, ``start`` sends it."""
        if self._connection is not None:
            self._all_confirmed.clear()
            self._subscriptions.record_request(channels)
            self._connection.send(("SUBSCRIBE", *map(self._keys.channel, channels)))

    def unsubscribe(self, channel: str) -> None:
        """Send UNSUBSCRIBE for a removed channel."""
        if self._connection is not None:
            self._connection.send(("UNSUBSCRIBE", self._keys.channel(channel)))

    def _handle_reply(self, reply: Reply) -> None:
        match reply:
            case [b"message", bytes(channel), bytes(payload)]:
                self._handle_message(channel, payload)
            case [b"subscribe", bytes(channel), int()]:
                self._subscriptions.confirm(self._keys.name_of(channel))
                if self._subscriptions.all_confirmed:
                    self._all_confirmed.set()
            case [b"unsubscribe" | b"pong", *_] | b"PONG":
                pass
            case _:
                assert self._connection is not None
                self._connection.fail(
                    f"rejected: {describe_error(reply)}" if isinstance(reply, ResponseError) else "unexpected reply"
                )

    def _handle_message(self, channel: bytes, payload: bytes) -> None:
        if payload.startswith(self._own_prefix):
            return
        name = self._keys.name_of(channel)
        try:
            if len(payload) > MAX_MESSAGE_BYTES:
                raise msgspec.ValidationError("too long")
            envelope = _decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            self._stats.malformed += 1
            self._log.write(logging.WARNING, "bus_message_malformed", channel=name, error=str(error))
            return
        # A message may still arrive on a channel that was unsubscribed a moment ago.
        if envelope.origin == self._origin or name not in self._subscriptions:
            return
        lag_ms = min(max(now_unix_ms() - envelope.sent_ms, 0), MAX_LAG_MS)
        self._stats.received += 1
        self._stats.lag_ms = lag_ms
        self._stats.lag_total_ms += lag_ms
        self._on_message(name, envelope.origin, envelope.message)
