from __future__ import annotations

import asyncio
from collections.abc import Callable

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.heartbeat import Heartbeat
from tests.engine.support import PATIENCE_S, Recorder, close_code, eventually, serve

QUICK = EngineOptions(ping_interval_s=0.3, ping_timeout_s=0.3)
"""Quick for a test, and slow enough for a client on a busy machine."""


class Timer:
    """One scheduled call."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self._when = when
        self.callback: Callable[[], None] | None = callback

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        self.callback = None


class MovableLoop:
    """A clock with one timer, moved by the test."""

    now = 0.0
    timer: Timer | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        self.timer = Timer(when, callback)
        return self.timer

    def advance(self, to: float) -> None:
        """Fire what is due until a time."""
        while (timer := self.timer) is not None and timer.callback is not None and timer.when() <= to:
            self.now = max(self.now, timer.when())
            callback, timer.callback = timer.callback, None
            callback()
        self.now = to


class Patient:
    is_busy = False

    def __init__(self) -> None:
        self.pings = 0
        self.is_dead = False

    def send_ping(self) -> None:
        self.pings += 1

    def pong_missing(self) -> None:
        self.is_dead = True


def begin() -> tuple[MovableLoop, Patient, Heartbeat]:
    loop, patient = MovableLoop(), Patient()
    return loop, patient, Heartbeat(patient, loop, 25.0, 20.0)


def test_ping_goes_out_an_interval_after_the_last_pong() -> None:
    loop, patient, heart = begin()
    loop.advance(24.9)
    assert patient.pings == 0
    loop.advance(25.0)
    assert patient.pings == 1
    loop.advance(27.0)
    heart.pong()
    loop.advance(51.9)
    assert patient.pings == 1
    loop.advance(52.0)
    assert patient.pings == 2


def test_missing_pong_is_noticed_after_the_timeout() -> None:
    loop, patient, _ = begin()
    loop.advance(44.9)
    assert not patient.is_dead
    loop.advance(45.0)
    assert patient.is_dead


def test_pong_is_waited_for_while_a_handler_holds_up_the_reader() -> None:
    loop, patient, heart = begin()
    patient.is_busy = True
    loop.advance(60.0)
    assert not patient.is_dead
    heart.pong()
    patient.is_busy = False
    loop.advance(84.9)
    assert not patient.is_dead
    loop.advance(120.0)
    assert patient.is_dead


def test_loop_that_stood_still_kills_nobody_whose_pong_waits_unread() -> None:
    loop, patient, heart = begin()
    loop.advance(25.0)
    loop.now = 60.0
    loop.advance(60.0)
    assert not patient.is_dead
    heart.pong()
    loop.advance(84.0)
    assert not patient.is_dead


def test_timeout_longer_than_the_interval_delays_no_ping_of_a_quick_client() -> None:
    loop, patient = MovableLoop(), Patient()
    heart = Heartbeat(patient, loop, 10.0, 60.0)
    for second in range(100):
        loop.advance(float(second))
        heart.pong()
        loop.advance(second + 0.5)
    assert not patient.is_dead
    loop.advance(500.0)
    assert patient.is_dead


def test_short_timeout_forgives_a_shorter_standstill() -> None:
    loop, patient = MovableLoop(), Patient()
    heart = Heartbeat(patient, loop, 0.3, 0.3)
    loop.advance(0.3)
    loop.now = 0.8
    loop.advance(0.8)
    assert not patient.is_dead
    heart.pong()
    loop.advance(1.0)
    assert not patient.is_dead


async def test_silent_websocket_is_closed_and_an_answering_one_stays() -> None:
    async with serve(QUICK) as running:
        silent = await running.open_websocket()
        alive = await running.open_websocket()
        for _ in range(4):
            assert await alive.receive_str(timeout=PATIENCE_S) == "2"
            await alive.send_str("3")
        await running.ended.count(1)
        assert await silent.receive_str() == "2"
        assert await close_code(silent) == 1001
        assert [reason for _, reason in running.ended.items] == ["ping timeout"]


async def test_polling_session_that_stops_polling_is_gone_after_the_timeout() -> None:
    async with serve(QUICK) as running:
        sid = await running.open_polling()
        await running.ended.count(1)
        async with await running.get(sid) as response:
            assert response.status == 400


async def test_client_whose_handler_runs_long_is_not_taken_for_dead() -> None:
    release, done = asyncio.Event(), Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(_socket: Socket) -> None:
            await release.wait()
            done.add(1)

    async with serve(QUICK, prepare) as running:
        websocket = await running.open_websocket()
        await websocket.send_str('42["slow"]')
        assert await websocket.receive_str() == "2"
        await websocket.send_str("3")
        (session,) = running.io._core.sessions.values()
        await eventually(lambda: session.core.loop.time() > session._heartbeat._next_at + 0.1)
        release.set()
        await done.count(1)
        assert await websocket.receive_str(timeout=PATIENCE_S) == "2"
        assert not running.ended.items
