from __future__ import annotations

import json

import msgspec
import pytest
from aiohttp import WSServerHandshakeError

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.admission import AdmissionControl, AdmissionRefused
from tests.engine.support import close_code, eventually, serve


class Clock:
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
async def test_session_over_a_limit_is_refused_with_a_time_to_come_back(options: EngineOptions, reason: str) -> None:
    async with serve(options) as running:
        running.io._core.limits._clock = Clock()
        websocket = await running.open_websocket(connect=False)
        await running.open_polling(connect=False)
        async with await running.get() as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert json.loads(await response.text())["code"] == reason
        with pytest.raises(WSServerHandshakeError, match="503"):
            await running.open_websocket(connect=False)
        assert running.io.stats.refused_total[reason] == 2
        await websocket.close()


async def test_place_of_an_ended_session_is_free_again() -> None:
    async with serve(EngineOptions(max_sessions=1, max_unadmitted=1, max_sessions_per_address=1)) as running:
        for _ in range(3):
            websocket = await running.open_websocket()
            await websocket.close()
            await eventually(lambda: running.io.session_count == 0)
        assert running.io.unadmitted_count == 0


@pytest.mark.parametrize("returns", [False, True], ids=["stays away", "returns as nobody"])
async def test_client_that_was_admitted_and_disconnects_has_to_be_somebody_again(returns: bool) -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
            if auth is None:
                socket.hold_admission()

    async with serve(EngineOptions(admission_timeout_s=0.2), prepare) as running:
        websocket = await running.open_websocket(connect=False)
        await websocket.send_str('40{"token":"x"}')
        assert (await websocket.receive_str()).startswith("40{")
        await websocket.send_str("41")
        await running.ended.count(1)
        if returns:
            await websocket.send_str("40")
            assert (await websocket.receive_str()).startswith("40{")
            assert await websocket.receive_str() == "41"
        assert await close_code(websocket) == (1000 if returns else 1008)
    assert running.io.unadmitted_count == 0


async def test_client_that_is_somebody_again_in_time_stays() -> None:
    async with serve(EngineOptions(admission_timeout_s=0.2)) as running:
        websocket = await running.open_websocket()
        await websocket.send_str("41")
        await websocket.send_str("40")
        assert (await websocket.receive_str()).startswith("40{")
        (session,) = running.io._core.sessions.values()
        assert session._deadline is None


async def test_namespace_that_is_connected_again_and_again_counts_as_a_new_session_each_time() -> None:
    async with serve(EngineOptions(new_sessions_per_s=3)) as running:
        running.io._core.limits._clock = Clock()
        websocket = await running.open_websocket()
        for _ in range(3):
            await websocket.send_str("41")
            await websocket.send_str("40")
        answers = [await websocket.receive_str() for _ in range(3)]
        assert [answer[:2] for answer in answers] == ["40", "40", "44"]
        assert json.loads(answers[2][2:])["data"] == {"code": "rate_limited"}
        assert running.io.stats.refused_total["new_sessions_per_s"] == 1


async def test_failed_websocket_handshake_takes_no_place() -> None:
    async with serve(EngineOptions(max_sessions=1)) as running:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "99"}
        async with running.http.get(f"{running.path}&transport=websocket", headers=headers) as response:
            assert response.status == 400
        await running.open_websocket()


def test_new_sessions_are_counted_by_the_second_and_by_address() -> None:
    clock = Clock()
    limits = AdmissionControl(EngineOptions(new_sessions_per_s=3, new_sessions_per_address_per_s=2), clock)
    limits.enter("a")
    limits.enter("a")
    with pytest.raises(AdmissionRefused, match="per_address"):
        limits.enter("a")
    limits.enter("b")
    with pytest.raises(AdmissionRefused, match="new_sessions_per_s"):
        limits.enter("c")
    clock.now += 1
    limits.enter("a")


def test_addresses_of_one_ipv6_network_share_what_an_address_may_have() -> None:
    limits = AdmissionControl(EngineOptions(max_sessions_per_address=2), Clock())
    limits.enter("2001:db8::1")
    limits.enter("2001:db8::2")
    with pytest.raises(AdmissionRefused, match="per_address"):
        limits.enter("2001:db8::3")
    limits.enter("2001:db8:0:1::1")
    limits.leave("2001:db8::2", was_admitted=False)
    limits.enter("2001:db8::3")


def test_zero_switches_every_limit_off() -> None:
    limits = AdmissionControl(
        EngineOptions(
            max_sessions=0,
            max_sessions_per_address=0,
            max_unadmitted=0,
            new_sessions_per_s=0,
            new_sessions_per_address_per_s=0,
        ),
        Clock(),
    )
    for _ in range(5_000):
        limits.enter("a")
    for _ in range(5_000):
        limits.leave("a", was_admitted=False)
    assert (limits.unadmitted, len(limits._open_by_address)) == (0, 0)
