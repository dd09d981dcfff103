"""Engine.IO session: transport-independent state of one client, from handshake to close."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Protocol

from chatws.engine.context import EngineContext
from chatws.engine.events import DisconnectReason, Handshake
from chatws.engine.monitors import Heartbeat, StoppedHeartbeat
from chatws.engine.transport import (
    READ_AHEAD_BYTES,
    READ_AHEAD_FOR_ACK_BYTES,
    ClosedReceiver,
    ClosedTransport,
    PacketReceiver,
    Transport,
    Work,
)
from chatws.wire.engineio import EnginePacketType, decode_packet
from chatws.wire.errors import CloseCode, PacketError, ViolationKind, WireError
from chatws.wire.frames import server_frame

_MESSAGE = EnginePacketType.MESSAGE.value
_PING_FRAME = server_frame(EnginePacketType.PING.value.encode())
_CLOSED_TRANSPORT = ClosedTransport()
_CLOSED_RECEIVER = ClosedReceiver()
_STOPPED_HEARTBEAT = StoppedHeartbeat()


class SessionOwner(Protocol):
    """Registry that holds the open sessions."""

    def remove(self, session: EngineSession, transport: Transport) -> None:
        """Remove a session that was just closed on this transport."""


class EngineSession:
    """Session of an accepted handshake; ``open`` sets its transport and its packet receiver."""

    __slots__ = (
        "_auth_deadline",
        "_heartbeat",
        "_owner",
        "_running",
        "arrived_at",
        "context",
        "handshake",
        "is_admitted",
        "is_closed",
        "receiver",
        "sid",
        "transport",
    )

    def __init__(self, context: EngineContext, owner: SessionOwner, sid: str, handshake: Handshake) -> None:
        self.context = context
        self.sid = sid
        self.handshake = handshake
        self.transport: Transport = _CLOSED_TRANSPORT
        self.receiver: PacketReceiver = _CLOSED_RECEIVER
        self.is_admitted = False
        self.is_closed = False
        self.arrived_at: float | None = None
        """Arrival of the packet whose handling begins, in the event loop's time; None if it was not queued."""
        self._owner = owner
        self._heartbeat: Heartbeat | StoppedHeartbeat = _STOPPED_HEARTBEAT
        # Number of running handlers of this session; more than one only during an upgrade.
        self._running = 0
        # Set while no socket of the session is admitted.
        self._auth_deadline: asyncio.TimerHandle | None = None

    def open(self, transport: Transport, receiver: PacketReceiver) -> None:
        """Start the heartbeat and the authentication deadline."""
        context, options = self.context, self.context.options
        self.transport = transport
        self.receiver = receiver
        context.stats.opened_total[transport.name] += 1
        self._heartbeat = Heartbeat(self, context.loop, options.ping_interval_s, options.ping_timeout_s)
        self._auth_deadline = context.loop.call_later(options.admission_timeout_s, self._auth_deadline_passed)

    @property
    def is_busy(self) -> bool:
        """True while a handler of this session runs."""
        return self._running > 0

    @property
    def read_ahead_bytes(self) -> int:
        """Bytes that may be queued behind the running handler."""
        return READ_AHEAD_FOR_ACK_BYTES if self.receiver.awaits_ack else READ_AHEAD_BYTES

    def admit(self) -> None:
        """Cancel the authentication deadline: a socket of the session is authenticated."""
        self._cancel_auth_deadline()
        if not self.is_admitted and not self.is_closed:
            self.is_admitted = True
            self.context.admission.mark_admitted()

    def restart_auth_deadline(self) -> None:
        """Restart the authentication deadline after the last namespace disconnected.

        The session keeps its admitted slot, so that a mass disconnect does not exhaust ``max_unadmitted``.
        """
        if self._auth_deadline is None and not self.is_closed:
            timeout_s = self.context.options.admission_timeout_s
            self._auth_deadline = self.context.loop.call_later(timeout_s, self._auth_deadline_passed)

    def send(self, chunk: bytes) -> None:
        """Send whole frames on the current transport; that of a closed session drops them."""
        self.transport.write(chunk)

    def accept(self, message: str | bytes) -> Work | None:
        """Take one packet on arrival; PONG and acks are handled at once, the rest is returned to be run in order.

        Raises:
            WireError: the client violated the protocol; pass it to ``fail``.
        """
        stats = self.context.stats
        stats.packets_in += 1
        stats.bytes_in += len(message)
        if isinstance(message, bytes):
            return self.receiver.accept_binary(message)
        if message[:1] == _MESSAGE:
            return self.receiver.accept_text(message, 1)
        return self._accept_control(message)

    async def run(self, work: Work, arrived_at: float | None) -> None:
        """Handle one packet; a protocol error in it closes the session.

        ``arrived_at`` is set if the packet was queued behind others. A client that sends requests faster than it reads
        the responses is slowed down here; the responses alone never disconnect it.
        """
        if self.is_closed:
            return
        self._running += 1
        self.arrived_at = arrived_at
        try:
            if (handling := work()) is not None:
                await handling
            if self.transport.is_full:
                await self.transport.drain()
        except WireError as error:
            self.fail(error)
        finally:
            self._running -= 1

    def fail(self, error: WireError) -> None:
        """Close the session because of a protocol error."""
        if self.is_closed:
            return
        self.context.stats.protocol_errors[error.kind] += 1
        self.context.log.write(
            logging.WARNING, "engine.protocol_error", error.kind, kind=error.kind, detail=error.detail
        )
        self.close(DisconnectReason.PARSE_ERROR, error.close_code)

    def close(self, reason: DisconnectReason, code: int = CloseCode.NORMAL) -> None:
        """Close the session gracefully: buffered packets are still sent, and the transport closes soon after."""
        if self.is_closed:
            return
        self.transport.close(reason, code)
        # The transport may have aborted a stalled client on sending the last bytes, which closes the session.
        if not self.is_closed:
            self._finish(reason)

    def abort(self, reason: DisconnectReason) -> None:
        """Close the session and its transport at once; buffered packets are dropped."""
        if not self.is_closed:
            self.transport.abort()
            self._finish(reason)

    def send_ping(self) -> None:
        """Send the heartbeat's PING."""
        self.send(_PING_FRAME)

    def ping_timed_out(self) -> None:
        """Close the session: the client did not answer PING in time."""
        self.close(DisconnectReason.PING_TIMEOUT, CloseCode.GOING_AWAY)

    def abort_slow_client(self) -> None:
        """Abort the session: the client reads too slowly."""
        if not self.is_closed:
            name = self.transport.name
            self.context.stats.slow_closed += 1
            self.context.log.write(
                logging.WARNING, "engine.slow_client", name, kind=name, address=self.handshake.address
            )
            self.abort(DisconnectReason.SLOW)

    def _accept_control(self, message: str) -> Work | None:
        kind = decode_packet(message).type
        if kind is EnginePacketType.CLOSE:
            return partial(self._handle_close_packet)
        if kind is EnginePacketType.PONG:
            self._heartbeat.pong()
        elif kind is not EnginePacketType.NOOP:
            raise PacketError(ViolationKind.ORDER, "a client does not send this packet")
        return None

    async def _handle_close_packet(self) -> None:
        """Close the session in order, after the packets that the client sent before CLOSE."""
        self.close(DisconnectReason.TRANSPORT_CLOSE)

    def _auth_deadline_passed(self) -> None:
        self._auth_deadline = None
        self.receiver.deadline_passed()

    def _cancel_auth_deadline(self) -> None:
        if self._auth_deadline is not None:
            self._auth_deadline.cancel()
            self._auth_deadline = None

    def _finish(self, reason: DisconnectReason) -> None:
        self.is_closed = True
        self._heartbeat.stop()
        self._cancel_auth_deadline()
        transport, receiver = self.transport, self.receiver
        # Break the reference cycles; collecting 20,000 closed sessions would otherwise stall the loop for 0.5 s.
        self.transport = _CLOSED_TRANSPORT
        self.receiver = _CLOSED_RECEIVER
        self._heartbeat = _STOPPED_HEARTBEAT
        self._owner.remove(self, transport)
        self.context.admission.release(self.handshake.address, was_admitted=self.is_admitted)
        self.context.stats.closed_total[reason] += 1
        receiver.closed(reason)
