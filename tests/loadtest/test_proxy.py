from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chatws_loadtest.proxy import FaultProxy
from tests.support.ports import free_port

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """Port of an echo server."""

    async def echo_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1024):
                writer.write(chunk)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo_bytes, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", echo) as running:
        yield running


@pytest.fixture
async def ends(proxy: FaultProxy) -> AsyncIterator[Ends]:
    """Connection through the proxy, after one echo."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    yield reader, writer
    writer.close()


async def test_frozen_bytes_arrive_after_the_thaw(proxy: FaultProxy, ends: Ends) -> None:
    reader, writer = ends
    proxy.freeze(down=True)
    writer.write(b"later")
    waiting = asyncio.create_task(reader.readexactly(5))
    assert not (await asyncio.wait([waiting], timeout=0.1))[0]
    proxy.thaw()
    assert await waiting == b"later"


async def test_dropped_bytes_never_arrive_and_new_connections_work(proxy: FaultProxy, ends: Ends) -> None:
    reader, writer = ends
    proxy.drop_bytes()
    writer.write(b"gone")
    fresh_reader, fresh_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    fresh_writer.write(b"here")
    assert await fresh_reader.readexactly(4) == b"here"
    fresh_writer.close()
    waiting = asyncio.create_task(reader.read(1))
    assert not (await asyncio.wait([waiting], timeout=0.1))[0]
    proxy.reset_all()
    with pytest.raises(ConnectionResetError):
        await waiting


async def test_connections_are_reset_at_random(proxy: FaultProxy, ends: Ends) -> None:
    reader, _ = ends
    proxy.resets_per_s = 10.0
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    assert proxy.reset_count == 1


async def test_proxy_closes_connections_to_a_stopped_server() -> None:
    async with FaultProxy("127.0.0.1", free_port()) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read(1) == b""
        writer.close()
