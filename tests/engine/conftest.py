from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
import uvloop
from aiohttp import ClientSession

from chatws.engine import EngineOptions
from tests.engine.support import EngineTestServer, serve

ON_BOTH_LOOPS = {"test_heartbeat", "test_slow_readers", "test_drain", "test_websocket_ends"}
TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on uvloop, as the server does; modules that depend on timers and buffers of a loop run on asyncio's, too."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.stem in ON_BOTH_LOOPS:
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.fixture
async def server() -> AsyncIterator[EngineTestServer]:
    """Server with default options."""
    async with serve() as server:
        yield server


@pytest.fixture
async def binary() -> AsyncIterator[EngineTestServer]:
    """Server that accepts attachments."""
    async with serve(EngineOptions(allow_binary=True, attachments_timeout_s=0.4)) as server:
        yield server


@pytest.fixture(params=TRANSPORTS, ids=["websocket", "polling", "upgrade"])
def transports(request: pytest.FixtureRequest) -> list[str]:
    """Transports of the client."""
    chosen: list[str] = request.param
    return chosen


@pytest.fixture
async def client() -> AsyncIterator[socketio.AsyncClient]:
    """Client of python-socketio, not connected yet."""
    async with make_client(reconnection=False) as made:
        yield made


@pytest.fixture
async def reconnecting_client() -> AsyncIterator[socketio.AsyncClient]:
    """Client of python-socketio that reconnects without delay."""
    async with make_client(reconnection=True, reconnection_delay=0, reconnection_delay_max=0) as made:
        yield made


@asynccontextmanager
async def make_client(**options: Any) -> AsyncIterator[socketio.AsyncClient]:
    """Create a client with an HTTP session of ours: it does not close its own when it reconnects."""
    async with ClientSession() as http:
        made = socketio.AsyncClient(http_session=http, **options)
        yield made
        await made.disconnect()
        # A reconnect task that has just been created would ignore the abort if it started after it.
        await asyncio.sleep(0)
        await made.shutdown()
