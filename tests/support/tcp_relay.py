"""A network path of any protocol that a test can cut and mend."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

from tests.support.ports import keep_port


class Relay:
    """Passes bytes between whoever connects to ``port`` and a port of this machine."""

    def __init__(self, target: int) -> None:
        self._keeper = keep_port()
        self.port: int = self._keeper.getsockname()[1]
        self._target = target
        self._server: asyncio.Server | None = None
        self._paths: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def mend(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """End every connection and refuse further ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        paths = list(self._paths)
        for path in paths:
            path.cancel()
        await asyncio.gather(*paths, return_exceptions=True)

    async def close(self) -> None:
        """Cut it for good."""
        await self.cut()
        self._keeper.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = asyncio.current_task()
        assert path is not None
        self._paths.add(path)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            self._paths.discard(path)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        ways = [asyncio.create_task(_pass(reader, there_writer)), asyncio.create_task(_pass(there_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there_writer.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
