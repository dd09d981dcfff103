"""Acceptor: takes connections from the listening socket and hands those within the limits to aiohttp."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from chatws.server.tcp.connection import HttpConnection
from chatws.server.tcp.limits import ListenerLimits
from chatws.server.tcp.stats import CloseReason, ListenerStats
from chatws.server.tcp.table import ConnectionTable

ACCEPTED_PER_ITERATION = 16
"""Connections accepted in one iteration of the event loop, so that a flood of them does not delay open ones.

One takes about 0.4 ms, and an ack four iterations: those to receive the message, to wake the store, to resume the
handler, and to write.
"""

EVICTED_PER_ITERATION = 16
"""Connections closed in one iteration to make room; their descriptors are free in the next iteration only."""

PAUSE_S = 0.1
"""Time without accepting after the system refused a descriptor."""

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

ConnectionFactory = Callable[[str], HttpConnection]
"""Creates the protocol of a connection from an address."""


class AcceptedConnection:
    """Accepted connection, until its protocol is connected; with TLS, that is after the handshake."""

    def __init__(self, tcp: socket.socket, address: str) -> None:
        self.address = address
        self.tcp = tcp
        self.task: asyncio.Task[None] | None = None
        """Task that connects the protocol."""
        self.protocol: HttpConnection | None = None

    @property
    def is_open(self) -> bool:
        """Whether the protocol is connected, or was."""
        return self.protocol is not None and self.protocol.was_opened

    def abort(self) -> None:
        """Close the connection."""
        if self.task is not None:
            self.task.cancel()


class Acceptor:
    """Reader of one listening socket."""

    def __init__(
        self,
        listener: socket.socket,
        make_connection: ConnectionFactory,
        table: ConnectionTable,
        limits: ListenerLimits,
        *,
        count_websockets: Callable[[], int],
        stats: ListenerStats,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make_connection = make_connection
        self._table = table
        self._limits = limits
        self._count_websockets = count_websockets
        self._stats = stats
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        # Connections closed to make room in this iteration.
        self._evicted = 0
        # Set while the system has no descriptor left.
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept connections."""
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept_waiting)

    async def close(self) -> None:
        """Stop accepting, close the socket, and abort handshakes that are not complete."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept_waiting(self) -> None:
        self._evicted = 0
        for _ in range(ACCEPTED_PER_ITERATION):
            try:
                tcp, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:
                # Any other error belongs to the connection that could not be accepted.
                if problem.errno in _OUT_OF_RESOURCES:
                    self._pause_accepting()
                    return
                continue
            self._admit(tcp, str(address[0]))
            if self._evicted >= EVICTED_PER_ITERATION:
                return

    def _pause_accepting(self) -> None:
        """Make room and try again later: until then, the socket would be readable in every iteration."""
        self._stats.count(CloseReason.DESCRIPTORS, "")
        self._evict()
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(PAUSE_S, self.start)

    def _admit(self, tcp: socket.socket, address: str) -> None:
        if self._table.is_address_full(address):
            self._refuse(tcp, CloseReason.ADDRESS, address)
        elif self._table.is_full and not self._evict():
            self._refuse(tcp, CloseReason.CONNECTIONS, address)
        elif self._lacks_descriptors() and not self._evict():
            self._refuse(tcp, CloseReason.DESCRIPTORS, address)
        else:
            connection = AcceptedConnection(tcp, address)
            self._table.accepted(connection)
            connection.task = task = self._loop.create_task(self._connect(connection))
            self._tasks.add(task)
            # Not in the coroutine, which does not begin if the task is cancelled at once.
            task.add_done_callback(partial(self._handshake_ended, connection))

    def _handshake_ended(self, connection: AcceptedConnection, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not connection.is_open:
            connection.tcp.close()
        self._table.handshake_ended(connection, is_open=connection.is_open)

    def _evict(self) -> bool:
        self._evicted += 1
        return self._table.evict()

    def _lacks_descriptors(self) -> bool:
        maximum = self._limits.max_descriptors
        return 0 < maximum <= self._table.total + self._count_websockets()

    def _refuse(self, tcp: socket.socket, reason: CloseReason, address: str) -> None:
        self._stats.count(reason, address)
        with tcp:
            tcp.setblocking(False)
            if self._tls is None:
                try:
                    tcp.send(UNAVAILABLE)
                except OSError:
                    return

    async def _connect(self, connection: AcceptedConnection) -> None:
        """Connect the protocol; errors of the network or of TLS are those of the client, and end the connection."""

        def make_protocol() -> HttpConnection:
            connection.protocol = self._make_connection(connection.address)
            return connection.protocol

        # The table closes a slow handshake earlier, and counts it.
        tls_timeout_s = None if self._tls is None else 2 * self._limits.request_timeout_s or None
        connection.tcp.setblocking(False)
        with suppress(OSError):
            connection.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                make_protocol, connection.tcp, ssl=self._tls, ssl_handshake_timeout=tls_timeout_s
            )
