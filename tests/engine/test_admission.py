from __future__ import annotations

import json

import msgspec
import pytest
from aiohttp import WSServerHandshakeError

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.admission import AdmissionControl, AdmissionRefused
from tests.engine.support import TIMEOUT_S, close_code, serve, until


class FakeClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (EngineOptions(max_sessions=2), "max_sessions"),
        (EngineOptions(max_sessions_per_address=2), "max_sessions_per_address"),
        (EngineOptions(max_unadmitted=2), "max_unadmitted"),
        (EngineOptions(new_sessions_per_s=2), "new_sessions_per_s"),
        (EngineOptions(new_sessions_per_address_per_s=2), "new_sessions_per_address_per_s"),
    ],
)
async def test_session_over_a_limit_is_refused_with_retry_after(options: EngineOptions, reason: str) -> None:
    async with serve(options) as server:
        server.io._context.admission._clock = FakeClock()
        websocket = await server.open_websocket(connect=False)
        await server.open_polling(connect=False)
        async with await server.get() as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert json.loads(await response.text())["code"] == reason
        with pytest.raises(WSServerHandshakeError, match="503"):
            await server.open_websocket(connect=False)
        assert server.io.stats.refused_total[reason] == 2
        await websocket.close()


async def test_slot_of_a_closed_session_is_free_again() -> None:
    async with serve(EngineOptions(max_sessions=1, max_unadmitted=1, max_sessions_per_address=1)) as server:
        for _ in range(3):
            websocket = await server.open_websocket()
            await websocket.close()
            await until(lambda: server.io.session_count == 0)
        assert server.io.unadmitted_count == 0


@pytest.mark.parametrize("reconnects", [False, True], ids=["does not reconnect", "reconnects unauthenticated"])
async def test_auth_deadline_restarts_when_an_admitted_client_disconnects(reconnects: bool) -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
            if auth is None:
                socket.hold_admission()

    async with serve(EngineOptions(admission_timeout_s=0.5), prepare) as server:
        websocket = await server.open_websocket(connect=False)
        await websocket.send_str('40{"token":"x"}')
        assert (await websocket.receive_str()).startswith("40{")
        await websocket.send_str("41")
        await server.disconnects.count(1)
        if reconnects:
            await websocket.send_str("40")
            assert (await websocket.receive_str()).startswith("40{")
            assert await websocket.receive_str() == "41"
        assert await close_code(websocket) == (1000 if reconnects else 1008)
    assert server.io.unadmitted_count == 0


async def test_client_that_authenticates_again_in_time_stays_connected() -> None:
    async with serve(EngineOptions(admission_timeout_s=TIMEOUT_S)) as server:
        websocket = await server.open_websocket()
        await websocket.send_str("41")
        await websocket.send_str("40")
        assert (await websocket.receive_str()).startswith("40{")
        (session,) = server.io.sessions.values()
        assert session._auth_deadline is None


async def test_each_reconnect_to_a_namespace_counts_as_a_new_session() -> None:
    async with serve(EngineOptions(new_sessions_per_s=3)) as server:
        server.io._context.admission._clock = FakeClock()
        websocket = await server.open_websocket()
        for _ in range(3):
            await websocket.send_str("41")
            await websocket.send_str("40")
        answers = [await websocket.receive_str() for _ in range(3)]
        assert [answer[:2] for answer in answers] == ["40", "40", "44"]
        assert json.loads(answers[2][2:])["data"] == {"code": "rate_limited"}
        assert server.io.stats.refused_total["new_sessions_per_s"] == 1


async def test_failed_websocket_handshake_takes_no_slot() -> None:
    async with serve(EngineOptions(max_sessions=1)) as server:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "99"}
        async with server.http.get(f"{server.path}&transport=websocket", headers=headers) as response:
            assert response.status == 400
        await server.open_websocket()


def test_new_sessions_are_limited_per_second_and_per_address() -> None:
    clock = FakeClock()
    admission = AdmissionControl(EngineOptions(new_sessions_per_s=3, new_sessions_per_address_per_s=2), clock)
    admission.acquire("a")
    admission.acquire("a")
    with pytest.raises(AdmissionRefused, match="per_address"):
        admission.acquire("a")
    admission.acquire("b")
    with pytest.raises(AdmissionRefused, match="new_sessions_per_s"):
        admission.acquire("c")
    clock.now += 1
    admission.acquire("a")


def test_addresses_of_one_ipv6_network_share_the_limits_per_address() -> None:
    admission = AdmissionControl(EngineOptions(max_sessions_per_address=2), FakeClock())
    admission.acquire("2001:db8::1")
    admission.acquire("2001:db8::2")
    with pytest.raises(AdmissionRefused, match="per_address"):
        admission.acquire("2001:db8::3")
    admission.acquire("2001:db8:0:1::1")
    admission.release("2001:db8::2", was_admitted=False)
    admission.acquire("2001:db8::3")


def test_zero_disables_every_limit() -> None:
    admission = AdmissionControl(
        EngineOptions(
            max_sessions=0,
            max_sessions_per_address=0,
            max_unadmitted=0,
            new_sessions_per_s=0,
            new_sessions_per_address_per_s=0,
        ),
        FakeClock(),
    )
    for _ in range(5_000):
        admission.acquire("a")
    for _ in range(5_000):
        admission.release("a", was_admitted=False)
    assert (admission.unadmitted, len(admission._open_by_address)) == (0, 0)
