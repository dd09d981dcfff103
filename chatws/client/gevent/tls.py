"""TLS without a socket: encrypted bytes on one side, plain bytes on the other."""

from __future__ import annotations

import ssl

_PIECE_BYTES = 64 * 1024


class Tls:
    """Client end of a TLS connection over memory buffers."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)
        self.is_ready = False
        """Whether the handshake is complete."""

    def receive(self, data: bytes) -> bytes:
        """Decrypt bytes from the socket; the caller must then send the result of `take_outgoing`.

        Raises:
            ssl.SSLError: the handshake failed, or a record is invalid.
        """
        self._received.write(data)
        plain = bytearray()
        try:
            if not self.is_ready:
                self._tls.do_handshake()
                self.is_ready = True
            while piece := self._tls.read(_PIECE_BYTES):
                plain += piece
        except ssl.SSLWantReadError:
            pass
        return bytes(plain)

    def send(self, data: bytes) -> None:
        """Encrypt; `take_outgoing` returns the result."""
        self._tls.write(data)

    def take_outgoing(self) -> bytes:
        """Return the bytes to write to the socket."""
        return self._to_send.read()
