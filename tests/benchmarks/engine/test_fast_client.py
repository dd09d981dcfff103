from __future__ import annotations

import json

import pytest

from benchmarks.common.schedule import clock_s
from benchmarks.engine.counters import FIRST_NUMBER, DeliveryCounters, DeliveryErrors
from benchmarks.engine.fast_client import FastConnection
from chatws.wire import frame_parser, frames, socketio
from chatws.wire.handshake_key import accept_value

OPEN = b'0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


def delivery(number: int, padding: int = 80) -> bytes:
    content = str(number).ljust(padding, ".")
    payload = socketio.encode_event("message_received", [{"conversationId": "c", "content": content}])
    return frames.server_frame(b"4" + payload)


def ack(number: int, *, success: bool = True) -> bytes:
    return frames.server_frame(b"4" + socketio.encode_ack(number, [{"success": success, "seq": 1}]))


@pytest.fixture
async def counters() -> DeliveryCounters:
    return DeliveryCounters()


def response_to(connection: FastConnection) -> bytes:
    """Return a server's response to the upgrade request, followed by OPEN."""
    request = connection._protocol.upgrade_request()
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept_value(key)
    return head + frames.server_frame(OPEN)


@pytest.fixture
async def connection(counters: DeliveryCounters) -> FastConnection:
    return FastConnection({}, "host", counters)


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 1_000_000])
async def test_acks_and_deliveries_are_counted_for_every_chunk_size(
    connection: FastConnection, counters: DeliveryCounters, chunk_bytes: int
) -> None:
    numbers = [counters.send(clock_s(), receivers=1) for _ in range(3)]
    stream = response_to(connection)
    stream += b"".join(delivery(number, 80 if number % 2 else 200) + ack(number) for number in numbers)
    stream += frames.server_frame(b"2")
    for at in range(0, len(stream), chunk_bytes):
        connection.data_received(stream[at : at + chunk_bytes])
    assert counters.is_settled()
    assert counters.errors() == DeliveryErrors()
    assert counters.acked == counters.delivered == 3
    assert not connection.ended.done()


async def test_frame_longer_than_64_kib_is_skipped_as_a_whole(
    connection: FastConnection, counters: DeliveryCounters
) -> None:
    number = counters.send(clock_s(), receivers=1)
    history = frames.server_frame(b"4" + socketio.encode_event("positions", ["x" * 70_000]))
    stream = response_to(connection) + history + delivery(number) + ack(number)
    connection.data_received(stream[:40_000])
    connection.data_received(stream[40_000:])
    assert counters.errors() == DeliveryErrors()


async def test_delivery_after_a_later_one_is_out_of_order(
    connection: FastConnection, counters: DeliveryCounters
) -> None:
    first, second = counters.send(clock_s(), receivers=1), counters.send(clock_s(), receivers=1)
    connection.data_received(response_to(connection) + delivery(second) + delivery(first))
    assert counters.errors().disordered == 1


async def test_refused_message_is_counted(connection: FastConnection, counters: DeliveryCounters) -> None:
    connection.data_received(response_to(connection) + ack(counters.send(clock_s(), receivers=0), success=False))
    assert counters.errors() == DeliveryErrors(refused=1)


async def test_message_is_masked_and_its_ack_id_is_its_number() -> None:
    written: list[bytes] = []

    class RecordingConnection(FastConnection):
        def _write(self, frame: bytes) -> None:
            written.append(frame)

    RecordingConnection({}, "host", DeliveryCounters()).send_message(FIRST_NUMBER, "conversation-1", 40)
    [message] = frame_parser.FrameParser(frame_parser.Role.SERVER, max_message_bytes=1000).feed(written[0])
    assert isinstance(message.payload, str)
    packet = socketio.decode(message.payload, at=1)
    assert packet.ack_id == FIRST_NUMBER
    name, argument = json.loads(packet.raw_json)
    assert name == "send_message"
    assert argument["conversationId"] == "conversation-1"
    assert argument["content"] == f"{FIRST_NUMBER}".ljust(40, ".")
