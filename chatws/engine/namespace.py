"""A namespace: its handlers, its sockets and rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TYPE_CHECKING

import msgspec

from chatws.engine.adapter import Adapter
from chatws.engine.broadcast import BroadcastOperator
from chatws.engine.codec import EventCodec
from chatws.engine.context import EngineContext
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.errors import is_cancelled
from chatws.engine.events import IncomingEvent
from chatws.engine.handlers import EventFailure, EventHandler, EventRouter
from chatws.wire.errors import WireError

if TYPE_CHECKING:
    from chatws.engine.socket import Socket

ConnectHandler = Callable[["Socket", msgspec.Raw | None], Awaitable[None]]
UnadmittedHandler = Callable[["Socket"], None]
DisconnectHandler = Callable[["Socket", DisconnectReason], None]
RawEventHandler = Callable[["Socket", IncomingEvent], Awaitable[None]]


class Namespace:
    """Made by ``Server.of``; handlers are registered before the first client comes."""

    def __init__(self, core: EngineContext, name: str) -> None:
        self.name = name
        self.codec = EventCodec(name, allows_binary=core.options.allow_binary)
        self.rooms = Adapter()
        self.sockets: dict[str, Socket] = {}
        """Connected sockets by id."""
        self._core = core
        self._handlers = EventRouter(core.faults)
        self._connect_handler: ConnectHandler | None = None
        self._unadmitted_handler: UnadmittedHandler | None = None
        self._disconnect_handler: DisconnectHandler | None = None
        self._event_handler: RawEventHandler = self._handlers.run

    def on_connect(self, handler: ConnectHandler) -> ConnectHandler:
        """Register what decides about a CONNECT, before it is answered; it may raise ``ConnectRefused``."""
        self._connect_handler = handler
        return handler

    def on_unadmitted(self, handler: UnadmittedHandler) -> UnadmittedHandler:
        """Register what hears that a held socket was not admitted in time; it may emit, then the socket is closed."""
        self._unadmitted_handler = handler
        return handler

    def on_disconnect(self, handler: DisconnectHandler) -> DisconnectHandler:
        """Register what hears the end, exactly once for every socket whose ``on_connect`` returned.

        ``socket.rooms`` still names the rooms it was in.
        """
        self._disconnect_handler = handler
        return handler

    def on_event(self, handler: RawEventHandler) -> RawEventHandler:
        """Register one handler for all events, instead of ``on``; it answers them itself."""
        self._event_handler = handler
        return handler

    def on(self, name: str) -> Callable[[EventHandler], EventHandler]:
        """Register the handler of one event; see ``handlers.EventHandler``."""

        def register(handler: EventHandler) -> EventHandler:
            self._handlers.add(name, handler)
            return handler

        return register

    def on_failure(self, make_ack: Callable[[EventFailure], object]) -> None:
        """Set what answers an event that is unknown, has wrong arguments, or whose handler failed."""
        self._handlers.failure_ack = make_ack

    def to(self, *rooms: str) -> BroadcastOperator:
        """Choose the sockets in at least one of the rooms."""
        return BroadcastOperator(self, rooms)

    def except_sockets(self, sockets: Iterable[Socket]) -> BroadcastOperator:
        """Choose all sockets but these."""
        return BroadcastOperator(self, without_sockets=frozenset(sockets))

    def emit(self, name: str, *args: object) -> int:
        """Send an event to all connected sockets; gives their number."""
        return BroadcastOperator(self).emit(name, *args)

    def room_size(self, room: str) -> int:
        """Count the members of a room."""
        return len(self.rooms.members(room))

    def room_members(self, room: str) -> Collection[Socket]:
        """Give the members of a room as they are now."""
        return tuple(self.rooms.members(room))

    @property
    def room_count(self) -> int:
        """Number of rooms that have a member."""
        return len(self.rooms)

    async def connect(self, socket: Socket, auth: msgspec.Raw | None) -> None:
        """For the engine: ask the program about a CONNECT."""
        if self._connect_handler is not None:
            await self._connect_handler(socket, auth)

    async def dispatch(self, socket: Socket, event: IncomingEvent) -> None:
        """For the engine: hand one event to the program; its failure is logged and the socket goes on.

        Raises:
            WireError: the event breaks the protocol after all.
        """
        self._core.enter_handler()
        try:
            await self._event_handler(socket, event)
        except WireError:
            raise
        except (Exception, asyncio.CancelledError) as error:  # must not cost the connection
            if is_cancelled(error):
                raise
            self._report("event", error)
        finally:
            self._core.leave_handler()

    def unadmitted(self, socket: Socket) -> None:
        """For the engine: tell the program that the deadline passed."""
        if self._unadmitted_handler is not None:
            try:
                self._unadmitted_handler(socket)
            except Exception as error:  # noqa: BLE001 - as in dispatch
                self._report("unadmitted", error)

    def disconnected(self, socket: Socket, reason: DisconnectReason) -> None:
        """For the engine: tell the program that a socket ended."""
        if self._disconnect_handler is not None:
            try:
                self._disconnect_handler(socket, reason)
            except Exception as error:  # noqa: BLE001 - as in dispatch
                self._report("disconnect", error)

    def _report(self, kind: str, error: BaseException) -> None:
        self._core.stats.handler_errors += 1
        self._core.faults.error("engine.handler_failed", kind, error)
