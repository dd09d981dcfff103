"""Open traces of this server; without one, the only cost is a check of `is_on` for each received event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chatws.engine import IncomingEvent
from chatws.protocol.commands import Trace
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import Ok, Refused, TraceRecord
from chatws.server.clock import Clock
from chatws.server.connections.registry import Connection, ConnectionRegistry
from chatws.server.tracing.traced_socket import observe, release
from chatws.server.tracing.tracer import Tracer

MAX_TRACES = 8

_WITH_CREDENTIALS = frozenset({"authenticate", "refresh_token"})
"""Events whose payload no trace contains."""


class TraceHub:
    """Open traces, and the connections that they observe."""

    def __init__(self, registry: ConnectionRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._tracers: list[Tracer] = []
        self.is_on = False
        """Whether a trace is open."""

    @contextmanager
    def open(self, target: Trace) -> Iterator[Tracer]:
        """Open a trace, until the end of the context.

        Raises:
            ChatError: ``connection_limit`` if too many are open.
        """
        if len(self._tracers) >= MAX_TRACES:
            raise ChatError(ErrorCode.CONNECTION_LIMIT, f"At most {MAX_TRACES} traces at once.")
        tracer = Tracer(target)
        self._tracers.append(tracer)
        self.is_on = True
        for connection in self._registry.all():
            self.observe(connection)
        try:
            yield tracer
        finally:
            self._tracers.remove(tracer)
            self.is_on = bool(self._tracers)
            for connection in self._registry.all():
                self.observe(connection)

    def observe(self, connection: Connection) -> None:
        """Observe the events sent to a connection for the traces that include it, and for no others."""
        tracers = tuple(tracer for tracer in self._tracers if _includes(tracer, connection))
        if tracers != connection.tracers:
            connection.tracers = tracers
            (observe if tracers else release)(connection.socket)

    def received(self, connection: Connection, event: IncomingEvent, reply: Ok | Refused, began: float | None) -> None:
        """Record an event that a client sent, and observe the connection if it has just joined or authenticated.

        ``began`` is the monotonic time at which its handling began; None if no trace was open then.
        """
        if connection.identity is None:
            return
        record = TraceRecord(
            at=format_timestamp(self._clock.now_ms()),
            direction="in",
            user_id=connection.user_id,
            socket_id=connection.socket.id,
            event=event.name,
            size=len(event.raw_json.encode()),
            latency_ms=None if began is None else round((self._clock.monotonic() - began) * 1000, 1),
            result=reply.error.code.value if isinstance(reply, Refused) else "ok",
        )
        args = [] if event.name in _WITH_CREDENTIALS else event.args
        for tracer in self._tracers:
            tracer.add(record, args)
        if connection.socket.connected:
            self.observe(connection)


def _includes(tracer: Tracer, connection: Connection) -> bool:
    return tracer.matches_user(connection.user_id) or any(map(tracer.matches_conversation, connection.joined))
