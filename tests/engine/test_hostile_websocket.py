from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import struct

import pytest
from aiohttp import ClientWebSocketResponse

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.websocket import WebSocketTransport
from chatws.wire.frames import Opcode, client_frame, close_frame
from tests.engine.support import TIMEOUT_S, EngineTestServer, ValueRecorder, close_code, serve, until

PLACEHOLDER = '{"_placeholder":true,"num":0}'
MALFORMED = {
    "empty": "",
    "letter": "a",
    "non-ascii-digit": "٤2",
    "unknown-type": "7",
    "client-open": "0",
    "client-ping": "2",
    "upgrade-without-probe": "5",
    "message-empty": "4",
    "unknown-packet": "4abc",
    "second-connect": "40",
    "connect-array": "40[]",
    "connect-error": '44{"message":"x"}',
    "event-object": "42{}",
    "event-empty": "42[]",
    "event-number": "42[1]",
    "event-cut": "42[",
    "event-brace": "42{",
    "event-nan": '42["echo",NaN]',
    "event-surrogate": '42["echo","\\ud800"]',
    "event-deep": '42["echo",' + "[" * 5_000 + "]" * 5_000 + "]",
    "ack-id-long": "42" + "9" * 100 + '["echo"]',
    "ack-id-letters": '42abc["echo"]',
    "ack-id-arabic": '42٤["echo"]',
    "ack-id-superscript": '42²["echo"]',
    "ack-object": "431{}",
    "ack-without-id": "43[]",
    "ack-of-unknown-namespace": "43/other,1[]",
    "event-of-unknown-namespace": '42/other,["echo"]',
    "disconnect-of-unknown-namespace": "41/other,",
    "disconnect-payload": "41{}",
    "reserved-connect": '42["connect",{"REMOTE_ADDR":"6.6.6.6"}]',
    "reserved-disconnect": '42["disconnect","x"]',
    "reserved-connect-error": '42["connect_error"]',
    "reserved-disconnecting": '42["disconnecting"]',
    "reserved-new-listener": '42["newListener"]',
    "reserved-remove-listener": '42["removeListener"]',
    "binary-event": f'451-["echo",{PLACEHOLDER}]',
    "binary-ack": "461-1[]",
    "binary-bomb": '459999999999-["echo"]',
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
async def test_protocol_error_closes_the_transport_and_affects_no_other_client(
    server: EngineTestServer, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = await server.open_websocket()
    websocket = await server.open_websocket()
    await websocket.send_str(text)
    assert await close_code(websocket) == 1002
    await server.disconnects.count(1)
    assert [reason for _, reason in server.disconnects.items] == ["parse error"]
    assert server.io.stats.protocol_errors.total() == 1
    await other.send_str('421["echo",1]')
    assert await other.receive_str() == "431[1]"
    assert not [record for record in caplog.records if record.exc_info]
    assert len(caplog.records) == 1


async def test_event_before_connect_closes_the_transport(server: EngineTestServer) -> None:
    websocket = await server.open_websocket(connect=False)
    await websocket.send_str('42["echo"]')
    assert await close_code(websocket) == 1002


async def test_unannounced_binary_message_closes_the_transport(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    await websocket.send_bytes(b"x")
    assert await close_code(websocket) == 1002


@pytest.mark.parametrize("number", ["-1", "1", '"0"', "0.5", "true", "[0]", "null", "1e0"])
async def test_invalid_placeholder_number_closes_the_transport(binary: EngineTestServer, number: str) -> None:
    websocket = await binary.open_websocket()
    await websocket.send_str(f'451-7["echo",{{"_placeholder":true,"num":{number}}}]')
    await websocket.send_bytes(b"x")
    assert await close_code(websocket) == 1002


async def test_text_while_attachments_are_missing_closes_the_transport(binary: EngineTestServer) -> None:
    websocket = await binary.open_websocket()
    await websocket.send_str(f'451-["echo",{PLACEHOLDER}]')
    await websocket.send_str('42["echo"]')
    assert await close_code(websocket) == 1002


async def test_late_attachments_close_the_transport(binary: EngineTestServer) -> None:
    websocket = await binary.open_websocket()
    await websocket.send_str('452-["echo"]')
    await websocket.send_bytes(b"x")
    assert await close_code(websocket) == 1002


async def test_too_many_attachments_close_the_transport(binary: EngineTestServer) -> None:
    websocket = await binary.open_websocket()
    await websocket.send_str('4511-["echo"]')
    assert await close_code(websocket) == 1002


async def test_attachments_too_large_together_close_the_transport(binary: EngineTestServer) -> None:
    websocket = await binary.open_websocket()
    await websocket.send_str('453-["echo"]')
    for _ in range(2):
        await websocket.send_bytes(bytes(40_000))
    assert await close_code(websocket) == 1009


async def test_message_of_the_maximum_size_is_accepted_and_a_larger_one_refused(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    frame = '421["echo","' + "x" * (65_536 - len('421["echo",""]')) + '"]'
    await websocket.send_str(frame)
    assert len(await websocket.receive_str()) == len(frame) - len('"echo",')
    await websocket.send_str(frame + " ")
    assert await close_code(websocket) == 1009


async def _send_raw(websocket: ClientWebSocketResponse, data: bytes) -> None:
    websocket._writer.transport.write(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(b'4"\xff"', b"abcd"), 1007),
        (client_frame(b"4\xed\xa0\x80", b"abcd"), 1007),
        (b"\xc1\x80abcd", 1002),
        (b"\x83\x80abcd", 1002),
        (client_frame(b"x", b"abcd", Opcode.CONTINUATION), 1002),
        (client_frame(b"x", b"abcd", Opcode.PING, is_last=False), 1002),
        (b"\x81\xff" + struct.pack("!Q", 2**40) + b"abcd", 1009),
        (client_frame(bytes(1_000_000), b"abcd"), 1009),
        (
            client_frame(bytes(40_000), b"abcd", is_last=False)
            + client_frame(bytes(40_000), b"abcd", Opcode.CONTINUATION),
            1009,
        ),
    ],
    ids=["utf8", "surrogate", "rsv", "opcode", "continuation", "fragmented-ping", "terabyte", "megabyte", "fragments"],
)
async def test_malformed_frame_gets_its_close_code(server: EngineTestServer, data: bytes, code: int) -> None:
    websocket = await server.open_websocket()
    await _send_raw(websocket, data)
    assert await close_code(websocket) == code
    await server.disconnects.count(1)


async def test_thousands_of_empty_fragments_are_accepted(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    first = client_frame(b'421["echo"', b"abcd", is_last=False)
    middle = client_frame(b"", b"abcd", Opcode.CONTINUATION, is_last=False)
    last = client_frame(b"]", b"abcd", Opcode.CONTINUATION)
    await _send_raw(websocket, first + middle * 5_000 + last)
    assert await websocket.receive_str() == "431[]"


async def test_websocket_pings_are_answered_in_order(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    websocket._autoping = False
    await websocket.ping(b"one")
    await websocket.send_str('421["echo"]')
    assert (await websocket.receive()).data == b"one"
    assert await websocket.receive_str() == "431[]"


async def test_many_protocol_errors_write_one_log_line_per_second(
    server: EngineTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "chatws")
    for _ in range(50):
        websocket = await server.open_websocket(connect=False)
        await websocket.send_str("42{secret-token")
        assert await close_code(websocket) == 1002
    lines = [record for record in caplog.records if record.name.startswith("chatws")]
    assert 1 <= len(lines) < 10
    assert "secret-token" not in "".join(str(vars(record)) for record in lines)
    assert server.io.stats.protocol_errors["malformed"] == 50


async def test_client_that_ignores_the_close_frame_is_disconnected() -> None:
    async with serve(EngineOptions(linger_s=0.05)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"}")
        writer.write(client_frame(b"garbage", b"abcd"))
        async with asyncio.timeout(TIMEOUT_S):
            assert await reader.read() == close_frame(1002)
        writer.close()


async def test_seeded_mutations_never_write_a_traceback(
    server: EngineTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    seeds = [b'421["echo",{"a":[1,2.5,null]}]', b'42/x,["echo"]', b"40", b"41", b'431["x"]', b"3", b"1"]
    rng = random.Random(20251028)
    for _ in range(150):
        websocket = await server.open_websocket()
        text = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            text[rng.randrange(len(text))] = rng.choice(b'0123456789[]{}",/-:\\abc \x1e\x00')
        await websocket.send_str(text.decode())
        with contextlib.suppress(ConnectionResetError):
            await websocket.send_str("garbage")
        await close_code(websocket)
    await until(lambda: server.io.session_count == 0)
    assert not [record for record in caplog.records if record.exc_info]


async def test_any_mask_key_and_segmentation_is_accepted(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    for byte in client_frame(b'421["echo","\xe2\x82\xac"]', os.urandom(4)):
        await _send_raw(websocket, bytes((byte,)))
        await asyncio.sleep(0)
    assert await websocket.receive_str() == '431["€"]'


async def test_messages_before_a_malformed_frame_in_one_segment_are_answered(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    await _send_raw(websocket, client_frame(b'421["echo",1]', b"abcd") + b"\xc1\x80abcd" + client_frame(b"3", b"abcd"))
    assert await websocket.receive_str() == "431[1]"
    assert await close_code(websocket) == 1002


async def test_backpressure_delays_a_fast_sender_without_loss() -> None:
    handled, release = ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("up")
        async def up(_socket: Socket, number: int, _text: str) -> None:
            await release.wait()
            handled.add(number)

    async with serve(prepare=prepare) as server:
        websocket = await server.open_websocket()
        sending = asyncio.create_task(_send_numbers(websocket, 600))
        (session,) = server.io.sessions.values()
        transport = session.transport
        assert isinstance(transport, WebSocketTransport)
        await until(lambda: transport._is_paused)
        assert transport._queued_bytes < 1_000_000
        release.set()
        assert await handled.count(600) == list(range(600))
        assert not transport._is_paused
        await sending


async def _send_numbers(websocket: ClientWebSocketResponse, count: int) -> None:
    for number in range(count):
        await websocket.send_str(f'42["up",{number},"{"x" * 10_000}"]')
