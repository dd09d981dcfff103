from __future__ import annotations

import asyncio
from collections.abc import Callable

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.monitors import Heartbeat
from tests.engine.support import TIMEOUT_S, ValueRecorder, close_code, serve, until

QUICK = EngineOptions(ping_interval_s=0.3, ping_timeout_s=0.3)
"""Short for a test, long enough for a client on a busy machine."""


class FakeTimer:
    """Scheduled call of a ``FakeLoop``."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self._when = when
        self.callback: Callable[[], None] | None = callback

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        self.callback = None


class FakeLoop:
    """Clock with one timer, advanced by the test."""

    now = 0.0
    timer: FakeTimer | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        self.timer = FakeTimer(when, callback)
        return self.timer

    def advance(self, to: float) -> None:
        """Move the clock and fire due timers."""
        while (timer := self.timer) is not None and timer.callback is not None and timer.when() <= to:
            self.now = max(self.now, timer.when())
            callback, timer.callback = timer.callback, None
            callback()
        self.now = to


class HeartbeatRecorder:
    """Listener that counts PINGs and records the timeout."""

    is_busy = False

    def __init__(self) -> None:
        self.pings = 0
        self.has_timed_out = False

    def send_ping(self) -> None:
        self.pings += 1

    def ping_timed_out(self) -> None:
        self.has_timed_out = True


def start_heartbeat() -> tuple[FakeLoop, HeartbeatRecorder, Heartbeat]:
    loop, listener = FakeLoop(), HeartbeatRecorder()
    return loop, listener, Heartbeat(listener, loop, 25.0, 20.0)


def test_ping_is_sent_an_interval_after_the_last_pong() -> None:
    loop, listener, heartbeat = start_heartbeat()
    loop.advance(24.9)
    assert listener.pings == 0
    loop.advance(25.0)
    assert listener.pings == 1
    loop.advance(27.0)
    heartbeat.pong()
    loop.advance(51.9)
    assert listener.pings == 1
    loop.advance(52.0)
    assert listener.pings == 2


def test_missing_pong_times_out() -> None:
    loop, listener, _ = start_heartbeat()
    loop.advance(44.9)
    assert not listener.has_timed_out
    loop.advance(45.0)
    assert listener.has_timed_out


def test_timeout_is_extended_while_a_handler_delays_reading() -> None:
    loop, listener, heartbeat = start_heartbeat()
    listener.is_busy = True
    loop.advance(60.0)
    assert not listener.has_timed_out
    heartbeat.pong()
    listener.is_busy = False
    loop.advance(84.9)
    assert not listener.has_timed_out
    loop.advance(120.0)
    assert listener.has_timed_out


def test_blocked_loop_causes_no_timeout_while_a_pong_is_unread() -> None:
    loop, listener, heartbeat = start_heartbeat()
    loop.advance(25.0)
    loop.now = 60.0
    loop.advance(60.0)
    assert not listener.has_timed_out
    heartbeat.pong()
    loop.advance(84.0)
    assert not listener.has_timed_out


def test_timeout_longer_than_the_interval_delays_no_ping() -> None:
    loop, listener = FakeLoop(), HeartbeatRecorder()
    heartbeat = Heartbeat(listener, loop, 10.0, 60.0)
    for second in range(100):
        loop.advance(float(second))
        heartbeat.pong()
        loop.advance(second + 0.5)
    assert not listener.has_timed_out
    loop.advance(500.0)
    assert listener.has_timed_out


def test_short_timeout_tolerates_a_block_of_half_its_length() -> None:
    loop, listener = FakeLoop(), HeartbeatRecorder()
    heartbeat = Heartbeat(listener, loop, 0.3, 0.3)
    loop.advance(0.3)
    loop.now = 0.8
    loop.advance(0.8)
    assert not listener.has_timed_out
    heartbeat.pong()
    loop.advance(1.0)
    assert not listener.has_timed_out


async def test_websocket_without_pong_is_closed() -> None:
    async with serve(QUICK) as server:
        silent = await server.open_websocket()
        answering = await server.open_websocket()
        for _ in range(4):
            assert await answering.receive_str(timeout=TIMEOUT_S) == "2"
            await answering.send_str("3")
        await server.disconnects.count(1)
        assert await silent.receive_str() == "2"
        assert await close_code(silent) == 1001
        assert [reason for _, reason in server.disconnects.items] == ["ping timeout"]


async def test_polling_session_that_stops_polling_is_closed() -> None:
    async with serve(QUICK) as server:
        sid = await server.open_polling()
        await server.disconnects.count(1)
        async with await server.get(sid) as response:
            assert response.status == 400


async def test_client_with_a_slow_handler_is_not_closed() -> None:
    release, done = asyncio.Event(), ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(_socket: Socket) -> None:
            await release.wait()
            done.add(1)

    async with serve(QUICK, prepare) as server:
        websocket = await server.open_websocket()
        await websocket.send_str('42["slow"]')
        assert await websocket.receive_str() == "2"
        await websocket.send_str("3")
        (session,) = server.io.sessions.values()
        heartbeat = session._heartbeat
        assert isinstance(heartbeat, Heartbeat)
        await until(lambda: session.context.loop.time() > heartbeat._next_at + 0.1)
        release.set()
        await done.count(1)
        assert await websocket.receive_str(timeout=TIMEOUT_S) == "2"
        assert not server.disconnects.items
