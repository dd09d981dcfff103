"""TCP proxy that injects network faults: delays, freezes, dropped bytes and resets."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from random import Random
from typing import Final, Self

CHUNK_BYTES: Final = 64 * 1024
HOST: Final = "127.0.0.1"
TICK_S: Final = 0.1


class FaultProxy:
    """Proxy on a loopback port, a free one by default, in front of one server; used as an async context manager.

    ``delay_s`` and ``resets_per_s`` apply to all connections; the methods act on those that are open.
    """

    def __init__(self, host: str, port: int, *, seed: int = 1, listen_port: int = 0) -> None:
        self.port = listen_port
        self.delay_s = 0.0
        """Delay of bytes from the server."""
        self.resets_per_s = 0.0
        """Probability that a connection is reset within a second."""
        self.reset_count = 0
        self.refuses_connections = False
        """Close new connections at once."""
        self._target = (host, port)
        self._rng = Random(seed)
        self._open: set[_ProxiedConnection] = set()
        self._server: asyncio.Server | None = None
        self._reset_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._reset_task = asyncio.create_task(self._reset_randomly())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._reset_task is not None
        self._reset_task.cancel()
        self._server.close()
        self.reset_all()
        await asyncio.gather(
            self._reset_task, *(connection.done.wait() for connection in self._open), return_exceptions=True
        )
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._open)

    def freeze(self, *, up: bool = False, down: bool = False, share: float = 1.0) -> None:
        """Hold back all bytes in a direction, for a share of the connections, until `thaw`."""
        for connection in sorted(self._open, key=lambda connection: connection.number):
            if self._rng.random() < share:
                connection.freeze(up=up, down=down)

    def thaw(self) -> None:
        """Forward the bytes that were held back, and all later ones."""
        for connection in self._open:
            connection.thaw()

    def drop_bytes(self) -> None:
        """Drop all bytes of the open connections from now on, like a router that lost their state."""
        for connection in self._open:
            connection.drops_bytes = True

    def reset_all(self) -> None:
        """Reset every connection."""
        for connection in list(self._open):
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses_connections:
            _abort(writer)
            return
        try:
            upstream = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        connection = _ProxiedConnection(self, (reader, writer), upstream)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)

    async def _reset_randomly(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for connection in sorted(self._open, key=lambda connection: connection.number):
                if self._rng.random() < self.resets_per_s * TICK_S:
                    self.reset_count += 1
                    connection.reset()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _ProxiedConnection:
    """One connection through the proxy."""

    _count = 0

    def __init__(self, proxy: FaultProxy, client: Ends, server: Ends) -> None:
        _ProxiedConnection._count += 1
        self.number = _ProxiedConnection._count
        self.drops_bytes = False
        self.done = asyncio.Event()
        self._proxy = proxy
        self._client = client
        self._server = server
        # Set while bytes in this direction are forwarded.
        self._up_flows = asyncio.Event()
        self._down_flows = asyncio.Event()
        self.thaw()

    def freeze(self, *, up: bool, down: bool) -> None:
        for flows, is_frozen in ((self._up_flows, up), (self._down_flows, down)):
            if is_frozen:
                flows.clear()

    def thaw(self) -> None:
        self._up_flows.set()
        self._down_flows.set()

    def reset(self) -> None:
        """Reset both TCP connections."""
        self.thaw()
        for _, writer in (self._client, self._server):
            _abort(writer)

    async def run(self) -> None:
        """Forward bytes until either TCP connection ends."""
        (client_in, client_out), (server_in, server_out) = self._client, self._server
        tasks = [
            asyncio.create_task(self._forward(client_in, server_out, self._up_flows, is_downstream=False)),
            asyncio.create_task(self._forward(server_in, client_out, self._down_flows, is_downstream=True)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in (client_out, server_out):
            writer.close()
        self.done.set()

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flows: asyncio.Event, *, is_downstream: bool
    ) -> None:
        with suppress(ConnectionError):
            while chunk := await source.read(CHUNK_BYTES):
                if is_downstream and self._proxy.delay_s:
                    await asyncio.sleep(self._proxy.delay_s)
                await flows.wait()
                if not self.drops_bytes:
                    sink.write(chunk)
                    await sink.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
