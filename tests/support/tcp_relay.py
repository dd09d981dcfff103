"""TCP relay that a test can disconnect and restore."""

from __future__ import annotations

import asyncio
from typing import Self

from tests.support.ports import reserve_port

ITERATIONS_OF_ACCEPT = 4
"""Event loop iterations in which asyncio passes on a connection that it has accepted."""


class TcpRelay:
    """Relay of TCP connections from ``port`` to a target port on this machine."""

    def __init__(self, target: int) -> None:
        self._reservation = reserve_port()
        self.port: int = self._reservation.getsockname()[1]
        self._target = target
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def restore(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Abort all connections and reject new ones."""
        if self._server is not None:
            server, self._server = self._server, None
            await close_server(server)
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Abort all connections and release the port."""
        await self.cut()
        self._reservation.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start the relay of a connection; one that was accepted just before `cut` is aborted.

        It is not a coroutine, because one that is cancelled before its first step would leave the socket open.
        """
        if self._server is None:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._relay(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return
        copying = [asyncio.create_task(_copy(reader, target_writer)), asyncio.create_task(_copy(target_reader, writer))]
        try:
            await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            target_writer.transport.abort()
            for task in copying:
                task.cancel()
            await asyncio.gather(*copying, return_exceptions=True)


async def close_server(server: asyncio.Server) -> None:
    """Close a server after it has passed on the connections accepted so far, which `Server.close` would leave open."""
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener)
    for _ in range(ITERATIONS_OF_ACCEPT):
        await asyncio.sleep(0)
    server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
