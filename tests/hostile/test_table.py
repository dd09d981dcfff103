"""Table of malformed input to a running chat: each row gets its documented response and releases everything."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from yarl import URL

from tests.hostile.frames import FRAMES, HostileFrames
from tests.hostile.harness import HostileHarness
from tests.hostile.payloads import CREDENTIALS, EVENT_PAYLOADS, OWN
from tests.hostile.requests import BODIES, POLLING, REQUESTS, STREAMS, HostileBody, HostileRequest
from tests.support.peer import Peer, PeerRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S = 30.0
EPOCH = datetime.fromtimestamp(0, UTC)


async def test_table_has_at_least_200_rows() -> None:
    assert len(FRAMES) + len(EVENT_PAYLOADS) + len(CREDENTIALS) + len(REQUESTS) + len(BODIES) + len(STREAMS) >= 200


@pytest.mark.parametrize("row", FRAMES.values(), ids=FRAMES)
async def test_frame_closes_its_connection_with_its_code(harness: HostileHarness, row: HostileFrames) -> None:
    async with harness.attack():
        peer = await (harness.attacker() if row.is_connected else Peer.open(harness.chat.url))
        for part in row.sent:
            if row.is_raw:
                assert isinstance(part, bytes)
                peer.write_bytes(part)
            else:
                await peer.send_raw(part)
        if row.is_connected:
            code = await peer.wait_closed(TIMEOUT_S)
        else:
            await peer.rest_of_frames(TIMEOUT_S)
            code = peer.close_code
        await peer.close()
        assert code == row.code


@pytest.mark.parametrize(("raw", "code"), EVENT_PAYLOADS.values(), ids=EVENT_PAYLOADS)
async def test_payload_is_refused_by_ack(harness: HostileHarness, raw: str, code: str) -> None:
    async with harness.attack():
        peer = await harness.attacker()
        assert (await peer.call("join_conversation", OWN))["success"]
        ack = await asyncio.wait_for(await peer.start_raw(raw), TIMEOUT_S)
        assert (ack["success"], ack["error"]["code"]) == (False, code)
        assert not any(word in json.dumps(ack) for word in ("Traceback", "SELECT", "/site-packages", "msgspec"))
        assert (await peer.call("send_message", {"conversationId": OWN, "content": "fine"}))["success"]
        await peer.close()


@pytest.mark.parametrize(("auth", "code"), CREDENTIALS.values(), ids=CREDENTIALS)
async def test_credentials_are_refused_with_their_code(
    harness: HostileHarness, auth: dict[str, object], code: str
) -> None:
    async with harness.attack():
        with pytest.raises(PeerRefused) as refused:
            await Peer.connect(harness.chat.url, auth)
        assert refused.value.code == code


@pytest.mark.parametrize("row", REQUESTS.values(), ids=REQUESTS)
async def test_request_is_answered_with_its_status(harness: HostileHarness, row: HostileRequest) -> None:
    async with harness.attack() as http:
        url = URL(f"{harness.chat.url}{row.path}{'?' * bool(row.query)}{row.query}", encoded=True)
        async with http.request(row.method, url, headers=row.headers, data=row.body) as response:
            body = await response.text()
            assert response.status == row.status, body
            assert "Traceback" not in body


@pytest.mark.parametrize("row", BODIES.values(), ids=BODIES)
async def test_polling_body_is_refused_and_its_session_closed(harness: HostileHarness, row: HostileBody) -> None:
    async with harness.attack() as http:
        url = await open_polling(harness, http)
        async with http.post(url, data=row.sent, headers=row.headers) as response:
            assert response.status == row.status
        async with http.get(url) as response:
            assert response.status == 400
            assert (await response.json())["code"] == 1


@pytest.mark.parametrize("row", STREAMS.values(), ids=STREAMS)
async def test_bytes_that_are_no_request_get_400_and_a_close(harness: HostileHarness, row: bytes) -> None:
    async with harness.attack():
        reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
        writer.write(row)
        async with asyncio.timeout(TIMEOUT_S):
            answer = await reader.read()
        assert answer[:13] in (b"HTTP/1.0 400 ", b"HTTP/1.1 400 "), answer[:80]
        writer.close()


async def test_whole_table_logs_one_line_per_second_and_kind(harness: HostileHarness) -> None:
    """Run last in the module, so that the log contains all rows."""
    lines = [line.split() for line in harness.log.getvalue().splitlines()]
    warnings = [(datetime.fromisoformat(at), event, kind) for at, level, event, kind, *_ in lines if level != "info"]
    assert len(warnings) > 10
    last: dict[tuple[str, str], datetime] = {}
    for at, event, kind in warnings:
        assert (at - last.get((event, kind), EPOCH)).total_seconds() > 0.9
        last[event, kind] = at


async def open_polling(harness: HostileHarness, http: aiohttp.ClientSession) -> URL:
    """Open a polling session, connect a customer, and return the session's URL."""
    base = f"{harness.chat.url}/socket.io/?{POLLING}"
    async with http.get(base) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    url = URL(f"{base}&sid={sid}")
    async with http.post(url, data='40{"sessionId":"hostile-session"}') as response:
        assert response.status == 200
    text = ""
    while "authenticated" not in text:
        async with http.get(url) as response:
            text += await response.text()
    return url
