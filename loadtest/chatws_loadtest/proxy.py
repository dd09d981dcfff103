"""A network that misbehaves: a TCP proxy that delays, freezes, swallows and resets what passes through it."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from random import Random
from typing import Final, Self

PIECE_BYTES: Final = 64 * 1024
HOST: Final = "127.0.0.1"
TICK_S: Final = 0.1


class FaultProxy:
    """Listens on a free loopback port and passes on to one server; used as an async context manager.

    ``delay_s`` and ``resets_per_s`` hold for all connections, the methods act on those that are open.
    """

    def __init__(self, host: str, port: int, *, seed: int = 1) -> None:
        self.port = 0
        self.delay_s = 0.0
        """How much later bytes from the server arrive."""
        self.resets_per_s = 0.0
        """Chance of each connection to be reset within a second."""
        self.reset_count = 0
        self._target = (host, port)
        self._rng = Random(seed)
        self._pipes: set[_Pipe] = set()
        self._server: asyncio.Server | None = None
        self._resetting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._resetting = asyncio.create_task(self._reset_some())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._resetting is not None
        self._resetting.cancel()
        self._server.close()
        self.reset_all()
        await asyncio.gather(self._resetting, *(pipe.done.wait() for pipe in self._pipes), return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._pipes)

    def freeze(self, *, up: bool = False, down: bool = False, share: float = 1.0) -> None:
        """Hold back all bytes in a direction, for a share of the connections; `thaw` lets them go on."""
        for pipe in sorted(self._pipes, key=lambda pipe: pipe.number):
            if self._rng.random() < share:
                pipe.freeze(up=up, down=down)

    def thaw(self) -> None:
        """Let everything pass again; nothing was lost."""
        for pipe in self._pipes:
            pipe.thaw()

    def swallow(self) -> None:
        """Lose all bytes of the open connections from now on, as a router does that has forgotten them."""
        for pipe in self._pipes:
            pipe.swallowing = True

    def reset_all(self) -> None:
        """Reset every connection."""
        for pipe in list(self._pipes):
            pipe.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        pipe = _Pipe(self, (reader, writer), upstream)
        self._pipes.add(pipe)
        try:
            await pipe.run()
        finally:
            self._pipes.discard(pipe)

    async def _reset_some(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for pipe in sorted(self._pipes, key=lambda pipe: pipe.number):
                if self._rng.random() < self.resets_per_s * TICK_S:
                    self.reset_count += 1
                    pipe.reset()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pipe:
    """One connection through the proxy."""

    _made = 0

    def __init__(self, proxy: FaultProxy, client: Ends, server: Ends) -> None:
        _Pipe._made += 1
        self.number = _Pipe._made
        self.swallowing = False
        self.done = asyncio.Event()
        self._proxy = proxy
        self._client = client
        self._server = server
        self._open_up = asyncio.Event()
        self._open_down = asyncio.Event()
        self.thaw()

    def freeze(self, *, up: bool, down: bool) -> None:
        for gate, is_closed in ((self._open_up, up), (self._open_down, down)):
            if is_closed:
                gate.clear()

    def thaw(self) -> None:
        self._open_up.set()
        self._open_down.set()

    def reset(self) -> None:
        """End both halves without a word."""
        self.thaw()
        for _, writer in (self._client, self._server):
            _abort(writer)

    async def run(self) -> None:
        """Pass bytes on until either end is gone."""
        (client_in, client_out), (server_in, server_out) = self._client, self._server
        tasks = [
            asyncio.create_task(self._pass_on(client_in, server_out, self._open_up, is_down=False)),
            asyncio.create_task(self._pass_on(server_in, client_out, self._open_down, is_down=True)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in (client_out, server_out):
            writer.close()
        self.done.set()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event, *, is_down: bool
    ) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(PIECE_BYTES):
                if is_down and self._proxy.delay_s:
                    await asyncio.sleep(self._proxy.delay_s)
                await gate.wait()
                if not self.swallowing:
                    sink.write(piece)
                    await sink.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
