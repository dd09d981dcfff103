"""Splitter of one direction of an HTTP/1.1 connection: bytes in chunks of any size to heads, bodies and their ends.

Unlike `chatws.wire.http_response`, it returns bytes as they arrive, so that a proxy can forward them before the message
is complete, and it parses requests, too. Source: RFC 9112 sections 2 to 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Limit of a body that is kept; a longer one is forwarded, and not kept."""

_HEAD_END: Final = b"\r\n\r\n"
_CRLF: Final = b"\r\n"
_MAX_LINE_BYTES: Final = 4096
_BODILESS: Final = frozenset({204, 304})
_SWITCHING_PROTOCOLS: Final = 101
_FIRST_FINAL_STATUS: Final = 200
_MAX_SIZE_DIGITS: Final = 8
_HEX_DIGITS: Final = b"0123456789abcdefABCDEF"


class NotHttp(Exception):
    """Bytes that are no HTTP/1.1 message, or a head that is too long."""


class HttpHead(msgspec.Struct, frozen=True):
    """Start line and headers of a message; names of headers are as received."""

    start_line: str
    headers: list[tuple[str, str]]
    raw: bytes

    def header(self, name: str) -> str:
        """Return the first value of a header, or an empty string; ``name`` is in lower case."""
        return next((value for found, value in self.headers if found.lower() == name), "")

    @property
    def status(self) -> int:
        """Status of a response."""
        parts = self.start_line.split(" ", 2)
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


class BodyPart(msgspec.Struct, frozen=True):
    """Bytes of a body as received, with the framing of chunks."""

    raw: bytes


class MessageEnd(msgspec.Struct, frozen=True):
    """End of a message, with its decoded body if it was kept and is not too long."""

    body: bytes | None


HttpPart = HttpHead | BodyPart | MessageEnd


class HttpStream:
    """Splitter of requests or of responses."""

    def __init__(self, *, is_request: bool) -> None:
        self.keeps_body = False
        """Whether the body of the current message is kept; set when its head was returned."""
        self.has_no_body = False
        """Whether the next response has none, because it answers HEAD."""
        self._is_request = is_request
        self._buffer = bytearray()
        self._in_body = False
        self._is_chunked = False
        # Bytes that are missing of the body or of the current chunk; None: up to the end of the connection.
        self._missing: int | None = 0
        self._body: bytearray | None = None
        # Bytes behind a chunk that are framing: a line end, the last chunk's trailers.
        self._reads_trailers = False

    @property
    def rest(self) -> bytes:
        """Bytes that were received and not yet returned."""
        return bytes(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[HttpPart]:
        """Yield the parts that received bytes complete; after a response with status 101, the rest is in `rest`.

        Raises:
            NotHttp: the bytes are no HTTP message.
        """
        self._buffer += chunk
        while True:
            if not self._in_body:
                head = self._read_head()
                if head is None:
                    return
                self.keeps_body = False
                yield head
                if not self._is_request and head.status == _SWITCHING_PROTOCOLS:
                    return
                if not self._is_request and head.status < _FIRST_FINAL_STATUS:
                    continue
                self._begin_body(head)
            raw, is_whole = self._read_body()
            if raw:
                yield BodyPart(raw)
            if not is_whole:
                return
            self._in_body = False
            yield MessageEnd(None if self._body is None else bytes(self._body))

    def end(self) -> MessageEnd | None:
        """Return the end of a body that lasts to the end of the connection."""
        if not self._in_body or self._missing is not None:
            return None
        self._in_body = False
        return MessageEnd(None if self._body is None else bytes(self._body))

    def _read_head(self) -> HttpHead | None:
        while self._buffer[:2] == _CRLF:  # clients may send empty lines between requests
            del self._buffer[:2]
        end = self._buffer.find(_HEAD_END)
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
            raise NotHttp
        if end < 0:
            line_end = self._buffer.find(_CRLF)
            if line_end >= 0 and b"HTTP/1." not in self._buffer[:line_end]:
                raise NotHttp
            return None
        raw = bytes(self._buffer[: end + len(_HEAD_END)])
        first, *lines = raw[:end].decode("latin-1").split("\r\n")
        if "HTTP/1." not in first:
            raise NotHttp
        del self._buffer[: len(raw)]
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise NotHttp
            headers.append((name, value.strip()))
        return HttpHead(first, headers, raw)

    def _begin_body(self, head: HttpHead) -> None:
        self._in_body = True
        self._body = bytearray() if self.keeps_body else None
        self._reads_trailers = False
        length = head.header("content-length")
        is_bodiless = not self._is_request and (self.has_no_body or head.status in _BODILESS)
        self.has_no_body = False
        self._is_chunked = "chunked" in head.header("transfer-encoding").lower() and not is_bodiless
        if is_bodiless or self._is_chunked:
            self._missing = 0
        elif length:
            if not length.isdigit():
                raise NotHttp
            self._missing = int(length)
        else:
            self._missing = 0 if self._is_request else None

    def _read_body(self) -> tuple[bytes, bool]:
        """Return the raw bytes of the body that have arrived, and whether they complete it."""
        if self._is_chunked:
            return self._read_chunks()
        size = len(self._buffer) if self._missing is None else min(self._missing, len(self._buffer))
        raw = self._take(size)
        self._keep(raw)
        if self._missing is None:
            return raw, False
        self._missing -= size
        return raw, not self._missing

    def _read_chunks(self) -> tuple[bytes, bool]:
        raw = bytearray()
        while True:
            if self._missing:
                part = self._take(min(self._missing, len(self._buffer)))
                self._missing -= len(part)
                self._keep(part)
                raw += part
                if self._missing:
                    return bytes(raw), False
            end = self._buffer.find(_CRLF)
            if end < 0:
                if len(self._buffer) > _MAX_LINE_BYTES:
                    self._reject(raw)
                return bytes(raw), False
            line = self._take(end + len(_CRLF))
            raw += line
            if self._reads_trailers:
                if line == _CRLF:
                    return bytes(raw), True
            elif line != _CRLF:  # an empty line ends the chunk before
                digits = line.split(b";")[0].strip()
                if not digits or digits.strip(_HEX_DIGITS) or len(digits) > _MAX_SIZE_DIGITS:
                    self._reject(raw)
                self._missing = int(digits, 16)
                self._reads_trailers = not self._missing

    def _reject(self, raw: bytearray) -> None:
        self._buffer[:0] = raw  # the caller forwards it
        raise NotHttp

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _keep(self, part: bytes) -> None:
        if self._body is not None:
            self._body += part
            if len(self._body) > MAX_BODY_BYTES:
                self._body = None
