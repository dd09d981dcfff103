from __future__ import annotations

import json

import pytest

from chatws.wire import frames
from chatws.wire.client_packets import (
    EventReceived,
    NamespaceConnected,
    PingReceived,
    ProtocolViolated,
    TransportClosed,
    TransportOpened,
    event_packet,
)
from chatws.wire.client_protocol import ProbeAnswered
from chatws.wire.client_upgrade import UpgradeClientProtocol
from chatws.wire.errors import PacketError, ViolationKind
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role
from chatws.wire.frames import Opcode
from chatws.wire.handshake_key import accept_value
from chatws.wire.http_response import HttpResponse
from chatws.wire.polling_client import MAX_POST_PACKETS, PollingClientProtocol, RequestRejected

HANDSHAKE = {"sid": "s1", "upgrades": ["websocket"], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 100}
OPEN = b"0" + json.dumps(HANDSHAKE).encode()


def answer(body: bytes = b"ok", *headers: tuple[str, str], status: int = 200) -> HttpResponse:
    return HttpResponse(status, "Reason", list(headers), body, keeps_alive=True)


def body_of(request: bytes | None) -> list[bytes]:
    """Return the packets of a POST."""
    assert request is not None
    head, _, body = request.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d" % len(body) in head
    return body.split(b"\x1e")


@pytest.fixture
def protocol() -> PollingClientProtocol:
    """A protocol whose session is open, without an open request."""
    opened = PollingClientProtocol("host:1")
    opened.open_request()
    opened.receive_poll(answer(OPEN))
    return opened


def test_requests_name_host_path_headers_and_session() -> None:
    protocol = PollingClientProtocol("host:1", path="/chat", headers=[("User-Agent", "x")])
    start = "/chat/socket.io/?EIO=4&transport=polling"
    tail = "\r\nHost: host:1\r\nUser-Agent: x\r\n\r\n"
    assert protocol.open_request().decode() == f"GET {start} HTTP/1.1{tail}"
    assert protocol.next_poll() is None
    [opened] = protocol.receive_poll(answer(OPEN))
    assert isinstance(opened, TransportOpened)
    poll = protocol.next_poll()
    assert poll is not None
    assert poll.decode() == f"GET {start}&sid=s1 HTTP/1.1{tail}"
    protocol.send(b"40")
    post = protocol.next_post()
    assert post is not None
    assert post.startswith(b"POST /chat/socket.io/?EIO=4&transport=polling&sid=s1 HTTP/1.1\r\n")
    assert b"\r\nContent-Type: text/plain;charset=UTF-8\r\n" in post


def test_nothing_is_posted_before_the_session_is_open() -> None:
    protocol = PollingClientProtocol("host:1")
    protocol.open_request()
    protocol.send(b"40")
    assert protocol.next_post() is None


def test_packets_of_a_poll_are_read_in_order_and_a_ping_is_answered(protocol: PollingClientProtocol) -> None:
    protocol.next_poll()
    events = protocol.receive_poll(answer('40{"sid":"a"}\x1e42["é"]\x1e2\x1e6'.encode()))
    assert events == [NamespaceConnected('{"sid":"a"}'), EventReceived('["é"]'), PingReceived()]
    assert body_of(protocol.next_post()) == [b"3"]


@pytest.mark.parametrize("status", [200, 204])
def test_response_without_packets_is_followed_by_the_next_poll(protocol: PollingClientProtocol, status: int) -> None:
    protocol.next_poll()
    assert protocol.receive_poll(answer(b"", status=status)) == []
    assert protocol.next_poll() is not None


def test_one_get_and_one_post_are_open_at_a_time(protocol: PollingClientProtocol) -> None:
    assert protocol.next_poll() is not None
    assert protocol.next_poll() is None
    protocol.send(b"4a")
    assert protocol.next_post() is not None
    protocol.send(b"4b")
    assert protocol.next_post() is None
    assert protocol.receive_post(answer(status=204)) == []
    assert body_of(protocol.next_post()) == [b"4b"]


def test_body_keeps_to_the_payload_limit_and_the_order(protocol: PollingClientProtocol) -> None:
    packets = [b"4" + bytes([65 + number]) * 40 for number in range(4)] + [b"4" + b"x" * 200, b"4z"]
    for packet in packets:
        protocol.send(packet)
    bodies = []
    while (post := protocol.next_post()) is not None:
        bodies.append(body_of(post))
        protocol.receive_post(answer())
    assert bodies == [packets[:2], packets[2:4], packets[4:5], packets[5:]]


def test_body_has_no_more_packets_than_every_server_accepts(protocol: PollingClientProtocol) -> None:
    for _ in range(MAX_POST_PACKETS + 1):
        protocol.send(b"4")
    assert len(body_of(protocol.next_post())) == MAX_POST_PACKETS


@pytest.mark.parametrize("is_poll", [True, False])
def test_refused_request_ends_the_session(protocol: PollingClientProtocol, *, is_poll: bool) -> None:
    receive = protocol.receive_poll if is_poll else protocol.receive_post
    refused = answer(b'{"code":1}', ("retry-after", "3"), status=400)
    assert receive(refused) == [RequestRejected("HTTP/1.1 400 Reason", 3.0)]
    protocol.send(b"4")
    assert protocol.next_poll() is None
    assert protocol.next_post() is None
    assert receive(refused) == []


def test_nothing_is_read_behind_close(protocol: PollingClientProtocol) -> None:
    protocol.next_poll()
    assert protocol.receive_poll(answer(b'42["x"]\x1e1\x1e42["y"]')) == [EventReceived('["x"]'), TransportClosed()]
    assert protocol.next_poll() is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (OPEN, ViolationKind.ORDER),
        (b"9", ViolationKind.MALFORMED),
        (b"\xff", ViolationKind.ENCODING),
        (b"bAAAA", ViolationKind.BINARY),
    ],
)
def test_invalid_packet_ends_the_session(protocol: PollingClientProtocol, body: bytes, kind: ViolationKind) -> None:
    protocol.next_poll()
    [event] = protocol.receive_poll(answer(body))
    assert isinstance(event, ProtocolViolated)
    assert event.error.kind is kind
    assert protocol.next_poll() is None


def test_message_before_open_is_out_of_order() -> None:
    protocol = PollingClientProtocol("host:1")
    protocol.open_request()
    [event] = protocol.receive_poll(answer(b'42["x"]'))
    assert isinstance(event, ProtocolViolated)
    assert isinstance(event.error, PacketError)


def test_cookies_are_sent_back_until_they_are_deleted(protocol: PollingClientProtocol) -> None:
    protocol.next_poll()
    protocol.receive_poll(answer(b"6", ("set-cookie", "node=b; Path=/; HttpOnly"), ("set-cookie", "x=1")))
    poll = protocol.next_poll()
    assert poll is not None
    assert b"\r\nCookie: node=b; x=1\r\n" in poll
    assert b"\r\nCookie: node=b; x=1\r\n" in protocol.make_upgrade().upgrade_request()
    protocol.receive_poll(answer(b"6", ("set-cookie", "x=; Max-Age=0")))
    poll = protocol.next_poll()
    assert poll is not None
    assert b"\r\nCookie: node=b\r\n" in poll


def test_paused_session_is_drained_once_both_requests_are_answered(protocol: PollingClientProtocol) -> None:
    protocol.next_poll()
    protocol.send(b"4a")
    protocol.next_post()
    protocol.pause()
    protocol.send(b"4b")
    drained = [protocol.is_drained]
    protocol.receive_post(answer())
    drained.append(protocol.is_drained)
    protocol.receive_poll(answer(b"6"))
    drained.append(protocol.is_drained)
    assert drained == [False, False, True]
    assert protocol.next_post() is None
    assert protocol.next_poll() is None
    assert protocol.take_unsent() == [b"4b"]


def test_failed_upgrade_resumes_polling_with_the_packets_of_the_pause(protocol: PollingClientProtocol) -> None:
    protocol.pause()
    protocol.send(b"4a")
    protocol.resume()
    assert protocol.next_poll() is not None
    assert body_of(protocol.next_post()) == [b"4a"]


def test_ended_session_is_never_drained(protocol: PollingClientProtocol) -> None:
    protocol.next_poll()
    protocol.pause()
    protocol.receive_poll(answer(b"1"))
    assert not protocol.is_drained


def accepted_upgrade(protocol: PollingClientProtocol) -> UpgradeClientProtocol:
    """Let a server accept the WebSocket of an upgrade."""
    upgrade = protocol.make_upgrade()
    request = upgrade.upgrade_request()
    assert request.startswith(b"GET /socket.io/?EIO=4&transport=websocket&sid=s1 HTTP/1.1\r\n")
    [key] = [line.partition(b": ")[2] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key")]
    assert not upgrade.has_data_to_send
    head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept_value(key)
    assert upgrade.receive_data(head) == []
    return upgrade


def test_upgrade_probes_and_then_carries_the_packets(protocol: PollingClientProtocol) -> None:
    upgrade = accepted_upgrade(protocol)
    server = FrameParser(Role.SERVER, max_message_bytes=1_000)
    assert server.feed(upgrade.data_to_send()) == [FrameMessage(Opcode.TEXT, "2probe")]
    assert upgrade.receive_data(frames.server_frame(b"3probe")) == [ProbeAnswered()]
    assert server.feed(upgrade.send_upgrade()) == [FrameMessage(Opcode.TEXT, "5")]
    assert server.feed(upgrade.send_event("x")) == [FrameMessage(Opcode.TEXT, event_packet("x").decode())]
    received = upgrade.receive_data(frames.server_frame(b"6") + frames.server_frame(b'42["y"]'))
    assert received == [EventReceived('["y"]')]


@pytest.mark.parametrize("text", [b"3", b"6", OPEN, b'42["x"]'])
def test_other_packet_than_the_reply_to_the_probe_is_refused(protocol: PollingClientProtocol, text: bytes) -> None:
    [event] = accepted_upgrade(protocol).receive_data(frames.server_frame(text))
    assert isinstance(event, ProtocolViolated)
    assert event.error.kind is ViolationKind.ORDER
