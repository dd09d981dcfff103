"""Reverse proxy between a client and a server, with configurable restrictions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.tcp_relay import close_server


class Proxy:
    """Proxy that forwards bytes, in segments of at most ``segment_bytes``.

    ``refuses_upgrade``: it replies 502 to WebSocket handshakes.
    """

    def __init__(self, port: int, *, refuses_upgrade: bool = False, segment_bytes: int = 65_536) -> None:
        self.refuses_upgrade = refuses_upgrade
        self.refused = 0
        self._target = port
        self._segment_bytes = segment_bytes
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None, "the proxy is not running"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield self
        finally:
            await close_server(self._server)
            await self.cut()

    async def cut(self) -> None:
        """Close every connection, like a proxy that restarts."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readuntil(b"\r\n\r\n")
        if self.refuses_upgrade and b"upgrade: websocket" in first.lower():
            self.refused += 1
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            target_writer.write(first)
            directions = [self._forward(reader, target_writer), self._forward(target_reader, writer)]
            await asyncio.wait(
                [asyncio.ensure_future(direction) for direction in directions], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            target_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            for at in range(0, len(chunk), self._segment_bytes):
                writer.write(chunk[at : at + self._segment_bytes])
                await writer.drain()
                await asyncio.sleep(0)
