"""WebSocket on gevent that takes over a long-polling session: a probe first, then the packets of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gevent import get_hub

from chatws.client.gevent.connection import describe_end
from chatws.client.gevent.stream import Stream
from chatws.wire.client_protocol import ProbeAnswered, mask_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.client.gevent.endpoint import Endpoint
    from chatws.wire.client_protocol import ClientEvent
    from chatws.wire.client_upgrade import UpgradeClientProtocol


class UpgradeListener(Protocol):
    """Callbacks of an upgrade."""

    def upgrade_probed(self) -> None:
        """Called when the server has answered the probe; `WebSocketUpgrade.take_over` may follow."""

    def upgrade_received(self, events: Sequence[ClientEvent]) -> None:
        """Process the events of the session that the WebSocket has taken over."""

    def upgrade_ended(self, reason: str) -> None:
        """Called once when the WebSocket was refused, did not answer in time, or ended; not after a local close."""


class WebSocketUpgrade:
    """WebSocket of one session; starts connecting when it is constructed."""

    def __init__(
        self, endpoint: Endpoint, protocol: UpgradeClientProtocol, listener: UpgradeListener, timeout_s: float
    ) -> None:
        self.is_active = False
        """Whether the WebSocket has taken over the session."""
        self._has_ended = False
        self._protocol = protocol
        self._listener = listener
        self._timer = get_hub().loop.timer(timeout_s)
        self._timer.start(self._end, "no answer in time")
        self._stream = Stream(endpoint, self)

    def take_over(self, packets: Sequence[bytes]) -> None:
        """Send UPGRADE and the packets that waited for it."""
        self.is_active = True
        self._timer.stop()
        self._stream.write(self._protocol.send_upgrade() + b"".join(map(mask_frame, packets)))

    def send_packet(self, packet: bytes) -> None:
        """Send an Engine.IO packet."""
        self._stream.write(mask_frame(packet))

    def send_close(self) -> None:
        """Send a close frame."""
        self._stream.write(self._protocol.send_close())

    def close(self) -> None:
        """Close the TCP connection; no callback follows."""
        self._has_ended = True
        self._timer.stop()
        self._stream.close()

    def cut(self) -> None:
        """Close the TCP connection with a reset; no callback follows."""
        self._stream.cut()
        self.close()

    # StreamListener

    def stream_opened(self) -> None:
        """Send the HTTP upgrade request."""
        self._stream.write(self._protocol.upgrade_request())

    def stream_received(self, data: bytes) -> None:
        """Parse received bytes; before the take-over, anything but the reply to the probe ends the upgrade."""
        events = self._protocol.receive_data(data)
        if self._protocol.has_data_to_send:
            self._stream.write(self._protocol.data_to_send())
        if self._has_ended:
            return
        if events and type(events[0]) is ProbeAnswered:
            del events[0]
            self._listener.upgrade_probed()
        if self.is_active:
            self._listener.upgrade_received(events)
        elif events:
            self._end(describe_end(events[0]).reason)

    def stream_ended(self, reason: str) -> None:
        """Report a WebSocket that the peer or an error ended."""
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.close()
        self._listener.upgrade_ended(reason)
