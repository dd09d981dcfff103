"""One Socket.IO connection over WebSocket on gevent, from the TCP connection to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.client.core.connection import USER_REASON
from chatws.client.core.effects import ConnectionEnd
from chatws.client.gevent.connection import USER_AGENT, ConnectionListener, GeventConnection
from chatws.client.gevent.stream import Stream
from chatws.wire.client_protocol import SocketIOClientProtocol, mask_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.client.gevent.endpoint import Endpoint


class WebSocketConnection(GeventConnection):
    """Connection over one WebSocket."""

    def __init__(self, endpoint: Endpoint, auth: object, listener: ConnectionListener, timeout_s: float) -> None:
        super().__init__(endpoint, auth, listener, timeout_s)
        self._protocol = SocketIOClientProtocol(
            endpoint.authority,
            path=endpoint.path,
            engine_path=endpoint.engine_path,
            query=endpoint.query,
            headers=[("User-Agent", USER_AGENT), *endpoint.headers],
            namespace=endpoint.namespace,
        )
        self._stream = Stream(endpoint, self)

    def send(self, name: str, args: Sequence[object], ack_id: int | None) -> None:
        self._stream.write(self._protocol.send_event(name, args, ack_id=ack_id))

    def close(self) -> None:
        self._stream.write(self._protocol.send_disconnect())
        self._stream.write(self._protocol.send_close())
        self.drop(USER_REASON)

    def cut(self) -> None:
        self._stream.cut()
        self._end(ConnectionEnd("cut"))

    # StreamListener

    def stream_opened(self) -> None:
        """Send the HTTP upgrade request."""
        self._stream.write(self._protocol.upgrade_request())

    def stream_received(self, data: bytes) -> None:
        """Parse received bytes and report what they complete."""
        events = self._protocol.receive_data(data)
        if self._protocol.has_data_to_send:
            self._stream.write(self._protocol.data_to_send())
        self._deliver(events)

    def stream_ended(self, reason: str) -> None:
        """Report a connection that the peer or an error ended."""
        self._end(ConnectionEnd(reason))

    def _send_packet(self, packet: bytes) -> None:
        self._stream.write(mask_frame(packet))

    def _release(self) -> None:
        self._stream.close()
