from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from chatws.wire import frames, socketio
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
    disconnect_packet,
    event_packet,
    read_packet,
)
from chatws.wire.client_protocol import (
    MAX_HEAD_BYTES,
    ClientEvent,
    SocketIOClientProtocol,
    UpgradeRejected,
)
from chatws.wire.engineio import OpenPayload
from chatws.wire.errors import HandshakeError, PacketError, ViolationKind
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role
from chatws.wire.frames import Opcode
from chatws.wire.handshake_key import accept_value

HANDSHAKE = {"sid": "s", "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000_000}
OPEN = frames.server_frame(b"0" + json.dumps(HANDSHAKE).encode())
OPENED = TransportOpened(OpenPayload("s", [], 25_000, 20_000, 1_000_000))


def response_to(protocol: SocketIOClientProtocol) -> bytes:
    """Answer the upgrade request as a server does."""
    lines = protocol.upgrade_request().split(b"\r\n")
    [key] = [line.partition(b": ")[2] for line in lines if line.startswith(b"Sec-WebSocket-Key")]
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept_value(key)
    )


def sent_by(protocol: SocketIOClientProtocol) -> list[FrameMessage]:
    return read_by_server(protocol.data_to_send())


def read_by_server(stream: bytes) -> list[FrameMessage]:
    return FrameParser(Role.SERVER, max_message_bytes=10_000).feed(stream)


@pytest.fixture
def protocol() -> SocketIOClientProtocol:
    """A protocol whose transport is open."""
    opened = SocketIOClientProtocol("host:1")
    assert opened.receive_data(response_to(opened) + OPEN) == [OPENED]
    return opened


def violation_of(events: list[ClientEvent]) -> ViolationKind:
    [event] = events
    assert isinstance(event, ProtocolViolated)
    return ViolationKind(str(event.error).partition(":")[0])


def test_other_endpoint_and_namespace_are_in_every_packet() -> None:
    protocol = SocketIOClientProtocol("host:1", path="/prefix", engine_path="/live/", query="&key=1", namespace="/chat")
    assert "GET /prefix/live/?EIO=4&transport=websocket&key=1 HTTP/1.1" in protocol.upgrade_request().decode()
    assert connect_packet({"a": 1}, "/chat") == b'40/chat,{"a":1}'
    assert event_packet("x", (1,), ack_id=3, namespace="/chat") == b'42/chat,3["x",1]'
    assert read_packet('42/chat,["x"]', "/chat") == EventReceived('["x"]')
    assert read_packet("43/chat,3[]", "/chat") == AckReceived(3, "[]")
    with pytest.raises(PacketError):
        read_packet('42["x"]', "/chat")


def test_request_names_host_path_and_headers() -> None:
    request = SocketIOClientProtocol("host:1", path="/chat", headers=[("User-Agent", "x")]).upgrade_request().decode()
    assert request.startswith("GET /chat/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: host:1\r\n")
    assert request.endswith("\r\nUser-Agent: x\r\n\r\n")


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64, 1_000_000])
def test_events_are_the_same_for_every_split_of_the_bytes(cut: int) -> None:
    protocol = SocketIOClientProtocol("host:1")
    stream = response_to(protocol) + OPEN
    for text in ('40{"sid":"a"}', '42["typing",{"é":1}]', '430[{"success":true}]', '42["x"]', "2", "6", "41"):
        stream += frames.server_frame(text.encode())
    stream += frames.close_frame(1001)
    events: list[ClientEvent] = []
    sent: list[FrameMessage] = []
    for at in range(0, len(stream), cut):
        events += protocol.receive_data(stream[at : at + cut])
        has_data = protocol.has_data_to_send
        data = protocol.data_to_send()
        assert has_data is bool(data)
        sent += read_by_server(data)
    assert events == [
        OPENED,
        NamespaceConnected('{"sid":"a"}'),
        EventReceived('["typing",{"é":1}]'),
        AckReceived(0, '[{"success":true}]'),
        EventReceived('["x"]'),
        PingReceived(),
        NamespaceDisconnected(),
        TransportClosed(1001),
    ]
    assert sent == [FrameMessage(Opcode.TEXT, "3"), FrameMessage(Opcode.CLOSE, b"\x03\xe9")]


def test_websocket_ping_is_answered_with_its_payload(protocol: SocketIOClientProtocol) -> None:
    assert protocol.receive_data(frames.server_frame(b"abc", Opcode.PING)) == []
    assert sent_by(protocol) == [FrameMessage(Opcode.PONG, b"abc")]


def test_fragmented_event_is_joined(protocol: SocketIOClientProtocol) -> None:
    head = frames.server_frame(b'42["', Opcode.TEXT, is_last=False)
    assert protocol.receive_data(head) == []
    tail = frames.server_frame(b'x"]', Opcode.CONTINUATION)
    assert protocol.receive_data(tail) == [EventReceived('["x"]')]


def test_status_other_than_101_is_a_rejection_with_its_retry_after() -> None:
    response = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    assert SocketIOClientProtocol("h").receive_data(response) == [
        UpgradeRejected("HTTP/1.1 503 Service Unavailable", 7.0)
    ]
    assert SocketIOClientProtocol("h").receive_data(b"HTTP/1.1 403 Forbidden\r\n\r\n") == [
        UpgradeRejected("HTTP/1.1 403 Forbidden", None)
    ]


@pytest.mark.parametrize("accept", [b"", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"])
def test_101_that_does_not_answer_the_key_is_refused(accept: bytes) -> None:
    protocol = SocketIOClientProtocol("h")
    [event] = protocol.receive_data(b"HTTP/1.1 101 Switching Protocols\r\n%s\r\n" % accept + OPEN)
    assert isinstance(event, ProtocolViolated)
    assert isinstance(event.error, HandshakeError)


def test_response_head_without_end_is_refused() -> None:
    protocol = SocketIOClientProtocol("h")
    assert protocol.receive_data(b"x" * MAX_HEAD_BYTES) == []
    assert violation_of(protocol.receive_data(b"x")) is ViolationKind.OVERSIZE


def test_message_before_open_is_out_of_order() -> None:
    protocol = SocketIOClientProtocol("h")
    early = frames.server_frame(b'42["x"]')
    assert violation_of(protocol.receive_data(response_to(protocol) + early)) is ViolationKind.ORDER


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (OPEN, ViolationKind.ORDER),
        (frames.server_frame(b"9"), ViolationKind.MALFORMED),
        (frames.server_frame(b""), ViolationKind.MALFORMED),
        (frames.server_frame(b"43[1]"), ViolationKind.MALFORMED),
        (frames.server_frame(b"43" + b"9" * 16 + b"[1]"), ViolationKind.MALFORMED),
        (frames.server_frame("43²[1]".encode()), ViolationKind.MALFORMED),
        (frames.server_frame(b'42/other,["x"]'), ViolationKind.ORDER),
        (frames.server_frame(b'451-["x",{"_placeholder":true,"num":0}]'), ViolationKind.BINARY),
        (frames.server_frame(b"x", Opcode.BINARY), ViolationKind.BINARY),
        (frames.server_frame(b"\xff"), ViolationKind.ENCODING),
        (frames.server_frame(b"\x00", Opcode.CLOSE), ViolationKind.MALFORMED),
        (frames.client_frame(b"2", b"mask"), ViolationKind.MALFORMED),
    ],
)
def test_violation_ends_the_connection_after_what_was_valid(
    protocol: SocketIOClientProtocol, frame: bytes, kind: ViolationKind
) -> None:
    valid = frames.server_frame(b'42["x"]')
    first, *rest = protocol.receive_data(valid + frame + valid)
    assert first == EventReceived('["x"]')
    assert violation_of(rest) is kind
    assert protocol.receive_data(valid) == []


def test_nothing_is_read_after_the_transport_closed(protocol: SocketIOClientProtocol) -> None:
    event = frames.server_frame(b'42["x"]')
    assert protocol.receive_data(frames.server_frame(b"1") + event) == [TransportClosed(None)]
    assert protocol.receive_data(event) == []


def test_sent_frames_are_masked_packets(protocol: SocketIOClientProtocol) -> None:
    stream = protocol.send_connect({"token": "t"}) + protocol.send_event("join", ["c"], ack_id=3)
    stream += protocol.send_event("typing") + protocol.send_disconnect() + protocol.send_close()
    assert read_by_server(stream) == [
        FrameMessage(Opcode.TEXT, '40{"token":"t"}'),
        FrameMessage(Opcode.TEXT, '423["join","c"]'),
        FrameMessage(Opcode.TEXT, '42["typing"]'),
        FrameMessage(Opcode.TEXT, "41"),
        FrameMessage(Opcode.CLOSE, b"\x03\xe8"),
    ]


def test_masks_differ() -> None:
    protocol = SocketIOClientProtocol("h")
    masks = {protocol.send_event("x")[2:6] for _ in range(2_000)}
    assert len(masks) > 1_990


def test_threads_frame_packets_at_the_same_time() -> None:
    def frame(protocol: SocketIOClientProtocol) -> int:
        return len({protocol.send_event("x")[2:6] for _ in range(100_000)})

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as threads:
            assert min(threads.map(frame, [SocketIOClientProtocol("h"), SocketIOClientProtocol("h")])) > 99_000
    finally:
        sys.setswitchinterval(before)


def test_packets_are_available_without_frames_for_a_websocket_library() -> None:
    assert connect_packet() == b"40"
    assert event_packet("join", ["c"], ack_id=3) == b'423["join","c"]'
    assert disconnect_packet() == b"41"
    assert read_packet('44{"message":"no"}') == NamespaceRefused('{"message":"no"}')
    assert read_packet("439007199254740991[]") == AckReceived(socketio.MAX_ACK_ID, "[]")
    assert read_packet("3") is None
    with pytest.raises(PacketError):
        read_packet("x")
