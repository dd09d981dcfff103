"""Network link with faults: a TCP relay that cuts, holds or delays the bytes of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

HOST: Final = "127.0.0.1"
_CHUNK_BYTES: Final = 65_536


class _Direction:
    """One direction of all connections of a link."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.is_open = asyncio.Event()
        self.is_open.set()


class FaultyLink:
    """Relay from a port of its own to ``target``, a port of this machine that may change.

    A held connection receives neither bytes nor the end of the other side, as if packets were lost; a new one is
    accepted and waits.
    """

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self.port = 0
        self._requests = _Direction()
        self._responses = _Direction()
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._relay, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
        await self._abort_connections()

    async def cut(self) -> None:
        """Abort all connections, and new ones, until `restore`."""
        self._is_cut = True
        await self._abort_connections()

    def hold(self, *, requests: bool, responses: bool) -> None:
        """Hold the bytes of one or both directions until `restore`."""
        if requests:
            self._requests.is_open.clear()
        if responses:
            self._responses.is_open.clear()

    def delay(self, seconds: float) -> None:
        """Delay the bytes of both directions until `restore`."""
        self._requests.delay_s = self._responses.delay_s = seconds

    def restore(self) -> None:
        """End every fault; held bytes arrive."""
        self._is_cut = False
        for direction in (self._requests, self._responses):
            direction.delay_s = 0.0
            direction.is_open.set()

    async def _abort_connections(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        target_writer: asyncio.StreamWriter | None = None
        try:
            # A cancelled or failed connection ends here: the handler of a server must not raise.
            with suppress(OSError, asyncio.CancelledError):
                if self._is_cut:
                    return
                target_reader, target_writer = await asyncio.open_connection(HOST, self.target)
                await _first_of(
                    _pump(reader, target_writer, self._requests), _pump(target_reader, writer, self._responses)
                )
                # Unlike `abort`, this sends what is still buffered.
                writer.close()
                target_writer.close()
        finally:
            self._connections.discard(task)
            for end in (writer, target_writer):
                if end is not None and not end.is_closing():
                    end.transport.abort()


async def _first_of(*directions: Coroutine[None, None, None]) -> None:
    """Wait until one direction has ended, and cancel the other."""
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: _Direction) -> None:
    """Copy bytes; return when the end, too, has passed the link."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            await asyncio.sleep(direction.delay_s)
            await direction.is_open.wait()
            writer.write(chunk)
            await writer.drain()
    await direction.is_open.wait()
