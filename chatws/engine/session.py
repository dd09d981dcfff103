"""An Engine.IO session: one client, whichever transport carries it, from the handshake to its one end."""

from __future__ import annotations

import asyncio
from functools import partial

from chatws.engine.context import EngineContext
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.events import Handshake
from chatws.engine.heartbeat import Heartbeat
from chatws.engine.transport import READ_AHEAD_BYTES, SEARCH_BYTES, ClosedTransport, PacketReceiver, Transport, Work
from chatws.wire.engineio import EnginePacketType, decode_packet
from chatws.wire.errors import CloseCode, PacketError, ViolationKind, WireError
from chatws.wire.frames import server_frame

_MESSAGE = EnginePacketType.MESSAGE.value
_GONE = ClosedTransport()
_PING_FRAME = server_frame(EnginePacketType.PING.value.encode())


class EngineSession:
    """Made for an accepted handshake; ``open`` gives it its link and its receiver."""

    __slots__ = (
        "_deadline",
        "_heartbeat",
        "_running",
        "arrived_at",
        "core",
        "handshake",
        "is_admitted",
        "is_closed",
        "link",
        "receiver",
        "sid",
    )

    link: Transport
    receiver: PacketReceiver
    """Until the session is closed."""
    _heartbeat: Heartbeat

    def __init__(self, core: EngineContext, sid: str, handshake: Handshake) -> None:
        self.core = core
        self.sid = sid
        self.handshake = handshake
        self.is_admitted = False
        self.is_closed = False
        self.arrived_at: float | None = None
        """When the packet came whose handling begins, in the event loop's time; None: just now."""
        # Handlers of this session that run now; more than one only while an upgrade overlaps.
        self._running = 0
        # Set while the client is nobody.
        self._deadline: asyncio.TimerHandle | None = None

    def open(self, link: Transport, receiver: PacketReceiver) -> None:
        """Begin: heartbeat, admission deadline, a place among the server's sessions."""
        options = self.core.options
        self.link = link
        self.receiver = receiver
        self.core.sessions[self.sid] = self
        self.core.stats.opened_total[link.name] += 1
        self._heartbeat = Heartbeat(self, self.core.loop, options.ping_interval_s, options.ping_timeout_s)
        self._deadline = self.core.loop.call_later(options.admission_timeout_s, self._expire)

    @property
    def is_busy(self) -> bool:
        """True while a handler of this session runs."""
        return self._running > 0

    @property
    def read_ahead_bytes(self) -> int:
        """How much may wait for the handler that runs."""
        return SEARCH_BYTES if not self.is_closed and self.receiver.awaits_ack else READ_AHEAD_BYTES

    def admit(self) -> None:
        """The client is somebody now: its deadline no longer counts."""
        self._drop_deadline()
        if not self.is_admitted and not self.is_closed:
            self.is_admitted = True
            self.core.limits.admitted()

    def dismiss(self) -> None:
        """The client is nobody any more, and has as long as at first to be somebody again.

        It does not count as one that was never admitted: thousands that leave at once would keep new ones out.
        """
        if self._deadline is None and not self.is_closed:
            self._deadline = self.core.loop.call_later(self.core.options.admission_timeout_s, self._expire)

    def send(self, chunk: bytes) -> None:
        """Send whole frames on the transport of the moment."""
        if self.is_closed:
            return
        stats = self.core.stats
        stats.packets_out += 1
        stats.bytes_out += len(chunk)
        self.link.write(chunk)

    def accept(self, message: str | bytes) -> Work | None:
        """Take one packet as it arrives; PONG and acks are dealt with at once, the rest is given back to run in order.

        Raises:
            WireError: the client broke the protocol; give it to ``fail``.
        """
        stats = self.core.stats
        stats.packets_in += 1
        stats.bytes_in += len(message)
        if isinstance(message, bytes):
            return self.receiver.accept_binary(message)
        if message[:1] == _MESSAGE:
            return self.receiver.accept_text(message, 1)
        return self._accept_control(message)

    async def run(self, work: Work, arrived_at: float | None) -> None:
        """Handle one packet to its end; a breach of the protocol found on the way closes the session.

        ``arrived_at`` is given if the packet waited for others before it.
        A client that asks faster than it reads the answers is slowed down here, never cut off for its own answers.
        """
        if self.is_closed:
            return
        self._running += 1
        self.arrived_at = arrived_at
        try:
            await work()
            if self.link.is_full:
                await self.link.room()
        except WireError as error:
            self.fail(error)
        finally:
            self._running -= 1

    def fail(self, error: WireError) -> None:
        """End the session because the client broke the protocol."""
        if self.is_closed:
            return
        self.core.stats.protocol_errors[error.fault] += 1
        self.core.faults.warning("engine.protocol_error", error.fault, detail=error.detail)
        self.close(DisconnectReason.PARSE_ERROR, error.close_code)

    def close(self, reason: DisconnectReason, code: int = CloseCode.NORMAL) -> None:
        """End the session: what waits is still sent, the receiver is told, the transport goes soon after."""
        if self.is_closed:
            return
        self.link.close(reason, code)
        # Sending the last bytes may have shown that the client takes none, which has ended the session already.
        if not self.is_closed:
            self._finish(reason)

    def abort(self, reason: DisconnectReason) -> None:
        """End the session and its transport at once; what waits is lost."""
        if not self.is_closed:
            self.link.abort()
            self._finish(reason)

    def send_ping(self) -> None:
        """Send the heartbeat's PING."""
        self.send(_PING_FRAME)

    def pong_missing(self) -> None:
        """The heartbeat found nobody."""
        self.close(DisconnectReason.PING_TIMEOUT, CloseCode.GOING_AWAY)

    def too_slow(self) -> None:
        """The client does not take what is sent to it."""
        if not self.is_closed:
            self.core.stats.slow_closed += 1
            self.core.faults.warning("engine.slow_client", self.link.name, address=self.handshake.address)
            self.abort(DisconnectReason.SLOW)

    def _accept_control(self, message: str) -> Work | None:
        kind = decode_packet(message).type
        if kind is EnginePacketType.CLOSE:
            return partial(self._leave)
        if kind is EnginePacketType.PONG:
            self._heartbeat.pong()
        elif kind is not EnginePacketType.NOOP:
            raise PacketError(ViolationKind.ORDER, "a client does not send this packet")
        return None

    async def _leave(self) -> None:
        """The client says that it goes, after what it sent before."""
        self.close(DisconnectReason.TRANSPORT_CLOSE)

    def _expire(self) -> None:
        self._deadline = None
        self.receiver.deadline_passed()

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _finish(self, reason: DisconnectReason) -> None:
        self.is_closed = True
        self._heartbeat.stop()
        self._drop_deadline()
        self.core.sessions.pop(self.sid, None)
        self.core.limits.leave(self.handshake.address, was_admitted=self.is_admitted)
        self.core.stats.closed_total[reason] += 1
        receiver = self.receiver
        # Or they and the session would keep each other until Python looks for cycles: half a second for 20,000.
        del self.receiver, self._heartbeat
        self.link = _GONE
        receiver.closed(reason)
