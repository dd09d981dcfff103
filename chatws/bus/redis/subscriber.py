"""What comes from Redis unasked: confirmed subscriptions, and notes, which are checked before anybody sees them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import ResponseError

from chatws.bus.messages import MAX_NOTE_BYTES, Envelope
from chatws.bus.redis.connection import Reply, words_of

if TYPE_CHECKING:
    from chatws.bus.interface import BusStats
    from chatws.bus.messages import Note
    from chatws.bus.redis.connection import RedisConnection
    from chatws.bus.redis.keys import RedisKeys
    from chatws.bus.redis.subscriptions import Subscriptions
    from chatws.logging import RateLimitedLogger

MAX_LAG_MS = 60_000
"""Clocks of two machines may differ by anything; a longer lag than this tells nothing more."""

Take = Callable[[str, str, "Note"], None]
"""Hands on a channel's name, the origin and the note."""

_decode = msgspec.json.Decoder(Envelope).decode


class RedisSubscriber:
    """Listens on one link after another; ``take`` gets the notes of others."""

    def __init__(
        self,
        origin: str,
        keys: RedisKeys,
        subscriptions: Subscriptions,
        stats: BusStats,
        *,
        lines: RateLimitedLogger,
        take: Take,
    ) -> None:
        self._origin = origin
        self._own_beginning = b'{"origin":"%s",' % origin.encode()
        """How own notes begin: half of what comes is known by it, and is not decoded."""
        self._keys = keys
        self._subscriptions = subscriptions
        self._stats = stats
        self._lines = lines
        self._take = take
        self._link: RedisConnection | None = None
        """Set while there is a link."""
        self._settled = asyncio.Event()

    async def begin(self, link: RedisConnection) -> None:
        """Listen, and subscribe to everything that is wanted; done when all of it is confirmed or the link is lost."""
        self._link = link
        link.listen(self._hear)
        self._settled.set()
        channels = self._subscriptions.lose()
        for start in range(0, len(channels), 500):
            self.subscribe(channels[start : start + 500])
        settled = asyncio.create_task(self._settled.wait())
        either: list[asyncio.Future[Any]] = [settled, link.lost]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()

    def end(self) -> None:
        """The link is gone."""
        self._link = None
        self._subscriptions.lose()

    def subscribe(self, channels: list[str]) -> None:
        """Ask for channels that are wanted since now; without a link, the next one does it."""
        if self._link is not None:
            self._settled.clear()
            self._subscriptions.asked(channels)
            self._link.send(("SUBSCRIBE", *map(self._keys.channel, channels)))

    def unsubscribe(self, channel: str) -> None:
        """Ask for a channel no more."""
        if self._link is not None:
            self._link.send(("UNSUBSCRIBE", self._keys.channel(channel)))

    def _hear(self, reply: Reply) -> None:
        match reply:
            case [b"message", bytes(channel), bytes(payload)]:
                self._read(channel, payload)
            case [b"subscribe", bytes(channel), int()]:
                self._subscriptions.confirm(self._keys.name_of(channel))
                if self._subscriptions.all_confirmed:
                    self._settled.set()
            case [b"unsubscribe" | b"pong", *_] | b"PONG":
                pass
            case _:
                assert self._link is not None
                self._link.lose(
                    f"it refused: {words_of(reply)}"
                    if isinstance(reply, ResponseError)
                    else "it sent what nobody expects"
                )

    def _read(self, channel: bytes, payload: bytes) -> None:
        if payload.startswith(self._own_beginning):
            return
        name = self._keys.name_of(channel)
        try:
            if len(payload) > MAX_NOTE_BYTES:
                raise msgspec.ValidationError("it is too long")
            envelope = _decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
            self._stats.malformed += 1
            self._lines.write(logging.WARNING, "bus_note_malformed", channel=name, error=str(problem))
            return
        # Notes may still come on a channel that was left a moment ago.
        if envelope.origin == self._origin or name not in self._subscriptions:
            return
        lag_ms = min(max(time.time_ns() // 1_000_000 - envelope.sent_ms, 0), MAX_LAG_MS)
        self._stats.received += 1
        self._stats.lag_ms = lag_ms
        self._stats.lag_total_ms += lag_ms
        self._take(name, envelope.origin, envelope.note)
