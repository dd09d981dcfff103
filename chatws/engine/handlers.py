"""Handlers by event name, for programs that want values instead of raw JSON; every event is answered."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from chatws.engine.errors import is_cancelled
from chatws.engine.events import IncomingEvent
from chatws.engine.faultlog import FaultLog
from chatws.wire.errors import PacketError

if TYPE_CHECKING:
    from chatws.engine.socket import Socket

EventHandler = Callable[..., Awaitable[Any]]
"""Called with the socket and the event's values; what it returns is the ack: None nothing, a tuple several values."""


class EventFailure(StrEnum):
    """Why an event has no result of its own."""

    UNKNOWN_EVENT = "unknown_event"
    BAD_ARGUMENTS = "bad_request"
    INTERNAL = "internal"


_TEXTS: Mapping[EventFailure, str] = {
    EventFailure.UNKNOWN_EVENT: "There is no event of this name.",
    EventFailure.BAD_ARGUMENTS: "The event does not take these arguments.",
    EventFailure.INTERNAL: "Something failed on the server.",
}


def default_failure_ack(failure: EventFailure) -> object:
    """Give the ack of an event that failed."""
    return {"success": False, "error": {"code": failure.value, "message": _TEXTS[failure]}}


class _Entry(NamedTuple):
    handler: EventHandler
    signature: inspect.Signature


class EventRouter:
    """Finds the handler, checks the number of values, answers in every case."""

    def __init__(self, faults: FaultLog) -> None:
        self.failure_ack: Callable[[EventFailure], object] = default_failure_ack
        self._faults = faults
        self._entries: dict[str, _Entry] = {}

    def add(self, name: str, handler: EventHandler) -> None:
        """Register the handler of an event.

        Raises:
            ValueError: it has one.
        """
        if name in self._entries:
            raise ValueError(f"event {name!r} has a handler")
        self._entries[name] = _Entry(handler, inspect.signature(handler))

    async def run(self, socket: Socket, event: IncomingEvent) -> None:
        """Handle one event to its ack.

        Raises:
            PacketError: attachments and placeholders do not match.
        """
        entry = self._entries.get(event.name)
        if entry is None:
            event.reply(self.failure_ack(EventFailure.UNKNOWN_EVENT))
            return
        try:
            values = socket.namespace.codec.build(event.args, event.buffers)
            entry.signature.bind(socket, *values)
        except (PacketError, TypeError) as error:
            if event.buffers and isinstance(error, PacketError):
                raise
            event.reply(self.failure_ack(EventFailure.BAD_ARGUMENTS))
            return
        try:
            result = await entry.handler(socket, *values)
            event.reply(*_as_values(result))
        except (Exception, asyncio.CancelledError) as error:  # costs an answer, never the connection
            if is_cancelled(error):
                raise
            self._faults.error("engine.handler_failed", event.name, error)
            if not event.is_answered:
                event.reply(self.failure_ack(EventFailure.INTERNAL))


def _as_values(result: object) -> tuple[object, ...]:
    if result is None:
        return ()
    return result if isinstance(result, tuple) else (result,)
