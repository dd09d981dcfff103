from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import socketio

from chatws.engine import EngineOptions
from tests.engine.support import Running, serve

TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A server with the defaults."""
    async with serve() as server:
        yield server


@pytest.fixture
async def binary() -> AsyncIterator[Running]:
    """A server that takes attachments."""
    async with serve(EngineOptions(allow_binary=True, attachments_timeout_s=0.2)) as server:
        yield server


@pytest.fixture(params=TRANSPORTS, ids=["websocket", "polling", "upgrade"])
def transports(request: pytest.FixtureRequest) -> list[str]:
    """How a client connects."""
    chosen: list[str] = request.param
    return chosen


@pytest.fixture
async def client() -> AsyncIterator[socketio.AsyncClient]:
    """python-socketio's client, to be connected by the test."""
    made = socketio.AsyncClient(reconnection=False)
    yield made
    await put_away(made)


@pytest.fixture
async def faithful() -> AsyncIterator[socketio.AsyncClient]:
    """The same, coming back at once whenever it thinks it should."""
    made = socketio.AsyncClient(reconnection=True, reconnection_delay=0, reconnection_delay_max=0)
    yield made
    await put_away(made)


async def put_away(client: socketio.AsyncClient) -> None:
    """Leave nothing of a client, not even the HTTP session it forgets on some ways out."""
    await client.disconnect()
    await client.shutdown()
    if client.eio.http is not None:
        await client.eio.http.close()
