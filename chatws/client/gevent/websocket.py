"""One Socket.IO connection over WebSocket on gevent, from the TCP connection to its end."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec
from gevent import get_hub

from chatws.client.core.effects import ConnectionEnd
from chatws.client.core.refusals import read_connect_error
from chatws.client.gevent.stream import Stream
from chatws.wire.client_protocol import (
    AckReceived,
    ClientEvent,
    EventReceived,
    NamespaceConnected,
    NamespaceDisconnected,
    NamespaceRefused,
    PingReceived,
    ProtocolViolated,
    SocketIOClientProtocol,
    TransportClosed,
    TransportOpened,
    UpgradeRejected,
)
from chatws.wire.errors import HandshakeError, WireError

if TYPE_CHECKING:
    from chatws.client.gevent.endpoint import Endpoint

USER_AGENT = "chatws-loadtest"


class WebSocketListener(Protocol):
    """Callbacks of a connection, in the order of the packets."""

    def connection_event(self, raw_json: str) -> None:
        """Process an event: the JSON array of its name and arguments.

        Raises:
            WireError: it is not such an array.
        """

    def connection_ack(self, ack_id: int, raw_json: str) -> None:
        """Process the ack of ``ack_id``: a JSON array of values.

        Raises:
            WireError: it is not an array.
        """

    def connection_ended(self, end: ConnectionEnd) -> None:
        """Process the end of the connection; called once, and last."""


@dataclass(slots=True)
class ConnectTimings:
    """Times of the steps of a connection, on the clock of ``time.perf_counter``; 0 before the step."""

    started_s: float = 0.0
    transport_s: float = 0.0
    """The WebSocket was open and the Engine.IO handshake was read."""
    namespace_s: float = 0.0
    """The server accepted CONNECT."""


class WebSocketConnection:
    """A single connection; starts connecting when it is constructed."""

    def __init__(self, endpoint: Endpoint, auth: dict[str, str], listener: WebSocketListener, timeout_s: float) -> None:
        self.times = ConnectTimings(started_s=time.perf_counter())
        self._auth = auth
        self._listener = listener
        self._protocol = SocketIOClientProtocol(
            endpoint.authority, path=endpoint.path, headers=[("User-Agent", USER_AGENT)]
        )
        self._heartbeat_timeout_s = timeout_s
        self._ended = False
        self._established = False
        self._watchdog = get_hub().loop.timer(timeout_s)
        self._watchdog.start(self._on_timeout)
        self._stream = Stream(endpoint, self)

    def mark_established(self) -> None:
        """Replace the connect timeout by the heartbeat timeout."""
        self._established = True
        self._watchdog.stop()
        self._watchdog.close()
        self._watchdog = get_hub().loop.timer(self._heartbeat_timeout_s, self._heartbeat_timeout_s)
        self._watchdog.start(self._on_timeout)

    def send(self, name: str, payload: object, ack_id: int) -> None:
        """Send an event and request an ack."""
        self._stream.write(self._protocol.send_event(name, (payload,), ack_id=ack_id))

    def close(self) -> None:
        """Close gracefully with DISCONNECT and a close frame; calls ``connection_ended``."""
        self._stream.write(self._protocol.send_disconnect())
        self._stream.write(self._protocol.send_close())
        self.drop("client disconnect")

    def drop(self, reason: str) -> None:
        """Close the TCP connection only; calls ``connection_ended``."""
        self._end(ConnectionEnd(reason))

    def cut(self) -> None:
        """End with a TCP reset; calls ``connection_ended``."""
        self._stream.cut()
        self._end(ConnectionEnd("cut"))

    def stream_opened(self) -> None:
        """Send the HTTP upgrade request."""
        self._stream.write(self._protocol.upgrade_request())

    def stream_received(self, data: bytes) -> None:
        """Parse received bytes and report what they complete."""
        events = self._protocol.receive_data(data)
        if self._protocol.has_data_to_send:
            self._stream.write(self._protocol.data_to_send())
        try:
            for event in events:
                # Nearly all traffic is of these two kinds: tested before the match statement.
                if type(event) is EventReceived:
                    self._listener.connection_event(event.raw_json)
                elif type(event) is AckReceived:
                    self._listener.connection_ack(event.ack_id, event.raw_json)
                else:
                    self._handle(event)
        except WireError as error:
            self.drop(f"the server broke the protocol: {error}")

    def stream_ended(self, reason: str) -> None:
        """Report a connection that the peer or an error ended."""
        self._end(ConnectionEnd(reason))

    def _handle(self, event: ClientEvent) -> None:
        match event:
            case PingReceived():
                if self._established:
                    self._watchdog.again(self._on_timeout)
            case TransportOpened(handshake):
                self.times.transport_s = time.perf_counter()
                self._heartbeat_timeout_s = (handshake.ping_interval + handshake.ping_timeout) / 1000
                self._stream.write(self._protocol.send_connect(self._auth))
            case NamespaceConnected():
                self.times.namespace_s = time.perf_counter()
            case _:
                self._end(_describe_end(event))

    def _on_timeout(self) -> None:
        self.drop("ping timeout" if self._established else "no answer in time")

    def _end(self, end: ConnectionEnd) -> None:
        self._stream.close()
        if self._ended:
            return
        self._ended = True
        self._watchdog.stop()
        self._watchdog.close()
        self._listener.connection_ended(end)


def _describe_end(event: ClientEvent) -> ConnectionEnd:
    match event:
        case NamespaceRefused(raw_json):
            return read_connect_error(_decode(raw_json))
        case NamespaceDisconnected():
            return ConnectionEnd("server disconnect", by_server=True)
        case UpgradeRejected(status_line, retry_after_s):
            return ConnectionEnd(f"the server answered {status_line}", retry_after_s=retry_after_s)
        case ProtocolViolated(HandshakeError()):
            return ConnectionEnd("the peer is not a WebSocket server")
        case ProtocolViolated(error):
            return ConnectionEnd(f"the server broke the protocol: {error}")
        case TransportClosed(int(code)):
            return ConnectionEnd(f"transport close ({code})")
        case _:
            return ConnectionEnd("transport close")


def _decode(raw_json: str) -> object:
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(raw_json)
    return None
