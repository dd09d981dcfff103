"""Adapter between the engine's namespace and the request pipeline."""

from __future__ import annotations

import logging

import msgspec
from msgspec import UNSET

from chatws.engine import ConnectRefused, IncomingEvent, Namespace, Socket
from chatws.logging import RateLimitedLogger
from chatws.protocol.commands import ConnectAuth
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.limits import MAX_PID_CHARS
from chatws.protocol.responses import Refused
from chatws.server.connections import lifecycle
from chatws.server.connections.recovery import recover
from chatws.server.connections.registry import Connection
from chatws.server.conversations.recovery_offset import new_pid
from chatws.server.requests.context import RequestContext
from chatws.server.requests.pipeline import Pipeline, translate
from chatws.server.requests.rate_limit import RateLimiter
from chatws.server.services import Services

_log = logging.getLogger("chatws.connections")
_auth_decoder = msgspec.json.Decoder(ConnectAuth)

ChatSocket = Socket[Connection | None]
"""Socket with its connection, from ``connected`` to ``disconnected``."""


class SocketAdapter:
    """Event handlers of the namespace: connect, event, authentication timeout, disconnect."""

    def __init__(self, services: Services, pipeline: Pipeline) -> None:
        self._services = services
        self._pipeline = pipeline
        self._logger = RateLimitedLogger(_log, services.clock.monotonic)

    def attach(self, namespace: Namespace) -> None:
        """Register the handlers with the namespace."""
        namespace.on_connect(self.connected)
        namespace.on_unadmitted(self.unadmitted)
        namespace.on_disconnect(self.disconnected)
        namespace.on_event(self.received)

    async def connected(self, socket: ChatSocket, auth: msgspec.Raw | None) -> None:
        """Check the credentials in CONNECT; without credentials the client must send ``authenticate``."""
        services = self._services
        rate_limiter = (
            RateLimiter(services.settings, services.clock.monotonic()) if services.settings.limits == "on" else None
        )
        connection = Connection(socket, rate_limiter, services.registry.next_slot())
        socket.data = connection
        socket.pid = socket.id
        try:
            credentials = _read_auth(auth)
            if credentials.pid is not None:
                connection.previous_pid = credentials.pid[:MAX_PID_CHARS]
            if credentials.token is UNSET and credentials.session_id is UNSET:
                socket.hold_admission()
                return
            identity = await lifecycle.identify(services, socket.handshake.address, credentials)
            connection.receives_offsets = credentials.recovery == services.settings.recovery == "on"
            if connection.receives_offsets:
                socket.pid = new_pid(services.store.epoch, identity.user_id)
            async with services.presence.expecting(identity.user_id):
                lifecycle.admit(services, connection, identity)
            if connection.receives_offsets:
                await self._recover(connection, credentials)
            if services.tracing.is_on:
                services.tracing.observe(connection)
        except Exception as problem:  # noqa: BLE001  every failure becomes an error of the contract
            raise self._refuse(socket, problem) from None

    async def _recover(self, connection: Connection, credentials: ConnectAuth) -> None:
        try:
            await recover(self._services, connection, credentials)
        except BaseException:
            # The engine does not report the end of a socket that it refuses.
            lifecycle.disconnected(self._services, connection, "refused")
            raise

    def _refuse(self, socket: Socket, problem: Exception) -> ConnectRefused:
        error = translate(problem)
        if error.code is ErrorCode.INTERNAL:
            self._logger.write(logging.ERROR, "connect_failed", "failure", problem=problem)
        self._services.metrics.request("authenticate", error.code.value, 0.0)
        self._logger.write(logging.INFO, "client_refused", error.code, socketId=socket.id, code=error.code)
        return ConnectRefused(error.message, msgspec.to_builtins(error.body))

    async def received(self, socket: ChatSocket, event: IncomingEvent) -> None:
        """Run an event through the pipeline and reply with an ack or, without an ack id, emit ``error`` on failure."""
        connection = socket.data
        assert connection is not None
        # A queued event does not wait for this: with a stalled store the waits would add up.
        if event.arrived_at is None and lifecycle.is_extension_due(self._services, connection):
            await lifecycle.extend_session(self._services, connection)
        context = RequestContext(connection.identity, connection.rate_limiter, connection)
        tracing = self._services.tracing
        began = self._services.clock.monotonic() if tracing.is_on else None
        reply = await self._pipeline.run(context, event)
        if tracing.is_on:
            tracing.received(connection, event, reply, began)
        if event.wants_ack:
            event.reply(reply)
        elif isinstance(reply, Refused):
            socket.emit("error", lifecycle.error_event(reply.error, event.name))
        # The name is read last: an accepted event was decoded without it.
        if isinstance(reply, Refused) and connection.identity is None and event.name == "authenticate":
            socket.disconnect(close=True)  # as after credentials refused at CONNECT

    def unadmitted(self, socket: Socket) -> None:
        """Emit ``error`` to a client that did not authenticate in time; the engine closes its session."""
        socket.emit("error", lifecycle.error_event(ChatError(ErrorCode.UNAUTHORIZED).body))

    def disconnected(self, socket: ChatSocket, reason: str) -> None:
        """Remove the connection from the chat."""
        connection, socket.data = socket.data, None  # break the reference cycle: collections are rare (see `runner`)
        assert connection is not None
        lifecycle.disconnected(self._services, connection, reason)


def _read_auth(auth: msgspec.Raw | None) -> ConnectAuth:
    if auth is None:
        return ConnectAuth()
    try:
        return _auth_decoder.decode(auth)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise ChatError(ErrorCode.BAD_REQUEST, f"auth: {problem}") from None
