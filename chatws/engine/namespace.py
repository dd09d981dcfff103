"""Namespace: its handlers, sockets and rooms."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from chatws.engine.adapter import Adapter, BroadcastOperator
from chatws.engine.codec import EventCodec
from chatws.engine.context import EngineContext
from chatws.engine.errors import is_cancelled
from chatws.engine.events import DisconnectReason, IncomingEvent
from chatws.engine.socket import Socket
from chatws.logging import RateLimitedLogger
from chatws.wire.errors import PacketError, WireError

EventHandler = Callable[..., Awaitable[Any]]
"""Called with the socket and the event's values; returns the ack: None for no value, a tuple for several."""

ConnectHandler = Callable[[Socket, msgspec.Raw | None], Awaitable[None]]
UnadmittedHandler = Callable[[Socket], None]
DisconnectHandler = Callable[[Socket, DisconnectReason], None]
RawEventHandler = Callable[[Socket, IncomingEvent], Awaitable[None]]


class EventFailure(StrEnum):
    """Reason why an event has no result."""

    UNKNOWN_EVENT = "unknown_event"
    BAD_ARGUMENTS = "bad_request"
    INTERNAL = "internal"


_FAILURE_TEXTS: Mapping[EventFailure, str] = {
    EventFailure.UNKNOWN_EVENT: "There is no event of this name.",
    EventFailure.BAD_ARGUMENTS: "The event does not take these arguments.",
    EventFailure.INTERNAL: "Something failed on the server.",
}


def default_failure_ack(failure: EventFailure) -> object:
    """Return the ack of an event that failed."""
    return {"success": False, "error": {"code": failure.value, "message": _FAILURE_TEXTS[failure]}}


class _Route(NamedTuple):
    handler: EventHandler
    signature: inspect.Signature


class EventRouter:
    """Handlers by event name, called with decoded values; every event is answered."""

    def __init__(self, codec: EventCodec, log: RateLimitedLogger) -> None:
        self.failure_ack: Callable[[EventFailure], object] = default_failure_ack
        self._codec = codec
        self._log = log
        self._routes: dict[str, _Route] = {}

    def add(self, name: str, handler: EventHandler) -> None:
        """Register the handler of an event.

        Raises:
            ValueError: the event has a handler already.
        """
        if name in self._routes:
            raise ValueError(f"event {name!r} has a handler")
        self._routes[name] = _Route(handler, inspect.signature(handler))

    async def run(self, socket: Socket, event: IncomingEvent) -> None:
        """Handle one event and send its ack.

        Raises:
            PacketError: the payload is malformed, or attachments and placeholders do not match.
        """
        route = self._routes.get(event.name)
        if route is None:
            event.reply(self.failure_ack(EventFailure.UNKNOWN_EVENT))
            return
        try:
            values = self._codec.decode_values(event.args, event.buffers)
            route.signature.bind(socket, *values)
        except (PacketError, TypeError) as error:
            if event.buffers and isinstance(error, PacketError):
                raise
            event.reply(self.failure_ack(EventFailure.BAD_ARGUMENTS))
            return
        try:
            result = await route.handler(socket, *values)
            event.reply(*_as_values(result))
        except (Exception, asyncio.CancelledError) as error:  # fails this event, never the connection
            if is_cancelled(error):
                raise
            self._log.write(logging.ERROR, "engine.handler_failed", event.name, problem=error, kind=event.name)
            if not event.is_answered:
                event.reply(self.failure_ack(EventFailure.INTERNAL))


class Namespace:
    """Namespace created by ``Server.of``; handlers are registered before the first client connects."""

    def __init__(self, context: EngineContext, name: str) -> None:
        self.name = name
        self.codec = EventCodec(name, allows_binary=context.options.allow_binary)
        self.adapter: Adapter[Socket] = Adapter()
        self.sockets = self.adapter.sockets
        """Connected sockets by id."""
        self._context = context
        self._router = EventRouter(self.codec, context.log)
        self._connect_handler: ConnectHandler | None = None
        self._unadmitted_handler: UnadmittedHandler | None = None
        self._disconnect_handler: DisconnectHandler | None = None
        self._event_handler: RawEventHandler = self._router.run

    def on_connect(self, handler: ConnectHandler) -> ConnectHandler:
        """Register the handler of CONNECT, called before its response; it may raise ``ConnectRefused``."""
        self._connect_handler = handler
        return handler

    def on_unadmitted(self, handler: UnadmittedHandler) -> UnadmittedHandler:
        """Register the handler of a held socket that was not admitted in time; it may emit before the socket ends."""
        self._unadmitted_handler = handler
        return handler

    def on_disconnect(self, handler: DisconnectHandler) -> DisconnectHandler:
        """Register the handler of a socket's end, called exactly once for every socket whose ``on_connect`` returned.

        ``socket.rooms`` still has the names of its rooms.
        """
        self._disconnect_handler = handler
        return handler

    def on_event(self, handler: RawEventHandler) -> RawEventHandler:
        """Register one handler for all events, instead of ``on``; it sends the acks itself."""
        self._event_handler = handler
        return handler

    def on(self, name: str) -> Callable[[EventHandler], EventHandler]:
        """Register the handler of one event; see ``EventHandler``."""

        def register(handler: EventHandler) -> EventHandler:
            self._router.add(name, handler)
            return handler

        return register

    def on_failure(self, make_ack: Callable[[EventFailure], object]) -> None:
        """Set the function that returns the ack of an event that is unknown, has wrong arguments or failed."""
        self._router.failure_ack = make_ack

    def to(self, *rooms: str) -> BroadcastOperator[Socket]:
        """Select the sockets in at least one of the rooms."""
        return BroadcastOperator(self.adapter, self.codec, rooms)

    def except_sockets(self, sockets: Iterable[Socket]) -> BroadcastOperator[Socket]:
        """Select all sockets except these."""
        return BroadcastOperator(self.adapter, self.codec, except_members=frozenset(sockets))

    def emit(self, name: str, *args: object) -> int:
        """Send an event to all connected sockets; return their number."""
        return BroadcastOperator(self.adapter, self.codec).emit(name, *args)

    def room_size(self, room: str) -> int:
        """Return the number of members of a room."""
        return len(self.adapter.members(room))

    def room_members(self, room: str) -> Collection[Socket]:
        """Return a copy of a room's members."""
        return tuple(self.adapter.members(room))

    @property
    def room_count(self) -> int:
        """Number of rooms that have a member."""
        return self.adapter.room_count

    async def connect(self, socket: Socket, auth: msgspec.Raw | None) -> None:
        """Call the handler of CONNECT; called by the engine."""
        if self._connect_handler is not None:
            await self._connect_handler(socket, auth)

    async def dispatch(self, socket: Socket, event: IncomingEvent) -> None:
        """Call the handler of an event; its exceptions are logged and the socket stays connected. Called by the engine.

        Raises:
            WireError: the event violates the protocol.
        """
        self._context.handler_started()
        try:
            await self._event_handler(socket, event)
        except WireError:
            raise
        except (Exception, asyncio.CancelledError) as error:  # fails this event, never the connection
            if is_cancelled(error):
                raise
            self._report("event", error)
        finally:
            self._context.handler_finished()

    def unadmitted(self, socket: Socket) -> None:
        """Call the handler of a socket that was not admitted in time; called by the engine."""
        if self._unadmitted_handler is not None:
            try:
                self._unadmitted_handler(socket)
            except Exception as error:  # noqa: BLE001 - as in dispatch
                self._report("unadmitted", error)

    def disconnected(self, socket: Socket, reason: DisconnectReason) -> None:
        """Call the handler of a socket's end; called by the engine."""
        if self._disconnect_handler is not None:
            try:
                self._disconnect_handler(socket, reason)
            except Exception as error:  # noqa: BLE001 - as in dispatch
                self._report("disconnect", error)

    def _report(self, kind: str, error: BaseException) -> None:
        self._context.stats.handler_errors += 1
        self._context.log.write(logging.ERROR, "engine.handler_failed", kind, problem=error, kind=kind)


def _as_values(result: object) -> tuple[object, ...]:
    if result is None:
        return ()
    return result if isinstance(result, tuple) else (result,)
