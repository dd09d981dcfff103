"""Sans-I/O Socket.IO client over long-polling: packets to send and HTTP responses in, requests and typed events out.

`PollingClientProtocol` covers one session, from the handshake to its end or to the WebSocket that takes it over.

Sources: the Engine.IO protocol, revision 4, "HTTP long-polling" and "Upgrade"; the Socket.IO protocol, revision 5.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from chatws.wire.client_packets import (
    PONG_PACKET,
    PacketEvent,
    PingReceived,
    ProtocolViolated,
    TransportClosed,
    TransportOpened,
    read_packet,
)
from chatws.wire.client_upgrade import UpgradeClientProtocol
from chatws.wire.engineio import EnginePacketType, join_payload, split_payload
from chatws.wire.errors import PacketError, ViolationKind, WireError
from chatws.wire.socketio import MAIN_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.wire.http_response import HttpResponse

MAX_POST_PACKETS: Final = 16
"""Servers on python-engineio refuse a body with more packets."""

CLOSE_PACKET: Final = EnginePacketType.CLOSE.value.encode()


class RequestRejected(msgspec.Struct, frozen=True, gc=False):
    """Response to a GET or POST with an HTTP status that ends the session, such as 400 for an unknown one."""

    status_line: str
    retry_after_s: float | None


PollingEvent = PacketEvent | RequestRejected | ProtocolViolated


class PollingClientProtocol:
    """Socket.IO client of one long-polling session: at most one GET and one POST are open at any time.

    Send `open_request`, then after each call whatever `next_poll` and `next_post` return, each on its own connection;
    pass the responses to `receive_poll` and `receive_post`. The order of the packets is that of ``send``, and PONG is
    queued like any packet. The caller sends CONNECT after `TransportOpened` and sends nothing after the events
    `RequestRejected`, `TransportClosed` and `ProtocolViolated`, behind which no event follows.

    For an upgrade, `pause` ends polling: once `is_drained`, no packet is on its way in either direction, and a
    WebSocket can continue with the packets of `take_unsent`.
    """

    __slots__ = (
        "_authority",
        "_cookies",
        "_engine_path",
        "_has_ended",
        "_headers",
        "_is_paused",
        "_is_polling",
        "_is_posting",
        "_max_payload",
        "_namespace",
        "_path",
        "_query",
        "_sid",
        "_unsent",
    )

    def __init__(
        self,
        authority: str,
        *,
        path: str = "",
        engine_path: str = "/socket.io/",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        namespace: str = MAIN_NAMESPACE,
    ) -> None:
        """Prepare a session on the host and port ``authority``; parameters as in `SocketIOClientProtocol`."""
        self._authority = authority
        self._path = path
        self._engine_path = engine_path
        self._query = query
        self._namespace = namespace
        self._headers = headers
        # Those that the server has set, as load balancers with sticky sessions do.
        self._cookies: dict[str, str] = {}
        # Empty before OPEN.
        self._sid = ""
        self._max_payload = 0
        self._unsent: deque[bytes] = deque()
        self._is_polling = False
        self._is_posting = False
        self._is_paused = False
        self._has_ended = False

    def open_request(self) -> bytes:
        """Return the GET that opens the session."""
        self._is_polling = True
        return self._request("GET")

    def next_poll(self) -> bytes | None:
        """Return the next GET; None while one is open, or if none may follow."""
        if self._is_polling or self._is_paused or self._has_ended:
            return None
        self._is_polling = True
        return self._request("GET")

    def send(self, packet: bytes) -> None:
        """Queue a packet for the next POST."""
        self._unsent.append(packet)

    def next_post(self) -> bytes | None:
        """Return a POST with the queued packets that fit into one; None while one is open, or without packets."""
        if not self._unsent or self._is_posting or self._is_paused or self._has_ended or not self._sid:
            return None
        self._is_posting = True
        packets = [self._unsent.popleft()]
        size = len(packets[0])
        while self._unsent and len(packets) < MAX_POST_PACKETS:
            size += 1 + len(self._unsent[0])
            if size > self._max_payload:
                break
            packets.append(self._unsent.popleft())
        return self._request("POST", join_payload(packet.decode() for packet in packets))

    def receive_poll(self, response: HttpResponse) -> list[PollingEvent]:
        """Read the packets of the response to a GET."""
        self._is_polling = False
        events: list[PollingEvent] = []
        if self._accept(response, events) and response.body:
            try:
                for message in split_payload(response.body):
                    self._read(message, events)
            except WireError as error:
                self._end(ProtocolViolated(error), events)
        return events

    def receive_post(self, response: HttpResponse) -> list[PollingEvent]:
        """Process the response to a POST, which holds no packets."""
        self._is_posting = False
        events: list[PollingEvent] = []
        self._accept(response, events)
        return events

    def pause(self) -> None:
        """Send no further GET or POST; packets stay queued."""
        self._is_paused = True

    def resume(self) -> None:
        """Continue polling after an upgrade that failed."""
        self._is_paused = False

    @property
    def is_drained(self) -> bool:
        """Whether polling is paused and no GET and no POST is open; False after the end of the session."""
        return self._is_paused and not (self._is_polling or self._is_posting or self._has_ended)

    @property
    def is_posting(self) -> bool:
        """Whether a POST is open."""
        return self._is_posting

    def take_unsent(self) -> list[bytes]:
        """Empty the queue and return its packets."""
        packets = list(self._unsent)
        self._unsent.clear()
        return packets

    def make_upgrade(self) -> UpgradeClientProtocol:
        """Return the protocol of a WebSocket for this session, with the cookies of it."""
        return UpgradeClientProtocol(
            self._authority,
            self._sid,
            path=self._path,
            engine_path=self._engine_path,
            query=self._query,
            headers=self._all_headers(),
            namespace=self._namespace,
        )

    def _accept(self, response: HttpResponse, events: list[PollingEvent]) -> bool:
        """Take the cookies of a response; one without success ends the session."""
        self._take_cookies(response)
        if not response.is_success and not self._has_ended:
            self._end(RequestRejected(response.status_line, response.seconds("retry-after")), events)
        return not self._has_ended

    def _read(self, message: str | bytes, events: list[PollingEvent]) -> None:
        if self._has_ended:
            return
        if isinstance(message, bytes):
            raise PacketError(ViolationKind.BINARY, "binary message without a binary packet")
        event = read_packet(message, self._namespace)
        if isinstance(event, TransportOpened) is bool(self._sid):
            raise PacketError(ViolationKind.ORDER, "OPEN is missing or repeated")
        if event is None:
            return
        events.append(event)
        if isinstance(event, PingReceived):
            self.send(PONG_PACKET)
        elif isinstance(event, TransportOpened):
            self._sid = event.handshake.sid
            self._max_payload = event.handshake.max_payload
        elif isinstance(event, TransportClosed):
            self._has_ended = True

    def _end(self, event: PollingEvent, events: list[PollingEvent]) -> None:
        self._has_ended = True
        events.append(event)

    def _take_cookies(self, response: HttpResponse) -> None:
        for name, value in response.headers:
            if name == "set-cookie":
                pair, _, attributes = value.partition(";")
                key, _, content = pair.partition("=")
                if "max-age=0" in attributes.lower().replace(" ", "").split(";"):
                    self._cookies.pop(key.strip(), None)
                else:
                    self._cookies[key.strip()] = content.strip()

    def _all_headers(self) -> list[tuple[str, str]]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return [*self._headers, ("Cookie", cookies)] if cookies else list(self._headers)

    def _request(self, method: str, body: bytes | None = None) -> bytes:
        sid = f"&sid={self._sid}" if self._sid else ""
        about_body = (
            "" if body is None else f"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\n"
        )
        more = "".join(f"{name}: {value}\r\n" for name, value in self._all_headers())
        head = (
            f"{method} {self._path}{self._engine_path}?EIO=4&transport=polling{self._query}{sid} HTTP/1.1\r\n"
            f"Host: {self._authority}\r\n{about_body}{more}\r\n"
        )
        return head.encode() + (body or b"")
