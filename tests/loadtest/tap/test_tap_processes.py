"""Proxy and analysis of ``chatws tap`` as two processes: death, a stop, and the bound of what waits; 6 s."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from chatws_loadtest.procfs import resident_bytes
from chatws_loadtest.tap.observation_stream import BATCH_BYTES, MAX_BYTES
from tests.loadtest.tap.test_tap_command import TIMEOUT_S, TapProcess, talk, tap_process
from tests.support.peer import Peer

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

FAILED = 1
FRAME_BYTES = 500_000
HANDSHAKE = '0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


def analysis_of(tap: TapProcess) -> int:
    """Return the id of the process that a tap has started."""
    [child] = Path(f"/proc/{tap.child.pid}/task/{tap.child.pid}/children").read_text().split()
    return int(child)


async def test_killed_analysis_is_reported_once_and_the_traffic_flows(shared_server: ServerProcess) -> None:
    async with tap_process(shared_server.url, "--json") as tap:
        peer = await Peer.connect(tap.url, {"token": shared_server.sign_token("agent-1")})
        os.kill(analysis_of(tap), signal.SIGKILL)
        await asyncio.to_thread(tap.stderr.wait_for, r"the analysis has ended \(SIGKILL\)", TIMEOUT_S)
        await talk(tap.url, shared_server)
        await peer.settle()
        assert await asyncio.to_thread(tap.end, signal.SIGINT) == FAILED
        await peer.close()
    assert len(tap.stderr.lines) == 2


async def test_analysis_of_a_killed_tap_writes_its_records_and_ends(echo_url: str) -> None:
    async with tap_process(echo_url, "--json") as tap:
        analysis = analysis_of(tap)
        peer = await Peer.open(tap.url)
        os.kill(analysis, signal.SIGSTOP)
        # The second one fills a batch, so that the kernel has both.
        for frame in ('42["last"]', event("large", BATCH_BYTES)):
            await peer.send_raw(frame)
            assert await peer.receive_raw() == frame
        tap.child.kill()
        await asyncio.to_thread(tap.child.wait, TIMEOUT_S)
        os.kill(analysis, signal.SIGCONT)
        # The output ends when the last process that has it ends.
        await asyncio.to_thread(tap.stdout.join)
        await peer.close()
    assert '"last"' in tap.stdout.text


async def test_stopped_analysis_delays_nothing_and_misses_a_counted_part(echo_url: str) -> None:
    frames = [event(f"n{number}", FRAME_BYTES) for number in range(2 * MAX_BYTES // FRAME_BYTES)]
    async with tap_process(echo_url, "--json") as tap:
        peer = await Peer.open(tap.url)
        analysis, before = analysis_of(tap), resident_bytes(tap.child.pid)
        os.kill(analysis, signal.SIGSTOP)
        for frame in frames:
            await peer.send_raw(frame)
            assert await peer.receive_raw() == frame
        # Both directions together are four times the bound.
        assert resident_bytes(tap.child.pid) - before < 2 * MAX_BYTES
        os.kill(analysis, signal.SIGCONT)
        skipped = await asyncio.to_thread(tap.stdout.wait_for, '"skipped","detail":"([0-9]+) frames', TIMEOUT_S)
        await peer.send_raw('42["after"]')
        await asyncio.to_thread(tap.stdout.wait_for, '"after"', TIMEOUT_S)
        await peer.close()
    analysed = [row for row in map(json.loads, tap.stdout.lines) if row.get("event", "").startswith("n")]
    assert int(skipped[1]) == 2 * len(frames) - len(analysed) > 0


def event(name: str, size: int) -> str:
    """Return an event with an argument of this many bytes."""
    return f'42["{name}","{"x" * size}"]'


@pytest.fixture
async def echo_url() -> AsyncIterator[str]:
    """URL of a server that returns every frame."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(request)
        await ws.send_str(HANDSHAKE)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/socket.io/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
