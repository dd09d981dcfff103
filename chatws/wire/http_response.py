"""Incremental parser of HTTP/1.1 responses: bytes in chunks of any size to whole responses, one per request.

Source: RFC 9112 sections 4 to 7; bodies with a length, in chunks, and up to the end of the connection.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from chatws.wire.errors import HttpError, ViolationKind

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""Limit of a body, which may hold all packets that a server kept while its client could not poll."""

_CRLF = b"\r\n"
_HEAD_END = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: (.*))?")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_LENGTH = re.compile(r"\d{1,12}")
_KEEP_ALIVE = re.compile(r"timeout=(\d{1,6})\b", re.IGNORECASE)
_BODILESS: Final = frozenset({204, 304})


class HttpResponse(msgspec.Struct, frozen=True):
    """One response; names of headers are in lower case."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    keeps_alive: bool
    """Whether the connection can carry another request."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def status_line(self) -> str:
        return f"HTTP/1.1 {self.status} {self.reason}".rstrip()

    def header(self, name: str) -> str | None:
        """Return the first value of a header; ``name`` is in lower case."""
        return next((value for found, value in self.headers if found == name), None)

    def seconds(self, name: str) -> float | None:
        """Return the value of a header that holds whole seconds; None without such a value."""
        value = self.header(name)
        return float(value) if value is not None and _LENGTH.fullmatch(value) else None

    @property
    def keep_alive_s(self) -> float | None:
        """Time for which the server keeps the idle connection; None if it did not announce that."""
        match = _KEEP_ALIVE.search(self.header("keep-alive") or "")
        return None if match is None else float(match[1])


class HttpResponseParser:
    """Parser of the responses of one connection; after an error it must not be used any more."""

    __slots__ = ("_body", "_buffer", "_chunk_bytes", "_has_last_chunk", "_head", "_is_chunked", "_length")

    def __init__(self) -> None:
        self._buffer = bytearray()
        # Response whose body is incomplete; None before its head is complete.
        self._head: HttpResponse | None = None
        self._body = bytearray()
        self._is_chunked = False
        # Length of the body; None if it ends with the connection.
        self._length: int | None = None
        # Length of the current chunk; None before its size was read.
        self._chunk_bytes: int | None = None
        self._has_last_chunk = False

    def receive(self, data: bytes) -> HttpResponse | None:
        """Parse received bytes, and return the response that they complete.

        Raises:
            HttpError: the response is malformed or too large, or bytes follow it.
        """
        self._buffer += data
        while self._head is None:
            if not self._read_head():
                return None
        if self._is_chunked:
            is_whole = self._read_chunks()
        elif self._length is None:
            self._take_body(len(self._buffer))
            is_whole = False
        else:
            is_whole = len(self._buffer) >= self._length
            if is_whole:
                self._take_body(self._length)
        if not is_whole:
            return None
        if self._buffer:
            raise HttpError(ViolationKind.ORDER, "bytes behind the response")
        return self._finish(self._head)

    def end(self) -> HttpResponse | None:
        """Return the response that the end of the connection completes; None if it completes none."""
        if self._head is None or self._is_chunked or self._length is not None:
            return None
        return self._finish(self._head)

    def _read_head(self) -> bool:
        """Read the head of a response, or skip that of an interim one; return False if bytes are missing."""
        end = self._buffer.find(_HEAD_END)
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
            raise HttpError(ViolationKind.OVERSIZE, "HTTP response head is too long")
        if end < 0:
            return False
        first, *lines = bytes(self._buffer[:end]).split(_CRLF)
        del self._buffer[: end + len(_HEAD_END)]
        match = _STATUS_LINE.fullmatch(first)
        if match is None or match[2] == b"101":
            raise HttpError(ViolationKind.MALFORMED, "not an HTTP response")
        status = int(match[2])
        if status >= 200:
            self._begin(status, (match[3] or b"").decode("latin-1"), _split_headers(lines), is_old=match[1] == b"0")
        return True

    def _begin(self, status: int, reason: str, headers: list[tuple[str, str]], *, is_old: bool) -> None:
        named = dict(reversed(headers))
        encoding = named.get("transfer-encoding", "").lower()
        length = named.get("content-length")
        if encoding not in {"", "chunked"} or (length is not None and _LENGTH.fullmatch(length) is None):
            raise HttpError(ViolationKind.MALFORMED, "body of an unknown length")
        self._is_chunked = bool(encoding) and status not in _BODILESS
        self._length = 0 if status in _BODILESS else None if length is None else int(length)
        if self._length is not None and self._length > MAX_BODY_BYTES:
            raise HttpError(ViolationKind.OVERSIZE, "HTTP response body is too long")
        connection = named.get("connection", "").lower()
        keeps_alive = connection == "keep-alive" if is_old else "close" not in connection
        is_delimited = self._is_chunked or self._length is not None
        self._head = HttpResponse(status, reason, headers, b"", keeps_alive and is_delimited)

    def _read_chunks(self) -> bool:
        """Read whole chunks, and the trailers behind the last one; return whether the body is complete."""
        while not self._has_last_chunk:
            if self._chunk_bytes is None:
                size = self._take_line()
                if size is None:
                    return False
                match = _CHUNK_SIZE.match(size)
                if match is None:
                    raise HttpError(ViolationKind.MALFORMED, "invalid size of a chunk")
                self._chunk_bytes = int(match[0], 16)
                self._has_last_chunk = not self._chunk_bytes
            elif len(self._buffer) + len(self._body) > MAX_BODY_BYTES:
                raise HttpError(ViolationKind.OVERSIZE, "HTTP response body is too long")
            elif len(self._buffer) < self._chunk_bytes + len(_CRLF):
                return False
            else:
                self._take_body(self._chunk_bytes)
                if self._take_line() != b"":
                    raise HttpError(ViolationKind.MALFORMED, "a chunk is longer than its size")
                self._chunk_bytes = None
        while (line := self._take_line()) is not None:
            if not line:
                return True
        return False

    def _take_line(self) -> bytes | None:
        """Remove one line from the buffer; None if its end is missing."""
        end = self._buffer.find(_CRLF)
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise HttpError(ViolationKind.OVERSIZE, "line of a chunked body is too long")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + len(_CRLF)]
        return line

    def _take_body(self, size: int) -> None:
        self._body += self._buffer[:size]
        del self._buffer[:size]
        if len(self._body) > MAX_BODY_BYTES:
            raise HttpError(ViolationKind.OVERSIZE, "HTTP response body is too long")

    def _finish(self, head: HttpResponse) -> HttpResponse:
        response = HttpResponse(head.status, head.reason, head.headers, bytes(self._body), head.keeps_alive)
        self._head, self._chunk_bytes, self._has_last_chunk = None, None, False
        self._body.clear()
        return response


def _split_headers(lines: list[bytes]) -> list[tuple[str, str]]:
    headers = []
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name[-1].isspace():
            raise HttpError(ViolationKind.MALFORMED, "invalid header")
        headers.append((name.lower(), value.strip()))
    return headers
