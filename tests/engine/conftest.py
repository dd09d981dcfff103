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
from tests.engine.support import Running, serve

ON_BOTH_LOOPS = {"test_heartbeat", "test_slow_readers", "test_drain", "test_websocket_ends"}
TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop the server runs on, and what depends on a loop's timers and buffers on the standard one too."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.stem in ON_BOTH_LOOPS:
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A server with the defaults."""
    async with serve() as server:
        yield server


@pytest.fixture
async def binary() -> AsyncIterator[Running]:
    """A server that takes attachments."""
    async with serve(EngineOptions(allow_binary=True, attachments_timeout_s=0.4)) as server:
        yield server


@pytest.fixture(params=TRANSPORTS, ids=["websocket", "polling", "upgrade"])
def transports(request: pytest.FixtureRequest) -> list[str]:
    """How a client connects."""
    chosen: list[str] = request.param
    return chosen


@pytest.fixture
async def client() -> AsyncIterator[socketio.AsyncClient]:
    """python-socketio's client, to be connected by the test."""
    async with give_client(reconnection=False) as made:
        yield made


@pytest.fixture
async def faithful() -> AsyncIterator[socketio.AsyncClient]:
    """The same, coming back at once whenever it thinks it should."""
    async with give_client(reconnection=True, reconnection_delay=0, reconnection_delay_max=0) as made:
        yield made


@asynccontextmanager
async def give_client(**options: Any) -> AsyncIterator[socketio.AsyncClient]:
    """Make a client; the HTTP session is ours because it forgets to close its own when it reconnects."""
    async with ClientSession() as http:
        made = socketio.AsyncClient(http_session=http, **options)
        yield made
        await made.disconnect()
        # Its reconnecting, if the server's end has just begun it, forgets when it starts that it was to be given up.
        await asyncio.sleep(0)
        await made.shutdown()
