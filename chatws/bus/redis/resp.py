"""Redis's protocol, version 2 (redis.io, "Redis serialization protocol specification"): commands and replies; pure."""

from __future__ import annotations

from typing import Final

MAX_BULK_BYTES = 1024 * 1024
MAX_REPLY_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 8

_END: Final = b"\r\n"
_BULK, _ARRAY, _INTEGER, _SIMPLE, _ERROR = b"$*:+-"


class ProtocolError(Exception):
    """What came is not Redis's protocol, or larger than anything we ask for."""


class Refusal(str):
    """An error reply: a word in capitals and an explanation."""

    __slots__ = ()


Reply = bytes | int | Refusal | list["Reply"] | None
Command = tuple[bytes | str | int, ...]


class _Incomplete(Exception):
    """The reply goes on in what has not arrived yet."""


def encode(*commands: Command) -> bytes:
    """Write commands, one after the other."""
    written: list[bytes] = []
    for command in commands:
        written.append(b"*%d\r\n" % len(command))
        for part in command:
            raw = part if isinstance(part, bytes) else str(part).encode()
            written += (b"$%d\r\n" % len(raw), raw, _END)
    return b"".join(written)


class ReplyReader:
    """Cuts a stream of bytes into replies."""

    def __init__(self) -> None:
        self._unread = b""

    def feed(self, chunk: bytes) -> list[Reply]:
        """Return the replies that are complete now.

        Raises:
            ProtocolError: the stream is of no use any more.
        """
        buffer = self._unread + chunk if self._unread else chunk
        replies: list[Reply] = []
        at = 0
        try:
            while at < len(buffer):
                reply, at = _parse(buffer, at, 0)
                replies.append(reply)
        except _Incomplete:
            pass
        except ValueError:
            raise ProtocolError("a length or a number is none") from None
        self._unread = buffer[at:]
        if len(self._unread) > MAX_REPLY_BYTES:
            raise ProtocolError("the reply is too long")
        return replies


def _parse(buffer: bytes, at: int, depth: int) -> tuple[Reply, int]:
    end = buffer.find(_END, at)
    if end < 0:
        raise _Incomplete
    kind, start = buffer[at], end + 2
    if kind == _BULK:
        return _bulk(buffer, start, int(buffer[at + 1 : end]))
    if kind == _ARRAY:
        return _array(buffer, start, int(buffer[at + 1 : end]), depth)
    if kind == _INTEGER:
        return int(buffer[at + 1 : end]), start
    if kind == _SIMPLE:
        return buffer[at + 1 : end], start
    if kind == _ERROR:
        return Refusal(buffer[at + 1 : end].decode(errors="replace")), start
    raise ProtocolError("the reply begins like none")


def _bulk(buffer: bytes, start: int, length: int) -> tuple[bytes | None, int]:
    if length < 0:
        return None, start
    if length > MAX_BULK_BYTES:
        raise ProtocolError("a value is too long")
    end = start + length
    if end + 2 > len(buffer):
        raise _Incomplete
    return buffer[start:end], end + 2


def _array(buffer: bytes, start: int, length: int, depth: int) -> tuple[list[Reply] | None, int]:
    if length < 0:
        return None, start
    if depth >= MAX_DEPTH or length > MAX_REPLY_BYTES:
        raise ProtocolError("the reply is nested too deep or has too many values")
    values: list[Reply] = []
    at = start
    for _ in range(length):
        value, at = _parse(buffer, at, depth + 1)
        values.append(value)
    return values, at
