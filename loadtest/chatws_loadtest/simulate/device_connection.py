"""Connection of a device to a simulated server, from the handshake to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

import msgspec

from chatws.client.core.effects import ConnectionEnd
from chatws.client.core.refusals import read_connect_error
from chatws.engine.admission import AdmissionRefused
from chatws.protocol.entities import Wire
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import Ok, Refused
from chatws.wire.client_packets import (
    PONG_PACKET,
    NamespaceConnected,
    NamespaceDisconnected,
    NamespaceRefused,
    PingReceived,
    TransportClosed,
    connect_packet,
    disconnect_packet,
    event_packet,
)
from chatws_loadtest.rng import UserRng
from chatws_loadtest.simulate.network import Link
from chatws_loadtest.simulate.output_check import OutputCheck, SentRequest
from chatws_loadtest.simulate.packets import ConnectionReset, RawAck, ServerEvent, ServerPacket
from chatws_loadtest.simulate.server import SimulatedServer
from chatws_loadtest.simulate.server_connection import SessionReader
from chatws_loadtest.simulate.virtual_loop import NO_PROCESS

CONNECT_TIMEOUT_S: Final = 10.0
SILENCE_LIMIT_S: Final = 45.0
"""Time without a packet, PING included, after which a client gives the connection up."""

RESET_S: Final = 0.001
"""Time from the end of a process until the kernel resets its connections."""

UPGRADE_REFUSED: Final = "the server answered HTTP 503"


class _Opened(NamedTuple):
    """End of the WebSocket handshake."""


class ConnectionOwner(Protocol):
    """Device that owns the connection."""

    def accepted(self, raw_json: str) -> None:
        """Handle the reply to CONNECT."""

    def opened(self, user: Authenticated) -> None:
        """Handle the authenticated connection."""

    def received(self, name: str, payload: object) -> None:
        """Handle an event."""

    def acked(self, command_id: int, reply: Ok | Refused) -> None:
        """Handle a reply."""

    def ended(self, end: ConnectionEnd) -> None:
        """Handle the end; nothing follows."""


class DeviceConnection:
    """One connection; it is opened once."""

    def __init__(
        self,
        rng_name: str,
        output: OutputCheck,
        listener: ConnectionOwner,
        auth: Mapping[str, str],
        frozen_until: float,
    ) -> None:
        self.output = output
        self._loop = asyncio.get_running_loop()
        self._rng = UserRng(rng_name)
        self._rng_name = rng_name
        self._listener = listener
        self._auth = auth
        self._frozen_until = frozen_until
        self.down = Link(UserRng(f"{rng_name}/down"), self._receive)
        self.down.freeze(frozen_until)
        self._up: Link | None = None
        self._server: SimulatedServer | None = None
        self._reader: SessionReader | None = None
        self._is_open = False
        self._has_ended = False
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(CONNECT_TIMEOUT_S, self._connect_timed_out)

    def open(self, server: SimulatedServer | None) -> None:
        """Begin the handshake with a server; None refuses it."""
        delay_s = max(0.0, self._frozen_until - self._loop.time()) + 0.002 + 0.04 * self._rng.random()
        self._loop.call_later(delay_s, self._reach, server)

    def send(self, name: str, payload: Wire | str, ack_id: int) -> None:
        """Send a request."""
        if self._up is not None and not self._has_ended:
            self.output.requests[ack_id] = SentRequest(name, payload)
            self._up.send((ack_id, event_packet(name, (payload,), ack_id=ack_id).decode()))

    def drop(self, reason: str, *, graceful: bool = False) -> None:
        """End the connection; the end is reported in a later event loop iteration."""
        if self._has_ended:
            return
        if graceful and self._up is not None:
            self._up.send((None, disconnect_packet().decode()))
        self._close_up()
        self._end_later(ConnectionEnd(reason))

    def cut(self) -> None:
        """Reset the connection; packets on their way to the client are lost, those to the server perhaps."""
        if self._has_ended:
            return
        self.down.lose()
        if self._up is not None and self._rng.random() < 0.5:  # noqa: PLR2004  one of two
            self._up.lose_in_flight()
            self._loop.call_later(0.001 + 0.5 * self._rng.random(), self._close_up)
        else:
            self._close_up()
        self._end_later(ConnectionEnd("connection reset"))

    def lose_silently(self) -> None:
        """Lose the connection so that only the client notices."""
        if self._has_ended:
            return
        self.down.lose()
        if self._up is not None:
            self._up.lose()
        if self._server is not None:
            self._server.release(self)
        self._end_later(ConnectionEnd("network changed"))

    def freeze(self, until: float) -> None:
        """Hold all packets back until a time."""
        self._frozen_until = until
        self.down.freeze(until)
        if self._up is not None:
            self._up.freeze(until)

    def server_ended(self, *, is_killed: bool, is_silent: bool) -> None:
        """Reset the connection, because the process of the server has ended."""
        if self._has_ended:
            return
        if is_silent:
            self.down.lose()
            return
        if is_killed and self._rng.random() < 0.5:  # noqa: PLR2004  one of two
            self.down.lose_in_flight()
        reset = [ConnectionReset("connection reset")]
        self._loop.call_later(RESET_S, self.down.send, reset, context=NO_PROCESS)

    def check_unanswered(self) -> None:
        """Check at the end of a run that no request waits for its ack for too long, if both ends are open."""
        if self._is_open and not self._has_ended and self._reader is not None and self._reader.is_open:
            self.output.check_unanswered()

    def _reach(self, server: SimulatedServer | None) -> None:
        if self._has_ended:
            return
        if server is None or not server.is_accepting:
            self._end_later(ConnectionEnd("connection refused"))
            return
        try:
            reader = server.accept(self)
        except AdmissionRefused as refused:
            self._end_later(ConnectionEnd(UPGRADE_REFUSED, retry_after_s=refused.retry_after_s))
            return

        def arrive(packet: object) -> None:
            if isinstance(packet, tuple):
                ack_id, packet = packet
                if ack_id is not None and reader.is_open:
                    self.output.arrived(ack_id)
            reader.receive(packet)

        self._server, self._reader = server, reader
        self._up = Link(UserRng(f"{self._rng_name}/up"), arrive, server.process.context)
        self._up.freeze(self._frozen_until)
        self.down.send([_Opened()])

    def _receive(self, packets: object) -> None:
        assert isinstance(packets, list)
        self._heard_at = self._loop.time()
        for packet in packets:
            if self._has_ended:
                return
            if isinstance(packet, _Opened):
                self._send_text(connect_packet(self._auth))
            else:
                self._handle(packet)

    def _handle(self, packet: ServerPacket) -> None:
        match packet:
            case ServerEvent():
                self._handle_event(packet)
            case RawAck():
                request = self.output.requests[packet.ack_id]
                self._listener.acked(packet.ack_id, packet.decode(request.name))
            case PingReceived():
                self._send_text(PONG_PACKET)
            case NamespaceRefused():
                self._close_up()
                self._end(read_connect_error(msgspec.json.decode(packet.raw_json)))
            case NamespaceDisconnected():
                self._close_up()
                self._end(ConnectionEnd("server disconnect", by_server=True))
            case TransportClosed():
                self._close_up()
                self._end(ConnectionEnd(f"transport close ({packet.code})"))
            case ConnectionReset():
                self._end(ConnectionEnd(packet.reason))
            case NamespaceConnected():
                self._listener.accepted(packet.raw_json)

    def _handle_event(self, event: ServerEvent) -> None:
        if self._is_open:
            self._listener.received(event.name, event.payload)
        elif isinstance(event.payload, Authenticated):
            self._is_open = True
            self._timer.cancel()
            self._timer = self._loop.call_later(SILENCE_LIMIT_S, self._check_silence)
            self._listener.opened(event.payload)

    def _send_text(self, packet: bytes) -> None:
        if self._up is not None:
            self._up.send((None, packet.decode()))

    def _close_up(self) -> None:
        if self._up is not None:
            self._up.send(None)
        if self._server is not None:
            self._server.release(self)

    def _connect_timed_out(self) -> None:
        self._close_up()
        self._end_later(ConnectionEnd(f"no answer within {CONNECT_TIMEOUT_S:g} s"))

    def _check_silence(self) -> None:
        due_at = self._heard_at + SILENCE_LIMIT_S
        if due_at > self._loop.time():
            self._timer = self._loop.call_at(due_at, self._check_silence)
        else:
            self.drop("no packet from the server")

    def _end_later(self, end: ConnectionEnd) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._timer.cancel()
            self._loop.call_soon(self._listener.ended, end)

    def _end(self, end: ConnectionEnd) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._timer.cancel()
            self._listener.ended(end)
