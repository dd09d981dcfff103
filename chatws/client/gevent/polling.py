"""One Socket.IO connection over long-polling on gevent, with the upgrade to WebSocket if it is wanted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from gevent import get_hub

from chatws.client.core.connection import USER_REASON
from chatws.client.core.effects import ConnectionEnd
from chatws.client.gevent.connection import USER_AGENT, ConnectionListener, GeventConnection
from chatws.client.gevent.http_channel import HttpChannel
from chatws.client.gevent.upgrade import WebSocketUpgrade
from chatws.wire.client_packets import TransportOpened, disconnect_packet, event_packet
from chatws.wire.polling_client import CLOSE_PACKET, PollingClientProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.client.gevent.endpoint import Endpoint
    from chatws.wire.client_protocol import ClientEvent
    from chatws.wire.http_response import HttpResponse
    from chatws.wire.polling_client import PollingEvent

LAST_POST_S: Final = 2.0
"""Time after a graceful close in which the POST with DISCONNECT must be answered."""


class PollingConnection(GeventConnection):
    """Connection over two HTTP channels, for GET and POST, or over the WebSocket that has replaced them."""

    def __init__(
        self,
        endpoint: Endpoint,
        auth: object,
        listener: ConnectionListener,
        timeout_s: float,
        *,
        upgrades: bool,
    ) -> None:
        """Open a session; ``upgrades``: replace polling by a WebSocket if the server offers one."""
        super().__init__(endpoint, auth, listener, timeout_s)
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._upgrades = upgrades
        # Set from the start of an upgrade, unless it has failed.
        self._websocket: WebSocketUpgrade | None = None
        # True from a graceful close until its POST is answered.
        self._is_closing = False
        self._last_post_timer = get_hub().loop.timer(LAST_POST_S)
        self._protocol = PollingClientProtocol(
            endpoint.authority,
            path=endpoint.path,
            engine_path=endpoint.engine_path,
            query=endpoint.query,
            headers=[("User-Agent", USER_AGENT), *endpoint.headers],
            namespace=endpoint.namespace,
        )
        self._polls = HttpChannel(endpoint, self._receive_poll, self.drop)
        self._posts = HttpChannel(endpoint, self._receive_post, self.drop)
        self._polls.request(self._protocol.open_request())

    def send(self, name: str, args: Sequence[object], ack_id: int | None) -> None:
        self._send_packet(event_packet(name, args, ack_id=ack_id, namespace=self._namespace))

    def close(self) -> None:
        """Close gracefully with DISCONNECT; calls ``connection_ended`` before the server has answered."""
        self._send_packet(disconnect_packet(self._namespace))
        if self._websocket is not None and self._websocket.is_active:
            self._websocket.send_close()
        elif not self._has_ended:
            self._protocol.send(CLOSE_PACKET)
            self._is_closing = True
            self._protocol.resume()
        self.drop(USER_REASON)

    def cut(self) -> None:
        for channel in (self._polls, self._posts, self._websocket):
            if channel is not None:
                channel.cut()
        self._end(ConnectionEnd("cut"))

    # UpgradeListener

    def upgrade_probed(self) -> None:
        """Stop polling; the server answers the open GET."""
        self._protocol.pause()
        self._advance()

    def upgrade_received(self, events: Sequence[ClientEvent]) -> None:
        """Report the events of the WebSocket."""
        self._deliver(events)

    def upgrade_ended(self, reason: str) -> None:
        """Continue polling if the WebSocket has not taken over yet; otherwise the connection has ended."""
        assert self._websocket is not None
        if self._websocket.is_active:
            self.drop(reason)
            return
        self._websocket = None
        self._protocol.resume()
        self._listener.connection_upgrade_failed(reason)
        self._advance()

    def _handle(self, event: ClientEvent | PollingEvent) -> None:
        super()._handle(event)
        if isinstance(event, TransportOpened) and self._upgrades:
            if "websocket" in event.handshake.upgrades:
                self._websocket = WebSocketUpgrade(self._endpoint, self._protocol.make_upgrade(), self, self._timeout_s)
            else:
                self._listener.connection_upgrade_failed("the server offers no upgrade")

    def _send_packet(self, packet: bytes) -> None:
        if self._websocket is not None and self._websocket.is_active:
            self._websocket.send_packet(packet)
        else:
            self._protocol.send(packet)
            self._advance()

    def _receive_poll(self, response: HttpResponse) -> None:
        events = self._protocol.receive_poll(response)
        # Before the events are processed: the server's next packets need not wait for that.
        self._advance()
        self._deliver(events)

    def _receive_post(self, response: HttpResponse) -> None:
        events = self._protocol.receive_post(response)
        self._advance()
        self._deliver(events)

    def _advance(self) -> None:
        """Send the requests that may follow, or let the WebSocket take over once none is open."""
        if (poll := self._protocol.next_poll()) is not None:
            self._polls.request(poll)
        if (post := self._protocol.next_post()) is not None:
            self._posts.request(post)
        if self._has_ended and not self._protocol.is_posting:
            self._close_channels()
        elif self._protocol.is_drained and self._websocket is not None:
            self._switch(self._websocket)

    def _switch(self, websocket: WebSocketUpgrade) -> None:
        websocket.take_over(self._protocol.take_unsent())
        self._close_channels()
        if not self._has_ended:
            self.times.upgraded_s = time.perf_counter()
            self._listener.connection_upgraded()

    def _release(self) -> None:
        if self._websocket is not None:
            self._websocket.close()
        if self._is_closing:
            self._last_post_timer.start(self._close_channels)
            self._advance()
        else:
            self._close_channels()

    def _close_channels(self) -> None:
        self._last_post_timer.stop()
        for channel in (self._polls, self._posts):
            channel.close()
