"""TLS between a socket's bytes and the program's, without a socket."""

from __future__ import annotations

import ssl

_PIECE_BYTES = 64 * 1024


class Tls:
    """One end of a TLS connection; bytes go in, and bytes for both directions come out."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)
        self.is_ready = False
        """Whether the handshake is done."""

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the socket and give what they say; `take_outgoing` has to follow.

        Raises:
            ssl.SSLError: the handshake failed, or a record is damaged.
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
        """Encrypt; `take_outgoing` gives the result."""
        self._tls.write(data)

    def take_outgoing(self) -> bytes:
        """Give what has to be written to the socket now."""
        return self._to_send.read()
