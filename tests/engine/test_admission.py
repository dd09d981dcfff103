from __future__ import annotations

import json

import pytest
from aiohttp import WSServerHandshakeError

from chatws.engine import EngineOptions
from chatws.engine.limits import Limits, Refused
from tests.engine.support import eventually, serve


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


async def test_failed_websocket_handshake_takes_no_place() -> None:
    async with serve(EngineOptions(max_sessions=1)) as running:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "99"}
        async with running.http.get(f"{running.path}&transport=websocket", headers=headers) as response:
            assert response.status == 400
        await running.open_websocket()


def test_new_sessions_are_counted_by_the_second_and_by_address() -> None:
    clock = Clock()
    limits = Limits(EngineOptions(new_sessions_per_s=3, new_sessions_per_address_per_s=2), clock)
    limits.enter("a")
    limits.enter("a")
    with pytest.raises(Refused, match="per_address"):
        limits.enter("a")
    limits.enter("b")
    with pytest.raises(Refused, match="new_sessions_per_s"):
        limits.enter("c")
    clock.now += 1
    limits.enter("a")


def test_addresses_of_one_ipv6_network_share_what_an_address_may_have() -> None:
    limits = Limits(EngineOptions(max_sessions_per_address=2), Clock())
    limits.enter("2001:db8::1")
    limits.enter("2001:db8::2")
    with pytest.raises(Refused, match="per_address"):
        limits.enter("2001:db8::3")
    limits.enter("2001:db8:0:1::1")
    limits.leave("2001:db8::2", was_admitted=False)
    limits.enter("2001:db8::3")


def test_zero_switches_every_limit_off() -> None:
    limits = Limits(
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
