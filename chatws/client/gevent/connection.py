"""Base of the connections over each transport: timings, heartbeat, and the order of the listener's callbacks."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec
from gevent import get_hub

from chatws.client.core.effects import ConnectionEnd
from chatws.client.core.refusals import read_connect_error
from chatws.wire.client_packets import (
    AckReceived,
    EventReceived,
    NamespaceConnected,
    NamespaceDisconnected,
    NamespaceRefused,
    PingReceived,
    ProtocolViolated,
    TransportClosed,
    TransportOpened,
    connect_packet,
)
from chatws.wire.client_protocol import ClientEvent, UpgradeRejected
from chatws.wire.errors import HandshakeError, WireError
from chatws.wire.polling_client import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.client.gevent.endpoint import Endpoint
    from chatws.protocol.errors import ErrorCode
    from chatws.wire.polling_client import PollingEvent

USER_AGENT = "chatws-loadtest"


class ConnectionListener(Protocol):
    """Callbacks of a connection, in the order of the packets."""

    def connection_accepted(self, raw_json: str) -> None:
        """Process the server's reply to CONNECT: a JSON object, or an empty text."""

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

    def connection_upgraded(self) -> None:
        """Called when a WebSocket has replaced long-polling."""

    def connection_upgrade_failed(self, reason: str) -> None:
        """Called when the upgrade to WebSocket has failed; the connection continues over long-polling."""

    def connection_ended(self, end: ConnectionEnd) -> None:
        """Process the end of the connection; called once, and last."""


@dataclass(slots=True)
class ConnectTimings:
    """Times of the steps of a connection, on the clock of ``time.perf_counter``; 0 before the step."""

    started_s: float = 0.0
    transport_s: float = 0.0
    """The transport was open and the Engine.IO handshake was read."""
    namespace_s: float = 0.0
    """The server accepted CONNECT."""
    upgraded_s: float = 0.0
    """A WebSocket had replaced long-polling."""


class GeventConnection(ABC):
    """A single Socket.IO connection; starts connecting when it is constructed."""

    def __init__(self, endpoint: Endpoint, auth: object, listener: ConnectionListener, timeout_s: float) -> None:
        self.times = ConnectTimings(started_s=time.perf_counter())
        self._namespace = endpoint.namespace
        self._confirmation = endpoint.confirmation
        self._connect_timeout_s = timeout_s
        self._auth = auth
        self._listener = listener
        self._heartbeat_timeout_s = timeout_s
        self._has_ended = False
        self._is_established = False
        self._watchdog = get_hub().loop.timer(timeout_s)
        self._watchdog.start(self._on_timeout)

    def mark_established(self) -> None:
        """Replace the connect timeout by the heartbeat timeout."""
        self._is_established = True
        self._watchdog.stop()
        self._watchdog.close()
        self._watchdog = get_hub().loop.timer(self._heartbeat_timeout_s, self._heartbeat_timeout_s)
        self._watchdog.start(self._on_timeout)

    @abstractmethod
    def send(self, name: str, args: Sequence[object], ack_id: int | None) -> None:
        """Send an event; ``ack_id`` requests an ack."""

    @abstractmethod
    def close(self) -> None:
        """Close gracefully with DISCONNECT; calls ``connection_ended``."""

    @abstractmethod
    def cut(self) -> None:
        """End with a TCP reset; calls ``connection_ended``."""

    def drop(self, reason: str, code: ErrorCode | None = None) -> None:
        """Close the TCP connections only; calls ``connection_ended``, with the server's ``code`` if it refused."""
        self._end(ConnectionEnd(reason, code=code))

    @abstractmethod
    def _send_packet(self, packet: bytes) -> None:
        """Send an Engine.IO packet."""

    @abstractmethod
    def _release(self) -> None:
        """Close the TCP connections; called once, at the end."""

    def _deliver(self, events: Sequence[ClientEvent | PollingEvent]) -> None:
        """Report received events, up to one that ends the connection."""
        try:
            for event in events:
                if self._has_ended:
                    return
                # Nearly all traffic is of these two kinds: tested before the match statement.
                if type(event) is EventReceived:
                    self._listener.connection_event(event.raw_json)
                elif type(event) is AckReceived:
                    self._listener.connection_ack(event.ack_id, event.raw_json)
                else:
                    self._handle(event)
        except WireError as error:
            self.drop(f"the server broke the protocol: {error}")

    def _handle(self, event: ClientEvent | PollingEvent) -> None:
        match event:
            case PingReceived():
                if self._is_established:
                    self._watchdog.again(self._on_timeout)
            case TransportOpened(handshake):
                self.times.transport_s = time.perf_counter()
                self._heartbeat_timeout_s = (handshake.ping_interval + handshake.ping_timeout) / 1000
                self._send_packet(connect_packet(self._auth, self._namespace))
            case NamespaceConnected(raw_json):
                self.times.namespace_s = time.perf_counter()
                self._listener.connection_accepted(raw_json)
            case _:
                self._end(describe_end(event))

    def _on_timeout(self) -> None:
        self.drop("ping timeout" if self._is_established else self._describe_missing_step())

    def _describe_missing_step(self) -> str:
        """Describe the step of connecting that has not happened before the connect timeout."""
        if not self.times.transport_s:
            missing = "no Engine.IO handshake arrived"
        elif not self.times.namespace_s:
            missing = "Engine.IO connected, but no reply to CONNECT arrived"
        else:
            missing = f"connected, but no {self._confirmation} arrived"
        return f"{missing} within {self._connect_timeout_s:g} s"

    def _end(self, end: ConnectionEnd) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._watchdog.stop()
        self._watchdog.close()
        self._release()
        self._listener.connection_ended(end)


def describe_end(event: ClientEvent | PollingEvent) -> ConnectionEnd:
    """Describe an event that ends a transport."""
    match event:
        case NamespaceRefused(raw_json):
            return read_connect_error(decode_reply(raw_json))
        case NamespaceDisconnected():
            return ConnectionEnd("server disconnect", by_server=True)
        case UpgradeRejected(status_line, retry_after_s) | RequestRejected(status_line, retry_after_s):
            return ConnectionEnd(f"the server answered {status_line}", retry_after_s=retry_after_s)
        case ProtocolViolated(HandshakeError()):
            return ConnectionEnd("the peer is not a WebSocket server")
        case ProtocolViolated(error):
            return ConnectionEnd(f"the server broke the protocol: {error}")
        case TransportClosed(int(code)):
            return ConnectionEnd(f"transport close ({code})")
        case _:
            return ConnectionEnd("transport close")


def decode_reply(raw_json: str) -> object:
    """Decode a server's reply to CONNECT; None if it is empty or not JSON."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(raw_json)
    return None
