"""Byte stream on a non-blocking socket, with callbacks from gevent's hub."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Final, Protocol

from gevent import get_hub, monkey

from chatws.client.gevent.tls import Tls

if TYPE_CHECKING:
    from chatws.client.gevent.endpoint import Endpoint

READ: Final = 1
WRITE: Final = 2
"""Event flags of libev's watchers."""

CHUNK_BYTES: Final = 64 * 1024
MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024
"""Limit of the write buffer; beyond it the server is considered dead."""

# Locust patches the socket module, and a patched socket would switch greenlets inside a hub callback.
_Socket: type[socket.socket] = monkey.get_original("socket", "socket")


class StreamListener(Protocol):
    """Callbacks of a stream."""

    def stream_opened(self) -> None:
        """Start writing: the connection is open."""

    def stream_received(self, data: bytes) -> None:
        """Process received bytes."""

    def stream_ended(self, reason: str) -> None:
        """Called once when the peer or an error ends the stream; not called after a local `close`."""


class Stream:
    """One TCP connection, with TLS if the endpoint requires it."""

    def __init__(self, endpoint: Endpoint, listener: StreamListener) -> None:
        self._listener = listener
        self._tls = None if endpoint.tls is None else Tls(endpoint.tls, endpoint.host)
        self._unsent = bytearray()
        self._open = False
        self._loop = get_hub().loop
        self._socket: socket.socket | None = _Socket(endpoint.family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read_watcher = self._loop.io(self._socket.fileno(), READ)
        self._write_watcher = self._loop.io(self._socket.fileno(), WRITE)
        # Returns at once: the result arrives in a hub callback, after the constructor has returned.
        self._socket.connect_ex(endpoint.sockaddr)
        self._write_watcher.start(self._on_connected)

    def write(self, data: bytes) -> None:
        """Write as much as the kernel accepts and buffer the rest; no effect on a closed stream."""
        if self._tls is not None and self._socket is not None:
            self._tls.send(data)
            data = self._tls.take_outgoing()
        self._send(data)

    def close(self) -> None:
        """Close the socket; buffered bytes are lost."""
        if self._socket is None:
            return
        for watcher in (self._read_watcher, self._write_watcher):
            watcher.stop()
            watcher.close()
        self._socket.close()
        self._socket = None

    def cut(self) -> None:
        """Close the socket with a TCP reset."""
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def _on_connected(self) -> None:
        assert self._socket is not None
        self._write_watcher.stop()
        problem = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            self._end(os.strerror(problem))
            return
        self._read_watcher.start(self._on_readable)
        if self._tls is None:
            self._listener.stream_opened()
        else:
            self._receive_tls(b"")

    def _on_readable(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._end(problem.strerror or str(problem))
            return
        if not data:
            self._end("transport close")
        elif self._tls is None:
            self._listener.stream_received(data)
        else:
            self._receive_tls(data)

    def _receive_tls(self, data: bytes) -> None:
        assert self._tls is not None
        was_ready = self._tls.is_ready
        try:
            plain = self._tls.receive(data)
        except ssl.SSLError as problem:
            self._end(f"TLS: {problem.reason or problem}")
            return
        self._send(self._tls.take_outgoing())
        if self._tls.is_ready and not was_ready:
            self._listener.stream_opened()
        if plain:
            self._listener.stream_received(plain)

    def _send(self, data: bytes) -> None:
        if self._socket is None or not data:
            return
        if self._unsent:
            self._unsent += data
            if len(self._unsent) > MAX_UNSENT_BYTES:
                self._end("the server does not read")
            return
        sent = self._send_now(data)
        if sent is not None and sent < len(data):
            self._unsent += data[sent:]
            self._write_watcher.start(self._on_writable)

    def _on_writable(self) -> None:
        sent = self._send_now(self._unsent)
        if sent is not None:
            del self._unsent[:sent]
            if not self._unsent:
                self._write_watcher.stop()

    def _send_now(self, data: bytes | bytearray) -> int | None:
        assert self._socket is not None
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as problem:
            self._end(problem.strerror or str(problem))
            return None

    def _end(self, reason: str) -> None:
        if self._socket is not None:
            self.close()
            self._listener.stream_ended(reason)
